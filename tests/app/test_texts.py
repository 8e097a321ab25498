"""Words of the screens: both languages, the same blanks, and every word that the code asks for."""

from __future__ import annotations

import re
import string

import pytest

from src.config import REPOSITORY
from streamlit_app.texts import TEXTS, say

CODE = "\n".join(
    path.read_text(encoding="utf-8")
    for path in sorted((REPOSITORY / "streamlit_app").rglob("*.py"))
    if path.parent.name != "texts"
)


def blanks(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_both_languages_have_the_same_blanks() -> None:
    assert {key for key, (fr, en) in TEXTS.items() if blanks(fr) != blanks(en)} == set()
    assert {key for key, pair in TEXTS.items() if not all(text.strip() for text in pair)} == set()
    assert {key for key, (fr, en) in TEXTS.items() if fr.count("|") != en.count("|")} == set()


def test_every_text_that_is_asked_for_by_name_is_there() -> None:
    asked = set(re.findall(r'\bsay\(\s*"([\w.]+)"', CODE))
    assert len(asked) > 80
    assert asked - set(TEXTS) == set()


def test_every_text_is_used() -> None:
    # f"page.{name}" stands for every key that begins so.
    composed = {
        r"\w+".join(map(re.escape, re.split(r"\{[^{}]*\}", found)))
        for found in re.findall(r"(?:[\w.]|\{[^{}]*\})+", CODE)
        if "{" in found and "." in re.sub(r"\{[^{}]*\}", "", found)
    }
    known = re.compile("|".join(composed))
    keys = set(TEXTS)
    named = {key for key in keys if f'"{key}"' in CODE or f"'{key}'" in CODE}
    assert {key for key in keys - named if not known.fullmatch(key)} == set()


def test_say_fills_in_and_refuses_an_unknown_key() -> None:
    assert say("frame.f1", "fr", score="0,9") == "F1 pondéré 0,9 (mis de côté)"
    with pytest.raises(KeyError, match=r"frame\.nothing"):
        say("frame.nothing", "fr")
