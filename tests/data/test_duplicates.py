"""Groups of duplicates, against connected components found the slow way."""

from __future__ import annotations

import re
import unicodedata

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from src.data.duplicates import PLACEHOLDER_PRODUCTS, Groups, connect, find_groups, normalise_text


def slow_components(n: int, *keys: list[str]) -> list[int]:
    group = list(range(n))
    changed = True
    while changed:
        changed = False
        for column in keys:
            for i in range(n):
                for j in range(i):
                    if column[i] and column[i] == column[j] and group[i] != group[j]:
                        group[i] = group[j] = min(group[i], group[j])
                        changed = True
    return pd.factorize(np.array(group))[0].tolist()


key = st.sampled_from(["", "a", "b", "c", "d"])


@given(st.lists(st.tuples(key, key), max_size=12))
def test_connect_is_connected_components(rows: list[tuple[str, str]]) -> None:
    texts, pictures = [r[0] for r in rows], [r[1] for r in rows]
    found = connect(len(rows), texts, pictures)
    assert found.tolist() == slow_components(len(rows), texts, pictures)
    assert found.dtype == np.int64


def products(rows: list[tuple[str, str, str]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["designation", "description", "image_hash"])


def test_text_and_picture_connect() -> None:
    rows = [
        ("Lampe LED", "", "h1"),
        ("lampe  led!", "<br>", "h2"),
        ("Autre", "", "h2"),
        ("Lampe LED", "rouge", "h3"),
        ("Seul", "", ""),
        ("Seul deux", "", ""),
    ]
    groups = find_groups(products(rows))
    assert groups.ids.tolist() == [0, 0, 0, 1, 2, 3]
    assert groups.duplicate_share == 0.5
    assert groups.placeholders == ()


def test_texts_that_are_read_as_one_are_duplicates() -> None:
    forms = ["L'eau d'été", "l&#39;eau d&rsquo;&eacute;t&eacute;", "L\u2019eau d'e\u0301te\u0301",
             "&lt;b&gt;L'eau d'&shy;été&lt;/b&gt;", "L'eau d'\u00adété\u200b"]  # fmt: skip
    assert {normalise_text(form) for form in forms} == {"l eau d ete"}
    groups = find_groups(products([(form, "", "") for form in forms]))
    assert groups.ids.tolist() == [0] * len(forms)


def test_placeholder_pictures_connect_nothing() -> None:
    shared = [(f"product {i}", "", "none.jpg") for i in range(PLACEHOLDER_PRODUCTS + 1)]
    groups = find_groups(products(shared))
    assert groups.placeholders == ("none.jpg",)
    assert len(set(groups.ids.tolist())) == len(shared)
    groups = find_groups(products(shared[:-1]))
    assert groups.placeholders == ()
    assert set(groups.ids.tolist()) == {0}


def test_products_of_symbols_alone_are_not_one_product() -> None:
    assert find_groups(products([("!!!", "", ""), ("???", "", "")])).ids.tolist() == [0, 1]


def test_normalised_text() -> None:
    assert normalise_text("<b>Épée</b> - LED !") == "epee led"
    assert normalise_text("STRASSE straße") == "strasse strasse"
    assert normalise_text("数码 _x_") == "数码 x"
    assert Groups(np.array([], dtype=np.int64), ()).duplicate_share == 0.0


@given(st.text(alphabet=st.sampled_from("aB3é̀ßİ_-<>/ \t\x1c\u2028Ωдمー½ﬁ"), max_size=30))
def test_normalised_text_is_the_plain_definition(text: str) -> None:
    decomposed = unicodedata.normalize("NFKD", re.sub(r"<[^<>]*>", " ", text)).casefold()
    letters = "".join(c for c in decomposed if not unicodedata.combining(c))
    assert normalise_text(text) == re.sub(r"[\W_]+", " ", letters).strip()
