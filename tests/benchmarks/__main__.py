"""Speed of the platform beside the plain library way, measured in the same run.

    python tools/benchmark.py [--sections load svm ...] [--rows 84916]
    python tools/benchmark.py --url http://127.0.0.1:8000   # a service that is running

Absolute seconds move with the machine; the ratios are what to compare. Everything is also written
to ``results/benchmark.json``. A section is a function of a module beside this one. The exit code is
1 where a target was missed.
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

from src.command_line import report
from src.config import load_config
from src.errors import EXIT_FINDINGS, EXIT_FINE, ProjectError

if TYPE_CHECKING:
    from tests.benchmarks.figure import Figure

FULL_ROWS = 84_916
SECTIONS = {
    "load": "commands", "tfidf": "libraries", "svm": "libraries", "images": "libraries",
    "shap": "libraries", "serving": "commands", "api": "commands", "training": "commands",
    "profiles": "commands",
}  # fmt: skip
# Half an hour and more, or networks that are downloaded: run only where they are asked for.
LONG = ("training", "profiles")


def main(argv: list[str] | None = None) -> int:
    """Run the sections asked for; return the exit code."""
    options = argparse.ArgumentParser("benchmark.py", description=(__doc__ or "").splitlines()[0])
    options.add_argument("--rows", type=int, default=FULL_ROWS, help="demo products (84916)")
    short = [name for name in SECTIONS if name not in LONG]
    options.add_argument("--sections", nargs="+", choices=list(SECTIONS), default=short)
    options.add_argument("--url", help="ask the service there, and measure nothing else")
    try:
        return _benchmark(options.parse_args(argv))
    except ProjectError as e:
        return report(e)


def _benchmark(args: argparse.Namespace) -> int:
    figures = _measure(["api"], 0, args.url) if args.url else _measure(args.sections, args.rows)
    path = load_config().paths.results_dir / "benchmark.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([dataclasses.asdict(f) for f in figures], indent=1) + "\n")
    print(f"written to {path}")
    return EXIT_FINE if all(figure.reached for figure in figures) else EXIT_FINDINGS


def _measure(sections: list[str], rows: int, *url: str) -> list[Figure]:
    from tools.demo_shop.catalogue import draw_catalogue, write_catalogue

    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        work = Path(name)
        work.chmod(0o755)  # the embedded server runs as another user where this one is root
        if rows and sections != ["profiles"]:  # which draws shops of its own
            print(f"drawing a demo shop of {rows:,} products ...", file=sys.stderr)
            write_catalogue(draw_catalogue(rows, 1), work / "import")
        for section in sections:
            module = importlib.import_module(f"tests.benchmarks.{SECTIONS[section]}")
            for figure in getattr(module, section)(work, rows, *url):
                figures.append(figure)
                print(figure.line, flush=True)
    return figures


if __name__ == "__main__":
    sys.exit(main())
