"""The baselines that read no product: what the shares of the classes alone are worth."""

from __future__ import annotations

import numpy as np


def by_share(strategy: str, codes: np.ndarray, folds: np.ndarray, seed: int) -> np.ndarray:
    """Return out-of-fold probabilities, shape (n, n_classes), by the shares of the other folds.

    Parameters
    ----------
    strategy : str
        Of scikit-learn's ``DummyClassifier``: "prior" answers the majority with the shares as
        probabilities, "stratified" draws its answer and is sure of it.
    codes : ndarray of int, shape (n,)
        Class of each row, from 0.
    folds : ndarray of int, shape (n,)
        Fold of each row.
    seed : int
        Of the draws.
    """
    from sklearn.dummy import DummyClassifier

    probabilities = np.zeros((len(codes), int(codes.max()) + 1))
    for fold in np.unique(folds):
        held = np.flatnonzero(folds == fold)
        dummy = DummyClassifier(strategy=strategy, random_state=seed + int(fold))
        dummy.fit(np.zeros((len(codes) - len(held), 1)), codes[folds != fold])
        probabilities[np.ix_(held, dummy.classes_)] = dummy.predict_proba(np.zeros((len(held), 1)))
    return probabilities
