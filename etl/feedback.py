"""Print the corrections of results/feedback.jsonl for psql: one checked JSON object a line.

The service writes that file where no database answers. It is read here as training reads it, so
that a torn or foreign line can't make a load fail.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from src.command_line import report
from src.data.corrections import read_feedback
from src.errors import ProjectError


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the corrections of a file, and on stderr how many they are."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", type=Path, help="as the service writes it: results/feedback.jsonl")
    try:
        corrections, unreadable = read_feedback(parser.parse_args(arguments).file)
    except ProjectError as e:
        return report(e)
    sys.stdout.writelines(correction.to_line() + "\n" for correction in corrections)
    skipped = f", {unreadable} lines left out that hold none" if unreadable else ""
    sys.stderr.write(f"   {len(corrections)} corrections in results/feedback.jsonl{skipped}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
