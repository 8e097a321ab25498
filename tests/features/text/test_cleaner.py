"""TextCleaner step by step; nltk's Snowball is the oracle of the stems."""

from __future__ import annotations

import json
import pickle
import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nltk.stem.snowball import SnowballStemmer
from stop_words import get_stop_words

from src.config import REPOSITORY
from src.features.text.cleaner import (
    SNOWBALL_NAMES,
    TEXTS_PER_CHUNK,
    TextCleaner,
    stemmer_of,
    stop_words_of,
)
from src.features.text.language import LANGUAGES
from tests.growth import cpu_growth

CONFIG = REPOSITORY / "config"
BARE = {"html": False, "normalize": False, "casefold": False, "units": False}
WORDS = {
    "fr": "continuellement jouets généralités cheval chevaux neuves éditions nationalité été",
    "en": "generously running flies dolls children relational knives happily",
    "de": "aufeinander spielzeuge bücher häuser kinderwagen straße freundlichkeit",
    "nl": "lichamelijk kussens boeken mogelijkheden speelgoed lopende",
    "it": "abbandonata giocattoli libri velocemente bambini nazionalità",
    "es": "chicharrones juguetes muñecas rápidamente niños organización",
}


@pytest.mark.parametrize(
    ("step", "text", "without", "with_step"),
    [
        ("html", "<b>Lego</b>&eacute;", "b Lego b eacute", "Lego é"),
        ("normalize", "\ufb01n e\u0301te\u0301 Ⅳ", "ﬁn e te Ⅳ", "fin été IV"),
        ("casefold", "STRASSE ß", "STRASSE ß", "strasse ss"),
        ("units", "4×25mm 16Go 2,5kg", "4 25mm 16Go 2,5kg", "4 x 25 mm 16Go 2,5 kg"),
    ],
)
def test_each_step_has_its_switch(step: str, text: str, without: str, with_step: str) -> None:
    assert TextCleaner(**BARE).clean([text]) == [without]
    assert TextCleaner(**{**BARE, step: True}).clean([text]) == [with_step]


@pytest.mark.parametrize(
    "title",
    [
        "Épée déc\u00adorative méd\u00adiévale pour fig\u00adurine Pok\u00admon",
        "Épée déc\u200borative méd\u200ciévale pour fig\u200durine Pok\ufeffmon",
        "\ufeffÉpée déc&shy;orative méd&#8203;iévale pour fig<wbr>urine Pok<WBR/>mon",
        "Épée déc&amp;shy;orative méd\u2060iévale pour fig\u034furine Pok\ufe0fmon",
        unicodedata.normalize("NFD", "Épée décorative médiévale pour figurine Pokmon"),
        "Épée\u00a0décorative\u202fmédiévale&nbsp;pour\u2009ﬁgurine\u3000Pokmon",
        "Épée décorative médiévale pour ｆｉｇｕｒｉｎｅ Pokmon",
        "<![CDATA[Épée décorative médiévale pour figurine Pokmon]]>",
        "&lt;![CDATA[<p>Épée décorative <b>médiévale</b> pour figurine Pokmon</p>]]&gt;",
        "Épée 🗡️ décorative ✔ médiévale ★ pour figurine Pokmon 🦩👍🏽",
    ],
)
def test_every_form_of_a_text_is_cleaned_to_the_same(title: str) -> None:
    expected = "épée décorative médiévale pour figurine pokmon"
    assert TextCleaner().clean([title]) == [expected]


def test_what_shows_nothing_is_no_text() -> None:
    blank = ["\u200b\u00ad", "\u3164\uffa0", "&nbsp;&#8203;", "<p></p>", "🎮✔", "<![CDATA[ ]]>"]
    assert TextCleaner().clean(blank) == [""] * len(blank)


def test_numbers_keep_their_form() -> None:
    assert TextCleaner().clean(["1 299,00 € 4.5 2,5kg"]) == ["1 299,00 4.5 2,5 kg"]
    assert TextCleaner().clean(["1\u202f299,00"]) == ["1 299,00"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_stop_words_of_the_texts_language_go(language: str) -> None:
    entries = [word for word in get_stop_words(language) if word.isalpha()]
    text = " ".join(["PlayStation", *entries, "piscine42"])
    kept = TextCleaner(stop_words=True).clean([text], [language])[0].split()
    assert kept[0] == "playstation" and kept[-1] == "piscine42"
    assert set(kept[1:-1]) <= {
        "x",
        "mm",
        "cm",
        "km",
        "kg",
        "mg",
        "ml",
        "cl",
        "dl",
        "dm",
        "gb",
        "mb",
    }
    assert not any(word.isdigit() for word in stop_words_of(language))


def test_accented_stop_words_match_decomposed_text() -> None:
    text = unicodedata.normalize("NFD", "à même la très bonne école")
    assert TextCleaner(stop_words=True).clean([text], ["fr"]) == ["bonne école"]


def test_digits_and_units_are_kept_as_tokens_in_every_language() -> None:
    text = "4 x 25 mm ps4 10 39 2 l, 12 m 500 g d'eau"
    for language in LANGUAGES:
        kept = TextCleaner(stop_words=True).clean([text], [language])[0]
        assert kept.startswith("4 x 25 mm ps4 10 39 2 l 12 m 500 g")
    assert TextCleaner(stop_words=True).clean([text], ["fr"])[0].endswith("500 g eau")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("library", ["PyStemmer", "nltk"])
def test_stems_are_snowballs(language: str, library: str) -> None:
    words = WORDS[language].split()
    stem = SnowballStemmer(SNOWBALL_NAMES[language]).stem
    assert stemmer_of(language, library=library)(words) == [stem(word) for word in words]


@pytest.mark.parametrize("language", LANGUAGES)
def test_cleaning_stems_in_the_texts_language(language: str) -> None:
    stem = SnowballStemmer(SNOWBALL_NAMES[language]).stem
    words = WORDS[language].casefold().split()
    cleaned = TextCleaner(stemming=True).clean([WORDS[language]], [language])
    assert cleaned == [" ".join(stem(word) for word in words)]


def test_whole_words_are_translated_and_the_translation_is_stemmed_as_french() -> None:
    translations = {"toys": "jouets", "kitten": "petits chatons"}
    plain = TextCleaner(translations=translations)
    assert plain.clean(["TOYS toystore kitten"], ["en"]) == ["jouets toystore petits chatons"]
    french = SnowballStemmer("french").stem
    expected = " ".join([french("jouets"), french("petits"), french("chatons")])
    stemmed = TextCleaner(translations=translations, stemming=True)
    assert stemmed.clean(["toys kitten"], ["en"]) == [expected]


def test_languages_are_detected_where_they_are_needed_and_not_given() -> None:
    texts = ["les enfants jouent dans la piscine", "the children play in the swimming pool", "12"]
    cleaner = TextCleaner(stop_words=True)
    assert cleaner.clean(texts) == cleaner.clean(texts, ["fr", "en", "other"])


def test_a_text_is_cleaned_the_same_alone_and_among_others() -> None:
    texts = [f"<p>Lot n°{i} de {i % 9} jouets pour les enfants, the toy" for i in range(50)]
    texts *= TEXTS_PER_CHUNK // 25
    languages = [LANGUAGES[i % 6] for i in range(len(texts))]
    cleaner = TextCleaner(stop_words=True, stemming=True, translations={"toy": "jouet"})
    together = cleaner.clean(texts, languages)
    for row in range(0, len(texts), 397):
        assert cleaner.clean([texts[row]], [languages[row]]) == [together[row]]


@settings(max_examples=80, deadline=None)
@given(st.lists(st.text(st.characters(codec=None), max_size=40), max_size=5), st.booleans())
def test_no_text_crashes_and_the_result_can_be_written(texts: list[str], tokens: bool) -> None:
    cleaner = TextCleaner(stop_words=tokens, stemming=tokens, translations={"a": "b c"})
    for cleaned in cleaner.clean(texts):
        assert cleaned.encode("utf-8").decode() == " ".join(cleaned.split())


@pytest.mark.parametrize(
    "piece",
    ["\x00", "\ud83c\udfae \ud800", "1", "1a", "1,2", "é", "1 l", "4x", "🎮", "\u0301"],
)  # fmt: skip
def test_hostile_texts_take_linear_time(piece: str) -> None:
    def clean(text: str) -> None:
        (cleaned,) = TextCleaner(stop_words=True, stemming=True).clean([text], ["fr"])
        assert cleaned.encode("utf-8") is not None

    assert cpu_growth(clean, piece, 400_000) < 32  # 8 where linear, 64 where quadratic


def test_settings_name_all_that_changes_the_result() -> None:
    base = TextCleaner()
    assert json.loads(json.dumps(base.settings())) == base.settings()
    others = [
        TextCleaner(**{step: not getattr(base, step)})
        for step in ("html", "normalize", "casefold", "units", "stop_words")
    ]
    others += [TextCleaner(stemming=True), TextCleaner(translations={"a": "b"})]
    keys = [json.dumps(cleaner.settings()) for cleaner in [base, *others]]
    assert len(set(keys)) == len(keys)
    assert TextCleaner(translations={"a": "b", "c": "d"}).settings() == (
        TextCleaner(translations={"c": "d", "a": "b"}).settings()
    )
    assert pickle.loads(pickle.dumps(base)) == base  # noqa: S301


FRENCH_HOMOGRAPHS = """
an as bib but car case chair chat chats coin comment cover court dire don dos duvet fin fort four
fruit image journal laid large legs lie lime lit livre main mare mars match menu moment mine mode
net nuit on or pain pan part pays pet pied pin place plate plus point pond pot pour prune pure
quartz rage rang rat recent rein rose rot route rue sac sale sang set sofa sol son sort source
store style table tape tend tire ton tour tout train tube vent vers vie vis vu zone short star
office car cars scooter cutter mat memory ring box pack stand plane mobile serra casa pane roller
""".split()  # noqa: SIM905


def test_the_translation_map_holds_useful_entries_only() -> None:
    path = CONFIG / "translate_map_starter_from_cleaned.json"
    pairs = json.loads(path.read_text("utf-8"), object_pairs_hook=list)
    translations = dict(pairs)
    assert len(pairs) == len(translations) >= 600  # no key twice
    for word, french in pairs:
        assert re.fullmatch(r"\w+", word) and word == word.casefold(), word
        assert french == french.strip().lower() and french not in ("", word), word
        assert unicodedata.is_normalized("NFC", word + french), word
    assert not set(translations) & (stop_words_of("fr") | set(FRENCH_HOMOGRAPHS))
    # No word that an entry translates to is translated again.
    assert not set(translations) & {part for _, french in pairs for part in french.split()}
    expected = {"toy": "jouet", "bücher": "livres", "zwembad": "piscine", "cuscino": "coussin"}
    assert expected.items() <= translations.items()
    assert TextCleaner(translations=translations).clean(["Wooden toy"]) == ["en bois jouet"]
