"""The probability from which on an answer is taken without review."""

from __future__ import annotations

import numpy as np

NOTHING_ACCEPTED = 1.01
"""A threshold that no probability reaches."""


def review_threshold(probabilities: np.ndarray, codes: np.ndarray, target_accuracy: float) -> float:
    """Return the probability from which on answers are right often enough.

    Parameters
    ----------
    probabilities : ndarray, shape (n, n_classes)
        Out of fold.
    codes : ndarray of int, shape (n,)
        Column of the true class.
    target_accuracy : float
        Between 0 and 1.

    Returns
    -------
    float
        Of all thresholds at which the accepted answers reach the target, the one that accepts most;
        0 where all answers together do, `NOTHING_ACCEPTED` where not even the surest do.
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == codes
    order = np.argsort(-confidence, kind="stable")
    accuracy = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    sorted_confidence = confidence[order]
    # Answers of one probability are accepted together or not at all.
    last_of_tie = np.append(sorted_confidence[1:] < sorted_confidence[:-1], True)
    enough = np.flatnonzero((accuracy >= target_accuracy) & last_of_tie)
    if not len(enough):
        return NOTHING_ACCEPTED
    return 0.0 if enough[-1] == len(order) - 1 else float(sorted_confidence[enough[-1]])
