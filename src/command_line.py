"""The edge of every command: options, logging, errors, Ctrl-C, and the next command to run.

A command is ``main(argv)``, which gives `run` its work and its `parser`. A `next_command` is
written for the repository's folder and a plain ``python``; here it becomes one that works where the
user stands, with the settings that were given. One that is options alone is what was typed, and
these after it.
"""

import argparse
import codecs
import contextlib
import inspect
import io
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

_WITH_SETTINGS = re.compile(r"(python scripts/\w+\.py|bash init\.sh)(?! --help)")


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

    With `whole`, ``--help`` says all of the docstring, as it is laid out, not its first line alone.
    `config` adds ``--config FILE`` and ``--set KEY=VALUE``, which `settings` reads; `source` adds
    ``--source``, short for ``--set data.source=...``; `verbose` is the help of ``--verbose``.
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
    return load_config(args.config, [*_overrides(args), *overrides])


def given_settings(args: argparse.Namespace) -> list[str]:
    """Return the shared options that were given, as any command takes them from anywhere."""
    file = getattr(args, "config", None)
    words = [] if file is None else ["--config", str(file.absolute())]
    return words + [word for override in _overrides(args) for word in ("--set", override)]


def _overrides(args: argparse.Namespace) -> list[str]:
    source = [f"data.source={args.source}"] if getattr(args, "source", None) else []
    return [*getattr(args, "overrides", []), *source]


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
    again = shlex.join([_python(Path.cwd()), os.path.relpath(file), *words])
    given: list[str] = []
    _write_utf8()
    try:
        if sys.stdout is None:
            raise UsageError("stdout is closed: expected where to write results")
        if argv is None:
            _use_own_source(file)
        args = options.parse_args(words)
        given = given_settings(args)
        set_up_logging(verbose=getattr(args, "verbose", False))
        status = work(args)
        sys.stdout.flush()
        return status
    except ProjectError as e:
        place = os.path.relpath(file, REPOSITORY)
        e.next_command = e.next_command or f"python {shlex.quote(place)} --help"
        return report(e, again, given)
    except BrokenPipeError:  # the reader, as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FINE
    except OSError as e:
        if not _stdout_is_full():
            raise
        return report(ProjectError.of("stdout", f"can't be written ({e})", next_command="df -h"))
    except KeyboardInterrupt:
        if kept is not None:
            sys.stderr.write(f"\ninterrupted: {kept}\nnext: {again}\n")
        return EXIT_USAGE


def _stdout_is_full() -> bool:
    """Tell whether stdout takes no more; then close it, or Python tries once more at its end."""
    try:
        sys.stdout.write("\n")
        sys.stdout.flush()
    except OSError:
        with contextlib.suppress(OSError):
            sys.stdout.close()
        return True
    return False


def _write_utf8() -> None:
    """Write results as UTF-8 whatever the machine's language; a terminal shows what it can."""
    codecs.register_error("as_it_came", _as_it_came)
    if isinstance(sys.stdout, io.TextIOWrapper):
        encoding = sys.stdout.encoding if sys.stdout.isatty() else "utf-8"
        sys.stdout.reconfigure(encoding=encoding, errors="as_it_came")


def _as_it_came(error: UnicodeError) -> tuple[str | bytes, int]:
    """Give a byte of a file's name back as it is; escape what the encoding has no sign for."""
    try:
        return codecs.lookup_error("surrogateescape")(error)
    except UnicodeEncodeError:
        return codecs.lookup_error("backslashreplace")(error)


def report(error: ProjectError, again: str = "", given: Sequence[str] = ()) -> int:
    """Write an error to stderr and return the exit code.

    `again` is the command that met it, `given` the settings that were given to that.
    """
    lines, command = [f"error: {error.message}"], error.next_command
    if command is not None:
        lines.append(
            f"next: {again} {command}" if command[0] == "-" else f"next: {runnable(command, given)}"
        )
    sys.stderr.write("\n".join(lines) + "\n")
    return error.exit_code


def runnable(command: str, given: Sequence[str] = ()) -> str:
    """Return a command as it must be typed in the current folder and environment.

    What reads a configuration gets the settings that were `given`, before its own.

    >>> runnable("ls config").endswith("ls config")
    True
    """
    if given:
        command = _WITH_SETTINGS.sub(lambda found: f"{found[0]} {shlex.join(given)}", command)
    if INSTALLED:
        command = re.sub(r"^python (\w+)/(\w+)\.py", r"python -m \1.\2", command)
    if command.startswith("python "):
        command = shlex.quote(_python(WORKSPACE_BASE)) + command.removeprefix("python")
    if Path.cwd() != WORKSPACE_BASE:
        command = f"cd {shlex.quote(str(WORKSPACE_BASE))} && {command}"
    return command


def _use_own_source(file: Path) -> None:
    """Start a command anew whose ``src`` was imported from another checkout than its own.

    Python puts the command's folder, not the checkout, first on its path; an environment in which
    another checkout is installed would then run that one's code on that one's files.
    """
    own = next((p for p in file.parents if (p / "src/command_line.py").is_file()), REPOSITORY)
    if own == REPOSITORY or INSTALLED:
        return
    path = [folder for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep) if folder]
    if path[:1] == [str(own)]:
        raise UsageError(
            f"this command lies in {own}, but {sys.executable} imports src from {REPOSITORY}",
            next_command=f"cd {shlex.quote(str(own))} && make demo",
        )
    sys.stderr.write(f"src of {own}, not of {REPOSITORY}, which this Python has installed\n")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(own), *path])}
    os.execve(sys.executable, [sys.executable, str(file), *sys.argv[1:]], environment)  # noqa: S606


def _python(folder: Path) -> str:
    """Return what calls this interpreter from a folder; relative where it lies inside."""
    if shutil.which("python") == sys.executable:
        return "python"
    path = os.path.relpath(sys.executable, folder)
    return sys.executable if path.startswith("..") else path
