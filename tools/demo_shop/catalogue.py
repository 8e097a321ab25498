"""Draws the catalogue and writes it as the official files.

The order of events: labels at the real shares -> true class (3 % differ) -> family and language ->
title -> description where the class has one -> copies of earlier titles -> numbers of products and
images. One stream of random numbers runs through all of it, so a seed gives the same bytes.
"""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from src.data.csv_files import FILES, SYNTHETIC_MARKER, X_COLUMNS, X_TEST, X_TRAIN, Y_TRAIN
from src.files import sha256
from tools.demo_shop.descriptions import word_description
from tools.demo_shop.draws import Draws, stable_seed
from tools.demo_shop.duplicates import repeat_titles
from tools.demo_shop.labels import shuffled_labels, true_class
from tools.demo_shop.slots_culture import CULTURE
from tools.demo_shop.slots_things import THINGS
from tools.demo_shop.statistics import BY_CODE, N_TEST, N_TRAIN
from tools.demo_shop.titles import word_title
from tools.demo_shop.vocabulary import LANGUAGES, load_vocabulary
from tools.demo_shop.wording import Product, Wording

# The real shares come from a detector, which takes bare game titles for English and short French
# for Dutch: how much of a language to write so that a detector sees the real share.
_DETECTED_PER_WRITTEN = {"en": 0.74, "de": 1.28, "nl": 0.15}
_HEADER = ("", *X_COLUMNS)


@dataclass(frozen=True)
class Item:
    """One product of the shop.

    Attributes
    ----------
    label, true_code : int
        What the label says and what the product is.
    family, picture : str
        The product family and its drawing.
    designation, description : str
        As the seller typed them ("" for no description).
    productid, imageid : int
        Unique numbers.
    """

    label: int
    true_code: int
    family: str
    picture: str
    designation: str
    description: str
    productid: int
    imageid: int


@dataclass(frozen=True)
class Catalogue:
    """Training and test products of one seed."""

    train: tuple[Item, ...]
    test: tuple[Item, ...]
    seed: int


def n_test_rows(rows: int) -> int:
    """Return how many test products go with ``rows`` training products.

    Examples
    --------
    >>> n_test_rows(84916)
    13812
    """
    return round(rows * N_TEST / N_TRAIN)


def _language(draws: Draws, code: int) -> str:
    at = draws.unit()
    for language, share in zip(LANGUAGES, BY_CODE[code].languages, strict=False):
        chance = share * _DETECTED_PER_WRITTEN.get(language, 1.0)
        if at < chance:
            return language
        at -= chance
    return draws.pick(("fr", "fr", "fr", "fr", "es", "it"))


def _unique_numbers(draws: Draws, n: int, low: int, high: int) -> list[int]:
    seen: dict[int, None] = {}
    while len(seen) < n:
        seen[draws.between(low, high)] = None
    return list(seen)


def draw_catalogue(rows: int, seed: int) -> Catalogue:
    """Draw the products of a shop.

    Parameters
    ----------
    rows : int
        Labelled products; the test products come on top, in the official proportion.
    seed : int
        Same seed, same catalogue.

    Returns
    -------
    Catalogue
    """
    draws = Draws(stable_seed("catalogue", seed))
    labels = shuffled_labels(draws, rows) + shuffled_labels(draws, n_test_rows(rows))
    wording = Wording(draws, load_vocabulary(), {**THINGS, **CULTURE})
    products = [_product(wording, label) for label in labels]
    described = _described(labels)
    texts = [_texts(wording, *pair) for pair in zip(products, described, strict=True)]
    texts = repeat_titles(draws, [product.code for product in products], texts)
    numbers = _unique_numbers(draws, len(labels), 10_000_000, 4_252_000_000)
    images = _unique_numbers(draws, len(labels), 600_000_000, 1_328_900_000)
    items = tuple(
        Item(label, product.code, product.family.name, product.family.picture, *text, *ids)
        for label, product, text, ids in zip(
            labels, products, texts, zip(numbers, images, strict=True), strict=True
        )
    )
    return Catalogue(items[:rows], items[rows:], seed)


def _product(wording: Wording, label: int) -> Product:
    code = true_class(wording.draws, label)
    return Product(code, wording.family_for(code), _language(wording.draws, code))


def _described(labels: Sequence[int]) -> list[bool]:
    """Say which products have a description: in every class as many as in the real one."""
    missing = dict.fromkeys(BY_CODE, 0.5)
    result = []
    for label in labels:
        missing[label] += BY_CODE[label].missing_description
        result.append(missing[label] < 1)
        missing[label] -= missing[label] >= 1
    return result


def _texts(wording: Wording, product: Product, described: bool) -> tuple[str, str]:
    title = word_title(wording, product)
    return title, word_description(wording, product, title) if described else ""


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def write_catalogue(catalogue: Catalogue, folder: Path) -> None:
    """Write the three official files and the marker that says that nothing in them is real.

    Parameters
    ----------
    catalogue : Catalogue
        What to write.
    folder : Path
        Made where it is missing; the marker is written first, so that a run that is cut short
        never leaves files that look official; `list_files` completes it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    n_train, n_test = len(catalogue.train), len(catalogue.test)
    about = (
        "This catalogue is synthetic: drawn by tools/make_demo_data.py, no product of it exists.\n"
        f"seed {catalogue.seed}, {n_train} training rows, {n_test} test rows\n"
    )
    (folder / SYNTHETIC_MARKER).write_text(about, encoding="utf-8")

    def lines(items: Iterable[Item], first: int) -> Iterable[Sequence[object]]:
        for index, item in enumerate(items, first):
            yield index, item.designation, item.description, item.productid, item.imageid

    _write_csv(folder / X_TRAIN, _HEADER, lines(catalogue.train, 0))
    _write_csv(folder / X_TEST, _HEADER, lines(catalogue.test, n_train))
    labels = ((index, item.label) for index, item in enumerate(catalogue.train))
    _write_csv(folder / Y_TRAIN, ("", "prdtypecode"), labels)


def list_files(folder: Path) -> None:
    """Add the SHA256 of the three files to the marker: the shop is complete, and these are its own.

    Until then the shop may be drawn over.
    """
    listed = [f"{sha256(folder / name)}  {name}\n" for name in FILES]
    with (folder / SYNTHETIC_MARKER).open("a", encoding="utf-8") as marker:
        marker.writelines(listed)
