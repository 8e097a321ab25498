"""Counts against numpy's histogram and PCA of scikit-learn."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
import pytest
from sklearn.decomposition import PCA

from src.monitoring.binning import N_BINS, fit_projection, quantile_edges

if TYPE_CHECKING:
    from src.monitoring.reference import Reference
    from tests.monitoring.conftest import MakeSignals


def test_sums_of_indicators_are_counts(reference: Reference, make_signals: MakeSignals) -> None:
    signals = make_signals(300, 4)
    discretizer = reference.discretizer
    rows = discretizer.indicators(signals)
    sums = {spec.name: rows[:, spec.columns].sum(axis=0) for spec in discretizer.specs}
    for name, edges in discretizer.edges.items():
        values = signals.numbers[name][~np.isnan(signals.numbers[name])]
        expected = np.histogram(values, [-np.inf, *edges, np.inf])[0]
        assert sums[name].tolist() == expected.tolist(), name
    for name in ("missing_description", "missing_image"):
        assert sums[name].tolist() == [signals.flags[name].sum()]
    languages = [(signals.language == name).sum() for name in ("de", "en", "fr", "other")]
    assert sums["language"].tolist() == languages
    assert sums["predicted"].tolist() == [(signals.predicted == c).sum() for c in (10, 40, 2583)]
    assert sums["class_mix"] == pytest.approx(signals.proba.sum(axis=0), rel=1e-3)
    assert signals.embedding is not None
    assert sums["embedding"][-1] == (~np.isnan(signals.embedding[:, 0])).sum()


def test_an_unheard_of_language_is_other(reference: Reference, make_signals: MakeSignals) -> None:
    signals = make_signals(3)
    signals = dataclasses.replace(signals, language=np.array(["nl", "fr", "?"], dtype=object))
    assert reference.discretizer.transform(signals).bins["language"].tolist() == [3, 2, 3]


def test_edges_of_repeated_values_are_few() -> None:
    values = np.random.default_rng(0).normal(size=1000)
    counts = np.histogram(values, [-np.inf, *quantile_edges(values), np.inf])[0]
    assert counts.tolist() == [1000 // N_BINS] * N_BINS
    assert quantile_edges(np.array([0.0] * 91 + [1.0] * 10)).tolist() == [0.0, 1.0]
    assert quantile_edges(np.array([3.0])).tolist() == [3.0]


def test_projection_is_whitened_pca() -> None:
    embedding = np.random.default_rng(0).normal(size=(300, 6)) * [6, 5, 4, 3, 2, 1]
    embedding[::7] = np.nan
    present = embedding[~np.isnan(embedding[:, 0])]
    projection = fit_projection(embedding, 4)
    assert projection is not None
    found = np.abs(projection.apply(present))
    pca = PCA(4, whiten=True).fit(present)
    expected = np.abs(pca.transform(present)) * np.sqrt(len(present) / (len(present) - 1))
    assert found == pytest.approx(expected, abs=1e-3)
    distances = np.linalg.norm(present - present.mean(axis=0), axis=1)
    assert projection.spread == pytest.approx(np.sqrt((distances**2).mean()))


def test_too_few_or_equal_embeddings_give_no_projection() -> None:
    assert fit_projection(np.ones((9, 3)), 2) is None
    assert fit_projection(np.full((20, 3), np.nan), 2) is None
    assert fit_projection(np.ones((20, 3)), 2) is None
