"""Late fusion on toy products whose text and picture each tell a part of the class."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.linear_model import LogisticRegression
from src.features.extracted import Extracted

from src.errors import ValidationError
from src.models.calibration import log_loss
from src.models.cross_validation import aligned_margins, cross_fit
from src.models.late_fusion import LateFusion

N_CLASSES = 4


class OnColumn(ClassifierMixin, BaseEstimator):
    """Logistic regression on one column of `Extracted`; remembers the rows it saw."""

    def __init__(self, column: str = "text") -> None:
        self.column = column

    def fit(self, X: Extracted, y: np.ndarray) -> OnColumn:
        self.inner_ = LogisticRegression(max_iter=500).fit(X.table[self.column], y)
        self.classes_ = self.inner_.classes_
        self.rows_ = X.table["row"]
        return self

    def decision_function(self, X: Extracted) -> np.ndarray:
        assert not set(X.table["row"].tolist()) & getattr(self, "forbidden_", set())
        margins = self.inner_.decision_function(X.table[self.column])
        return np.column_stack([-margins, margins]) if margins.ndim == 1 else margins


def shop(n: int, seed: int, with_image: float = 0.7) -> tuple[Extracted, np.ndarray]:
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, N_CLASSES, n)
    high, low = np.divmod(codes, 2)
    image = rng.random(n) < with_image
    table = {
        "text": np.column_stack([high * 2.0, low * 0.5]) + rng.normal(size=(n, 2)),
        "image": np.column_stack([high * 0.5, low * 2.0]) + rng.normal(size=(n, 2)),
        "title_length": np.full(n, 60.0),
        "row": np.arange(n),
    }
    return Extracted(table, {"description": rng.random(n) < 0.5, "image": image}), codes * 10 + 7


def fusion(**options: object) -> LateFusion:
    experts = [("text", "", OnColumn("text")), ("image", "image", OnColumn("image"))]
    return LateFusion(experts, **options)  # type: ignore[arg-type]


def test_fusion_beats_each_expert() -> None:
    X, y = shop(3000, 0)
    new, truth = shop(3000, 1, with_image=1.0)
    found = (fusion().fit(X, y).predict(new) == truth).mean()
    for column in ("text", "image"):
        alone = LateFusion([(column, "", OnColumn(column))]).fit(X, y)
        assert found > (alone.predict(new) == truth).mean() + 0.05


def test_a_product_without_picture_gets_the_text_experts_answer() -> None:
    X, y = shop(1500, 0)
    both = fusion().fit(X, y)
    alone = LateFusion([("text", "", OnColumn("text"))]).fit(X, y)
    new, _ = shop(500, 2, with_image=0.0)
    np.testing.assert_allclose(both.predict_proba(new), alone.predict_proba(new), rtol=1e-9)


def test_out_of_fold_probabilities_are_as_good_as_on_new_rows() -> None:
    X, y = shop(3000, 0)
    outside = fusion().cross_fit(X, y)
    model = fusion().fit(X, y, outside=outside)
    new, truth = shop(6000, 3)
    oof = log_loss(outside.probabilities, outside.codes)
    fresh = log_loss(model.predict_proba(new), np.searchsorted(model.classes_, truth))
    assert oof == pytest.approx(fresh, abs=0.04)


def test_permuted_labels_score_at_chance() -> None:
    X, y = shop(2000, 0)
    outside = fusion().cross_fit(X, np.random.default_rng(1).permutation(y))
    accuracy = (outside.probabilities.argmax(axis=1) == outside.codes).mean()
    # Four standard errors of a coin with 1/4.
    assert abs(accuracy - 0.25) < 4 * np.sqrt(0.25 * 0.75 / 2000)


def test_no_picture_at_all_is_said(caplog: pytest.LogCaptureFixture) -> None:
    X, y = shop(300, 0, with_image=0.0)
    with caplog.at_level(logging.WARNING, logger="src"):
        model = fusion().fit(X, y)
    assert caplog.messages == ["expert image left out: it can see 0 rows"]
    assert [name for name, _, _ in model.experts_] == ["text"]


@pytest.mark.parametrize("pictures", [1, 20])
def test_pictures_of_one_class_but_for_one_leave_the_text(pictures: int) -> None:
    """A fold without that one picture has a single class left, which nothing can be fitted on."""
    X, y = shop(300, 0)
    X.masks["image"][:] = False
    X.masks["image"][np.flatnonzero(y == 17)[:pictures]] = True
    X.masks["image"][np.flatnonzero(y == 7)[0]] = True
    model = fusion().fit(X, y)
    assert [name for name, _, _ in model.experts_] == ["text"]
    assert np.isfinite(model.predict_proba(X)).all()


def test_nothing_to_learn_from_is_said() -> None:
    X, y = shop(300, 0, with_image=0.0)
    alone = LateFusion([("image", "image", OnColumn("image"))])
    with pytest.raises(
        ValidationError, match=r"any expert \(image\): of 300 products with 4 class"
    ):
        alone.fit(X, y)


def test_few_paired_rows_vote_evenly() -> None:
    X, y = shop(300, 0, with_image=0.12)
    theta = fusion().fit(X, y).fusion_.combiner.theta
    np.testing.assert_allclose(theta[:, 0], np.log(0.5))
    assert not theta[:, 1:].any()


def test_same_seed_same_digits_and_clone() -> None:
    X, y = shop(400, 0)
    first, second = fusion().fit(X, y), clone(fusion()).fit(X, y)
    np.testing.assert_array_equal(first.predict_proba(X), second.predict_proba(X))


def test_a_class_of_three_rows_trains() -> None:
    X, y = shop(400, 0)
    y = y.copy()
    y[:3] = 999
    outside = fusion().cross_fit(X, y)
    model = fusion().fit(X, y, outside=outside)
    assert 999 in model.classes_
    assert np.isfinite(model.predict_proba(X)).all()
    np.testing.assert_allclose(outside.probabilities.sum(axis=1), 1.0)


def test_cross_fit_predicts_only_rows_left_out() -> None:
    X, y = shop(200, 0)
    folds = np.arange(200) % 4
    present = X.masks["image"]
    margins = cross_fit(OnColumn("image"), X, y, folds, present, np.unique(y))
    assert (np.isnan(margins[:, 0]) == ~present).all()
    for fold in range(4):
        train, held = present & (folds != fold), present & (folds == fold)
        alone = OnColumn("image").fit(X.take(train), y[train])
        np.testing.assert_allclose(margins[held], alone.decision_function(X.take(held)))


def test_one_expert_keeps_its_margins_and_gets_probabilities() -> None:
    X, y = shop(600, 0)
    model = LateFusion([("all", "", OnColumn("text"))]).fit(X, y)
    alone = OnColumn("text").fit(X, y)
    np.testing.assert_array_equal(model.decision_function(X), alone.decision_function(X))
    np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1.0)


def test_margins_known_from_outside_are_not_made_again() -> None:
    X, y = shop(400, 0)
    outside = fusion().cross_fit(X, y)
    given, own = fusion().fit(X, y, outside=outside), fusion().fit(X, y)
    np.testing.assert_array_equal(given.predict_proba(X), own.predict_proba(X))


def test_a_holdout_becomes_a_fold_of_its_own() -> None:
    X, y = shop(400, 0)
    held = np.arange(400) % 5 == 2
    inside = fusion().cross_fit(X.take(~held), y[~held])
    model = fusion().fit(X.take(~held), y[~held], outside=inside)
    seen = model.look(X.take(held), y[held])
    merged = inside.and_held(seen, held)
    np.testing.assert_array_equal(merged.codes, np.searchsorted(model.classes_, y))
    np.testing.assert_array_equal(merged.folds == -1, held)
    np.testing.assert_array_equal(merged.margins["text"][held], model.margins(X.take(held))[0])
    np.testing.assert_array_equal(merged.margins["image"][~held], inside.margins["image"])


def test_a_class_that_a_fold_never_saw_comes_last() -> None:
    X, y = shop(200, 0)
    seen = y != 7
    fitted = OnColumn().fit(X.take(seen), y[seen])
    margins = aligned_margins(fitted, X, np.unique(y))
    np.testing.assert_array_equal(margins[:, 0], margins[:, 1:].min(axis=1))
    np.testing.assert_array_equal(margins[:, 1:], fitted.decision_function(X))
