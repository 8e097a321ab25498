"""TextStatisticsPro, against plain Python over single products."""

from __future__ import annotations

import re
import string

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.features.text.keyword_families import KEYWORD_FAMILIES
from src.features.text.statistics import fold_to_ascii
from src.features.text.statistics_pro import TextStatisticsPro, count_families

PRO = TextStatisticsPro()
SAMPLES = {
    "platform": "Manette PS4",
    "book": "Livre broché",
    "baby": "Biberon pour bébé",
    "toy": "Poupée et peluche",
    "garden": "Jardin d'été",
    "food": "Café bio",
    "lot": "Lot de 4",
    "gaming": "Console",
    "streaming": "DVD",
    "puzzle": "PUZZLE 1000",
}


def measure(title: str, description: str = "") -> dict[str, float]:
    return dict(zip(PRO.names, PRO.extract([title], [description])[0].tolist(), strict=True))


def test_every_column_has_one_name() -> None:
    values = PRO.extract(["a"] * 3, ["b"] * 3)
    assert values.shape == (3, len(PRO.names)) and values.dtype == np.float32
    assert len(set(PRO.names)) == len(PRO.names) == 48
    assert PRO.extract([], []).shape == (0, len(PRO.names))
    assert PRO.settings() == {"version": 2}


def test_shape_of_one_product_by_hand() -> None:
    row = measure("LEGO City n°7", "Été : UN jeu, un Jeu ! 12")
    expected = {
        "log_title_words": np.log1p(3),
        "log_title_chars": np.log1p(13),
        "log_description_words": np.log1p(8),
        "log_description_chars": np.log1p(25),
        "avg_word_len": (4 + 4 + 3 + 3 + 1 + 2 + 4 + 2 + 3 + 1 + 2) / 11,
        "max_word_len": 4,
        "lexical_diversity": 10 / 11,  # UN and un are one word
        "caps_ratio": (4 + 1 + 1 + 2 + 1) / 22,
        "title_caps_ratio": 5 / 9,
        "digit_ratio": 3 / 39,
        "title_digit_ratio": 1 / 13,
        "punctuation_ratio": 3 / 39,
        "non_ascii_ratio": 3 / 39,
        "uppercase_token_ratio": 2 / 11,
        "numeric_token_ratio": 1 / 11,
    }
    assert {name: row[name] for name in expected} == pytest.approx(expected, rel=1e-6)


def test_mentions_of_one_product() -> None:
    row = measure(
        "Puzzle Bébé 3+ taille M 20 x 30 cm",
        "ISBN 978-0-306-40615-7 ou 080442957X, paru en 2015, 5 € soit 50 %, 2 kg, 1 L, 12 V, 16 Go",
    )
    for name in PRO.names[15:28]:
        count = 1 if name.startswith("isbn") else np.log1p(1)
        assert row[name] == pytest.approx(count), name


@pytest.mark.parametrize("family", KEYWORD_FAMILIES)
def test_families_are_found_in_any_case_and_without_accents(family: str) -> None:
    text = SAMPLES[family]
    for spelled in (text, text.upper(), fold_to_ascii(text), f"<b>{text}</b>", f"«{text}»"):
        row = measure(spelled)
        assert row[f"log_title_{family}"] == row[f"log_text_{family}"] > 0
    in_description = measure("Titre", text)
    assert in_description[f"log_title_{family}"] == 0 < in_description[f"log_text_{family}"]


@pytest.mark.parametrize(
    ("text", "absent"),
    [
        ("biographie d'un biologiste", "log_title_food"),
        ("de toute couleur", "log_euros"),
        ("complot pilote", "log_title_lot"),
        ("livreur ivre", "log_title_book"),
        ("consoler", "log_title_gaming"),
        ("jardinier", "log_title_garden"),
        ("2 ans de garantie", "log_ages"),
    ],
)
def test_parts_of_words_are_no_mention(text: str, absent: str) -> None:
    assert measure(text)[absent] == 0


@given(st.lists(st.text(st.sampled_from("ab jeulot_-'1\n"), max_size=40), max_size=5))
def test_family_counts_are_word_by_word(texts: list[str]) -> None:
    expected = [
        [sum(w in members for w in re.findall(r"[a-z0-9]+", text)) for members in
         KEYWORD_FAMILIES.values()]
        for text in texts
    ]  # fmt: skip
    assert count_families(texts).tolist() == expected


def test_family_words_are_folded() -> None:
    allowed = set(string.ascii_lowercase + string.digits)
    for family, words in KEYWORD_FAMILIES.items():
        assert len(words) >= 10, family
        assert all(set(word) <= allowed for word in words), family


@settings(max_examples=80, deadline=None)
@given(st.lists(st.text(st.characters(codec=None), max_size=60), min_size=1, max_size=4))
def test_any_text_gives_finite_numbers_whatever_stands_beside_it(texts: list[str]) -> None:
    together = PRO.extract(texts, texts[::-1])
    assert np.isfinite(together).all() and (together >= 0).all()
    ratios = [name.endswith("_ratio") for name in PRO.names]
    assert (together[:, ratios] <= 1).all()
    for row, pair in enumerate(zip(texts, texts[::-1], strict=True)):
        alone = PRO.extract([pair[0]], [pair[1]])[0]
        assert np.array_equal(alone, together[row])
