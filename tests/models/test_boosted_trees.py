"""Boosted trees beside the libraries called directly, and the number of rounds that they find."""

from __future__ import annotations

import contextlib
import io
from typing import Any, TypeAlias
from unittest import SkipTest

import joblib
import lightgbm
import numpy as np
import pytest
import xgboost
from scipy import sparse
from scipy.special import log_softmax, softmax
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.utils.estimator_checks import estimator_checks_generator

from src.data.splits import split_holdout
from src.models.boosted_trees import INNER_SHARE, BoostedTrees

Estimator: TypeAlias = xgboost.XGBClassifier | lightgbm.LGBMClassifier
Booster: TypeAlias = xgboost.Booster | lightgbm.Booster

COMMON: dict[str, Any] = {"n_estimators": 12, "learning_rate": 0.3, "random_state": 5, "n_jobs": 1}
DRAWN = {"subsample": 0.8, "colsample_bytree": 0.5}
XGB = xgboost.XGBClassifier(**COMMON, **DRAWN, max_depth=3, max_bin=32, tree_method="hist")
LGB = lightgbm.LGBMClassifier(
    **COMMON,
    **DRAWN,
    subsample_freq=1,
    num_leaves=7,
    max_bin=31,
    min_child_samples=3,
    reg_lambda=1.0,
    deterministic=True,
    force_row_wise=True,
    verbosity=-1,
)
BOTH = pytest.mark.parametrize("estimator", [XGB, LGB], ids=["xgboost", "lightgbm"])


def points(n: int = 300, n_classes: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Clouds around one corner a class, in six columns of which four say something."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, n_classes, n)
    X = rng.normal(size=(n, 6)).astype(np.float32)
    X[np.arange(n), codes % 4] += 1.5
    return X, codes * 10 + 7


def trees(estimator: Estimator, patience: int = 3, **params: object) -> BoostedTrees:
    return BoostedTrees(clone(estimator).set_params(**params), patience)


def native(booster: Booster, X: np.ndarray, what: str) -> np.ndarray:
    """Return "margins" or "contributions" as the library itself gives them."""
    shares = what == "contributions"
    if isinstance(booster, lightgbm.Booster):
        return booster.predict(X, raw_score=not shares, pred_contrib=shares)
    rows = xgboost.DMatrix(X)
    return booster.predict(rows, output_margin=not shares, pred_contribs=shares)


def native_booster(estimator: Estimator, X: np.ndarray, codes: np.ndarray, rounds: int) -> Booster:
    """Train through the native interface, by its own names of the parameters."""
    params = estimator.get_params()
    shared = {name: params[name] for name in ("learning_rate", "max_bin")}
    shared |= {"num_class": int(codes.max()) + 1, "seed": 5}
    if isinstance(estimator, xgboost.XGBClassifier):
        shared |= {"objective": "multi:softprob", "tree_method": "hist", "nthread": 1, **DRAWN}
        shared |= {"max_depth": params["max_depth"]}
        rows = xgboost.QuantileDMatrix(X, codes, max_bin=params["max_bin"], nthread=1)
        return xgboost.train(shared, rows, rounds)
    shared |= {
        "objective": "multiclass",
        "num_leaves": 7,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "feature_fraction": 0.5,
        "min_data_in_leaf": 3,
        "lambda_l2": 1.0,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "verbosity": -1,
    }
    return lightgbm.train(shared, lightgbm.Dataset(X, codes, params=shared), rounds)


@BOTH
def test_fitted_on_all_rows_as_the_native_interface_does(estimator: Estimator) -> None:
    X, y = points()
    new, _ = points(80, seed=1)
    ours = trees(estimator).fit(X, y)
    booster = native_booster(estimator, X, (y - 7) // 10, ours.n_rounds_)
    expected = native(booster, new, "margins")
    np.testing.assert_allclose(ours.decision_function(new), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(ours.predict(new), expected.argmax(axis=1) * 10 + 7)
    np.testing.assert_allclose(ours.predict_proba(new), softmax(expected, axis=1), rtol=1e-4)
    shares = native(booster, new, "contributions").reshape(80, 4, 7)
    np.testing.assert_allclose(ours.contributions(new), shares, atol=1e-6)


@BOTH
@pytest.mark.parametrize("copies", [1, 3])
def test_rounds_are_where_the_held_loss_is_lowest(estimator: Estimator, copies: int) -> None:
    """Beside every number of rounds trained on its own; copies of a row are held out together."""
    X, y = points(240)
    y = np.where(np.random.default_rng(1).random(240) < 0.4, np.roll(y, 1), y)
    X, y, groups = (np.repeat(values, copies, axis=0) for values in (X, y, np.arange(240)))
    codes = (y - 7) // 10
    held = split_holdout(codes, groups, INNER_SHARE, seed=5)
    assert not set(groups[held]) & set(groups[~held])
    fast = clone(estimator).set_params(learning_rate=0.9)
    losses = []
    for rounds in range(1, 16):
        booster = native_booster(fast, X[~held], codes[~held], rounds)
        log_proba = log_softmax(native(booster, X[held], "margins").astype(np.float64), axis=1)
        losses.append(-log_proba[np.arange(held.sum()), codes[held]].mean())
    fitted = trees(fast, 15, n_estimators=15).fit(X, y, groups=groups if copies > 1 else None)
    assert fitted.n_rounds_ == int(np.argmin(losses)) + 1
    assert np.argmin(losses) < 14


@BOTH
def test_noise_stops_early_and_signal_goes_on(estimator: Estimator) -> None:
    X, y = points(400)
    noise = trees(estimator, n_estimators=60).fit(X, np.random.default_rng(0).permutation(y))
    signal = trees(estimator, n_estimators=60).fit(X, y)
    assert noise.n_rounds_ < 8 < signal.n_rounds_


@BOTH
def test_two_classes_have_two_columns(estimator: Estimator) -> None:
    X, y = points(150, n_classes=2)
    ours = trees(estimator).fit(X, y)
    alone = clone(estimator).set_params(n_estimators=ours.n_rounds_).fit(X, (y - 7) // 10)
    assert ours.decision_function(X).shape == (150, 2)
    np.testing.assert_allclose(ours.predict_proba(X), alone.predict_proba(X), atol=1e-6)
    np.testing.assert_array_equal(ours.predict(X), alone.predict(X) * 10 + 7)
    assert ours.contributions(X).shape == (150, 2, 7)


@BOTH
@pytest.mark.parametrize("n_classes", [2, 4])
def test_contributions_add_up_to_the_margins(estimator: Estimator, n_classes: int) -> None:
    X, y = points(300, n_classes)
    fitted = trees(estimator).fit(X, y)
    total = fitted.contributions(X).sum(axis=2)
    np.testing.assert_allclose(total, fitted.decision_function(X), atol=1e-5)


@BOTH
def test_a_class_of_three_rows_is_learned(estimator: Estimator) -> None:
    """It stays out of the inner split and gets a column of its own."""
    X, y = points(200)
    y[:3], X[:3, 4] = 999, 30.0
    fitted = trees(estimator).fit(X, y)
    assert fitted.classes_.tolist() == [7, 17, 27, 37, 999]
    far = np.zeros((1, 6), dtype=np.float32)
    far[0, 4] = 30.0
    near = fitted.predict_proba(far)[0, 4] / fitted.predict_proba(np.zeros((1, 6)))[0, 4]
    assert near > 3


@BOTH
def test_a_class_that_is_one_group_is_learned(estimator: Estimator) -> None:
    """None of its rows is in the inner split, or all: neither may break the search."""
    X, y = points(200)
    groups = np.where(y == 17, 0, np.arange(200) + 1)
    fitted = trees(estimator).fit(X, y, groups=groups)
    assert 1 <= fitted.n_rounds_ <= 12
    assert (fitted.predict(X)[y == 17] == 17).mean() > 0.7


@BOTH
def test_too_few_rows_to_hold_any_out(estimator: Estimator) -> None:
    X, y = np.eye(4, dtype=np.float32), np.array([1, 1, 2, 2])
    assert trees(estimator).fit(X, y).n_rounds_ == 12


@BOTH
def test_same_digits_again_and_the_same_answer_on_two_threads(estimator: Estimator) -> None:
    X, y = points(150)
    first, again, threads = (
        trees(estimator, n_estimators=3, n_jobs=n).fit(X, y).predict_proba(X) for n in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    np.testing.assert_allclose(threads, first, atol=1e-3)
    np.testing.assert_array_equal(threads.argmax(axis=1), first.argmax(axis=1))


@BOTH
def test_clone_forgets_and_a_file_remembers(estimator: Estimator) -> None:
    X, y = points()
    fitted = trees(estimator).fit(X, y)
    assert not hasattr(clone(fitted), "estimator_")
    file = io.BytesIO()
    joblib.dump(fitted, file)
    file.seek(0)
    back = joblib.load(file)
    np.testing.assert_array_equal(back.decision_function(X), fitted.decision_function(X))
    np.testing.assert_array_equal(back.contributions(X[:9]), fitted.contributions(X[:9]))


@BOTH
def test_a_grid_over_the_parameters_of_the_estimator(estimator: Estimator) -> None:
    X, y = load_digits(n_class=3, return_X_y=True)
    grid = {"estimator__learning_rate": [0.001, 0.3]}
    search = GridSearchCV(trees(estimator), grid, cv=3).fit(X, y)
    assert search.best_params_ == {"estimator__learning_rate": 0.3}
    assert search.best_score_ > 0.95


@BOTH
def test_nothing_is_printed(estimator: Estimator, capfd: pytest.CaptureFixture[str]) -> None:
    X, y = points(60)
    trees(estimator).fit(X, y).contributions(X[:2])
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
def test_the_contract_of_scikit_learn(estimator: Estimator) -> None:
    passed = []
    for tried, check in estimator_checks_generator(trees(estimator, n_estimators=10)):
        if check.func.__name__ not in ONE_COLUMN:
            with contextlib.suppress(SkipTest):
                check(tried)
                passed.append(check.func.__name__)
    assert {"check_estimators_pickle", "check_fit_idempotent", "check_dict_unchanged"} < set(passed)
