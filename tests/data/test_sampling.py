"""Sampling: exact counts, nothing of another class, the same rows for the same seed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.data.sampling import Sampling

# Mean class size 100 of 4 classes: 250 rows, 100, 40, 10.
Y = np.repeat([40, 10, 2583, 50], [250, 100, 40, 10])


def counts(y: np.ndarray) -> dict[int, int]:
    return dict(zip(*(part.tolist() for part in np.unique(y, return_counts=True)), strict=True))


@pytest.mark.parametrize(
    ("cap", "floor", "expected"),
    [
        (1.5, 0.5, {40: 150, 10: 100, 2583: 50, 50: 50}),
        (1.5, 0.0, {40: 150, 10: 100, 2583: 40, 50: 10}),
        (9.0, 0.25, {40: 250, 10: 100, 2583: 40, 50: 25}),
        (1.0, 1.0, {40: 100, 10: 100, 2583: 100, 50: 100}),
        (1.005, 0.409, {40: 101, 10: 100, 2583: 40, 50: 40}),
    ],
)
def test_exact_counts(cap: float, floor: float, expected: dict[int, int]) -> None:
    assert counts(Y[Sampling(cap, floor, seed=1).rows(Y)]) == expected


def test_bounds_that_no_class_reaches_change_nothing() -> None:
    np.testing.assert_array_equal(Sampling(3.0, 0.1, seed=1).rows(Y), np.arange(400))


def test_same_seed_same_rows() -> None:
    first, again, other = (Sampling(1.5, 0.5, seed).rows(Y) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_rows_of_a_capped_class_are_drawn_alike() -> None:
    """Each of 250 rows is kept 150 in 250 times: 200 draws, five standard errors."""
    kept = np.zeros(250)
    for seed in range(200):
        rows = Sampling(1.5, 0.0, seed).rows(Y)
        kept[rows[rows < 250]] += 1
    assert np.abs(kept / 200 - 0.6).max() < 5 * np.sqrt(0.6 * 0.4 / 200)


@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=120),
    st.floats(1.0, 4.0),
    st.floats(0.0, 1.0),
    st.integers(0, 9),
)
def test_any_labels_keep_the_bounds(y: list[int], cap: float, floor: float, seed: int) -> None:
    labels = np.array(y)
    before = counts(labels)
    mean = len(y) / len(before)
    rows = Sampling(cap, floor, seed).rows(labels)
    repeats = np.bincount(rows, minlength=len(y))
    assert (np.diff(rows) >= 0).all()
    for code, count in before.items():
        mine = repeats[labels == code]
        if count > cap * mean:
            assert mine.sum() == min(count, np.ceil(cap * mean))
            assert mine.max() == 1
        elif count < np.floor(floor * mean):
            assert mine.sum() == np.floor(floor * mean)
            assert mine.max() - mine.min() <= 1
        else:
            assert (mine == 1).all()


def test_no_rows() -> None:
    assert Sampling(2.0, 0.5, seed=0).rows(np.empty(0, dtype=np.int64)).tolist() == []


@pytest.mark.parametrize(("cap", "floor"), [(0.9, 0.5), (2.0, 1.1), (2.0, -0.1)])
def test_bounds_out_of_range(cap: float, floor: float) -> None:
    with pytest.raises(ValueError, match=r"expected a cap of at least 1 and a floor from 0 to 1"):
        Sampling(cap, floor, seed=0)
