"""Decides how a product's picture looks before it is drawn: subject, box, colours, file size.

The subject comes from the product's family nearly always; otherwise it is what shops show as
well: the package, a detail, a room, a sheet of measures, or something that belongs beside it.
Size of the box, colours and file size follow the class, whatever is shown.
"""

import colorsys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from tools.demo_shop import statistics as real
from tools.demo_shop.draws import Draws, stable_unit
from tools.demo_shop.labels import NEIGHBOURS
from tools.demo_shop.vocabulary import load_vocabulary

OWN_SUBJECT = 0.74
GENERIC_SUBJECT = 0.15
CLASS_COLOURS = 0.7
CLASS_VARIANT = 0.7
BADGE = 0.38
CLASS_BADGE = 0.75
_GENERIC = ("package", "closeup", "scene", "sheet")
_PHOTOGRAPHED = {10: 0.4, 2280: 0.4, 2403: 0.5, 2462: 0.6, 1160: 0.35, 40: 0.25, 1140: 0.25}
_PHOTOGRAPHED_ELSEWHERE = 0.1
_SAME_BOTH_WAYS = 0.2
_FULL_PX = 499


@dataclass(frozen=True)
class Badge:
    """A seller's mark over the picture: its shape (0 to 5), its corner (0 to 3), its colour."""

    shape: int
    corner: int
    colour: tuple[int, int, int]


@dataclass(frozen=True)
class Look:
    """What is decided about a picture.

    Attributes
    ----------
    subject, variant : str, float
        Name of the drawing, and where in [0, 1) among its variants.
    box : tuple of int
        left, top, width and height of the content in pixels.
    palette : mapping of str to tuple of int
        Colour letter -> blue, green, red.
    backdrop : tuple of int or None
        Colour behind a photographed object; None: cut out on white.
    target_kb : float
        Wanted size of the file.
    angle_deg : float
        How far the object is turned.
    badge : Badge or None
        What the seller stuck over the picture.
    """

    subject: str
    variant: float
    box: tuple[int, int, int, int]
    palette: Mapping[str, tuple[int, int, int]]
    backdrop: tuple[int, int, int] | None
    target_kb: float
    angle_deg: float
    badge: Badge | None


def quantile_of(table: Mapping[int, float], value: float) -> float:
    """Return where in (0, 1) a value stands in a percentile table."""
    below_q, below_v = 0.0, 0.0
    for q, at in table.items():
        if value <= at:
            share = (value - below_v) / (at - below_v) if at > below_v else 1.0
            return (below_q + share * (q - below_q)) / 100.0
        below_q, below_v = float(q), at
    return 0.99


def value_at(table: Mapping[int, float], u: float) -> float:
    """Return the value at a place in (0, 1) of a percentile table."""
    below_q, below_v = 0.0, next(iter(table.values())) * 0.8
    for q, at in table.items():
        if u * 100.0 <= q:
            return below_v + (at - below_v) * (u * 100.0 - below_q) / (q - below_q)
        below_q, below_v = float(q), at
    return below_v


def shifted(table: Mapping[int, float], median: float, u: float) -> float:
    """Return a draw of the table, bent so that its median is the class's.

    The table's own quantiles are kept: ``u`` is moved on two straight lines so that one half
    lands where the class's median stands.
    """
    middle = min(0.97, quantile_of(table, median))
    moved = 2 * u * middle if u < 0.5 else middle + (2 * u - 1) * (1 - middle)
    return value_at(table, moved)


@cache
def _pictures_of(code: int) -> tuple[str, ...]:
    families = load_vocabulary().families
    return tuple(family.picture for family in families if family.mix.get(code, 0) >= 5)


def _subject(draws: Draws, code: int, picture: str) -> str:
    at = draws.unit()
    if at < OWN_SUBJECT:
        return picture
    if at < OWN_SUBJECT + GENERIC_SUBJECT:
        return draws.pick(_GENERIC)
    return draws.pick(_pictures_of(draws.pick(NEIGHBOURS[code])) or (picture,))


def _variant(draws: Draws, code: int, subject: str) -> float:
    """Return where among the variants of a drawing: each class has two favourites."""
    if draws.chance(CLASS_VARIANT):
        return stable_unit("variant", code, subject, draws.below(2))
    return draws.unit()


# A fifth of all pictures fills its square from side to side: the tables' last step is steep.
_WIDTHS_PX = dict(sorted({**real.CONTENT_WIDTH_PX, 86: 497.0}.items()))
_HEIGHTS_PX = dict(sorted({**real.CONTENT_HEIGHT_PX, 85: 497.0}.items()))


def _box(draws: Draws, figures: real.ClassStatistics) -> tuple[int, int, int, int]:
    u = draws.unit()
    v = u if draws.chance(_SAME_BOTH_WAYS) else draws.unit()
    width = int(shifted(_WIDTHS_PX, figures.content_width_px, u))
    height = int(shifted(_HEIGHTS_PX, figures.content_height_px, v))
    width, height = (max(24, min(_FULL_PX, side)) for side in (width, height))
    shake = draws.uniform(-0.5, 0.5) * draws.unit() * 0.5
    left = int((500 - width) * (0.5 + shake))
    top = int((500 - height) * (0.5 - shake))
    return left, top, width, height


def _colour(hue: float, saturation: float, value: float) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, saturation, value)
    return int(blue * 255), int(green * 255), int(red * 255)


def _palette(draws: Draws, code: int) -> dict[str, tuple[int, int, int]]:
    if draws.chance(CLASS_COLOURS):
        favourite = stable_unit("hue", code, draws.below(3))
        hue = favourite + draws.uniform(-0.05, 0.05)
        saturation = 0.25 + 0.6 * stable_unit("saturation", code) + draws.uniform(-0.15, 0.15)
        value = 0.45 + 0.45 * stable_unit("value", code) + draws.uniform(-0.15, 0.15)
    else:
        hue, saturation, value = draws.unit(), draws.uniform(0.05, 0.95), draws.uniform(0.25, 0.95)
    saturation, value = min(1.0, max(0.0, saturation)), min(1.0, max(0.1, value))
    grey = draws.between(120, 190)
    black = draws.between(15, 60)
    return {
        "A": _colour(hue, saturation, value),
        "B": _colour(hue + draws.uniform(0.08, 0.6), saturation * 0.8, min(1.0, value * 1.1)),
        "C": _colour(hue + draws.uniform(-0.05, 0.05), saturation * 0.7, value * 0.5),
        "D": _colour(hue + draws.uniform(-0.1, 0.1), saturation * 0.25, 0.9),
        "G": (grey, grey, grey),
        "K": (black, black, black),
        "W": (246, 246, 246),
    }


def _badge(draws: Draws, code: int) -> Badge:
    """Return a mark: shops specialise, so each class has two that are seen more often."""
    mark = draws.below(10_000)
    if draws.chance(CLASS_BADGE):
        mark = int(stable_unit("badge", code, draws.below(2)) * 10_000)
    hue = (mark % 7) / 7 + draws.uniform(-0.02, 0.02)
    return Badge(mark // 10 % 6, mark // 60 % 4, _colour(hue, 0.85, 0.85))


def look_of(draws: Draws, code: int, picture: str) -> Look:
    """Decide how a product is shown.

    Parameters
    ----------
    draws : Draws
        Source of every choice.
    code : int
        True class of the product.
    picture : str
        Drawing of its family.

    Returns
    -------
    Look
    """
    figures = real.BY_CODE[code]
    box = _box(draws, figures)
    photographed = draws.chance(_PHOTOGRAPHED.get(code, _PHOTOGRAPHED_ELSEWHERE))
    backdrop = _colour(draws.uniform(0.03, 0.13), draws.uniform(0.1, 0.5), draws.uniform(0.4, 0.9))
    subject = _subject(draws, code, picture)
    return Look(
        subject=subject,
        variant=_variant(draws, code, subject),
        box=box,
        palette=_palette(draws, code),
        backdrop=backdrop if photographed else None,
        target_kb=shifted(real.IMAGE_KB, figures.jpeg_kb, draws.unit()),
        badge=_badge(draws, code) if draws.chance(BADGE) else None,
        angle_deg=draws.uniform(-14, 14) if draws.chance(0.3) else 0.0,
    )
