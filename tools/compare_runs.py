"""Compares two runs on the products of both: scores, classes that moved, and how sure that is.

python tools/compare_runs.py A.csv B.csv   # two files of results/predictions/ or preds_oof_*.csv
Exit code 1 when B is worse than A in weighted F1 and the interval excludes 0.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from src.artifacts.store import TRAIN_COMMAND
from src.command_line import parser, run, settings
from src.errors import EXIT_FINDINGS, EXIT_FINE, DataError, FileFault
from src.labels import load_labels

if TYPE_CHECKING:
    import pandas as pd

READ = ["productid", "prdtypecode", "predicted"]


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
    from src.evaluation.paired import pair_answers, score_differences
    from src.evaluation.report_text import comparison_lines

    pair = pair_answers(_read(args.a), _read(args.b))
    if pair.empty:
        problem = f"{args.a} and {args.b} have no product in common"
        raise DataError(
            f"{problem}; expected two runs on the same data", next_command=TRAIN_COMMAND
        )
    print("\n".join(comparison_lines(pair, labels, ("A", "B"), args.classes)))
    is_worse = (score_differences(pair)["high"] < 0).to_dict()
    return EXIT_FINDINGS if is_worse["f1_weighted"] else EXIT_FINE


def _read(path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        table = pd.read_csv(path, usecols=READ, dtype="int64")
    except (OSError, ValueError) as e:
        problem = str(e)
    else:
        if not table.empty and not table["productid"].duplicated().any():
            return table
        problem = "no product, or one twice"
    expected = f"expected whole numbers in the columns {', '.join(READ)}"
    problem = f"no table of predictions ({problem}); {expected}"
    raise FileFault.of(path, problem, next_command=TRAIN_COMMAND)


if __name__ == "__main__":
    sys.exit(main())
