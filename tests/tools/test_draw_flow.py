"""The flow picture: what is committed is what its source gives; faults are named by line."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from src.config import REPOSITORY
from src.errors import UsageError
from tools import draw_flow

APP = REPOSITORY / "streamlit_app"
SMALL = """flowchart LR
    subgraph a["One & two"]
        x["First<br/>line"]
        y[("Base")]
    end
    subgraph b["Three"]
        z(["End"])
    end
    x -->|COPY| y
    y --> z
"""


@pytest.mark.parametrize(("language", "name"), [("en", ""), ("fr", ".fr")])
def test_the_committed_pictures_are_drawn_from_their_sources(language: str, name: str) -> None:
    source = (APP / "assets" / f"mermaid-flow.{language}.mmd").read_text(encoding="utf-8")
    drawn = (APP / f"mermaid-flow{name}.svg").read_text(encoding="utf-8")
    assert draw_flow.draw(draw_flow.parse(source)) == drawn


def test_both_languages_tell_the_same_flow() -> None:
    sources = [(APP / "assets" / f"mermaid-flow.{name}.mmd").read_text() for name in ("en", "fr")]
    english, french = map(draw_flow.parse, sources)
    assert list(english.nodes) == list(french.nodes)
    assert [edge[:2] for edge in english.edges] == [edge[:2] for edge in french.edges]


def test_every_box_and_arrow_is_drawn_inside_the_picture() -> None:
    flow = draw_flow.parse(SMALL)
    assert flow.columns == ("One & two", "Three")
    assert flow.edges == (("x", "y", "COPY"), ("y", "z", ""))
    root = ET.fromstring(draw_flow.draw(flow))  # noqa: S314 - our own text
    texts = [element.text for element in root.iter() if element.tag.endswith("text")]
    assert texts == ["One & two", "Three", "COPY", "", "First", "line", "Base", "End"] or set(
        filter(None, texts)
    ) == {"One & two", "Three", "COPY", "First", "line", "Base", "End"}
    width, height = map(float, root.attrib["viewBox"].split()[2:])
    boxes = [element for element in root.iter() if element.tag.endswith("rect")]
    assert len(boxes) == 2 + 3
    for box in boxes:
        x, y, w, h = (float(box.attrib[name]) for name in ("x", "y", "width", "height"))
        assert 0 <= x <= x + w <= width
        assert 0 <= y <= y + h <= height


@pytest.mark.parametrize("line", ["x => y", "x --> nowhere", 'subgraph "no id"'])
def test_a_line_that_is_none_of_its_forms_is_named(line: str) -> None:
    with pytest.raises(UsageError, match=re.escape(f"line 11: {line!r}")):
        draw_flow.parse(f"{SMALL}{line}")


def test_writes_both_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert draw_flow.main(["--out", str(tmp_path)]) == 0
    written = sorted(path.name for path in tmp_path.iterdir())
    assert written == ["mermaid-flow.fr.svg", "mermaid-flow.svg"]
    assert capsys.readouterr().out.count("mermaid-flow") == 2
