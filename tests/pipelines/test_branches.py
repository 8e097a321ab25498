"""The union of branches against scikit-learn's own FeatureUnion, and the steps it is made of."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.validation import check_is_fitted

from src.pipelines.branches import (
    Block,
    Branch,
    BranchUnion,
    PresentRows,
    clipped_scaler,
    join_text,
    select_columns,
    stack,
    transformed,
    union_of,
)

X = pd.DataFrame(
    {
        "title": ["red lamp", "blue lamp", "red book", "old blue book"],
        "body": ["", "for the desk", "read it", ""],
        "length": np.array([8, 9, 8, 13], np.float32),
        "described": [False, True, True, False],
        "vector__0": np.arange(0, 8, 2, dtype=np.float32),
        "vector__1": np.arange(1, 9, 2, dtype=np.float32),
    }
)


def branches() -> list:
    return [
        ("words", make_pipeline(join_text("title", "body"), TfidfVectorizer(dtype=np.float32))),
        ("length", make_pipeline(select_columns("length"), StandardScaler())),
        ("vector", select_columns("vector")),
    ]


WEIGHTS = {"words": 2.0, "length": 0.5, "vector": 1.0}


def library_union(given: list, weights: dict[str, float]) -> FeatureUnion:
    """scikit-learn's union of branches whose rows of X have a mean norm of their weight."""
    norms = {name: np.linalg.norm(as_array(b.fit_transform(X)), axis=1) for name, b in given}
    scaled = {name: weights.get(name, 1.0) / norm.mean() for name, norm in norms.items()}
    return FeatureUnion(given, transformer_weights=scaled)


def as_array(matrix: object) -> np.ndarray:
    return matrix.toarray() if sparse.issparse(matrix) else np.asarray(matrix)


def test_equals_the_library_on_scaled_columns() -> None:
    ours = BranchUnion(branches(), transformer_weights=WEIGHTS)
    library = library_union(branches(), WEIGHTS)
    fitted = ours.fit_transform(X)
    assert sparse.issparse(fitted)
    assert (fitted.format, fitted.dtype) == ("csr", np.float32)
    np.testing.assert_allclose(fitted.toarray(), library.fit_transform(X).toarray(), rtol=1e-6)
    some = X.iloc[[2, 0]]
    found = ours.transform(some)
    np.testing.assert_allclose(found.toarray(), library.transform(some).toarray(), rtol=1e-6)
    np.testing.assert_array_equal(stack(ours.transform_parts(some)).toarray(), found.toarray())
    names = ours.get_feature_names_out().tolist()
    assert names == library.get_feature_names_out().tolist()
    assert names[:2] == ["words__blue", "words__book"]
    assert names[-3:] == ["length__length", "vector__0", "vector__1"]


def test_dense_branches_stay_dense() -> None:
    found = BranchUnion(branches()[1:], transformer_weights={"length": 0.5}).fit_transform(X)
    assert isinstance(found, np.ndarray)
    assert found.dtype == np.float32
    expected = library_union(branches()[1:], {"length": 0.5}).fit_transform(X)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_a_weight_is_the_mean_norm_of_the_training_rows_that_have_input() -> None:
    """Whatever the branch's own scale, and its rows without input; new rows count alike."""
    block = pd.DataFrame(50 * ROWS, columns=["picture__0", "picture__1"])
    table = X.join(block)
    given = [*branches(), ("picture", make_pipeline(select_columns("picture"), PresentRows()))]
    weights = {**WEIGHTS, "picture": 0.25}
    union = BranchUnion(given, transformer_weights=weights).fit(table)
    for (name, _), part in zip(given, union.transform_parts(table), strict=True):
        norms = np.linalg.norm(as_array(part), axis=1)
        assert norms[norms > 0].mean() == pytest.approx(weights[name], rel=1e-6), name
    seen = union.transform_parts(table)[-1]
    np.testing.assert_allclose(union.transform_parts(table.iloc[[2]])[-1], seen[[2]])
    assert not seen[1].any()
    constant = BranchUnion([("length", given[1][1])]).fit(X.assign(length=np.float32(3.0)))
    assert constant.factors_ == {"length": 1.0}


def test_blocks_follow_the_branches() -> None:
    union = BranchUnion(branches(), transformer_weights=WEIGHTS).fit(X)
    n = len(branches()[0][1].fit(X).get_feature_names_out())
    expected = Block("words", 0, n), Block("length", n, n + 1), Block("vector", n + 1, n + 3)
    assert union.blocks_ == expected
    for part, block in zip(union.transform_parts(X), union.blocks_, strict=True):
        assert part.shape == (4, block.stop - block.start)


def test_inputs_are_not_changed_by_the_weights() -> None:
    before = X.copy(deep=True)
    union = BranchUnion(branches(), transformer_weights={"vector": 7.0})
    union.fit(X).transform(X)
    pd.testing.assert_frame_equal(X, before)


def test_clone_is_unfitted_and_fit_leaves_what_it_was_given_alone() -> None:
    given = branches()
    union = BranchUnion(given, transformer_weights=WEIGHTS).fit(X)
    assert not hasattr(clone(union), "blocks_")
    assert not hasattr(clone(union).transformer_list[0][1][-1], "vocabulary_")
    assert not hasattr(given[0][1][-1], "vocabulary_")


def test_join_never_glues_words() -> None:
    joined = join_text("title", "body").fit(X).transform(X)
    assert joined.tolist()[:2] == ["red lamp\n", "blue lamp\nfor the desk"]


@pytest.mark.parametrize(
    ("column", "names"),
    [("length", ["length"]), ("described", ["described"]), ("vector", ["0", "1"])],
)
def test_columns_are_a_float32_matrix(column: str, names: list[str]) -> None:
    step = select_columns(column).fit(X)
    values = step.transform(X)
    given = X[[column]] if column in X else X[[f"{column}__{name}" for name in names]]
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, given.to_numpy(dtype=np.float32))
    assert step.get_feature_names_out().tolist() == names


def test_select_unknown_column() -> None:
    with pytest.raises(KeyError, match="nothing"):
        select_columns("nothing").fit(X).transform(X)


def test_values_beyond_those_of_training_count_as_its_ends() -> None:
    lengths = np.random.default_rng(0).uniform(5, 250, (100, 1)).astype(np.float32)
    fitted = clipped_scaler().fit(lengths)
    plain = StandardScaler().fit(lengths)
    np.testing.assert_allclose(fitted.transform(lengths), plain.transform(lengths), atol=1e-5)
    ends = fitted.transform(np.array([[lengths.min()], [lengths.max()]], np.float32))
    np.testing.assert_allclose(fitted.transform(np.array([[0], [20_000]], np.float32)), ends)


ROWS = np.array([[1, 2], [np.nan, np.nan], [3, 8], [5, 5]], np.float32)


def test_missing_rows_are_zeros_and_nothing_is_learned_from_them() -> None:
    fitted = PresentRows(StandardScaler()).fit(ROWS)
    present = ROWS[[0, 2, 3]]
    expected = np.zeros_like(ROWS)
    expected[[0, 2, 3]] = StandardScaler().fit_transform(present)
    np.testing.assert_allclose(fitted.transform(ROWS), expected, rtol=1e-6)
    plain = PresentRows().fit(ROWS).transform(ROWS)
    np.testing.assert_array_equal(plain, np.nan_to_num(ROWS, nan=0.0))
    np.testing.assert_array_equal(PresentRows().fit(ROWS).transform(present), present)


def test_no_row_at_all_is_zeros() -> None:
    step = PresentRows(StandardScaler()).fit(ROWS[[1]])
    check_is_fitted(step)
    found = step.transform(ROWS)
    assert found.shape == ROWS.shape
    assert not found.any()


def test_a_union_has_the_weights_of_its_own_branches() -> None:
    """scikit-learn refuses a weight that no transformer of the union has."""
    given = [Branch(name, "text", None, transformer) for name, transformer in branches()]
    union = union_of(given[1:], WEIGHTS)
    assert union.transformer_weights == {"length": 0.5, "vector": 1.0}
    library = library_union(clone(union).transformer_list, union.transformer_weights)
    np.testing.assert_allclose(union.fit_transform(X), library.fit_transform(X), rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_transformed_without_checks_has_scikit_learns_digits(dtype: type) -> None:
    rng = np.random.default_rng(0)
    columns = [f"values__{i}" for i in range(40)]
    table = pd.DataFrame(rng.lognormal(3, 2, (300, 40)).astype(dtype), columns=columns)
    table["language"] = rng.choice(["fr", "en"], 300)
    one_hot = OneHotEncoder(sparse_output=False, dtype=np.float32)
    for steps in (
        make_pipeline(select_columns("values"), PresentRows(clipped_scaler())),
        make_pipeline(select_columns("language"), one_hot, StandardScaler()),
    ):
        steps.fit(table[:200])
        assert transformed(steps, table).tolist() == steps.transform(table).tolist()
    scaler = clipped_scaler().fit(table[:200][columns].to_numpy())
    values = table[columns].to_numpy()
    assert transformed(scaler, values).tolist() == scaler.transform(values).tolist()
    assert (values == table[columns].to_numpy()).all()  # left as they were
