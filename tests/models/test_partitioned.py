"""`Partitioned` is scikit-learn's ``partial_fit`` over parts, and never holds all rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.datasets import make_classification
from sklearn.linear_model import SGDClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.utils.class_weight import compute_class_weight

from src.data.sampling import Sampling
from src.models.model_trainer import ModelTrainer
from src.models.partitioned import Partitioned

VALUES, Y = make_classification(
    500, 12, n_informative=6, n_classes=3, weights=[0.6, 0.3], random_state=0
)
X = pd.DataFrame(VALUES.astype(np.float32))
SGD = SGDClassifier(loss="modified_huber", average=True, random_state=0)


class Watched(TransformerMixin, BaseEstimator):
    """A scaler that keeps how many rows it was given at a time."""

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> Watched:
        self.sizes_, self.scaler_ = [len(X)], StandardScaler().fit(X)
        return self

    def transform(self, X: pd.DataFrame) -> np.ndarray:
        self.sizes_.append(len(X))
        return self.scaler_.transform(X)


def of(sampling: Sampling | None = None, **options: object) -> Partitioned:
    classifier = clone(SGD).set_params(**options)
    steps = [("features", Watched()), ("classifier", ModelTrainer(classifier, sampling))]
    return Partitioned(steps, rows=200, passes=2, random_state=3)


def by_hand(rows: np.ndarray, weights: np.ndarray) -> tuple[SGDClassifier, np.ndarray]:
    """Return the library's own fit on rows, 200 at a time, and the mean of what it was given."""
    order = np.random.default_rng(3).permutation(rows)
    scaler = StandardScaler().fit(X.iloc[order[:200]])
    fitted = clone(SGD).set_params(class_weight=dict(enumerate(weights)))
    for start in range(0, len(order), 200):
        some = order[start : start + 200]
        for _ in range(2):
            fitted.partial_fit(scaler.transform(X.iloc[some]), Y[some], classes=[0, 1, 2])
    return fitted, scaler.transform(X.iloc[order])


@pytest.mark.parametrize("sampled", [False, True])
@pytest.mark.parametrize("balanced", [False, True])
def test_equals_partial_fit(*, sampled: bool, balanced: bool) -> None:
    """Classes are weighed by their size among all rows that are learned from, not by a part's."""
    sampling = Sampling(cap=1.0, floor=1.0, seed=5) if sampled else None
    rows = sampling.rows(Y) if sampling else np.arange(500)
    kind = "balanced" if balanced else None
    weights = compute_class_weight(kind, classes=np.arange(3), y=Y[rows])
    library, given = by_hand(rows, weights)
    ours = of(sampling, class_weight=kind).fit(X, Y)
    np.testing.assert_array_equal(ours[-1].classifier_.coef_, library.coef_)
    np.testing.assert_allclose(ours[-1].background_, given.mean(axis=0), atol=1e-6)
    margins = library.decision_function(ours[0].transform(X))
    np.testing.assert_allclose(ours.decision_function(X), margins, rtol=1e-5, atol=1e-3)  # of 500


def test_no_more_rows_than_a_part_at_a_time() -> None:
    fitted = of().fit(X, Y)
    assert fitted[0].sizes_ == [200, 200, 200, 100]
    fitted.decision_function(X)
    assert max(fitted[0].sizes_) == 200


def test_it_keeps_nothing_that_a_next_step_would_need() -> None:
    classifier = of().fit(X, Y)[-1].classifier_
    assert not any(name.startswith("_") for name in vars(classifier))


def test_it_clones_and_takes_parameters() -> None:
    copy = clone(of()).set_params(rows=50, classifier__classifier__alpha=0.5)
    assert (copy.rows, copy.passes, copy[-1].classifier.alpha) == (50, 2, 0.5)
    assert len(copy.fit(X, Y)[0].sizes_) == 11
