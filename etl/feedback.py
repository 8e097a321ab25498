"""Print the corrections of results/feedback.jsonl for psql: one checked JSON object a line.

The service writes that file where no database answers. It is read here as training reads it, so
that a torn or foreign line can't make a load fail.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from src.command_line import parser, run
from src.data.corrections import read_feedback
from src.errors import EXIT_FINE


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the corrections of the file that is named; say on stderr how many they are."""
    options = parser(__doc__, config=False)
    options.add_argument("file", type=Path, help="as the service writes it: results/feedback.jsonl")
    return run(_print, options, arguments, kept=None)


def _print(args: argparse.Namespace) -> int:
    corrections, unreadable = read_feedback(args.file)
    sys.stdout.writelines(correction.to_line() + "\n" for correction in corrections)
    skipped = f", {unreadable} lines left out that hold none" if unreadable else ""
    sys.stderr.write(f"   {len(corrections)} corrections in results/feedback.jsonl{skipped}\n")
    return EXIT_FINE


if __name__ == "__main__":
    raise SystemExit(main())
