"""TF-IDF of words and characters beside scikit-learn's TfidfVectorizer: equal, and faster."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from tools.benchmarks.figure import Figure, timed

OPTIONS: dict[str, Any] = {"max_features": 100_000, "min_df": 2, "sublinear_tf": True}
TARGET = 4.0


def measure(work: Path, rows: int) -> list[Figure]:
    """Fit both ways on the shop in ``work/import`` and compare columns and values."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    from src.features.tfidf.vectorizers import TfidfChars, TfidfWords

    x = pd.read_csv(work / "import" / "X_train_update.csv", index_col=0, keep_default_na=False)
    texts = (x["designation"] + "\n" + x["description"]).tolist()
    ways: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
        "words (1, 2)": (
            lambda: TfidfWords(ngram_range=(1, 2), **OPTIONS),
            lambda: TfidfVectorizer(ngram_range=(1, 2), **OPTIONS),
        ),
        "characters (2, 5)": (
            lambda: TfidfChars(ngram_range=(2, 5), **OPTIONS),
            lambda: TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), **OPTIONS),
        ),
    }
    figures = [_compare(f"TF-IDF {name}, {rows:,} rows", texts, *way) for name, way in ways.items()]
    ours_s, plain_s = sum(f.ours_s for f in figures), sum(f.plain_s or 0.0 for f in figures)
    reached = plain_s / ours_s >= TARGET
    return [*figures, Figure("TF-IDF both", ours_s, plain_s, f"at least {TARGET:g} x", reached)]


def _compare(
    what: str, texts: list[str], make_ours: Callable[[], Any], make_plain: Callable[[], Any]
) -> Figure:
    ours, plain = make_ours(), make_plain()
    ours_s, found = timed(functools.partial(ours.fit_transform, texts))
    plain_s, expected = timed(functools.partial(plain.fit_transform, texts))
    same_names = bool((ours.get_feature_names_out() == plain.get_feature_names_out()).all())
    off = float(abs(found - expected).max())
    return Figure(what, ours_s, plain_s, f"equal ({off:.0e})", same_names and off < 1e-6)
