"""A drawn shop that a real model learned from, and products that it never saw."""

from __future__ import annotations

import dataclasses
from typing import Protocol

import numpy as np
import pandas as pd
import pytest

from src.config import load_config
from src.models.late_fusion import LateFusion
from src.monitoring.reference import About, Reference, build_reference, judge_answers
from src.monitoring.signals import NUMBERS, SignalReader, Signals
from src.pipelines.extractor import Extractor
from src.pipelines.product_model import build_model
from src.pipelines.registry import build_branches, extractors_of
from src.pipelines.table import extract_table
from tools.demo_shop.catalogue import draw_catalogue

N_LEARNED, N_NEW = 4000, 8000
SETTINGS = (
    "features.image.cnn.enabled=false",
    "features.image.stats.enabled=false",
    "features.text.ngram_range=[1, 1]",
    "features.text.char.max_features=20000",
    "features.text.char.ngram_range=[3, 4]",
    "features.text.weights.tfidf_word_title=0",
    "features.text.weights.tfidf_char_title=0",
    "model.name=linear_svc",
    "cv.n_folds=4",
)


@dataclasses.dataclass(frozen=True, eq=False)
class LearnedShop:
    """What was learned, and how to look at new products.

    Attributes
    ----------
    reference : Reference
        Of the learned products, each as models that had not seen it saw it.
    new : Signals
        Of products that nothing was learned from.
    y : ndarray
        Their codes.
    items : DataFrame
        Their texts.
    """

    reference: Reference
    new: Signals
    y: np.ndarray
    items: pd.DataFrame
    model: LateFusion
    extractors: tuple[Extractor, ...]

    def read(self, items: pd.DataFrame) -> Signals:
        """Look at products as the tool does; one in twenty lacks a picture."""
        return read(self.model, extract_table(items, self.extractors, cache=None), None)


def read(model: LateFusion, table: pd.DataFrame, out_of_fold: np.ndarray | None) -> Signals:
    proba = model.predict_proba(table) if out_of_fold is None else out_of_fold
    signals = SignalReader.of(model, in_training=out_of_fold is not None).read(table, proba)
    missing = np.random.default_rng(len(table)).random(len(table)) < 0.05
    return dataclasses.replace(signals, flags={**signals.flags, "missing_image": missing})


@pytest.fixture(scope="session")
def learned_shop() -> LearnedShop:
    drawn = draw_catalogue(N_LEARNED + N_NEW, 11).train
    columns = ("designation", "description", "productid", "imageid")
    items = pd.DataFrame([{c: getattr(item, c) for c in columns} for item in drawn])
    items = items.assign(image="")
    y = np.array([item.label for item in drawn], dtype=np.int64)
    cfg = load_config(overrides=SETTINGS)
    branches = build_branches(cfg)
    extractors = extractors_of(cfg, branches)
    table = extract_table(items, extractors, cache=None)
    # Shuffled: the shop repeats earlier titles, so what comes later has more of them.
    mixed = np.random.default_rng(5).permutation(len(items))
    known, new = mixed[:N_LEARNED], mixed[N_LEARNED:]
    model = build_model(cfg, branches)
    oof = model.cross_fit(table.iloc[known], y[known])
    model.fit(table.iloc[known], y[known], oof=oof)
    proba = oof.probabilities
    seen = read(model, table.iloc[known], proba)
    reference = build_reference(
        seen, judge_answers(proba, y[known], model.classes_), About("run", "linear_svc", "d", True)
    )
    unseen = items.iloc[new].reset_index(drop=True)
    signals = read(model, table.iloc[new], None)
    return LearnedShop(reference, signals, y[new], unseen, model, extractors)


class MakeSignals(Protocol):
    def __call__(
        self, rows: int, seed: int = 0, *, pictured: float = 0.8, described: float = 0.6
    ) -> Signals: ...


@pytest.fixture
def make_signals() -> MakeSignals:
    """Signals of an invented shop with three classes, pictures and embeddings."""

    def make(rows: int, seed: int = 0, *, pictured: float = 0.8, described: float = 0.6) -> Signals:
        rng = np.random.default_rng(seed)
        has_image, has_text = rng.random(rows) < pictured, rng.random(rows) < described
        proba = rng.dirichlet([2.0, 0.6, 0.2], rows)
        numbers = {name: np.where(has_image, rng.beta(2, 3, rows), np.nan) for name in NUMBERS}
        numbers |= {
            "title_length": rng.integers(5, 250, rows).astype(np.float64),
            "description_length": np.where(has_text, rng.lognormal(6, 1, rows), np.nan),
            "unknown_words": rng.beta(1, 20, rows),
            "confidence": proba.max(axis=1),
            "doubt": -(proba * np.log(proba)).sum(axis=1),
        }
        embedding = rng.normal(size=(rows, 24)) * np.linspace(2, 0.2, 24)
        return Signals(
            numbers,
            {"missing_description": ~has_text, "missing_image": ~has_image},
            rng.choice(np.array(["fr", "en", "de"], dtype=object), rows, p=[0.8, 0.15, 0.05]),
            proba,
            np.array([10, 40, 2583]),
            np.where(has_image[:, None], embedding, np.nan).astype(np.float32),
        )

    return make


@pytest.fixture
def reference(make_signals: MakeSignals) -> Reference:
    """A reference of 1,500 products of that shop."""
    return reference_of(make_signals(1500, 1), 2)


def reference_of(signals: Signals, seed: int) -> Reference:
    """Labels are drawn by the probabilities: the model is calibrated."""
    draws = np.random.default_rng(seed).random((len(signals), 1))
    y = signals.classes[(signals.proba.cumsum(axis=1) < draws).sum(axis=1)]
    about = About("run-1", "late_fusion", "0" * 64, True)
    return build_reference(signals, judge_answers(signals.proba, y, signals.classes), about)
