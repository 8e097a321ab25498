"""Product images made small, and word clouds: what a page shows of a catalogue of thousands."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

from src.data.image_decode import decode_image, read_source

JPEG_QUALITY = 82


def thumbnail(source: Path | str | bytes, side_px: int) -> bytes:
    """Return an image as a JPEG whose longer side is at most `side_px`.

    Raises
    ------
    ImageFault
        The source is no image, is cut short or is far too large.
    """
    from PIL import Image

    pixels = decode_image(read_source(source), min_side_px=side_px, side="long")
    image = Image.fromarray(pixels)
    image.thumbnail((side_px, side_px))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()


def word_cloud(weights: Mapping[str, int], color: str, size_px: tuple[int, int]) -> bytes:
    """Return a PNG of words in shades of one color, larger where the weight is larger.

    Laid out at half the size and drawn at the whole, which takes a third of the time.
    """
    from wordcloud import WordCloud

    shades = [_lighter(color, share) for share in (0.0, 0.2, 0.4)]
    cloud = WordCloud(
        width=size_px[0] // 2,
        height=size_px[1] // 2,
        scale=2,
        mode="RGBA",
        background_color=None,
        prefer_horizontal=0.95,
        random_state=0,
        color_func=lambda word, **_: shades[len(word) % len(shades)],
    ).generate_from_frequencies(weights)
    buffer = io.BytesIO()
    cloud.to_image().save(buffer, "PNG")
    return buffer.getvalue()


def _lighter(color: str, share: float) -> str:
    """Return a color mixed with white.

    >>> _lighter("#000000", 0.2)
    '#333333'
    """
    parts = (int(color[at : at + 2], 16) for at in (1, 3, 5))
    return "#" + "".join(f"{round(part + (255 - part) * share):02x}" for part in parts)
