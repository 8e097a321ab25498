"""Promote the run that waits in artifacts/candidate: if it is good enough, or with --force.

Exit status: 0 it is served now, 1 it is worse than the served run and was left, 2 there is none.
"""

from __future__ import annotations

import argparse
import sys

from src.artifacts.store import ArtifactStore
from src.command_line import parser, run, settings
from src.errors import EXIT_FINDINGS, EXIT_FINE


def main(argv: list[str] | None = None) -> int:
    """Judge, exchange where that is due, and say what is served; return the exit code."""
    options = parser(__doc__)
    options.add_argument("--force", action="store_true", help="promote it whatever its score")
    return run(_promote, options, argv)


def _promote(args: argparse.Namespace) -> int:
    store = ArtifactStore(settings(args).paths)
    store.runs.get("candidate")  # said at once, before anything heavy is imported
    from src.runs.promotion import promote

    with store.writing():
        verdict = promote(store, force=args.force)
    print(f"{'served now' if verdict.promoted else 'not promoted'}: {verdict.reason}")
    print(f"  candidate  {verdict.candidate}")
    if verdict.served:
        print(f"  {'before' if verdict.promoted else 'served':<11}{verdict.served}")
    return EXIT_FINE if verdict.promoted else EXIT_FINDINGS


if __name__ == "__main__":
    sys.exit(main())
