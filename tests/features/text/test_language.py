"""Language detection among six languages."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.features.text.language import LANGUAGE_NAMES, MANY_TEXTS, detect_languages

TITLES = {
    "fr": ["Coussin de canapé pour la maison", "Jeu de société pour les enfants", "Livre d'été"],
    "en": ["The lord of the rings hardcover book", "Swimming pool with pump", "Toy for the kids"],
    "de": [
        "Kissenbezug für das Schlafzimmer",
        "Spielzeug für Kinder und Eltern",
        "Das Buch für die Kinder",
    ],
    "nl": [
        "Kussenhoes voor de slaapkamer",
        "Speelgoed voor kinderen en ouders",
        "Het boek voor de kinderen",
    ],
    "it": [
        "Federa per cuscino della camera",
        "Giocattoli per bambini e genitori",
        "Il libro della cucina italiana",
    ],
    "es": [
        "Funda de cojín para el salón",
        "Juguetes para los niños y padres",
        "El libro de cocina para niños",
    ],
}


@pytest.mark.parametrize("language", TITLES)
def test_titles_of_each_language_are_named(language: str) -> None:
    titles = TITLES[language]
    assert detect_languages(titles) == [language] * len(titles)
    assert detect_languages([title.upper() for title in titles]) == [language] * len(titles)


@pytest.mark.parametrize(
    "text", ["", "   ", "12 345,6", "€ !!! ---", "🎮🎮", "\ud83c", "\x00", "a"]
)
def test_what_has_no_words_is_other(text: str) -> None:
    assert detect_languages([text]) == ["other"]


def test_the_first_sentences_tell_the_language() -> None:
    title = "Jeu de société pour les enfants"
    mixed = (title + " ") * 8 + "the book of the rings for the children " * 99
    assert detect_languages([mixed]) == ["fr"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(st.characters(codec=None), max_size=40), max_size=4))
def test_any_text_gets_a_known_name_whatever_stands_beside_it(texts: list[str]) -> None:
    languages = detect_languages(texts)
    assert set(languages) <= set(LANGUAGE_NAMES) and len(languages) == len(texts)
    assert [detect_languages([text])[0] for text in texts] == languages
    if texts:  # so many are walked through side by side
        assert detect_languages(texts * MANY_TEXTS) == languages * MANY_TEXTS


def test_many_texts_get_the_answers_of_py3langid_itself() -> None:
    texts = [
        f"{title[:n]} {n}" for titles in TITLES.values() for title in titles for n in (3, 8, 99)
    ]
    texts *= 1 + MANY_TEXTS // len(texts)
    assert detect_languages(texts) == [detect_languages([text])[0] for text in texts]


def test_the_model_is_loaded_at_the_first_text_not_at_import() -> None:
    code = "import sys, src.features.text.language; sys.exit('py3langid' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
