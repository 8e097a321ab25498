"""The words of the screens: both languages, the same blanks, and every word that the code uses."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from typing import Any

import pytest

from src.config import REPOSITORY
from src.i18n import translator

CODE = "\n".join(
    path.read_text(encoding="utf-8")
    for path in sorted((REPOSITORY / "streamlit_app").rglob("*.py"))
)


def texts(language: str) -> dict[str, str]:
    """Return every text of the app by its dotted key; a text of a list by key and place."""
    return dict(leaves(translator(language).section("app"), "app"))


def leaves(value: Any, key: str) -> Iterator[tuple[str, str]]:  # noqa: ANN401
    if isinstance(value, str):
        yield key, value
        return
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for name, inner in items:
        yield from leaves(inner, f"{key}.{name}")


def blanks(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_both_languages_have_the_same_keys_and_blanks() -> None:
    french, english = texts("fr"), texts("en")
    assert list(french) == list(english)
    assert {key for key in french if blanks(french[key]) != blanks(english[key])} == set()
    assert {key for key in french if not french[key].strip() or not english[key].strip()} == set()


def test_every_text_that_the_code_names_is_there() -> None:
    named = set(re.findall(r"""["'](app(?:\.\w+)+)["']""", CODE))
    assert len(named) > 150
    for key in named:
        translator("fr").section(key)


def test_every_text_is_used() -> None:
    # f"app.{page}.name" stands for every key of that form; a named table for all that it holds.
    named = set(re.findall(r"""["'](app(?:\.(?:\w|\{[^{}]*\})+)+)["']""", CODE))
    forms = [r"\w+".join(map(re.escape, re.split(r"\{[^{}]*\}", key))) for key in named]
    used = re.compile(f"(?:{'|'.join(forms)})(?:\\.[\\w.]+)?")
    assert {key for key in texts("en") if not used.fullmatch(key)} == set()


def test_a_text_is_filled_in_and_an_unknown_key_is_refused() -> None:
    filled = translator("fr")("app.frame.f1", score="0,9")
    assert filled == "F1 pondéré 0,9 (jeu de test)"
    with pytest.raises(KeyError, match="nothing"):
        translator("fr")("app.frame.nothing")
    with pytest.raises(KeyError, match=r"app\.frame"):
        translator("fr")("app.frame")


def test_numbers_and_shares_are_written_as_each_language_does() -> None:
    english, french = translator("en"), translator("fr")
    assert english.number(84916) == "84,916"
    assert french.number(84916) == "84\u202f916"
    assert english.number(1234.567, 2) == "1,234.57"
    assert french.number(1234.567, 2) == "1\u202f234,57"
    assert english.percent(0.1234) == "12.3%"
    assert french.percent(0.1234) == "12,3\u202f%"
