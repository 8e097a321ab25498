"""Draws the strokes of ``vocabulary/pictures.txt`` on an array with OpenCV.

Coordinates are shares of the array, so a drawing fits any content box. Every stroke is shaken a
little: two products of a kind are never the same picture.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from tools.demo_shop.draws import Draws
from tools.demo_shop.vocabulary import picture_lines

Image = NDArray[np.uint8]
Colour = tuple[int, int, int]

_SHAKE = 0.025
_ONE = 16  # cv2 coordinates carry 4 fractional bits
_SHIFT = 4


@dataclass(frozen=True)
class Stroke:
    """One stroke: its letter, its numbers, its colour letter."""

    kind: str
    numbers: tuple[float, ...]
    colour: str


def parse_stroke(text: str) -> Stroke:
    """Read "r 0 0 1 1 A".

    Examples
    --------
    >>> parse_stroke("l 0 .5 1 .5 K 2")
    Stroke(kind='l', numbers=(0.0, 0.5, 1.0, 0.5, 2.0), colour='K')
    """
    kind, *rest = text.split()
    numbers = tuple(float(part) for part in rest if not part.isalpha())
    colour = next((part for part in rest if part.isalpha()), "A")
    return Stroke(kind, numbers, colour)


@lru_cache(maxsize=1)
def load_pictures() -> dict[str, tuple[tuple[Stroke, ...], ...]]:
    """Return picture name -> variants -> strokes."""
    return {
        name: tuple(tuple(parse_stroke(s) for s in line.split(";")) for line in lines)
        for name, lines in picture_lines().items()
    }


class Pen:
    """Draws strokes on one picture.

    Parameters
    ----------
    image : (h, w, 3) uint8
        Drawn on in place; blue, green, red.
    draws : Draws
        Source of every accident.
    palette : mapping of str to Colour
        Colour letter -> colour; "R" takes any of them.
    words : sequence of str
        ASCII words for the lettering.
    """

    def __init__(
        self, image: Image, draws: Draws, palette: Mapping[str, Colour], words: Sequence[str]
    ) -> None:
        self._image = image
        self._draws = draws
        self._palette = palette
        self._words = list(words) or ["new"]
        self._height, self._width = image.shape[:2]
        self._makers: dict[str, Callable[[Stroke], None]] = {
            "r": self._rectangle, "o": self._ellipse, "p": self._polygon, "l": self._line,
            "t": self._lettering, "b": self._small_print, "s": self._upright, "h": self._lying,
            "g": self._grid, "d": self._dots, "f": self._stripes, "a": self._art,
        }  # fmt: skip

    def draw(self, strokes: Sequence[Stroke]) -> None:
        """Draw a whole variant."""
        for stroke in strokes:
            self._makers[stroke.kind](stroke)

    def _colour(self, letter: str) -> Colour:
        if letter == "R":
            letter = self._draws.pick("ABCDAB")
        return self._palette[letter]

    def _shade(self, colour: Colour, spread: int = 40) -> Colour:
        change = self._draws.between(-spread, spread)
        blue, green, red = (min(255, max(0, channel + change)) for channel in colour)
        return blue, green, red

    def _at(self, x: float, y: float, shake: float = _SHAKE) -> tuple[int, int]:
        x += self._draws.uniform(-shake, shake)
        y += self._draws.uniform(-shake, shake)
        return int(x * self._width * _ONE), int(y * self._height * _ONE)

    def _box(self, x0: float, y0: float, x1: float, y1: float, colour: Colour) -> None:
        cv2.rectangle(
            self._image,
            (int(x0 * self._width), int(y0 * self._height)),
            (int(x1 * self._width), int(y1 * self._height)),
            colour,
            -1,
        )

    def _rectangle(self, stroke: Stroke) -> None:
        x0, y0, x1, y1 = stroke.numbers
        corners = ((x0, y0), (x1, y0), (x1, y1), (x0, y1))
        self._fill([self._at(x, y, 0.008) for x, y in corners], self._colour(stroke.colour))

    def _fill(self, points: Sequence[tuple[int, int]], colour: Colour) -> None:
        cv2.fillPoly(
            self._image, [np.array(points, np.int32)], colour, lineType=cv2.LINE_AA, shift=_SHIFT
        )

    def _polygon(self, stroke: Stroke) -> None:
        pairs = zip(stroke.numbers[0::2], stroke.numbers[1::2], strict=True)
        self._fill([self._at(x, y) for x, y in pairs], self._colour(stroke.colour))

    def _ellipse(self, stroke: Stroke) -> None:
        x, y, rx, ry = stroke.numbers
        stretch = self._draws.uniform(0.85, 1.12)
        axes = (int(rx * stretch * self._width * _ONE), int(ry * self._height * _ONE))
        colour = self._colour(stroke.colour)
        centre = self._at(x, y)
        cv2.ellipse(
            self._image, centre, axes, 0, 0, 360, colour, -1, lineType=cv2.LINE_AA, shift=_SHIFT
        )

    def _line(self, stroke: Stroke) -> None:
        x0, y0, x1, y1, width = stroke.numbers
        thickness = max(1, int(width * min(self._width, self._height) / 100))
        colour = self._colour(stroke.colour)
        cv2.line(
            self._image,
            self._at(x0, y0),
            self._at(x1, y1),
            colour,
            thickness,
            lineType=cv2.LINE_AA,
            shift=_SHIFT,
        )

    def _lettering(self, stroke: Stroke) -> None:
        x0, y0, x1, y1 = stroke.numbers
        text = " ".join(self._words[: self._draws.between(1, 3)])[:22]
        room_px = (x1 - x0) * self._width, (y1 - y0) * self._height
        font = self._draws.pick(
            (cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_TRIPLEX)
        )
        (width, height), _ = cv2.getTextSize(text, font, 1.0, 2)
        scale = min(room_px[0] / width, room_px[1] / height)
        if scale < 0.2:
            return
        origin = (int(x0 * self._width), int((y0 + y1) / 2 * self._height + height * scale / 2))
        thickness = max(1, int(2 * scale))
        cv2.putText(
            self._image, text, origin, font, scale, self._colour(stroke.colour), thickness,
            cv2.LINE_AA,
        )  # fmt: skip

    def _small_print(self, stroke: Stroke) -> None:
        x0, y0, x1, y1 = stroke.numbers
        colour = self._colour(stroke.colour)
        pitch = self._draws.uniform(0.025, 0.045)
        y = y0
        while y < y1:
            self._box(x0, y, x0 + (x1 - x0) * self._draws.uniform(0.6, 1), y + pitch / 3, colour)
            y += pitch

    def _some(self, n: float) -> int:
        return max(1, int(n * self._draws.uniform(0.6, 1.5)))

    def _upright(self, stroke: Stroke) -> None:
        n, x0, y0, x1, y1 = stroke.numbers
        count = self._some(n)
        for i in range(count):
            left = x0 + (x1 - x0) * i / count
            right = x0 + (x1 - x0) * (i + 0.94) / count
            top = y0 + (y1 - y0) * self._draws.uniform(0, 0.22)
            base = "ABCDR"[self._draws.below(5)] if stroke.colour == "A" else stroke.colour
            colour = self._shade(self._colour(base))
            self._box(left, top, right, y1, colour)
            mark = top + (y1 - top) * self._draws.uniform(0.15, 0.4)
            self._box(left, mark, right, mark + 0.08 * (y1 - y0), self._shade(colour, 90))

    def _lying(self, stroke: Stroke) -> None:
        n, x0, y0, x1, y1 = stroke.numbers
        count = self._some(n)
        for i in range(count):
            top, bottom = (y0 + (y1 - y0) * (i + k) / count for k in (0.0, 0.93))
            left = x0 + (x1 - x0) * self._draws.uniform(0, 0.12)
            self._box(left, top, x1, bottom, self._shade(self._colour("R"), 60))

    def _grid(self, stroke: Stroke) -> None:
        nx, ny, x0, y0, x1, y1 = stroke.numbers
        columns, rows = self._some(nx), self._some(ny)
        for i in range(columns):
            for j in range(rows):
                left, right = (x0 + (x1 - x0) * (i + k) / columns for k in (0.04, 0.96))
                top, bottom = (y0 + (y1 - y0) * (j + k) / rows for k in (0.04, 0.96))
                colour = self._shade(self._colour(stroke.colour), 50)
                self._box(left, top, right, bottom, colour)
                middle = (top + bottom) / 2
                self._box(left, middle, right, bottom, self._shade(colour, 35))

    def _dots(self, stroke: Stroke) -> None:
        n, x0, y0, x1, y1 = stroke.numbers
        radius = max(2, int(0.035 * min(self._width, self._height)))
        for _ in range(self._some(n)):
            centre = self._at(self._draws.uniform(x0, x1), self._draws.uniform(y0, y1))
            size = max(1, int(radius * self._draws.uniform(0.4, 1.2))) * _ONE
            colour = self._shade(self._colour(stroke.colour), 30)
            cv2.circle(self._image, centre, size, colour, -1, lineType=cv2.LINE_AA, shift=_SHIFT)

    def _stripes(self, stroke: Stroke) -> None:
        n, x0, y0, x1, y1 = stroke.numbers
        count = self._some(n)
        colour = self._colour(stroke.colour)
        for i in range(count):
            left = x0 + (x1 - x0) * i / count
            self._box(left, y0, left + 0.45 * (x1 - x0) / count, y1, self._shade(colour, 12))

    def _art(self, stroke: Stroke) -> None:
        x0, y0, x1, y1 = stroke.numbers
        self._box(x0, y0, x1, y1, self._colour(stroke.colour))
        w, h = x1 - x0, y1 - y0
        for _ in range(self._draws.between(3, 8)):
            x, y = self._draws.uniform(x0, x1), self._draws.uniform(y0, y1)
            colour = self._shade(self._colour("R"), 70)
            kind = self._draws.below(3)
            if kind == 0:
                self._box(x, y, min(x1, x + 0.4 * w), min(y1, y + 0.3 * h), colour)
            elif kind == 1:
                near = ((x, y), (min(x1, x + 0.5 * w), y), (x, min(y1, y + 0.6 * h)))
                self._fill([self._at(*point) for point in near], colour)
            else:
                reach = min(x - x0, x1 - x, y - y0, y1 - y) + 0.04
                axes = int(reach * self._width * _ONE), int(reach * self._height * _ONE)
                centre = self._at(x, y)
                cv2.ellipse(self._image, centre, axes, 0, 0, 360, colour, -1, cv2.LINE_AA, _SHIFT)
