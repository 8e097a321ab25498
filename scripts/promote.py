"""Promote the run in artifacts/candidate: if it is not worse than the served one, or with --force.

Exit status: 0 it is served now, 1 it is worse than the served run, 2 there is no candidate.
"""

import argparse
import sys
import textwrap

from src.artifacts import runs
from src.artifacts.store import ArtifactStore
from src.command_line import parser, run, settings
from src.errors import EXIT_FINDINGS, EXIT_FINE


def main(argv: list[str] | None = None) -> int:
    """Promote where that is due and print what is served; return the exit code."""
    options = parser(__doc__, source=True)
    options.add_argument("--force", action="store_true", help="promote it whatever its score")
    options.add_argument("--reason", default="", metavar="TEXT", help="kept in the history of runs")
    return run(_promote, options, argv)


def _promote(args: argparse.Namespace) -> int:
    cfg = settings(args)
    store = ArtifactStore(cfg.paths)
    runs.get(store.paths, "candidate")  # refused at once, before heavy imports
    from src.runs.promotion import promote, tell_served

    with store.writing():
        decision = promote(store, cfg.promotion.margin, force=args.force, reason=args.reason)
    if decision.promoted:
        tell_served(cfg, decision.candidate.run_id)
    verdict = "served now" if decision.promoted else "not promoted"
    told = f"{verdict}{' (forced)' if decision.forced else ''}: {decision.reason}"
    print(textwrap.fill(told, 80, subsequent_indent="  "))
    print(f"  candidate  {decision.candidate}")
    if decision.served:
        print(f"  {'before' if decision.promoted else 'served':<11}{decision.served}")
    return EXIT_FINE if decision.promoted else EXIT_FINDINGS


if __name__ == "__main__":
    sys.exit(main())
