"""What is written here beside the library that does the same: n-grams, SVM, images, SHAP.

Every section takes the folder of the drawn shop (``import/``) and its rows.
"""

import functools
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from tests.benchmarks.figure import Figure, timed

NGRAMS: dict[str, Any] = {"max_features": 100_000, "min_df": 2, "sublinear_tf": True}
LEAST_TFIDF_RATIO = 4.0
SVM_TOLERANCE = 1e-3
N_IMAGES, BATCH = 1_000, 32
# The catalogue's text: rows that are explained, n-grams, classes, n-grams of one product.
SHAP_ROWS, SHAP_COLUMNS, SHAP_CLASSES, SHAP_WORDS = 500, 300_000, 27, 1_500
SHAP_LIMIT_S, SHAP_LIMIT_GB = 5.0, 1.0


def tfidf(work: Path, rows: int) -> list[Figure]:
    """Fit both ways and compare columns and values."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    from src.features.tfidf.vectorizers import TfidfChars, TfidfWords

    texts = _read_x(work).tolist()
    ways: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
        "words (1, 2)": (
            lambda: TfidfWords(ngram_range=(1, 2), **NGRAMS),
            lambda: TfidfVectorizer(ngram_range=(1, 2), **NGRAMS),
        ),
        "characters (2, 5)": (
            lambda: TfidfChars(ngram_range=(2, 5), **NGRAMS),
            lambda: TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), **NGRAMS),
        ),
    }
    figures = []
    for name, (make_ours, make_plain) in ways.items():
        ours, plain = make_ours(), make_plain()
        ours_s, found = timed(functools.partial(ours.fit_transform, texts))
        plain_s, expected = timed(functools.partial(plain.fit_transform, texts))
        same_names = bool((ours.get_feature_names_out() == plain.get_feature_names_out()).all())
        off = float(abs(found - expected).max())
        what = f"TF-IDF {name}, {rows:,} rows"
        figures.append(
            Figure(what, ours_s, plain_s, f"equal ({off:.0e})", same_names and off < 1e-6)
        )
    ours_s, plain_s = sum(f.ours_s for f in figures), sum(f.plain_s or 0.0 for f in figures)
    reached = plain_s / ours_s >= LEAST_TFIDF_RATIO
    target = f"at least {LEAST_TFIDF_RATIO:g} x"
    return [*figures, Figure("TF-IDF both", ours_s, plain_s, target, reached)]


def svm(work: Path, rows: int) -> list[Figure]:  # noqa: ARG001
    """Fit both one-vs-rest SVMs on the shop's word TF-IDF and compare margins."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.svm import LinearSVC

    from src.models.linear_svm import ThreadedLinearSVC

    y = pd.read_csv(work / "import" / "Y_train_CVw08PX.csv", index_col=0)["prdtypecode"].to_numpy()
    words = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True, dtype=np.float32)
    X = words.fit_transform(_read_x(work))
    few = np.arange(0, len(y), max(1, len(y) // 500))
    ThreadedLinearSVC().fit(X[few], y[few])  # compiles the solver, outside the clock
    ours_s, ours = timed(lambda: ThreadedLinearSVC(C=0.5, random_state=0).fit(X, y))
    plain_s, plain = timed(lambda: LinearSVC(C=0.5, random_state=0).fit(X, y))
    off = float(np.abs(ours.decision_function(X) - plain.decision_function(X)).max())
    what = f"linear SVM, {X.shape[0]:,} x {X.shape[1]:,}"
    target = f"same margins to {SVM_TOLERANCE:g} ({off:.0e})"
    return [Figure(what, ours_s, plain_s, target, off < SVM_TOLERANCE)]


def images(work: Path, rows: int) -> list[Figure]:  # noqa: ARG001  the number of images is fixed
    """Draw `N_IMAGES` demo images and time their statistics and embeddings."""
    from src.features.cnn_features import CNNFeaturizer
    from src.features.image.statistics import ImageStatsCombinedFeaturizer
    from tools.demo_shop.catalogue import draw_catalogue
    from tools.demo_shop.picture_files import write_pictures
    from tools.demo_shop.picture_plan import plan_pictures

    folder = work / "images"
    write_pictures(plan_pictures(draw_catalogue(N_IMAGES, 1), N_IMAGES), folder, 0)
    paths = sorted(str(path) for path in folder.rglob("*.jpg"))
    stats_s = timed(lambda: ImageStatsCombinedFeaturizer().extract(paths))[0]
    rate = len(paths) / stats_s
    what = f"image statistics, {len(paths):,} images"
    figures = [Figure(what, stats_s, None, f"700/s ({rate:.0f}/s)", rate >= 700)]
    network = CNNFeaturizer(cache_dir=work / "networks", batch_size=BATCH)
    decoded = next(network.load_batches(paths[:BATCH], BATCH))[1]
    network.engine(decoded, False)  # loads the runtime, outside the clock
    ours_s = timed(lambda: network.extract(paths))[0]
    bare_s = timed(lambda: [network.engine(decoded, False) for _ in range(len(paths) // BATCH)])[0]
    bare_s *= len(paths) / (len(paths) // BATCH * BATCH)
    target = f"0.8 of bare ({bare_s / ours_s:.2f}), {len(paths) / ours_s:.0f}/s"
    what = "Lite2 embeddings, decoding included"
    return [*figures, Figure(what, ours_s, bare_s, target, bare_s / ours_s >= 0.8)]


def shap(work: Path, rows: int) -> list[Figure]:  # noqa: ARG001  the size is the catalogue's
    """Explain `SHAP_ROWS` drawn rows of a linear model by block, and rank their columns."""
    from src.evaluation.shap.classifiers import LinearExplainer
    from src.pipelines.branches import Block

    rng, half = np.random.default_rng(0), SHAP_COLUMNS // 2
    share = SHAP_WORDS / SHAP_COLUMNS
    parts = [
        sparse.random(SHAP_ROWS, half, share, "csr", np.float32, random_state=rng) for _ in range(2)
    ]
    blocks = (Block("words", 0, half), Block("characters", half, SHAP_COLUMNS))
    coef = rng.normal(size=(SHAP_CLASSES, SHAP_COLUMNS)).astype(np.float32)
    means = np.concatenate([np.asarray(part.mean(axis=0)).ravel() for part in parts])
    members = np.eye(SHAP_CLASSES)[rng.integers(0, SHAP_CLASSES, SHAP_ROWS)]

    def explain() -> None:
        explainer = LinearExplainer(coef, np.zeros(SHAP_CLASSES), means, blocks)
        explainer.by_block(parts)
        one = np.ones(SHAP_ROWS), np.eye(SHAP_CLASSES), members
        for _, _, class_sum in explainer.importance(parts, *one):
            np.argpartition(class_sum, 20, axis=1)

    ours_s = timed(explain)[0]
    tracemalloc.start()
    explain()
    inputs = coef.nbytes + sum(part.data.nbytes * 2 for part in parts)
    peak_gb = (tracemalloc.get_traced_memory()[1] + inputs) / 1e9
    tracemalloc.stop()
    what = f"SHAP, {SHAP_ROWS} x {SHAP_COLUMNS:,} x {SHAP_CLASSES}"
    target = f"under {SHAP_LIMIT_S:g} s, {SHAP_LIMIT_GB:g} GB ({peak_gb:.2f} GB)"
    reached = ours_s < SHAP_LIMIT_S and peak_gb < SHAP_LIMIT_GB
    return [Figure(what, ours_s, None, target, reached)]


def _read_x(work: Path) -> pd.Series:
    x = pd.read_csv(work / "import" / "X_train_update.csv", index_col=0, keep_default_na=False)
    return x["designation"] + "\n" + x["description"]
