"""Measures a shop that has been written and puts its figures beside the real ones.

Everything is read back from the CSV and JPEG files, so that what is measured is what others load.
"""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import py3langid

from src.data.csv_files import X_TEST, X_TRAIN, Y_TRAIN
from tools.demo_shop import statistics as real
from tools.demo_shop.picture import darkest_channel
from tools.demo_shop.picture_plan import PictureTask
from tools.demo_shop.picture_strokes import Image

TOLERANCE = 0.10
_PERCENTILES = (5, 25, 50, 75, 95)
_LANGUAGES = ["fr", "en", "de", "nl", "es", "it"]
_DETECTED_ROWS = 20_000
_MEASURED_PICTURES = 4_000
_WHITE_FROM = 245
_FULL_PX = 495
_TAG = re.compile(r"<[a-zA-Z/]")
_ENTITY = re.compile(r"&(?:[a-zA-Z]+|#\d+);")


@dataclass(frozen=True)
class Figure:
    """One statistic of the real catalogue and of the shop."""

    name: str
    real: float
    shop: float

    @property
    def difference(self) -> float:
        """Relative difference; 0 where both are nothing."""
        if self.real == self.shop:
            return 0.0
        return (self.shop - self.real) / self.real if self.real else float("inf")


@dataclass(frozen=True)
class Row:
    """One training product, read back."""

    label: int
    designation: str
    description: str
    path: str


def read_training(folder: Path) -> list[Row]:
    """Read the training products and labels of a folder with the official files."""
    with (folder / X_TRAIN).open(encoding="utf-8", newline="") as x_file:
        items = list(csv.reader(x_file))[1:]
    with (folder / Y_TRAIN).open(encoding="utf-8", newline="") as y_file:
        labels = list(csv.reader(y_file))[1:]
    return [
        Row(int(label[1]), item[1], item[2], f"image_{item[4]}_product_{item[3]}.jpg")
        for item, label in zip(items, labels, strict=True)
    ]


def _percentiles(name: str, table: Mapping[int, float], values: Sequence[float]) -> list[Figure]:
    shop = np.percentile(values, _PERCENTILES).tolist()
    return [
        Figure(f"{name}, percentile {q}", table[q], at)
        for q, at in zip(_PERCENTILES, shop, strict=True)
    ]


def _share(pattern: re.Pattern[str], texts: Sequence[str]) -> float:
    return sum(pattern.search(text) is not None for text in texts) / max(1, len(texts))


def text_figures(folder: Path) -> list[Figure]:
    """Measure lengths, languages, HTML and repetitions over the whole catalogue.

    Parameters
    ----------
    folder : Path
        With the three official files.

    Returns
    -------
    list of Figure
    """
    rows = read_training(folder)
    titles = [row.designation for row in rows]
    texts = [row.description for row in rows if row.description]
    with (folder / X_TEST).open(encoding="utf-8", newline="") as file:
        n_test = sum(1 for _ in csv.reader(file)) - 1
    return [
        Figure("test rows per training row", real.N_TEST / real.N_TRAIN, n_test / len(rows)),
        Figure("missing descriptions", real.MISSING_DESCRIPTION, 1 - len(texts) / len(rows)),
        Figure("repeated titles", real.DUPLICATE_TITLES, 1 - len(set(titles)) / len(titles)),
        Figure("HTML tags in descriptions", real.HTML_TAGS_IN_DESCRIPTION, _share(_TAG, texts)),
        Figure("entities in descriptions", real.ENTITIES_IN_DESCRIPTION, _share(_ENTITY, texts)),
        Figure("entities in titles", real.ENTITIES_IN_TITLE, _share(_ENTITY, titles)),
        *_language_figures(rows),
        *_percentiles("title characters", real.TITLE_CHARS, [len(t) for t in titles]),
        *_percentiles("title words", real.TITLE_WORDS, [len(t.split()) for t in titles]),
        *_percentiles("description characters", real.DESCRIPTION_CHARS, [len(t) for t in texts]),
    ]


def _language_figures(rows: Sequence[Row]) -> list[Figure]:
    py3langid.set_languages(_LANGUAGES)
    sample = rows[:_DETECTED_ROWS]
    found = Counter(
        py3langid.classify(f"{row.designation} {row.description}".lower())[0] for row in sample
    )
    return [
        Figure(f"detected language {code}", share, found[code] / len(sample))
        for code, share in real.LANGUAGES.items()
    ]


def class_figures(folder: Path) -> list[Figure]:
    """Measure share, missing descriptions and median lengths of every class."""
    rows = read_training(folder)
    by_class: dict[int, list[Row]] = {figures.code: [] for figures in real.CLASSES}
    for row in rows:
        by_class[row.label].append(row)
    return [
        figure
        for figures in real.CLASSES
        for figure in _one_class(figures, by_class[figures.code], len(rows))
    ]


def _one_class(figures: real.ClassStatistics, rows: Sequence[Row], total: int) -> Iterator[Figure]:
    texts = [len(row.description) for row in rows if row.description]
    titles = [len(row.designation) for row in rows]
    code, n = figures.code, max(1, len(rows))
    yield Figure(f"{code} share", figures.n_train / real.N_TRAIN, len(rows) / total)
    yield Figure(f"{code} missing descriptions", figures.missing_description, 1 - len(texts) / n)
    yield Figure(f"{code} title characters", figures.title_chars, float(np.median(titles)))
    if figures.description_chars:
        shop = float(np.median(texts))
        yield Figure(f"{code} description characters", figures.description_chars, shop)


def _content_box(data: bytes) -> tuple[int, int, int, int] | None:
    """Return left, right, top and bottom of what is not white, or None if unreadable."""
    array = np.frombuffer(data, np.uint8)
    image = cv2.imdecode(array, cv2.IMREAD_COLOR) if array.size else None
    if image is None:
        return None
    drawn = darkest_channel(cast(Image, image)) < _WHITE_FROM
    columns, rows = np.flatnonzero(drawn.any(axis=0)), np.flatnonzero(drawn.any(axis=1))
    if columns.size == 0:
        return None
    return int(columns[0]), int(columns[-1]), int(rows[0]), int(rows[-1])


def image_figures(folder: Path, images: Path, tasks: Sequence[PictureTask]) -> list[Figure]:
    """Measure file sizes, borders and shared pictures.

    Parameters
    ----------
    folder : Path
        With the official files.
    images : Path
        Holds ``images/image_train``.
    tasks : sequence of PictureTask
        The plan of the pictures, which knows who shares one.

    Returns
    -------
    list of Figure
        Of at most 4,000 training pictures.
    """
    paths = (images / "images" / "image_train" / row.path for row in read_training(folder))
    measured = islice((path for path in paths if path.exists()), _MEASURED_PICTURES)
    sizes_kb, boxes = [], []
    for path in measured:
        data = path.read_bytes()
        box = _content_box(data)
        if box is not None:
            sizes_kb.append(len(data) / 1024)
            boxes.append(box)
    left, right, top, bottom = np.array(boxes).T
    return [
        *_percentiles("JPEG KB", real.IMAGE_KB, sizes_kb),
        *_percentiles("content width px", real.CONTENT_WIDTH_PX, right - left),
        *_percentiles("content height px", real.CONTENT_HEIGHT_PX, bottom - top),
        *_border_figures(right - left, bottom - top),
        *shared_figures(tasks),
    ]


def _border_figures(width: np.ndarray, height: np.ndarray) -> Iterable[Figure]:
    full_width, full_height = width >= _FULL_PX, height >= _FULL_PX
    one = float((full_width ^ full_height).mean())
    both = float((full_width & full_height).mean())
    yield Figure("pictures without border", real.FULL_BLEED, both)
    yield Figure("pictures full on one axis", real.ONE_SIDE_FULL, one)
    yield Figure("pictures with border all round", real.BOTH_SIDES_BLANK, 1 - one - both)


def shared_figures(tasks: Sequence[PictureTask]) -> list[Figure]:
    """Return the share of shared pictures and how often those who share one agree on the label."""
    groups: dict[int, list[int]] = {}
    for task in tasks:
        groups.setdefault(task.source_seed, []).append(task.label)
    pairs = [
        a == b for group in groups.values() for i, a in enumerate(group) for b in group[i + 1 :]
    ]
    shared = sum(len(group) for group in groups.values() if len(group) > 1)
    return [
        Figure("shared pictures", real.DUPLICATE_IMAGES, shared / len(tasks)),
        Figure(
            "pairs with one label",
            real.DUPLICATE_IMAGES_SAME_LABEL,
            sum(pairs) / max(1, len(pairs)),
        ),
    ]


def table(figures: Iterable[Figure]) -> str:
    """Return the figures as lines; those more than 10 % apart end in a star."""
    lines = [f"{'':38} {'real':>10} {'shop':>10} {'apart':>7}"]
    for figure in figures:
        star = " *" if abs(figure.difference) > TOLERANCE else ""
        lines.append(
            f"{figure.name:38} {figure.real:10.4g} {figure.shop:10.4g} "
            f"{figure.difference:+7.1%}{star}"
        )
    return "\n".join(lines)
