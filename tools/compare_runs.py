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
from src.command_line import add_config_options, report
from src.config import load_config
from src.errors import EXIT_FINDINGS, EXIT_FINE, FileFault, ProjectError
from src.labels import load_labels

if TYPE_CHECKING:
    import pandas as pd

    from src.evaluation.compare_runs import Comparison

READ = ["row_index", "prdtypecode", "predicted"]


def main(argv: list[str] | None = None) -> int:
    """Compare and print; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("a", type=Path, metavar="A.csv", help="predictions of the run before")
    parser.add_argument("b", type=Path, metavar="B.csv", help="predictions of the run after")
    parser.add_argument("--classes", type=int, default=10, metavar="N", help="classes to print")
    add_config_options(parser)
    args = parser.parse_args(argv)
    try:
        paths = load_config(args.config, args.overrides).paths
        labels = load_labels(paths.labels_map, paths.theme_map)
        a, b = _read(args.a), _read(args.b)
        from src.evaluation.compare_runs import compare_runs

        compared = compare_runs(a, b, labels)
    except ProjectError as e:
        return report(e)
    _print(compared, args.classes)
    weighted = compared.overall.set_index("score").loc["f1_weighted"]
    return EXIT_FINDINGS if weighted["high"] < 0 else EXIT_FINE


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


def _print(compared: Comparison, n_classes: int) -> None:
    print(f"{compared.rows:,} rows: both right {compared.both_right:,}, only A {compared.only_a:,}")
    print(f"only B {compared.only_b:,}, both wrong {compared.both_wrong:,}\n")
    print(f"{'score':<34}{'A':>8}{'B':>8}{'B - A':>9}   95 % interval")
    for row in compared.overall.to_dict("records"):
        print(_line(row["score"], row["a"], row["b"], row))
    moved = compared.by_class.reindex(
        compared.by_class["difference"].abs().sort_values(ascending=False, kind="stable").index
    )
    print(f"\n{'F1 of the classes that moved most':<34}")
    for row in moved.head(n_classes).sort_values("difference").to_dict("records"):
        name = f"{row['prdtypecode']:>5} {row['label']}"
        print(_line(name[:33], row["f1_a"], row["f1_b"], row))


def _line(name: str, a: float, b: float, row: dict[Hashable, Any]) -> str:
    sure = "*" if row["low"] > 0 or row["high"] < 0 else " "
    interval = f"{row['low']:+.4f} to {row['high']:+.4f}"
    return f"{name:<34}{a:>8.4f}{b:>8.4f}{row['difference']:>+9.4f}{sure}  {interval}"


if __name__ == "__main__":
    sys.exit(main())
