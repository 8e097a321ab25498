"""Repeated titles."""

from __future__ import annotations

import pytest

from tools.demo_shop.draws import Draws
from tools.demo_shop.duplicates import repeat_titles
from tools.demo_shop.statistics import DUPLICATE_TITLES


def test_the_real_share_of_titles_is_repeated_within_five_sixths_of_the_rows() -> None:
    n = 20_000
    texts = [(f"title {i}", f"text {i}" if i % 3 else "") for i in range(n)]
    result = repeat_titles(Draws(1), [i % 5 for i in range(n)], texts)
    train = [title for title, _ in result[: round(n * 0.86)]]
    assert 1 - len(set(train)) / len(train) == pytest.approx(DUPLICATE_TITLES, rel=0.12)
    assert [bool(text) for _, text in result] == [bool(text) for _, text in texts]


def test_copies_come_mostly_from_the_same_class() -> None:
    n = 20_000
    texts = [(f"{i % 5} {i}", "") for i in range(n)]
    result = repeat_titles(Draws(2), [i % 5 for i in range(n)], texts)
    changed = [i for i in range(n) if result[i] != texts[i]]
    same = sum(result[i][0].startswith(f"{i % 5} ") for i in changed) / len(changed)
    assert same == pytest.approx(0.85 + 0.15 / 5, abs=0.06)


def test_chance_repetitions_count() -> None:
    texts = [("same", "")] * 100
    assert repeat_titles(Draws(3), [0] * 100, texts) == texts
