"""Speed of the platform beside the plain library way, measured in the same run.

What it measures stands in `tests/benchmarks/`: the product's code imports nothing of it.
"""

from __future__ import annotations

import os
import sys

from src.config_model import REPOSITORY


def main() -> None:
    """Become `python -m tests.benchmarks` of this checkout."""
    if not (REPOSITORY / "tests" / "benchmarks").is_dir():
        raise SystemExit(f"error: {REPOSITORY} is no checkout: it holds no tests/benchmarks")
    os.chdir(REPOSITORY)  # where `tests` is this checkout's
    os.execv(sys.executable, [sys.executable, "-m", "tests.benchmarks", *sys.argv[1:]])  # noqa: S606


if __name__ == "__main__":
    main()
