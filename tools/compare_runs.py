"""Compares two runs on the same rows: scores, classes that won or lost, and how sure that is.

python tools/compare_runs.py A.csv B.csv   # two files of results/predictions/ or preds_oof_*.csv
Exit code 1 when B is worse than A in weighted F1 and the interval excludes 0.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Hashable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.artifacts.store import TRAIN_COMMAND
from src.command_line import parser, run, settings
from src.errors import EXIT_FINDINGS, EXIT_FINE, FileFault
from src.labels import load_labels

if TYPE_CHECKING:
    import pandas as pd

    from src.labels import Labels

READ = ["row_index", "prdtypecode", "predicted"]
COMPARED = ["f1_weighted", "f1_macro", "accuracy"]


def main(argv: list[str] | None = None) -> int:
    """Compare and print; return the exit code."""
    options = parser(__doc__)
    options.add_argument("a", type=Path, metavar="A.csv", help="predictions of the run before")
    options.add_argument("b", type=Path, metavar="B.csv", help="predictions of the run after")
    options.add_argument("--classes", type=int, default=10, metavar="N", help="classes to print")
    return run(_compare, options, argv, kept="nothing was written")


def _compare(args: argparse.Namespace) -> int:
    paths = settings(args).paths
    labels = load_labels(paths.labels_map, paths.theme_map)
    from src.evaluation.paired import align, class_differences, score_differences

    pair = align(_read(args.a), _read(args.b))
    scores = score_differences(pair)
    _print_rows(pair)
    _print_scores(scores.loc[COMPARED])
    _print_classes(class_differences(pair), labels, args.classes)
    is_worse = (scores["high"] < 0).to_dict()
    return EXIT_FINDINGS if is_worse["f1_weighted"] else EXIT_FINE


def _read(path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        table = pd.read_csv(path, usecols=READ, dtype="int64")
    except (OSError, ValueError) as e:
        problem = str(e)
    else:
        if not table.empty and not table["row_index"].duplicated().any():
            return table
        problem = "no row, or one row twice"
    expected = f"expected whole numbers in the columns {', '.join(READ)}"
    problem = f"no table of predictions ({problem}); {expected}"
    raise FileFault.of(path, problem, next_command=TRAIN_COMMAND)


def _print_rows(pair: pd.DataFrame) -> None:
    a, b = (pair[name] == pair["prdtypecode"] for name in ("a", "b"))
    print(f"{len(pair):,} rows: both right {(a & b).sum():,}, only A {(a & ~b).sum():,}")
    print(f"only B {(~a & b).sum():,}, both wrong {(~a & ~b).sum():,}\n")


def _print_scores(scores: pd.DataFrame) -> None:
    print(f"{'score':<34}{'A':>8}{'B':>8}{'B - A':>9}   95 % interval")
    for row in scores.reset_index().to_dict("records"):
        print(_line(row["score"], row))


def _print_classes(differences: pd.DataFrame, labels: Labels, n_classes: int) -> None:
    order = differences["difference"].abs().sort_values(ascending=False, kind="stable").index
    moved = differences.reindex(order).head(n_classes).sort_values("difference")
    print(f"\n{'F1 of the classes that moved most':<34}")
    for row in moved.to_dict("records"):
        print(_line(f"{row['prdtypecode']:>5} {labels.label(row['prdtypecode'])}"[:33], row))


def _line(name: str, row: dict[Hashable, Any]) -> str:
    sure = "*" if row["low"] > 0 or row["high"] < 0 else " "
    interval = f"{row['low']:+.4f} to {row['high']:+.4f}"
    return f"{name:<34}{row['a']:>8.4f}{row['b']:>8.4f}{row['difference']:>+9.4f}{sure}  {interval}"


if __name__ == "__main__":
    sys.exit(main())
