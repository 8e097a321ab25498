"""Colours: one for each theme of products, and those of right, wrong and doubtful."""

from __future__ import annotations

from collections.abc import Sequence

# Nine hues that stay apart for most colour-blind people and on white; a theme has the colour of
# its place in the theme map, so any catalogue's themes are coloured.
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
ACCENT = "#b3123f"
GOOD = "#1f8a70"
BAD = "#c0392b"
NEUTRAL = "#b9b5ac"
INK = "#22252b"


def color_of(theme: str, ordered: Sequence[str]) -> str:
    """Return the colour of a theme key.

    Parameters
    ----------
    theme : str
        The key; one that is not in `ordered` is grey.
    ordered : sequence of str
        All theme keys in the order of the theme map.

    Examples
    --------
    >>> color_of("toys", ["books", "toys"])
    '#7a4fb5'
    """
    if theme not in ordered:
        return NO_THEME_COLOR
    return THEME_COLORS[ordered.index(theme) % len(THEME_COLORS)]
