"""The threaded one-vs-rest SVM beside scikit-learn's LinearSVC."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from tools.benchmarks.figure import Figure, timed

TOLERANCE = 1e-3


def measure(work: Path, rows: int) -> list[Figure]:
    """Fit both on the word TF-IDF of the shop in ``work/import`` and compare decision values."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.svm import LinearSVC

    from src.models.linear_svm import ThreadedLinearSVC

    x = pd.read_csv(work / "import" / "X_train_update.csv", index_col=0, keep_default_na=False)
    y = pd.read_csv(work / "import" / "Y_train_CVw08PX.csv", index_col=0)["prdtypecode"].to_numpy()
    words = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True, dtype=np.float32)
    X = words.fit_transform(x["designation"] + "\n" + x["description"])
    few = np.arange(0, len(y), max(1, len(y) // 500))
    ThreadedLinearSVC().fit(X[few], y[few])  # compiles the solver, outside the clock
    ours_s, ours = timed(lambda: ThreadedLinearSVC(C=0.5, random_state=0).fit(X, y))
    plain_s, plain = timed(lambda: LinearSVC(C=0.5, random_state=0).fit(X, y))
    off = float(np.abs(ours.decision_function(X) - plain.decision_function(X)).max())
    what = f"linear SVM, {X.shape[0]:,} x {X.shape[1]:,}"
    target = f"same margins to {TOLERANCE:g} ({off:.0e})"
    return [Figure(what, ours_s, plain_s, target, off < TOLERANCE)]
