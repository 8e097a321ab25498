"""The edge of every command: options, logging, errors, Ctrl-C, and the next command to run.

A command is ``main(argv)``, which gives `run` its work and its `parser`. A `next_command` is
written for the repository's folder and a plain ``python``; here it becomes one that works where the
user stands.
"""

from __future__ import annotations

import argparse
import inspect
import os
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from src.config import Config, load_config
from src.config_model import INSTALLED, REPOSITORY, WORKSPACE_BASE
from src.errors import EXIT_FINE, EXIT_USAGE, ProjectError, UsageError
from src.log import set_up_logging


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Refuse an option as any other mistake is refused, with a next command."""
        raise UsageError(message)


def parser(
    doc: str | None,
    *,
    whole: bool = False,
    config: bool = True,
    source: bool = False,
    verbose: str = "",
) -> argparse.ArgumentParser:
    """Return a parser with the options that commands share.

    Parameters
    ----------
    whole : bool
        Let ``--help`` say all of the docstring, as it is laid out, not its first line alone.
    config : bool
        Add ``--config FILE`` and ``--set KEY=VALUE``, which `settings` reads.
    source : bool
        Add ``--source``, short for ``--set data.source=...``.
    verbose : str
        Help of ``--verbose``; the option is left out where this is empty.
    """
    made = _Parser(
        description=doc if whole else (doc or "").partition("\n")[0],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    if config:
        made.add_argument("--config", type=Path, metavar="FILE", help="default: config/config.toml")
        made.add_argument(
            "--set",
            action="append",
            default=[],
            metavar="KEY=VALUE",
            dest="overrides",
            help="override a key of the configuration, as in --set model.name=logreg; repeatable",
        )
    if source:
        made.add_argument(
            "--source", choices=["postgres", "csv"], help="where the rows come from (data.source)"
        )
    if verbose:
        made.add_argument("--verbose", action="store_true", help=verbose)
    return made


def settings(args: argparse.Namespace, *overrides: str) -> Config:
    """Return the configuration that the shared options ask for, `overrides` laid over it."""
    source = [f"data.source={args.source}"] if getattr(args, "source", None) else []
    return load_config(args.config, [*args.overrides, *source, *overrides])


def run(
    work: Callable[[argparse.Namespace], int],
    options: argparse.ArgumentParser,
    argv: Sequence[str] | None,
    *,
    kept: str | None = "no half file was left",
) -> int:
    """Parse, set up logging, do the work of a command; return its exit code.

    `kept` is what a Ctrl-C leaves behind; None where the caller, as ``init.sh``, says it.
    """
    file = Path(inspect.getfile(work)).resolve()
    words = sys.argv[1:] if argv is None else argv
    try:
        _refuse_foreign_source(file, words)
        args = options.parse_args(words)
        set_up_logging(verbose=getattr(args, "verbose", False))
        return work(args)
    except ProjectError as e:
        place = os.path.relpath(file, REPOSITORY)
        e.next_command = e.next_command or f"python {shlex.quote(place)} --help"
        return report(e)
    except BrokenPipeError:  # the reader, as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FINE
    except KeyboardInterrupt:
        if kept is not None:
            again = shlex.join([_python(Path.cwd()), os.path.relpath(file), *words])
            sys.stderr.write(f"\ninterrupted: {kept}\nnext: {again}\n")
        return EXIT_USAGE


def report(error: ProjectError) -> int:
    """Write an error to stderr and return the exit code."""
    lines = [f"error: {error.message}"]
    if error.next_command is not None:
        lines.append(f"next: {runnable(error.next_command)}")
    sys.stderr.write("\n".join(lines) + "\n")
    return error.exit_code


def runnable(command: str) -> str:
    """Return a command as it must be typed in the current folder and environment.

    >>> runnable("ls config").endswith("ls config")
    True
    """
    if command.startswith("PYTHONPATH="):  # as `_refuse_foreign_source` says it
        return command
    if INSTALLED:
        command = re.sub(r"^python (\w+)/(\w+)\.py", r"python -m \1.\2", command)
    if command.startswith("python "):
        command = shlex.quote(_python(WORKSPACE_BASE)) + command.removeprefix("python")
    if Path.cwd() != WORKSPACE_BASE:
        command = f"cd {shlex.quote(str(WORKSPACE_BASE))} && {command}"
    return command


def _refuse_foreign_source(file: Path, words: Sequence[str]) -> None:
    """Refuse a command whose ``src`` was imported from another checkout than its own.

    Python puts the command's folder, not the checkout, first on its path; an environment in which
    another checkout is installed would then run that one's code on that one's files.
    """
    own = next((p for p in file.parents if (p / "src/command_line.py").is_file()), REPOSITORY)
    if own == REPOSITORY or INSTALLED:
        return
    folder = shlex.quote(str(own))
    raise UsageError(
        f"this command lies in {own}, but {sys.executable} imports src from {REPOSITORY}, whose "
        "code and files it would use; expected an environment of its own (cd "
        f"{folder} && python3 -m venv .venv && .venv/bin/pip install -r requirements.txt) or, for "
        "once, its folder on PYTHONPATH",
        next_command=f"PYTHONPATH={folder} {shlex.join([sys.executable, str(file), *words])}",
    )


def _python(folder: Path) -> str:
    """Return what calls this interpreter from a folder; relative where it lies inside."""
    if shutil.which("python") == sys.executable:
        return "python"
    path = os.path.relpath(sys.executable, folder)
    return sys.executable if path.startswith("..") else path
