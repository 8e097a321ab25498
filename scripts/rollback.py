"""Go back to the run that was served before; a second time comes forward again.

Exit status: 0 done, 2 there is no run before.
"""

from __future__ import annotations

import argparse
import sys

from src.artifacts.store import ArtifactStore
from src.command_line import parser, run, settings
from src.errors import EXIT_FINE, ArtifactError


def main(argv: list[str] | None = None) -> int:
    """Let served and previous run change places and name both; return the exit code."""
    options = parser(__doc__)
    options.add_argument("--show", action="store_true", help="only name the two")
    return run(_roll_back, options, argv)


def _roll_back(args: argparse.Namespace) -> int:
    store = ArtifactStore(settings(args).paths)
    with store.writing():
        served, previous = store.pinned("served"), store.pinned("previous")
        here, there = _name(served), str(previous.served_run())
        if not args.show:
            previous.verify()
            store.runs.roll_back()
    was, now = (there, here) if args.show else (here, there)
    print(f"{'before' if args.show else 'was served':<12}{was}\n{'served now':<12}{now}")
    return EXIT_FINE


def _name(served: ArtifactStore) -> str:
    """Return what is served; that it is damaged is a reason to go back, not to stop."""
    try:
        return str(served.served_run())
    except ArtifactError as e:
        return f"a run that can't be read: {e.message}"


if __name__ == "__main__":
    sys.exit(main())
