"""Speed of the platform beside the plain library way, measured in the same run.

    python tools/benchmark.py [--sections load svm ...] [--rows 84916]

Absolute seconds move with the machine; the ratios are what to compare. Everything is also written
to ``results/benchmark.json``. The exit code is 1 where a target was missed.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from src.command_line import parser, run
from src.config import load_config
from src.errors import EXIT_FINDINGS, EXIT_FINE

if TYPE_CHECKING:
    from tools.benchmarks.figure import Figure

FULL_ROWS = 84_916
SECTIONS = ("load", "tfidf", "svm", "images", "shap", "serving", "api")
LONG_SECTIONS = ("training",)
"""Half an hour and more: run only where they are asked for."""


def main(argv: list[str] | None = None) -> int:
    """Run the sections asked for; return the exit code."""
    options = parser(__doc__, config=False)
    options.add_argument("--rows", type=int, default=FULL_ROWS, help="demo products (84916)")
    options.add_argument(
        "--sections", nargs="+", choices=SECTIONS + LONG_SECTIONS, default=SECTIONS
    )
    return run(_benchmark, options, argv, kept="nothing was written")


def _benchmark(args: argparse.Namespace) -> int:
    figures = _measure(args.sections, args.rows)
    path = load_config().paths.results_dir / "benchmark.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([dataclasses.asdict(f) for f in figures], indent=1) + "\n")
    print(f"written to {path}")
    return EXIT_FINE if all(figure.reached for figure in figures) else EXIT_FINDINGS


def _measure(sections: list[str], rows: int) -> list[Figure]:
    from tools.demo_shop.catalogue import draw_catalogue, write_catalogue

    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        work = Path(name)
        work.chmod(0o755)  # the embedded server runs as another user where this one is root
        print(f"drawing a demo shop of {rows:,} products ...", file=sys.stderr)
        write_catalogue(draw_catalogue(rows, 1), work / "import")
        for section in sections:
            for figure in importlib.import_module(f"tools.benchmarks.{section}").measure(
                work, rows
            ):
                figures.append(figure)
                print(figure.line, flush=True)
    return figures


if __name__ == "__main__":
    sys.exit(main())
