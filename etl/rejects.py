"""Show the rows that a load rejected: the first twenty of results/rejects.csv, one line each."""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Sequence
from pathlib import Path

from src.command_line import parser, run
from src.errors import EXIT_FINE

SHOWN = 20
_RAW_CHARACTERS = 80


def read_rejects(path: Path) -> list[dict[str, str]]:
    """Return the rows of a rejects file: file, line, reason, raw."""
    with path.open(encoding="utf-8", newline="") as file:
        # A raw row may be longer than the 128 KB that the csv module takes for a field by default.
        csv.field_size_limit(sys.maxsize)
        return list(csv.DictReader(file))


def describe(rows: Sequence[dict[str, str]]) -> str:
    """Return a line a reject, the first `SHOWN` of them, under a line with their number."""
    lines = [f"{len(rows)} rows at fault:"]
    for row in rows[:SHOWN]:
        raw = " ".join(row["raw"].split())[:_RAW_CHARACTERS]
        lines.append(f"  {row['file']}, line {row['line']}: {row['reason']}: {raw}")
    if len(rows) > SHOWN:
        lines.append(f"  ... and {len(rows) - SHOWN} more")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the rejects of the file that is named."""
    options = parser(__doc__, config=False)
    options.add_argument("file", type=Path, help="as init.sh writes it: results/rejects.csv")
    return run(_print, options, arguments, kept=None)


def _print(args: argparse.Namespace) -> int:
    sys.stdout.write(describe(read_rejects(args.file)) + "\n")
    return EXIT_FINE


if __name__ == "__main__":
    raise SystemExit(main())
