"""The weighted union against scikit-learn's own FeatureUnion."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import StandardScaler
from src.features.extracted import Extracted
from src.pipelines.fusion import JoinColumns, SelectColumn, WeightedFeatureUnion

TITLES = np.array(["red lamp", "blue lamp", "red book", "old blue book"], dtype=object)
BODIES = np.array(["", "for the desk", "read it", ""], dtype=object)
TABLE = {
    "title": TITLES,
    "body": BODIES,
    "length": np.array([8, 9, 8, 13], np.float32),
    "vector": np.arange(8, dtype=np.float32).reshape(4, 2),
}
X = Extracted(TABLE, {"image": np.ones(4, bool)})


def branches() -> list:
    return [
        ("words", make_pipeline(JoinColumns(("title", "body")), TfidfVectorizer(dtype=np.float32))),
        ("length", make_pipeline(SelectColumn("length"), StandardScaler())),
        ("vector", SelectColumn("vector")),
    ]


WEIGHTS = {"words": 2.0, "length": 0.5, "vector": 1.0}


def test_equals_the_library() -> None:
    ours, library = WeightedFeatureUnion(branches(), WEIGHTS), FeatureUnion(branches())
    library.set_params(transformer_weights=WEIGHTS)
    fitted = ours.fit_transform(X).stack()
    np.testing.assert_allclose(fitted.toarray(), library.fit_transform(X).toarray(), rtol=1e-6)
    some = X.take(np.array([2, 0]))
    np.testing.assert_allclose(
        ours.transform(some).stack().toarray(), library.transform(some).toarray(), rtol=1e-6
    )
    names = ours.get_feature_names_out().tolist()
    assert names == library.get_feature_names_out().tolist()
    assert names[-3:] == ["length__length", "vector__vector_0", "vector__vector_1"]


def test_blocks_follow_the_branches() -> None:
    matrix = WeightedFeatureUnion(branches(), WEIGHTS).fit_transform(X)
    n_words = len(branches()[0][1].fit(X).get_feature_names_out())
    assert [(b.branch, b.width) for b in matrix.blocks] == [
        ("words", n_words),
        ("length", 1),
        ("vector", 2),
    ]


def test_inputs_are_not_changed_by_the_weights() -> None:
    before = {name: column.copy() for name, column in TABLE.items()}
    union = WeightedFeatureUnion(branches(), {"vector": 7.0}).fit(X)
    union.transform(X)
    for name, column in TABLE.items():
        np.testing.assert_array_equal(column, before[name])


def test_clone_is_unfitted_and_fit_leaves_the_parameters_alone() -> None:
    union = WeightedFeatureUnion(branches(), WEIGHTS).fit(X)
    assert not hasattr(clone(union), "transformers_")
    assert not hasattr(union.transformer_list[0][1][-1], "vocabulary_")


def test_join_never_glues_words() -> None:
    joined = JoinColumns(("title", "body")).fit(X).transform(X)
    assert joined.tolist()[:2] == ["red lamp\n", "blue lamp\nfor the desk"]


def test_select_unknown_column() -> None:
    with pytest.raises(KeyError, match="nothing"):
        SelectColumn("nothing").fit(X).transform(X)
