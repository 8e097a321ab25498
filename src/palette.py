"""Colors of screens and figures: one for each theme of products, and those of right and wrong."""

from collections.abc import Sequence

# Nine hues that stay apart for most colour-blind people and on white; a theme has the color of
# its place in the theme map, so any catalogue's themes are colored.
THEME_COLORS = (
    "#3d5a98",
    "#7a4fb5",
    "#e08a00",
    "#d6568c",
    "#8c5a3c",
    "#c0392b",
    "#1f8a70",
    "#2b9fc4",
    "#6f9e2c",
)
NO_THEME_COLOR = "#8a8f98"
TEXT_COLOR, IMAGE_COLOR = THEME_COLORS[0], THEME_COLORS[2]
ACCENT = "#b3123f"
GOOD = "#1f8a70"
BAD = "#c0392b"
NEUTRAL = "#b9b5ac"
# Of texts on light and on dark screens.
INK, PAPER = "#22252b", "#eceae6"


def theme_color(theme: str, ordered: Sequence[str]) -> str:
    """Return the color of a theme key; one that is not in `ordered`, the theme map's, is grey.

    >>> theme_color("toys", ["books", "toys"])
    '#7a4fb5'
    """
    if theme not in ordered:
        return NO_THEME_COLOR
    return THEME_COLORS[ordered.index(theme) % len(THEME_COLORS)]
