"""Slots, favourites and proper names."""

from __future__ import annotations

from collections import Counter

import pytest

from tools.demo_shop.draws import Draws
from tools.demo_shop.slots_culture import CULTURE
from tools.demo_shop.slots_things import THINGS
from tools.demo_shop.vocabulary import compiled, load_vocabulary
from tools.demo_shop.wording import Product, Wording


@pytest.fixture
def wording() -> Wording:
    return Wording(Draws(1), load_vocabulary(), {**THINGS, **CULTURE})


def product(wording: Wording, code: int, name: str, language: str = "fr") -> Product:
    family = next(f for f in wording.vocabulary.families if f.name == name)
    return Product(code, family, language)


def test_fill_keeps_what_is_around_the_slots(wording: Wording) -> None:
    pool = product(wording, 2583, "pool")
    text = wording.fill(compiled("<{n}> et <{dim}>"), pool)
    assert text.startswith("<")
    assert "> et <" in text
    assert "{" not in text


def test_names_of_the_title_come_back_in_the_description(wording: Wording) -> None:
    pool = product(wording, 2583, "pool")
    brand = wording.fill(compiled("{brand}"), pool)
    again = [wording.fill(compiled("{brand}"), pool, again=True) for _ in range(300)]
    assert again.count(brand) / 300 == pytest.approx(0.8, abs=0.1)


def test_families_are_drawn_by_their_weight(wording: Wording) -> None:
    drawn = Counter(wording.family_for(1301).name for _ in range(4000))
    weights = {f.name: f.mix[1301] for f in wording.vocabulary.families if 1301 in f.mix}
    assert set(drawn) == set(weights)
    expected = weights["socks"] / sum(weights.values())
    assert drawn["socks"] / 4000 == pytest.approx(expected, abs=0.03)


def test_classes_favour_different_words_of_a_shared_list(wording: Wording) -> None:
    shelves = {code: product(wording, code, "storage") for code in (1560, 2060)}
    nouns = shelves[1560].family.words["fr"]
    shares = {
        code: Counter(wording.tilted("shared", nouns, item) for _ in range(5000))
        for code, item in shelves.items()
    }
    apart = sum(abs(shares[1560][noun] - shares[2060][noun]) for noun in nouns) / 10_000
    assert 0.1 < apart < 0.8


def test_neighbours_borrow_each_others_names(wording: Wording) -> None:
    def names(code: int, family: str) -> set[str]:
        item = product(wording, code, family)
        return {wording.proper("author", item) for _ in range(3000)}

    old, new, pool = names(10, "book_novel"), names(2705, "book_novel"), names(2583, "pool")
    assert len(old & new) > 2 * len(old & pool)
    assert old - new


@pytest.mark.parametrize("language", ["fr", "en", "de", "nl", "es", "it"])
def test_books_have_titles_in_every_language(wording: Wording, language: str) -> None:
    book = product(wording, 10, "book_novel", language)
    titles = {wording.word("title", book) for _ in range(200)}
    assert len(titles) > 100
    assert all("{" not in title and title for title in titles)


def test_descriptions_are_the_makers_whoever_sells(wording: Wording) -> None:
    nouns = product(wording, 1560, "storage").family.words["fr"]
    shares = []
    for code in (1560, 2060):
        item = Product(code, product(wording, code, "storage").family, "fr", taste=0)
        shares.append(Counter(wording.tilted("maker", nouns, item) for _ in range(5000)))
    apart = sum(abs(shares[0][noun] - shares[1][noun]) for noun in nouns) / 10_000
    assert apart < 0.05
