"""Names, colors and probabilities as people of either language read them."""

from __future__ import annotations

import pytest

from src import palette
from src.artifacts.store import ArtifactStore
from src.config import Config
from src.labels import Labels
from streamlit_app.shared.context import Context


@pytest.fixture
def contexts(empty: Config, labels: Labels) -> dict[str, Context]:
    store = ArtifactStore(empty.paths)
    return {language: Context(language, empty, store, labels, None) for language in ("fr", "en")}


@pytest.mark.parametrize(
    ("value", "english", "french"),
    [
        (0.0, "0.0%", "0,0\u202f%"),
        (0.0004, "&lt;\u202f0.1%", "&lt;\u202f0,1\u202f%"),
        (0.001, "0.1%", "0,1\u202f%"),
        (0.999, "99.9%", "99,9\u202f%"),
        (0.99999, "&gt;\u202f99.9%", "&gt;\u202f99,9\u202f%"),
        (1.0, "100.0%", "100,0\u202f%"),
    ],
)
def test_no_probability_is_shown_as_certain_that_is_not(
    contexts: dict[str, Context], value: float, english: str, french: str
) -> None:
    assert contexts["en"].probability(value) == english
    assert contexts["fr"].probability(value) == french


def test_names(contexts: dict[str, Context]) -> None:
    assert contexts["en"].named(2583) == "Swimming pools and accessories (2583)"
    assert contexts["fr"].theme(2583) == "Jardin et piscine"
    assert contexts["fr"].theme(-5) == "Autres"
    assert contexts["en"].kind("linear_svc") == "Linear SVM"
    assert contexts["en"].kind("of tomorrow") == "of tomorrow"
    assert contexts["en"].branch("language") == ("Language", "the detected language")
    assert contexts["en"].branch("unheard_of") == ("unheard_of", "")


def test_every_theme_has_a_color_of_its_own(contexts: dict[str, Context]) -> None:
    colors = contexts["en"].theme_colors()
    assert len(colors) == len(set(colors.values())) == 9
    assert contexts["en"].color(10) == colors["Books and press"]
    assert palette.NO_THEME_COLOR not in colors.values()
    assert contexts["en"].color(-5) == palette.NO_THEME_COLOR


def test_a_chip_escapes_its_label(empty: Config) -> None:
    labels = Labels({7: {"fr": "<b>", "en": "<b>"}}, {7: "other"}, {})
    ctx = Context("en", empty, ArtifactStore(empty.paths), labels, None)
    assert "&lt;b&gt;" in ctx.chip(7)
    assert "<b>" not in ctx.chip(7)
