"""Boosted trees beside the libraries called directly, and the number of rounds that they find."""

from __future__ import annotations

import contextlib
import dataclasses
import io
from collections.abc import Callable
from typing import Any
from unittest import SkipTest

import joblib
import lightgbm
import numpy as np
import pytest
import xgboost
from scipy import sparse
from sklearn.base import clone
from sklearn.utils.estimator_checks import estimator_checks_generator

from src.data.splits import split_holdout
from src.models.boosted_trees import INNER_SHARE, BoostedTrees
from src.models.tree_libraries import LightGBM, Rows, Task, TreeLibrary, XGBoost

COMMON: dict[str, Any] = {"n_estimators": 12, "learning_rate": 0.3, "early_stopping_rounds": 3}
XGB = XGBoost(**COMMON, max_depth=3, subsample=0.8, colsample=0.5, max_bin=32)
LGB = LightGBM(**COMMON, num_leaves=7, subsample=0.8, colsample=0.5, max_bin=31)
BOTH = pytest.mark.parametrize("library", [XGB, LGB], ids=["xgboost", "lightgbm"])


def points(n: int = 300, n_classes: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Clouds around one corner a class, in six columns of which four say something."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, n_classes, n)
    X = rng.normal(size=(n, 6)).astype(np.float32)
    X[np.arange(n), codes % 4] += 1.5
    return X, codes * 10 + 7


def trees(library: TreeLibrary, n_jobs: int = 1) -> BoostedTrees:
    return BoostedTrees(library, n_jobs=n_jobs, random_state=5)


def xgboost_margins(X: np.ndarray, codes: np.ndarray, rounds: int, new: np.ndarray) -> np.ndarray:
    classifier = xgboost.XGBClassifier(
        n_estimators=rounds,
        learning_rate=0.3,
        max_depth=3,
        subsample=0.8,
        colsample_bytree=0.5,
        max_bin=32,
        tree_method="hist",
        objective="multi:softprob",
        random_state=5,
        n_jobs=1,
    )
    return classifier.fit(X, codes).predict(new, output_margin=True)


def lightgbm_margins(X: np.ndarray, codes: np.ndarray, rounds: int, new: np.ndarray) -> np.ndarray:
    classifier = lightgbm.LGBMClassifier(
        n_estimators=rounds,
        learning_rate=0.3,
        num_leaves=7,
        subsample=0.8,
        subsample_freq=1,
        colsample_bytree=0.5,
        max_bin=31,
        min_child_samples=3,
        reg_lambda=1.0,
        objective="multiclass",
        random_state=5,
        deterministic=True,
        force_row_wise=True,
        n_jobs=1,
        verbosity=-1,
    )
    return classifier.fit(X, codes).booster_.predict(new, raw_score=True)


@pytest.mark.parametrize(
    ("library", "direct"), [(XGB, xgboost_margins), (LGB, lightgbm_margins)], ids=["xgb", "lgb"]
)
def test_grown_on_all_rows_as_the_library_grows(
    library: TreeLibrary, direct: Callable[..., np.ndarray]
) -> None:
    X, y = points()
    new, _ = points(80, seed=1)
    ours = trees(library).fit(X, y)
    expected = direct(X, (y - 7) // 10, ours.rounds_, new)
    np.testing.assert_allclose(ours.decision_function(new), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(ours.predict(new), expected.argmax(axis=1) * 10 + 7)
    odds = np.exp(expected)
    np.testing.assert_allclose(
        ours.predict_proba(new), odds / odds.sum(axis=1, keepdims=True), rtol=1e-4
    )


@BOTH
def test_rounds_are_where_the_held_loss_is_lowest(library: TreeLibrary) -> None:
    """Beside every number of rounds grown on its own; patience sees past no later minimum here."""
    options = {"n_estimators": 15, "early_stopping_rounds": 15, "learning_rate": 0.9}
    patient = dataclasses.replace(library, **options)
    X, y = points(240)
    y = np.where(np.random.default_rng(1).random(240) < 0.4, np.roll(y, 1), y)
    codes, groups = (y - 7) // 10, np.arange(240)
    held = split_holdout(codes, groups, INNER_SHARE, seed=5)
    task = Task(4, 5, 1)
    losses = []
    for rounds in range(1, 16):
        booster = patient.grow((X[~held], codes[~held]), rounds, task)
        margins = patient.margins(booster, X[held], 1).astype(np.float64)
        log_p = margins - np.log(np.exp(margins).sum(axis=1, keepdims=True))
        losses.append(-log_p[np.arange(held.sum()), codes[held]].mean())
    assert trees(patient).fit(X, y).rounds_ == int(np.argmin(losses)) + 1
    assert np.argmin(losses) < 14


@BOTH
def test_noise_stops_early_and_signal_goes_on(library: TreeLibrary) -> None:
    X, y = points(400)
    long = dataclasses.replace(library, n_estimators=60)
    noise = trees(long).fit(X, np.random.default_rng(0).permutation(y))
    signal = trees(long).fit(X, y)
    assert noise.rounds_ < 8 < signal.rounds_


class Recorder(XGBoost):
    """Remembers the inner split that it was shown."""

    def find_rounds(self, train: Rows, held: Rows, task: Task) -> int:
        SEEN.append((train, held))
        return super().find_rounds(train, held, task)


SEEN: list[tuple[Rows, Rows]] = []


def test_groups_stay_on_one_side_of_the_inner_split() -> None:
    X, y = points(120)
    X[:, 5] = np.arange(120)
    X, y = np.repeat(X, 3, axis=0), np.repeat(y, 3)
    SEEN.clear()
    BoostedTrees(Recorder(n_estimators=3), n_jobs=1).fit(X, y, groups=np.arange(360) // 3)
    (train, held) = SEEN[0]
    assert not set(train[0][:, 5]) & set(held[0][:, 5])
    assert len(held[1]) == pytest.approx(36, abs=8)


@BOTH
def test_two_classes_have_two_columns(library: TreeLibrary) -> None:
    X, y = points(150, n_classes=2)
    fitted = trees(library).fit(X, y)
    assert fitted.decision_function(X[:5]).shape == (5, 2)
    assert (fitted.predict(X) == y).mean() > 0.8


@BOTH
def test_a_class_of_three_rows_is_learned(library: TreeLibrary) -> None:
    """It stays out of the inner split and gets a column of its own."""
    X, y = points(200)
    y[:3], X[:3, 4] = 999, 30.0
    fitted = trees(library).fit(X, y)
    assert fitted.classes_.tolist() == [7, 17, 27, 37, 999]
    far = np.zeros((1, 6), dtype=np.float32)
    far[0, 4] = 30.0
    near = fitted.predict_proba(far)[0, 4] / fitted.predict_proba(np.zeros((1, 6)))[0, 4]
    assert near > 3


@BOTH
def test_a_class_missing_from_the_inner_training_rows(library: TreeLibrary) -> None:
    """One group of ninety rows of its own class may end up held out as a whole."""
    X, y = points(100)
    codes = (y - 7) // 10
    rounds = library.find_rounds((X[codes < 3], codes[codes < 3]), (X, codes), Task(4, 0, 1))
    assert 1 <= rounds <= 12


@BOTH
def test_too_few_rows_to_hold_any_out(library: TreeLibrary) -> None:
    X, y = np.eye(4, dtype=np.float32), np.array([1, 1, 2, 2])
    assert trees(library).fit(X, y).rounds_ == 12


@BOTH
def test_contributions_add_up_to_the_margins(library: TreeLibrary) -> None:
    X, y = points(300)
    fitted = trees(library).fit(X, y)
    shares = fitted.contributions(X)
    assert shares.shape == (300, 4, 7)
    np.testing.assert_allclose(shares.sum(axis=2), fitted.decision_function(X), atol=1e-5)
    expected = library.contributions(fitted.booster_, X)
    np.testing.assert_allclose(shares, expected, atol=1e-6)


@BOTH
def test_same_digits_again_and_the_same_answer_on_two_threads(library: TreeLibrary) -> None:
    X, y = points(150)
    few = dataclasses.replace(library, n_estimators=3)
    first, again, threads = (trees(few, n).fit(X, y).predict_proba(X) for n in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    np.testing.assert_allclose(threads, first, atol=1e-3)
    np.testing.assert_array_equal(threads.argmax(axis=1), first.argmax(axis=1))


@BOTH
def test_clone_forgets_and_a_file_remembers(library: TreeLibrary) -> None:
    X, y = points()
    fitted = trees(library).fit(X, y)
    assert not hasattr(clone(fitted), "booster_")
    file = io.BytesIO()
    joblib.dump(fitted, file)
    file.seek(0)
    back = joblib.load(file)
    np.testing.assert_array_equal(back.decision_function(X), fitted.decision_function(X))
    np.testing.assert_array_equal(back.contributions(X[:9]), fitted.contributions(X[:9]))


@BOTH
def test_nothing_is_said(library: TreeLibrary, capfd: pytest.CaptureFixture[str]) -> None:
    X, y = points(60)
    trees(library).fit(X, y).contributions(X[:2])
    assert capfd.readouterr() == ("", "")


def test_one_class_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 classes, found 1 class"):
        trees(XGB).fit(points(20)[0], np.zeros(20, int))


def test_sparse_rows_are_refused() -> None:
    X, y = points(20)
    with pytest.raises(TypeError, match="Sparse data was passed"):
        trees(XGB).fit(sparse.csr_matrix(X), y)


# scikit-learn wants one column for two classes; here every number of classes has as many.
ONE_COLUMN = {
    "check_classifiers_classes",
    "check_classifiers_train",
    "check_decision_proba_consistency",
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@BOTH
def test_the_librarys_contract(library: TreeLibrary) -> None:
    short = dataclasses.replace(library, n_estimators=10)
    passed = []
    for estimator, check in estimator_checks_generator(BoostedTrees(short, n_jobs=1)):
        if check.func.__name__ not in ONE_COLUMN:
            with contextlib.suppress(SkipTest):
                check(estimator)
                passed.append(check.func.__name__)
    assert {"check_estimators_pickle", "check_fit_idempotent", "check_dict_unchanged"} < set(passed)
