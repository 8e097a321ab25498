"""What numbers mean in a product text."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.features.text.patterns import (
    DIMENSION,
    EURO,
    PERCENT,
    YEAR,
    count_ages,
    count_isbn,
    count_sizes,
    count_units,
    is_isbn10,
    is_isbn13,
)
from tests.growth import cpu_growth

PATTERNS = {"year": YEAR, "dimension": DIMENSION, "euro": EURO, "percent": PERCENT}


@pytest.mark.parametrize(
    ("kind", "text", "n_found"),
    [
        ("year", "paru en 1998, reedite en 2015.", 2),
        ("year", "2000 mah 1920x1080 1999,99 2010pcs 2020/21 1789 2099 a2015 2015b 12015", 1),
        ("year", "(2004) 1950-1960", 3),
        ("dimension", "4 x 25 mm, 30x40cm, 10,5 * 20", 3),
        ("dimension", "ps4 x 2 lots; 4 xl; x 25; 0x", 0),
        ("dimension", "20 cm x 30 cm x 40 cm", 1),
        ("euro", "5 euros, 10eur, euro 5 eur", 4),
        ("euro", "couleur europe monteur euroline", 0),
        ("percent", "100% coton, 50 % laine, 20 pour cent, 5 percent", 4),
        ("percent", "% de 100, 5 percentiles", 0),
    ],
)
def test_patterns(kind: str, text: str, n_found: int) -> None:
    assert len(PATTERNS[kind].findall(text)) == n_found


@pytest.mark.parametrize(
    ("text", "n_ages"),
    [
        ("de 3 a 6 ans", 1),
        ("3-6 ans, 0-36 mois, 4 to 8 years", 3),
        ("3+", 1),
        ("jouet 3+ lego", 1),
        ("3 ans et plus", 1),
        ("des 3 ans, a partir de 8 ans, ab 6 jahren, from 12 months, age 5 ans", 5),
        ("garantie 2 ans", 0),
        ("3 + 1 gratuit, 3+1, s10+, canal+, 2.0+, c++ 11++", 0),
        ("des 3 mousquetaires de 3 a 6", 0),
        ("6-9 anses", 0),
    ],
)
def test_ages(text: str, n_ages: int) -> None:
    assert count_ages(text) == n_ages


@pytest.mark.parametrize(
    ("text", "n_sizes"),
    [
        ("taille m, taille: xl, pointure 42, size s", 4),
        ("t-shirt xl xxl 3xl", 3),
        ("de taille moyenne, taille unique, axl, xls, ixs, xl5", 0),
        ("xl", 1),
    ],
)
def test_sizes(text: str, n_sizes: int) -> None:
    assert count_sizes(text) == n_sizes


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("25 mm, 3cm 4 m", {"length": 3}),
        ("20 x 30 cm", {"length": 1}),
        ("2,5 kg et 500 g", {"weight": 2}),
        ("1 l, 33cl", {"volume": 2}),
        ("12v 2000 mah", {"power": 2}),
        ("ssd 1 to, cle 16 go", {"storage": 2}),
        ("4 livres, 5 minutes, ps4 g, h2 l", {}),
    ],
)
def test_units(text: str, counts: dict[str, int]) -> None:
    expected = {"length": 0, "weight": 0, "volume": 0, "power": 0, "storage": 0} | counts
    assert count_units(text) == expected


@given(st.text("0123456789", min_size=9, max_size=9))
def test_exactly_one_check_digit_makes_an_isbn10(body: str) -> None:
    # Weights 1..9 from the left, modulo 11: the other form of the same rule.
    check = "0123456789x"[sum(int(d) * w for w, d in enumerate(body, start=1)) % 11]
    assert [d for d in "0123456789x" if is_isbn10(body + d)] == [check]
    assert count_isbn(f"isbn: {body}{check}.") == (1, 0)
    hyphens = f"{body[0]}-{body[1:5]}-{body[5:]}-{check}"
    assert count_isbn(hyphens) == (1, 0)


@given(st.text("0123456789", min_size=9, max_size=9), st.sampled_from(["978", "979"]))
def test_exactly_one_check_digit_makes_an_isbn13(body: str, prefix: str) -> None:
    odd = [int(d) for d in (prefix + body)[::2]]
    even = [int(d) for d in (prefix + body)[1::2]]
    check = str(-(sum(odd) + 3 * sum(even)) % 10)
    assert [d for d in "0123456789" if is_isbn13(prefix + body + d)] == [check]
    assert count_isbn(f"{prefix}{body}{check}") == (0, 1)
    spaced = f"ean {prefix}-{body[0]} {body[1:5]} {body[5:]} {check}"
    assert count_isbn(spaced)[1] == 1


def test_other_long_numbers_are_no_isbn() -> None:
    assert count_isbn("tel 0612345678901, 3760123456789, ref 20706123681, a2070612368") == (0, 0)
    # Known good ones, in the ways in which they are written.
    assert count_isbn("isbn 0-8044-2957-x et 978-0-306-40615-7 et 9780306406157") == (1, 2)


@pytest.mark.parametrize("piece", ["1", "1 ", "1x", "1-", "97", "20", "1 x ", "3 a ", "xs ", "eur"])
def test_patterns_are_linear_in_the_length(piece: str) -> None:
    def count_all(text: str) -> None:
        for count in (count_ages, count_isbn, count_sizes, count_units):
            count(text)
        for pattern in PATTERNS.values():
            assert isinstance(pattern, re.Pattern) and pattern.findall(text) is not None

    assert cpu_growth(count_all, piece, 300_000) < 32  # 8 where linear, 64 where quadratic
