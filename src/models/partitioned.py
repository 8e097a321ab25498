"""`Partitioned`: an expert for more products than memory holds the features of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from src.models.cross_validation import take


class Partitioned(Pipeline):
    """A transformer and a `ModelTrainer`, whose matrix is never there as a whole.

    The transformer is fitted on `rows` products drawn at random; the classifier on all of them in
    random order, `rows` at a time: each is transformed once, and learned from `passes` times.
    """

    def __init__(
        self,
        steps: list[tuple[str, Any]],
        *,
        rows: int = 20_000,
        passes: int = 1,
        random_state: int = 0,
    ) -> None:
        super().__init__(steps)
        self.rows = rows
        self.passes = passes
        self.random_state = random_state

    def fit(self, X: pd.DataFrame, y: np.ndarray, **params: Any) -> Partitioned:  # noqa: ANN401, ARG002
        """Fit on n products; groups of duplicates are not asked for."""
        features, trainer = self[0], self[-1]
        y = np.asarray(y)
        chosen = np.arange(len(y)) if trainer.sampling is None else trainer.sampling.rows(y)
        order = np.random.default_rng(self.random_state).permutation(chosen)
        first = order[: self.rows]
        features.fit(take(X, first), y[first])
        parts = ((features.transform(take(X, some)), y[some]) for some in self._parts(order))
        trainer.fit_parts(parts, y[chosen], self.passes)
        return self

    def decision_function(self, X: pd.DataFrame) -> np.ndarray:
        """Return margins, shape (n, n_classes), or (n,) for two classes."""
        features, trainer = self[0], self[-1]
        parts = (features.transform(take(X, some)) for some in self._parts(np.arange(len(X))))
        return np.concatenate([trainer.decision_function(part) for part in parts])

    def _parts(self, order: np.ndarray) -> Iterator[np.ndarray]:
        return (order[start : start + self.rows] for start in range(0, len(order), self.rows))
