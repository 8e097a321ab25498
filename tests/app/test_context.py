"""Numbers, shares and names as people of either language write them."""

from __future__ import annotations

import pytest

from src.artifacts.store import ArtifactStore
from src.config import Config
from src.labels import Labels
from streamlit_app import theme
from streamlit_app.context import Context, Language


@pytest.fixture
def speak(empty: Config, labels: Labels) -> dict[str, Context]:
    store = ArtifactStore(empty.paths)
    languages: tuple[Language, ...] = ("fr", "en")
    return {language: Context(language, empty, store, labels, None) for language in languages}


def test_numbers(speak: dict[str, Context]) -> None:
    assert speak["en"].number(84916) == "84,916"
    assert speak["fr"].number(84916) == "84\u202f916"
    assert speak["en"].number(1234.567, 2) == "1,234.57"
    assert speak["fr"].number(1234.567, 2) == "1\u202f234,57"


def test_shares(speak: dict[str, Context]) -> None:
    assert speak["en"].percent(0.1234) == "12.3\u00a0%"
    assert speak["fr"].percent(0.1234) == "12,3\u00a0%"


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0.0, "0.0\u00a0%"),
        (0.0004, "<\u00a00.1\u00a0%"),
        (0.001, "0.1\u00a0%"),
        (0.999, "99.9\u00a0%"),
        (0.99999, ">\u00a099.9\u00a0%"),
        (1.0, "100.0\u00a0%"),
    ],
)
def test_no_probability_is_told_as_certain_that_is_not(
    speak: dict[str, Context], value: float, told: str
) -> None:
    assert speak["en"].probability(value) == told


def test_names(speak: dict[str, Context]) -> None:
    assert speak["en"].named(2583) == "Swimming pools and accessories (2583)"
    assert speak["fr"].theme(2583) == "Jardin et piscine"
    assert speak["fr"].theme(-5) == "Autres"
    assert speak["en"].kind("linear_svc") == "Linear SVM"
    assert speak["en"].kind("of tomorrow") == "of tomorrow"
    assert speak["en"].branch("language") == ("Language", "the detected language")
    assert speak["en"].branch("unheard_of") == ("unheard_of", "")


def test_every_theme_has_a_colour_of_its_own(speak: dict[str, Context]) -> None:
    colors = speak["en"].theme_colors()
    assert len(colors) == len(set(colors.values())) == 9
    assert speak["en"].color(10) == colors["Books and press"]
    assert theme.NO_THEME_COLOR not in colors.values()
    assert speak["en"].color(-5) == theme.NO_THEME_COLOR


def test_a_chip_escapes_its_label(empty: Config) -> None:
    labels = Labels({7: {"fr": "<b>", "en": "<b>"}}, {7: "other"}, {})
    ctx = Context("en", empty, ArtifactStore(empty.paths), labels, None)
    assert "&lt;b&gt;" in ctx.chip(7)
    assert "<b>" not in ctx.chip(7)
