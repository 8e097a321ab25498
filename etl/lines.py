"""Print one of the two files of lines that init.sh handles, fit for who reads them.

"feedback": results/feedback.jsonl for psql, one checked JSON object a line. The service writes that
file where no database answers; it is read here as training reads it, so that a torn or foreign line
can't make a load fail. "rejects": the first twenty rows of results/rejects.csv for people.
"""

import argparse
import csv
import sys
from collections.abc import Sequence
from pathlib import Path

from src.command_line import parser, run
from src.data.corrections import read_feedback
from src.errors import EXIT_FINE

SHOWN = 20
_RAW_CHARACTERS = 80


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
    """Print the file that is named."""
    options = parser(__doc__, config=False)
    options.add_argument("kind", choices=("feedback", "rejects"), help="what the lines are")
    options.add_argument("file", type=Path, help="as the service, or init.sh, wrote it")
    return run(_print, options, arguments, kept=None)


def _print(args: argparse.Namespace) -> int:
    if args.kind == "rejects":
        with args.file.open(encoding="utf-8", newline="") as file:
            # A raw row may be longer than the 128 KB that the csv module takes for a field.
            csv.field_size_limit(sys.maxsize)
            sys.stdout.write(describe(list(csv.DictReader(file))) + "\n")
        return EXIT_FINE
    corrections, unreadable = read_feedback(args.file)
    sys.stdout.writelines(correction.to_line() + "\n" for correction in corrections)
    skipped = f", {unreadable} lines left out that hold none" if unreadable else ""
    sys.stderr.write(f"   {len(corrections)} corrections in results/feedback.jsonl{skipped}\n")
    return EXIT_FINE


if __name__ == "__main__":
    raise SystemExit(main())
