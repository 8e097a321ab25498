"""`Dataset` refuses what does not fit together."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from src.data.dataset import COLUMNS, Dataset, Snapshot

SNAPSHOT = Snapshot("0" * 64, "demo")


def items(n: int) -> pd.DataFrame:
    return pd.DataFrame({name: [f"{name}{i}" for i in range(n)] for name in COLUMNS})


def test_take_by_mask_and_by_position() -> None:
    data = Dataset(items(4), np.array([5, 6, 7, 8]), "train", SNAPSHOT)
    by_mask = data.take(np.array([True, False, True, False]))
    by_place = data.take(np.array([0, 2]))
    for taken in (by_mask, by_place):
        pd.testing.assert_frame_equal(taken.items, items(4).iloc[[0, 2]].reset_index(drop=True))
        assert taken.labels.tolist() == [5, 7]
        assert taken.snapshot == SNAPSHOT
    assert data.take(np.array([3, 0])).labels.tolist() == [8, 5]


def test_unlabelled() -> None:
    data = Dataset(items(2), None, "test", SNAPSHOT)
    assert len(data.take(np.array([1]))) == 1
    with pytest.raises(ValueError, match="the test products carry no labels"):
        _ = data.labels


@pytest.mark.parametrize(
    ("frame", "y", "split", "message"),
    [
        (items(2)[["productid"]], np.array([1, 2]), "train", "items has columns"),
        (items(2), np.array([1]), "train", r"y has shape \(1,\) for 2 items"),
        (items(2), np.array([1.0, 2.0]), "train", "y has dtype float64, expected int64"),
        (items(2), None, "train", "split 'train' with y None"),
        (items(2), np.array([1, 2]), "test", "split 'test' with y given"),
    ],
)
def test_refused(frame: pd.DataFrame, y: np.ndarray | None, split: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Dataset(frame, y, split, SNAPSHOT)  # type: ignore[arg-type]


def test_synthetic() -> None:
    assert SNAPSHOT.synthetic
    assert not Snapshot("0" * 64, "official").synthetic
