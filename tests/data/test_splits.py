"""Splits: stratified, grouped, deterministic."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedGroupKFold

from src.data.splits import deal, split_folds, split_holdout, stable_holdout, stratified_sample


def shop(seed: int, n: int = 3000) -> tuple[np.ndarray, np.ndarray]:
    """Labels at uneven shares, and groups of which one row in seven shares another's."""
    rng = np.random.default_rng(seed)
    y = rng.choice(27, size=n, p=rng.dirichlet(np.full(27, 2.0)))
    groups = np.arange(n)
    for row in np.flatnonzero(rng.random(n) < 0.14):
        groups[row] = groups[rng.integers(0, n)]
    return y, np.unique(groups, return_inverse=True)[1]


@pytest.mark.parametrize("seed", range(5))
def test_holdout_is_stratified_and_never_straddles(seed: int) -> None:
    y, groups = shop(seed)
    held = split_holdout(y, groups, 0.15, seed)
    assert not set(groups[held]) & set(groups[~held])
    counts = np.bincount(y, minlength=27)
    off = np.abs(np.bincount(y[held], minlength=27) - 0.15 * counts)
    assert off.max() <= 1.0


@pytest.mark.parametrize("seed", range(3))
def test_folds_are_at_least_as_even_as_the_library(seed: int) -> None:
    y, groups = shop(seed)
    folds = split_folds(y, groups, 5, seed)
    library = np.empty_like(folds)
    splitter = StratifiedGroupKFold(5, shuffle=True, random_state=seed)
    for number, (_, rows) in enumerate(splitter.split(y, y, groups)):
        library[rows] = number

    def unevenness(parts: np.ndarray) -> float:
        table = np.zeros((5, 27))
        np.add.at(table, (parts, y), 1)
        return float(table.std(axis=0).mean())

    assert unevenness(folds) <= unevenness(library)
    assert all(len(set(folds[groups == g])) == 1 for g in np.flatnonzero(np.bincount(groups) > 1))


@settings(max_examples=200)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 6)), min_size=1, max_size=40),
    st.integers(2, 4),
    st.integers(0, 5),
)
def test_any_rows_are_dealt_whole(rows: list[tuple[int, int]], n_folds: int, seed: int) -> None:
    y = np.array([row[0] for row in rows])
    groups = np.unique([row[1] for row in rows], return_inverse=True)[1]
    parts = split_folds(y, groups, n_folds, seed)
    assert parts.shape == y.shape
    assert set(parts.tolist()) <= set(range(n_folds))
    for group in set(groups.tolist()):
        assert len(set(parts[groups == group].tolist())) == 1
    np.testing.assert_array_equal(parts, split_folds(y, groups, n_folds, seed))


def test_single_rows_are_exact_to_one_row() -> None:
    y = np.repeat([0, 1, 2], [10, 7, 2])
    parts = deal(y, np.arange(19), (0.5, 0.3, 0.2), seed=0)
    for code, n in enumerate((10, 7, 2)):
        counts = np.bincount(parts[y == code], minlength=3)
        assert counts.sum() == n
        assert np.abs(counts - n * np.array([0.5, 0.3, 0.2])).max() < 1.0


def test_another_seed_is_another_split() -> None:
    y, groups = shop(0)
    assert (split_holdout(y, groups, 0.15, 1) != split_holdout(y, groups, 0.15, 2)).any()


def test_a_class_too_small_to_split_stays_in_training() -> None:
    y = np.array([0] * 40 + [1] * 3 + [2])
    held = split_holdout(y, np.arange(44), 0.15, 0)
    assert held[:40].sum() == 6
    assert not held[40:].any()


@pytest.mark.parametrize("n_rows", [1, 100, 299, 3000, 9000])
def test_sample_is_exact_and_in_proportion(n_rows: int) -> None:
    y, _ = shop(0)
    rows = stratified_sample(y, n_rows, seed=1)
    assert len(rows) == len(set(rows.tolist())) == min(n_rows, len(y))
    shares = np.bincount(y, minlength=27) * len(rows) / len(y)
    assert np.abs(np.bincount(y[rows], minlength=27) - shares).max() < 1.0
    np.testing.assert_array_equal(rows, stratified_sample(y, n_rows, seed=1))


def test_a_class_that_is_one_group_stays_in_training() -> None:
    y = np.r_[np.zeros(100, int), np.ones(8, int)]
    groups = np.r_[np.arange(100), np.full(8, 100)]
    held = [split_holdout(y, groups, 0.15, seed)[100:].any() for seed in range(50)]
    assert not any(held)


def test_grouped_rows_are_held_out_as_often_as_single_ones() -> None:
    shares = []
    for seed in range(20):
        y, groups = shop(seed)
        held = split_holdout(y, groups, 0.15, seed)
        grouped = np.bincount(groups)[groups] > 1
        shares.append((held[grouped].mean(), held[~grouped].mean()))
    of_groups, of_singles = np.mean(shares, axis=0)
    assert of_groups == pytest.approx(of_singles, abs=0.03)


def test_a_group_larger_than_a_fold_leaves_the_others_even() -> None:
    y = np.zeros(100, int)
    groups = np.r_[np.zeros(30, int), np.arange(1, 71)]
    sizes = np.bincount(split_folds(y, groups, 5, seed=0))
    assert sorted(sizes.tolist()) == [17, 17, 18, 18, 30]


def test_one_giant_group_is_kept_whole() -> None:
    y = np.zeros(20, dtype=int)
    groups = np.r_[np.zeros(15, dtype=int), np.arange(1, 6)]
    held = split_holdout(y, groups, 0.25, 0)
    assert len(set(held[:15].tolist())) == 1
    assert 0 < held.sum() < 20


@pytest.mark.parametrize("seed", range(5))
def test_no_class_is_held_out_whole(seed: int) -> None:
    """Neither by the toss of a half, nor because its group of duplicates fitted there best."""
    y = np.r_[np.zeros(20, int), np.ones(20, int), 2]
    assert set(y[~split_holdout(y, np.arange(41), 0.5, seed)]) == {0, 1, 2}
    groups = np.r_[np.zeros(17, int), [1, 1, 1], np.arange(2, 22), 1]
    held = split_holdout(y, groups, 0.15, seed)
    assert not held[groups == 1].any()
    assert held.sum() == 3  # of class 1


def test_the_runs_holdout_does_not_move_with_labels_or_rows() -> None:
    y, groups = shop(0)
    products = np.random.default_rng(1).permutation(10**6)[: len(y)]
    held = stable_holdout(y, groups, products, 0.15, 42)
    assert held.mean() == pytest.approx(0.15, abs=0.02)
    assert not set(groups[held]) & set(groups[~held])
    corrected = np.where(np.arange(len(y)) % 20 == 0, 3, y)
    np.testing.assert_array_equal(stable_holdout(corrected, groups, products, 0.15, 42), held)
    # Rows that are added, duplicates of others among them.
    grown = np.r_[groups, groups[:50], groups.max() + 1 + np.arange(200)]
    more_products = np.r_[products, 10**6 + np.arange(250)]
    more = stable_holdout(np.r_[y, y[:250]], grown, more_products, 0.15, 42)
    np.testing.assert_array_equal(more[: len(y)], held)
    # The same rows in another order.
    order = np.random.default_rng(3).permutation(len(y))
    mixed = stable_holdout(y[order], groups[order], products[order], 0.15, 42)
    np.testing.assert_array_equal(mixed, held[order])
    # Rows that are gone, the others in another order.
    single = np.flatnonzero(np.bincount(groups)[groups] == 1)
    kept = np.random.default_rng(2).permutation(single)[:1500]
    fewer = stable_holdout(y[kept], groups[kept], products[kept], 0.15, 42)
    np.testing.assert_array_equal(fewer, held[kept])
    assert (stable_holdout(y, groups, products, 0.15, 43) != held).any()


def test_the_runs_holdout_takes_no_class_whole() -> None:
    y = np.r_[np.zeros(200, int), np.arange(1, 60)]
    held = stable_holdout(y, np.arange(259), np.arange(259), 0.3, 0)
    assert set(y[~held]) == set(range(60))
    assert held[:200].mean() == pytest.approx(0.3, abs=0.1)
