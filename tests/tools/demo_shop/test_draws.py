"""Random draws: reproducible, and distributed as they say."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from tools.demo_shop.draws import Draws, cumulative, stable_seed, stable_unit


def test_numbers_are_those_of_pcg64_whatever_the_block() -> None:
    expected = np.random.Generator(np.random.PCG64(9)).random(8)
    in_one_block, in_blocks_of_four = Draws(9, block=8), Draws(9, block=4)
    assert [in_one_block.unit() for _ in range(8)] == expected[::-1].tolist()
    small = [in_blocks_of_four.unit() for _ in range(8)]
    assert small == [*expected[3::-1], *expected[:3:-1]]


def test_stable_seed_is_the_same_on_every_machine() -> None:
    digest = hashlib.blake2b(b"brand\x1f3", digest_size=8).digest()
    assert stable_seed("brand", 3) == int.from_bytes(digest, "little")
    assert stable_seed("a", "b") != stable_seed("ab")
    assert 0 <= stable_unit("x") < 1


def test_weighted_choice_follows_the_weights() -> None:
    draws = Draws(1)
    running = cumulative([1.0, 0.0, 3.0])
    found = [draws.weighted("abc", running) for _ in range(20_000)]
    assert found.count("b") == 0
    assert found.count("c") / len(found) == pytest.approx(0.75, abs=0.015)


def test_rank_has_a_heavy_tail() -> None:
    draws = Draws(2)
    ranks = np.array([draws.rank(0.7) for _ in range(40_000)])
    assert ranks.min() == 0
    for k in (3, 30, 300):
        assert (ranks >= k).mean() == pytest.approx((k + 1) ** -0.7, rel=0.08)


def test_new_ranks_keep_coming() -> None:
    draws = Draws(3)
    ranks = [draws.rank(0.72) for _ in range(32_000)]
    different = [len(set(ranks[:n])) for n in (500, 4_000, 32_000)]
    growth = 8 ** (1 / 1.72)
    assert different[1] / different[0] == pytest.approx(growth, rel=0.2)
    assert different[2] / different[1] == pytest.approx(growth, rel=0.2)


def test_percentile_gives_the_table_back() -> None:
    draws = Draws(4)
    table = {0: 0.0, 25: 10.0, 50: 50.0, 75: 60.0, 100: 100.0}
    values = [draws.percentile(table) for _ in range(40_000)]
    assert np.percentile(values, [25, 50, 75]) == pytest.approx([10, 50, 60], abs=1.5)


def test_shuffled_is_a_fair_permutation() -> None:
    draws = Draws(5)
    first = [draws.shuffled("abcd") for _ in range(8_000)]
    assert all(sorted(order) == list("abcd") for order in first)
    for place in range(4):
        share = sum(order[place] == "a" for order in first) / len(first)
        assert share == pytest.approx(0.25, abs=0.02)


def test_between_reaches_both_ends() -> None:
    draws = Draws(6)
    assert {draws.between(2, 5) for _ in range(500)} == {2, 3, 4, 5}
    assert {draws.below(3) for _ in range(500)} == {0, 1, 2}
