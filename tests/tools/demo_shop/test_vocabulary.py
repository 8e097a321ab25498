"""The word lists are complete: every class sells something, every slot and drawing exists."""

from __future__ import annotations

import pytest

from tools.demo_shop.picture_strokes import load_pictures
from tools.demo_shop.slots_culture import CULTURE
from tools.demo_shop.slots_things import THINGS
from tools.demo_shop.statistics import CLASSES
from tools.demo_shop.vocabulary import (
    LANGUAGES,
    Vocabulary,
    compiled,
    load_vocabulary,
    syllables,
    unaccented,
)


@pytest.fixture(scope="module")
def words() -> Vocabulary:
    return load_vocabulary()


def test_every_class_sells_a_family_and_no_unknown_class_does(words: Vocabulary) -> None:
    sold = {code for family in words.families for code in family.mix}
    assert sold == {figures.code for figures in CLASSES}
    assert len({family.name for family in words.families}) == len(words.families)


def test_confusable_classes_share_families(words: Vocabulary) -> None:
    for a, b in ((10, 2705), (1280, 1281), (1140, 1180), (40, 2462), (1560, 2582), (2060, 2585)):
        assert any(a in family.mix and b in family.mix for family in words.families), (a, b)


def test_families_have_a_style_a_drawing_and_nouns(words: Vocabulary) -> None:
    pictures = load_pictures()
    for family in words.families:
        assert family.style in words.styles
        assert family.picture in pictures
        if not family.kind:
            assert len(family.words["fr"]) >= 7
            assert family.list_of("noun", "fr") == family.words["fr"]
            assert family.list_of("attr", "fr") == family.words["attr"]


def test_a_language_without_nouns_falls_back_to_english(words: Vocabulary) -> None:
    pool = next(family for family in words.families if family.name == "pool")
    assert pool.list_of("noun", "it") == pool.words["en"]
    assert pool.list_of("attr", "de") == pool.words["attr_en"]


def test_every_slot_can_be_filled(words: Vocabulary) -> None:
    known = set(THINGS) | set(CULTURE) | set(words.worlds)
    for language in words.grammar.values():
        known |= set(language)
    texts = [line for keys in words.phrases.values() for lines in keys.values() for line in lines]
    texts += [line for keys in words.grammar.values() for lines in keys.values() for line in lines]
    templates = [compiled(text) for text in texts]
    templates += [
        t for by_language in words.styles.values() for ts in by_language.values() for t in ts
    ]
    templates += [t for f in words.families for says in f.sentences.values() for t in says]
    used = {slot for template in templates for _, slot in template if slot}
    assert used - known == set()


def test_every_language_has_phrases_and_a_grammar(words: Vocabulary) -> None:
    for language in LANGUAGES:
        assert {"color", "material", "generic", "short", "flaws"} <= set(words.phrases[language])
        assert {"academic", "novel", "plot", "headline", "mag"} <= set(words.grammar[language])


def test_compiled_puts_together_again() -> None:
    template = compiled("a {noun} b {attr}")
    assert template == (("a ", "noun"), (" b ", "attr"), ("", ""))
    assert compiled("plain") == (("plain", ""),)


def test_accents_lead_back_to_the_plain_word(words: Vocabulary) -> None:
    assert words.accents["bebe"] == "bébé"
    assert all(unaccented(word) == plain for plain, word in words.accents.items())
    assert not {"des", "ou", "a", "sucre"} & {k for k, v in words.accents.items() if k != v}


def test_syllables_are_letters() -> None:
    parts = syllables()
    assert sorted(parts) == ["coda", "ending", "nucleus", "onset"]
    assert all(part.isalpha() for pool in parts.values() for part in pool)
