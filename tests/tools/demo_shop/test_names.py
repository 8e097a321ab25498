"""Invented names: endless, repeatable, and with a flavour of their namespace."""

from __future__ import annotations

from tools.demo_shop.draws import Draws
from tools.demo_shop.names import article_code, invented


def bigrams(space: str) -> set[str]:
    names = [invented(space, k) for k in range(300)]
    return {name[i : i + 2] for name in names for i in range(len(name) - 1)}


def test_a_name_is_always_the_same() -> None:
    first = [invented("brand:pool", k) for k in range(50)]
    invented.cache_clear()
    assert [invented("brand:pool", k) for k in range(50)] == first


def test_names_rarely_repeat() -> None:
    names = [invented("world", k) for k in range(2000)]
    assert len(set(names)) > 1200
    assert all(name.isalpha() and name.islower() for name in names)


def test_namespaces_sound_different() -> None:
    pool, book = bigrams("brand:pool"), bigrams("author:10")
    overlap = len(pool & book) / len(pool | book)
    assert 0.05 < overlap < 0.7


def test_codes_are_nearly_always_new() -> None:
    draws = Draws(1)
    codes = [article_code(draws, "pump") for _ in range(2000)]
    assert len(set(codes)) > 1900
    assert all(any(char.isdigit() for char in code) for code in codes)
