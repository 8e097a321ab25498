"""The default text expert beside scikit-learn in twenty lines, on the same grouped folds.

    python tools/plain_baseline.py --source csv --set paths.import_dir=/where/the/files/are

Prints weighted F1, log-loss and ECE of both, out of fold, and the paired bootstrap interval of the
difference. The plain way is TfidfVectorizer over words and characters, LinearSVC, and for
probabilities CalibratedClassifierCV; it is what takes the time.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, cast

from src.command_line import parser, run, settings
from src.errors import EXIT_FINDINGS, EXIT_FINE, ValidationError
from src.labels import load_labels

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from sklearn.pipeline import Pipeline

    from src.config import Config

FEWEST_ROWS = 10


def main(argv: list[str] | None = None) -> int:
    """Compare; return 0 where ours is surely better, 1 where it is not, 2 on wrong input."""
    return run(_compare, parser(__doc__, source=True), argv, kept="nothing was written")


def _compare(args: argparse.Namespace) -> int:
    cfg = settings(args)
    labels = load_labels(cfg.paths.labels_map)
    from src.data.duplicates import find_groups
    from src.data.splits import split_folds
    from src.evaluation.systems import score_pairs, score_systems
    from src.pipeline_steps import stage01_data_ingestion

    train = stage01_data_ingestion.run(cfg, labels.codes).catalogue
    y, groups = train["prdtypecode"].to_numpy(), find_groups(train).ids
    folds = split_folds(y, groups, cfg.cv.n_folds, cfg.compute.seed)
    import numpy as np

    classes, counts = np.unique(y, return_counts=True)
    if counts.min() < FEWEST_ROWS:
        raise ValidationError(
            f"class {classes[counts.argmin()]} has {counts.min()} rows: CalibratedClassifierCV "
            f"wants 5 in every training fold, so {FEWEST_ROWS} are expected",
            next_command="python tools/plain_baseline.py --help",
        )
    probabilities = {"text expert": ours(cfg, train, folds), "plain": plain(train, folds)}
    table = score_systems(y, probabilities, classes, groups=groups, seed=cfg.compute.seed)
    print(f"{len(y):,} rows, {len(classes)} classes, {cfg.cv.n_folds} grouped folds, out of fold")
    print(f"{'':<12} {'wF1':>7} {'mF1':>7} {'accuracy':>9} {'log-loss':>9} {'ECE':>7}")
    for row in table.itertuples():
        print(
            f"{row.system:<12} {row.f1_weighted:>7.4f} {row.f1_macro:>7.4f} {row.accuracy:>9.4f} "
            f"{row.log_loss:>9.4f} {row.ece:>7.4f}"
        )
    later_first = dict(reversed(probabilities.items()))
    gain = score_pairs(y, later_first, classes, groups=groups, seed=0).iloc[0]
    low, high = gain["difference_low"], gain["difference_high"]
    print(f"weighted F1 gained {gain['difference']:+.4f}, 95 % interval [{low:+.4f}, {high:+.4f}]")
    return EXIT_FINE if low > 0 else EXIT_FINDINGS


def ours(cfg: Config, train: pd.DataFrame, folds: np.ndarray) -> np.ndarray:
    """Return out-of-fold probabilities of the configured text expert, shape (n, n_classes)."""
    import numpy as np

    from src.cache import ExtractionCache
    from src.data.duplicates import find_groups
    from src.models.cross_validation import cross_fit
    from src.models.gating import OutOfFold, gating_conditions
    from src.pipelines.product_model import TEXT, branches_of, build_expert
    from src.pipelines.registry import build_branches, extractors_of
    from src.pipelines.table import extract_table

    branches = branches_of(build_branches(cfg), TEXT)
    cache = ExtractionCache(cfg.paths.cache_dir)
    X = extract_table(train, extractors_of(cfg, branches), cache)
    y = train["prdtypecode"].to_numpy()
    expert = build_expert(cfg, branches, cfg.model.late_fusion.text)
    everyone = np.ones(len(y), dtype=bool)
    margins = cross_fit(expert, X, y, find_groups(train).ids, folds, everyone)
    codes = np.unique(y, return_inverse=True)[1]
    return OutOfFold({TEXT: margins}, folds, gating_conditions(X), codes).probabilities


def plain(train: pd.DataFrame, folds: np.ndarray) -> np.ndarray:
    """Return the same by scikit-learn alone."""
    from sklearn.model_selection import PredefinedSplit, cross_val_predict

    text = train["designation"] + " " + train["description"]
    y, split = train["prdtypecode"].to_numpy(), PredefinedSplit(folds)
    proba = cross_val_predict(plain_model(), text, y, cv=split, method="predict_proba")
    return cast("np.ndarray", proba)


def plain_model(**vocabulary: int) -> Pipeline:
    """Return the plain way, not fitted; `vocabulary` is more for both `TfidfVectorizer`."""
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline, make_union
    from sklearn.svm import LinearSVC

    options = {"min_df": 2, "sublinear_tf": True, **vocabulary}
    words = TfidfVectorizer(ngram_range=(1, 2), **options)
    chars = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), **options)
    classifier = CalibratedClassifierCV(LinearSVC(C=0.5, random_state=0), cv=5)
    return make_pipeline(make_union(words, chars), classifier)


if __name__ == "__main__":
    sys.exit(main())
