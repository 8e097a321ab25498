"""The flow picture: its drawing says what its Mermaid source says, in both languages."""

from __future__ import annotations

import html
import re

import pytest

from src.config import REPOSITORY

APP = REPOSITORY / "streamlit_app"
BOX = re.compile(r'(\w+)[\[(]+"([^"]+)"')
ARROW = re.compile(r"^ +(\w+) -->(?:\|([^|]+)\|)? (\w+)$", re.MULTILINE)


def source(language: str) -> str:
    return (APP / "assets" / f"mermaid-flow.{language}.mmd").read_text(encoding="utf-8")


@pytest.mark.parametrize(("language", "name"), [("en", ""), ("fr", ".fr")])
def test_the_drawing_holds_every_box_and_arrow_of_its_source(language: str, name: str) -> None:
    drawn = (APP / f"mermaid-flow{name}.svg").read_text(encoding="utf-8")
    texts = [text for _, box in BOX.findall(source(language)) for text in box.split("<br/>")]
    arrows = ARROW.findall(source(language))
    texts += [text for _, text, _ in arrows if text]
    shown = [html.unescape(text) for text in re.findall(r"<text [^>]+>([^<]+)</text>", drawn)]
    assert sorted(shown) == sorted(texts)
    assert drawn.count("marker-end=") == len(arrows)


def test_both_languages_tell_the_same_flow() -> None:
    english, french = map(source, ("en", "fr"))
    assert [box for box, _ in BOX.findall(english)] == [box for box, _ in BOX.findall(french)]
    ends = [[arrow[::2] for arrow in ARROW.findall(text)] for text in (english, french)]
    assert ends[0] == ends[1]
