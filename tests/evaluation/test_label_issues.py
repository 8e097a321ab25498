"""Planted flips are found, ranked first, and named by their true class."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest

from src.evaluation.label_issues import find_issues, label_issues
from src.labels import Labels

if TYPE_CHECKING:
    from tests.evaluation.conftest import Answers


def by_loops(columns: np.ndarray, proba: np.ndarray) -> list[tuple[int, int]]:
    """Confident learning as its paper tells it, class by class and row by row."""
    n_classes = proba.shape[1]
    confidence = [
        np.mean([p[c] for p, given in zip(proba, columns, strict=True) if given == c] or [1.0])
        for c in range(n_classes)
    ]
    found = []
    for i, (p, given) in enumerate(zip(proba, columns, strict=True)):
        others = [c for c in range(n_classes) if c != given and p[c] >= confidence[c]]
        if others and p[given] < confidence[given]:
            best = max(others, key=lambda c: p[c])
            if p[best] > p[given]:
                found.append((p[best] - p[given], i, best))
    return [(i, best) for _, i, best in sorted(found, key=lambda f: (-f[0], f[1]))]


@pytest.mark.parametrize("seed", range(3))
def test_against_loops(seed: int) -> None:
    rng = np.random.default_rng(seed)
    proba = rng.dirichlet(np.full(5, 0.5), size=120)
    columns = np.where(rng.random(120) < 0.7, proba.argmax(axis=1), rng.integers(4, size=120))
    rows, suggested = find_issues(columns, proba)
    assert len(rows) > 5
    assert list(zip(rows.tolist(), suggested.tolist(), strict=True)) == by_loops(columns, proba)


@pytest.mark.parametrize("share", [0.02, 0.08])
def test_planted_flips_come_first(
    draw_answers: Callable[..., Answers], labels: Labels, share: float
) -> None:
    """Precision among the first N, N flips planted, against the share that chance would find."""
    true = draw_answers(np.array(labels.codes), 4000, sharpness=7.0)
    rng = np.random.default_rng(1)
    flipped = rng.random(len(true.y)) < share
    given = np.where(flipped, rng.permutation(true.y), true.y)
    flipped = given != true.y
    issues = label_issues(given, true.proba, true.classes, products=true.products, labels=labels)
    place = dict(zip(true.products["row_index"], range(len(given)), strict=True))
    rows = np.array([place[row] for row in issues["row_index"]])
    first = rows[: flipped.sum()]
    assert flipped[first].mean() > 0.5
    assert flipped[first].mean() > 8 * flipped.mean()
    hits = first[flipped[first]]
    suggested = issues["suggested"].to_numpy()[: flipped.sum()][flipped[first]]
    assert (suggested == true.y[hits]).mean() > 0.9
    row = issues.iloc[0]
    assert row["rank"] == 1
    assert row["given"] == given[rows[0]]
    assert row["productid"] == true.products["productid"][rows[0]]
    assert row["suggested_label"] == labels.label(row["suggested"])
    chances = true.proba[rows[0]]
    assert row["suggested_probability"] == chances[list(true.classes).index(row["suggested"])]
    assert row["given_probability"] == chances[list(true.classes).index(row["given"])]
    gaps = issues["suggested_probability"] - issues["given_probability"]
    assert gaps.is_monotonic_decreasing


def test_agreement_is_no_issue() -> None:
    proba = np.array([[0.9, 0.1], [0.2, 0.8]])
    rows, suggested = find_issues(np.array([0, 1]), proba)
    assert (len(rows), len(suggested)) == (0, 0)
