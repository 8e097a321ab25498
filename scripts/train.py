"""Compares kinds of model and the baselines B0 to B5 on the same folds; saves no model.

    python scripts/train.py --compare-all
    python scripts/train.py --kinds linear_svc lightgbm

The table goes to models/compare_cv_results.csv, every pair to compare_cv_differences.csv. What is
fitted is kept: a comparison that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import math
import sys
from typing import TYPE_CHECKING

from src.command_line import parser, run, settings
from src.errors import EXIT_FINE
from src.labels import load_labels

if TYPE_CHECKING:
    import pandas as pd

    from src.config import Config
    from src.runs.comparison import Compared

KINDS = ("linear_svc", "logreg", "sgd", "xgboost", "lightgbm")


def main(argv: list[str] | None = None) -> int:
    """Compare and print the table; return the exit code."""
    kept = "finished models are kept; the next run goes on from there"
    return run(_compare, _parser(), argv, kept=kept)


def _parser() -> argparse.ArgumentParser:
    options = parser(__doc__, whole=True, source=True, verbose="show timers and shapes")
    options.add_argument("--compare-all", action="store_true", help="every kind of model")
    plain = "these kinds only; plain is scikit-learn alone, on the texts"
    options.add_argument("--kinds", nargs="+", choices=(*KINDS, "plain"), help=plain)
    options.add_argument(
        "--fresh", action="store_true", help="fit anew what an earlier comparison left"
    )
    return options


def _compare(args: argparse.Namespace) -> int:
    cfg = settings(args)
    labels = load_labels(cfg.paths.labels_map, cfg.paths.theme_map)
    from src.pipelines.registry import branch_weights

    branch_weights(cfg)  # a wrong weight is refused before any data is read
    from src.cache import ExtractionCache
    from src.cluster import connected
    from src.pipeline_steps import stage01_data_ingestion as stage01
    from src.pipeline_steps import stage02_data_validation as stage02
    from src.pipeline_steps import stage03_data_transformation as stage03
    from src.runs.comparison import compare

    ingested = stage01.run(cfg, labels.codes)
    validated = stage02.run(ingested, labels.codes, cfg.validation, skip=True)
    cache = ExtractionCache(cfg.paths.cache_dir)
    with connected(cfg.compute.backend, cfg.compute.scheduler):
        transformed = stage03.run(validated, cfg, cache, fresh=False)
        if tuned := [branch.name for branch in transformed.branches if not branch.cross_fit]:
            # Every system is scored on all rows, by each expert alone too.
            names = ", ".join(tuned)
            print(f"{names}: tuned beside every fold; cross_fit = false is for runs alone")
        kinds = args.kinds or (KINDS if args.compare_all else [cfg.model.late_fusion.text])
        compared = compare(cfg, transformed, kinds, fresh=args.fresh)
    _print(compared, cfg)
    return EXIT_FINE


def _print(compared: Compared, cfg: Config) -> None:
    table = compared.systems
    first = table.iloc[0]
    print(f"\n{first['rows']:,} labelled rows, {cfg.cv.n_folds} folds, out of fold")
    if first["synthetic"]:
        print("SYNTHETIC: drawn by the demo shop; the scores are about the shop alone")
    print(
        f"{'':<2} {'system':<17} {'kind':<11} {'wF1':>6} {'mF1':>6} {'acc':>6} "
        f"{'loss':>6} {'ECE':>5} {'top3':>5} {'fit s':>6}"
    )
    for row in table.itertuples():
        print(
            f"{row.system:<2} {row.name:<17} {row.kind:<11} {row.f1_weighted:>6.4f} "
            f"{row.f1_macro:>6.4f} {row.accuracy:>6.4f} {row.log_loss:>6.3f} {row.ece:>5.3f} "
            f"{row.top3:>5.3f} {row.fit_s:>6.1f}"
        )
    for system in ("B5 late_fusion", f"B2 {cfg.model.late_fusion.text}"):
        _print_pairs(compared.pairs, system)
    print("\nfiles in models/: compare_cv_results.csv, compare_cv_differences.csv")


def _print_pairs(pairs: pd.DataFrame, system: str) -> None:
    """Print what a system gains over each one before it that looks at products."""
    own = pairs[(pairs["system"] == system) & ~pairs["versus"].isin(["B0", "B1"])]
    if not len(own):
        return
    print(f"\nweighted F1 of {system} less that of (95 % interval, paired bootstrap)")
    for row in own.itertuples():
        sure = "" if row.difference_low <= 0 <= row.difference_high else "  excludes 0"
        if not math.isnan(row.difference):
            print(
                f"  {row.versus:<16} {row.difference:>+7.4f}  "
                f"[{row.difference_low:+.4f}, {row.difference_high:+.4f}]{sure}"
            )


if __name__ == "__main__":
    sys.exit(main())
