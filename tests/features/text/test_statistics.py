"""TextStatistics, against the definitions spelled out letter by letter."""

from __future__ import annotations

import re
import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.features.text.statistics import (
    TextStatistics,
    count_bytes,
    fold_to_ascii,
    join_fields,
    share,
)

NAMES = ("n_words", "n_chars", "avg_word_len", "lexical_diversity", "caps_ratio")
TEXT = st.text(st.sampled_from("abÉéZ1 .\n€ßœ日\ud800\x00"), max_size=40)


def is_latin(sign: str) -> bool:
    return any("a" <= part.lower() <= "z" for part in unicodedata.normalize("NFKD", sign))


def slow_statistics(title: str, description: str) -> list[float]:
    title, description = (
        " ".join(part.replace("\ud800", "?").split()) for part in (title, description)
    )
    text = f"{title}\n{description}" if description else title
    words = re.findall(r"\S+", text)
    if not words:
        return [0, len(text), 0, 0, 0]
    # "ß" and "œ" count as the two letters, and "€" as the word, that they are spelled with.
    spelled = text.replace("ß", "ss").replace("œ", "oe").replace("€", "euro")
    letters = [sign for sign in spelled if is_latin(sign)]
    return [
        len(words),
        len(text),
        sum(len(word) for word in words) / len(words),
        len({word.casefold() for word in words}) / len(words),
        sum(sign.isupper() for sign in letters) / len(letters) if letters else 0,
    ]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(TEXT, TEXT), max_size=6))
def test_statistics_are_those_of_the_definitions(pairs: list[tuple[str, str]]) -> None:
    titles, descriptions = [list(column) for column in zip(*pairs, strict=True)] or ([], [])
    values = TextStatistics().extract(titles, descriptions)
    assert values.shape == (len(pairs), 5) and values.dtype == np.float32
    assert TextStatistics().names == NAMES
    expected = [slow_statistics(*pair) for pair in pairs]
    np.testing.assert_allclose(values, np.reshape(expected, (-1, 5)), rtol=1e-6)


def test_markup_is_not_counted() -> None:
    plain = TextStatistics().extract(["LOT de 4", "a"], ["Très bon état", ""])
    marked = TextStatistics().extract(["LOT de&nbsp;4", "a"], ["Tr&egrave;s bon &eacute;tat", ""])
    assert np.array_equal(plain, marked)
    (row,) = TextStatistics().extract(["<b>LOT</b>"], ["<br><br/>"])
    assert row[0] == 1 and row[4] == 1.0


def test_missing_descriptions_add_no_line() -> None:
    assert join_fields(["a", "b", ""], ["", "c", "d"]) == ["a", "b\nc", "\nd"]


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("déjà vu", "deja vu"),
        ("DE\u0301JA\u0300", "DEJA"),
        ("Ça coûte 5€", "Ca coute 5 euro "),
        ("cœur Œuvre Straße", "coeur OEuvre Strasse"),
        ("4×25 – l’eau", "4x25 - l'eau"),
        ("ﬁn ² Ⅳ", "fin 2 IV"),
        ("日本\ud800", ""),
        ("plain", "plain"),
    ],
)
def test_folding(text: str, folded: str) -> None:
    assert fold_to_ascii(text) == folded


def test_helpers() -> None:
    assert count_bytes(b"a1b22", b"0123456789") == 3
    assert share(1, 4) == 0.25 and share(3, 0) == 0.0
    assert TextStatistics().settings() == {"version": 2}
