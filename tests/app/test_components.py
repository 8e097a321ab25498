"""Parts of pages: escaping, shortening, cards and bars."""

from __future__ import annotations

import io
from types import SimpleNamespace

import pytest

from src.artifacts.store import ArtifactStore
from src.config import Config
from src.data import image_decode
from src.data.readers import ProductReader
from src.errors import FileFault
from src.i18n import translator
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


def test_a_table_that_cannot_be_read_says_so_in_french(empty: Config) -> None:
    """What the reader met is said in the page's language, down to the parts of the sentence."""
    with pytest.raises(FileFault) as met:
        ProductReader(io.BytesIO(b"nom;prix\n1;2\n"), "shop.csv")
    assert str(met.value) == (
        "shop.csv, line 1: expected a header with one column 'designation', "
        "found 'nom;prix', which is separated by semicolons"
    )
    assert components.problem_text(met.value, "fr") == (
        "shop.csv, ligne 1\u00a0: en-tête avec une colonne «\u00a0designation\u00a0» attendu, "
        "trouvé 'nom;prix', séparé par des points-virgules"
    )
    assert components.problem_text(FileFault("of another kind"), "fr") == "of another kind"


def test_every_reason_to_refuse_an_image_has_its_words() -> None:
    reasons = {
        name.lower() for name in ("MISSING", "EMPTY", "NOT_AN_IMAGE", "TRUNCATED", "CORRUPT")
    }
    reasons |= {image_decode.TOO_LARGE, image_decode.UNREADABLE}
    assert set(translator("fr").section("app.predict.image_faults")) == reasons
