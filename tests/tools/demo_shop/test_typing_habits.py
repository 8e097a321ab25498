"""Accents, slips, capitals, HTML and entities."""

from __future__ import annotations

import html
import re

from tools.demo_shop.draws import Draws
from tools.demo_shop.typing_habits import (
    hyphens,
    joined,
    title_case,
    with_accents,
    with_entities,
    with_slip,
)


def test_accents_go_on_whole_words_only() -> None:
    accents = {"piece": "pièce", "ete": "été"}
    assert (
        with_accents("piece pieces Piece ete detente", accents) == "pièce pieces Piece été detente"
    )


def test_a_slip_changes_one_place() -> None:
    draws = Draws(1)
    lengths = {len(with_slip(draws, "manette")) for _ in range(200)}
    assert lengths == {6, 7, 8}
    assert with_slip(draws, "12 34") == "12 34"


def test_title_case_changes_no_letter() -> None:
    draws = Draws(2)
    seen = {title_case(draws, "lot de livres") for _ in range(300)}
    assert {"Lot de livres", "Lot De Livres", "LOT DE LIVRES", "lot de livres"} == seen


def test_hyphens_are_kept_opened_or_dropped() -> None:
    draws = Draws(3)
    assert {hyphens(draws, "porte-cles") for _ in range(100)} == {
        "porte-cles",
        "porte cles",
        "portecles",
    }
    assert {hyphens(draws, "x - y") for _ in range(50)} == {"x - y"}


def test_joined_keeps_every_sentence() -> None:
    draws = Draws(4)
    sentences = ["Un.", "Deux.", "Trois."]
    for tags in (False, True):
        for _ in range(60):
            text = joined(draws, sentences, tags=tags)
            places = [text.find(sentence) for sentence in sentences]
            assert places == sorted(places)
            assert min(places) >= 0
            assert bool(re.search(r"<[a-z/]", text)) == tags


def test_entities_can_be_read_back() -> None:
    draws = Draws(5)
    text = "l'été à la plage"
    for _ in range(50):
        encoded = with_entities(draws, text)
        assert re.search(r"&(?:[a-z]+|#\d+);", encoded)
        assert html.unescape(encoded).replace("\xa0", " ").rstrip() == text


def test_a_text_without_accents_still_gets_an_entity() -> None:
    assert with_entities(Draws(6), "un deux trois").count("&nbsp;") == 1
