"""What every command does at its edge: say what went wrong and which command to run next.

A `next_command` is written for the repository's folder and a plain ``python``. Here it becomes one
that works where the user stands.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import sys
from pathlib import Path

from src.config import INSTALLED, WORKSPACE_BASE
from src.errors import EXIT_USAGE, ProjectError


def add_config_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--config FILE`` and ``--set KEY=VALUE``, which `load_config` takes as they are."""
    parser.add_argument("--config", type=Path, metavar="FILE", help="default: config/config.toml")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="overrides",
        help="override a key of the configuration, as in --set model.name=logreg; repeatable",
    )


def report(error: ProjectError) -> int:
    """Write an error to stderr and return the exit code."""
    lines = [f"error: {error.message}"]
    if error.next_command is not None:
        lines.append(f"next: {runnable(error.next_command)}")
    sys.stderr.write("\n".join(lines) + "\n")
    return error.exit_code


def report_interrupt(what_is_kept: str, next_command: str) -> int:
    """Write what a Ctrl-C left behind and return the exit code."""
    sys.stderr.write(f"\ninterrupted: {what_is_kept}\nnext: {runnable(next_command)}\n")
    return EXIT_USAGE


def runnable(command: str) -> str:
    """Return a command as it must be typed in the current folder and environment.

    >>> runnable("ls config").endswith("ls config")
    True
    """
    if INSTALLED:
        command = re.sub(r"^python (\w+)/(\w+)\.py", r"python -m \1.\2", command)
    if command.startswith("python ") and shutil.which("python") != sys.executable:
        command = shlex.quote(_interpreter()) + command.removeprefix("python")
    if Path.cwd() != WORKSPACE_BASE:
        command = f"cd {shlex.quote(str(WORKSPACE_BASE))} && {command}"
    return command


def _interpreter() -> str:
    """Return this interpreter, relative to the repository where it lies inside."""
    path = os.path.relpath(sys.executable, WORKSPACE_BASE)
    return sys.executable if path.startswith("..") else path
