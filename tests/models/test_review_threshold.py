"""The review threshold: of all thresholds that reach the target, the one that accepts most."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.models.calibration import NOTHING_ACCEPTED, review_threshold


def answers(confidences: list[float], right: list[bool]) -> tuple[np.ndarray, np.ndarray]:
    top = np.array(confidences)
    return np.column_stack([top, 1 - top]), np.where(right, 0, 1)


def by_trial(confidences: list[float], right: list[bool], target: float) -> float:
    """Try every confidence as the threshold."""
    best = NOTHING_ACCEPTED
    for threshold in sorted(set(confidences), reverse=True):
        accepted = [ok for c, ok in zip(confidences, right, strict=True) if c >= threshold]
        if sum(accepted) / len(accepted) >= target:
            best = threshold
    return best


ANSWER = st.tuples(st.sampled_from([0.5, 0.6, 0.7, 0.8, 0.9, 0.99]), st.booleans())


@given(st.lists(ANSWER, min_size=1, max_size=40), st.sampled_from([0.5, 0.8, 0.95, 1.0]))
def test_it_is_what_trying_every_threshold_finds(
    rows: list[tuple[float, bool]], target: float
) -> None:
    confidences, right = [c for c, _ in rows], [ok for _, ok in rows]
    found = review_threshold(*answers(confidences, right), target)
    expected = by_trial(confidences, right, target)
    everything = sum(right) / len(right) >= target
    assert found == (0.0 if everything else expected)


@pytest.mark.parametrize(
    ("right", "target", "expected"),
    [
        ([True, True, True, False], 0.7, 0.0),
        ([True, True, False, False], 0.9, 0.8),
        ([False, False, False, False], 0.5, NOTHING_ACCEPTED),
    ],
)
def test_known_cases(right: list[bool], target: float, expected: float) -> None:
    assert review_threshold(*answers([0.9, 0.8, 0.7, 0.6], right), target) == expected
