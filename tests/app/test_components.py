"""Parts of pages: escaping, shortening, cards and bars."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from src.artifacts.store import ArtifactStore
from src.config import Config
from src.labels import Labels
from streamlit_app.shared import components
from streamlit_app.shared.context import Context


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("![x](http://a.b/c.png)", r"\!\[x\]\(http\://a\.b/c\.png\)"),
        ("<script>", r"\<script\>"),
        ("$x$ :smile: `code`", r"\$x\$ \:smile\: \`code\`"),
        ("Piscine 3 m", "Piscine 3 m"),
    ],
)
def test_plain_leaves_markdown_nothing_to_read(text: str, shown: str) -> None:
    assert components.plain(text) == shown


def test_shortened_cuts_at_a_word_and_drops_markup() -> None:
    assert components.shortened("<p>un  deux</p>", 20) == "un deux"
    assert components.shortened("un deux trois quatre", 12) == "un deux …"
    assert len(components.shortened("x" * 100_000, 50)) == 52


def test_a_card_escapes_what_comes_from_data(empty: Config, labels: Labels) -> None:
    ctx = Context("en", empty, ArtifactStore(empty.paths), labels, None)
    row = SimpleNamespace(image="", designation='a"<b', description="x & y <img src=x>")
    made = components.product(ctx, row, "below")
    assert '<p class="title" title="a&quot;&lt;b">' in made
    assert "<img" not in made
    assert "x &amp; y" in made
    assert "No image" in made


@pytest.mark.parametrize(("share", "width"), [(-1, "0.0"), (0.123, "12.3"), (7, "100.0")])
def test_a_bar_stays_within_its_track(
    monkeypatch: pytest.MonkeyPatch, share: float, width: str
) -> None:
    shown: list[str] = []
    monkeypatch.setattr(components.st, "html", shown.append)
    components.bars([("x", share, "1", "red")])
    assert f"width:{width}%;background:red" in shown[0]
