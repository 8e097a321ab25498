"""Go back to the run that was served before; a second rollback undoes the first.

Exit status: 0 done, 2 there is no previous run.
"""

import argparse
import sys

from src.artifacts.store import ArtifactStore
from src.command_line import parser, run, settings
from src.errors import EXIT_FINE, ArtifactError


def main(argv: list[str] | None = None) -> int:
    """Exchange the served and the previous run and print both; return the exit code."""
    options = parser(__doc__, source=True)
    options.add_argument("--reason", default="", metavar="TEXT", help="kept in the history of runs")
    options.add_argument("--show", action="store_true", help="only print the two")
    return run(_roll_back, options, argv)


def _roll_back(args: argparse.Namespace) -> int:
    cfg = settings(args)
    store = ArtifactStore(cfg.paths)
    with store.writing():
        served, previous = store.pinned("served"), store.pinned("previous")
        current, before = _name(served), str(previous.served_run())
        if not args.show:
            from src.runs.promotion import roll_back, tell_served

            tell_served(cfg, roll_back(store, reason=args.reason).run_id)
    was, now = (before, current) if args.show else (current, before)
    print(f"{'before' if args.show else 'was served':<12}{was}\n{'served now':<12}{now}")
    return EXIT_FINE


def _name(served: ArtifactStore) -> str:
    """Describe the served run; that it is damaged is a reason to roll back, not to stop."""
    try:
        return str(served.served_run())
    except ArtifactError as e:
        return f"a run that can't be read: {e.message}"


if __name__ == "__main__":
    sys.exit(main())
