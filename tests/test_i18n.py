"""Both dictionaries hold the same texts, and numbers are as each language writes them."""

from __future__ import annotations

import string
from collections.abc import Iterator
from typing import Any

import pytest

from src.i18n import LANGUAGES, translator


def texts(table: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, list):
            value = {str(place): entry for place, entry in enumerate(value)}  # noqa: PLW2901
        if isinstance(value, dict):
            yield from texts(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def sections(language: str) -> dict[str, str]:
    words = translator(language)
    return dict(
        texts(
            {
                name: words.section(name)
                for name in ("figures", "drift_report", "review", "reader", "app")
            }
        )
    )


def test_both_languages_hold_the_same_keys_and_fields() -> None:
    fields = [
        {key: {f[1] for f in string.Formatter().parse(text) if f[1]} for key, text in told.items()}
        for told in map(sections, LANGUAGES)
    ]
    assert fields[0] == fields[1]
    assert all(text.strip() for language in LANGUAGES for text in sections(language).values())


@pytest.mark.parametrize(
    ("method", "value", "options", "english", "french"),
    [
        ("number", 12737.5, (1,), "12,737.5", "12\u202f737,5"),
        ("number", -0.004, (2,), "0.00", "0,00"),
        ("number", -2, (), "\u22122", "\u22122"),
        ("number", None, (), "–", "–"),
        ("number", float("nan"), (), "–", "–"),
        ("percent", 0.951, (), "95.1%", "95,1\u202f%"),
        ("percent", 0.951, (0,), "95%", "95\u202f%"),
        ("percent", None, (), "–", "–"),
        ("points", -0.125, (), "\u221212.5", "\u221212,5"),
        ("points", 0.02, (), "+2.0", "+2,0"),
        ("points", None, (), "–", "–"),
        ("decimal", 3.14159, (), "3.14", "3,14"),
        ("decimal", 0.00012, (), "0.0001", "0,0001"),
        ("decimal", 999.7, (), "1,000", "1\u202f000"),
        ("decimal", -1234.5678, (), "\u22121,235", "\u22121\u202f235"),
        ("decimal", None, (), "–", "–"),
    ],
)
def test_numbers(
    method: str, value: float | None, options: tuple[int, ...], english: str, french: str
) -> None:
    assert getattr(translator("en"), method)(value, *options) == english
    assert getattr(translator("fr"), method)(value, *options) == french


def test_a_text_that_is_missing_is_a_mistake() -> None:
    with pytest.raises(KeyError):
        translator("en")("figures.nothing")
    with pytest.raises(KeyError):
        translator("en")("drift_report.signals")


def test_french_punctuation_never_begins_a_line() -> None:
    told = sections("fr").values()
    assert not [
        text
        for text in told
        if any(sign in text for sign in (" :", " ;", " ?", " !", " »", " %", "« "))
    ]
    assert "Pourquoi\u202f?" in told
