"""Every error that a user can meet, as one tree.

    ProjectError                exit 2, message + the next command
    |-- UsageError              a wrong option or argument
    |   `-- ConfigError         a key, type or range in a TOML file or in --set
    |-- DataError               the data itself is wrong
    |   |-- FileFault           an input file can't be read: missing, header, encoding, cut ...
    |   `-- ValidationError     stage 2 refused the data
    |-- DatabaseError           PostgreSQL can't be reached or refused
    |-- ArtifactError           an artifact is missing, altered, locked or from elsewhere
    `-- BackboneError           a pretrained network can't be had

An error says what was found, where, what was expected, and, as its last line, the command to run
next. It is raised ``from`` its cause and caught once, by the ``main()`` of a script or a tool.
"""

import shlex
from pathlib import Path
from typing import TypeVar

Error = TypeVar("Error", bound="ProjectError")
EXIT_FINE = 0
EXIT_FINDINGS = 1
EXIT_USAGE = 2


class ProjectError(Exception):
    """Something the user can mend; every `next_command` is run by ``tests/test_cli.py``.

    >>> print(ProjectError("no table project.items", next_command="bash init.sh"))
    no table project.items
    next: bash init.sh
    """

    exit_code = EXIT_USAGE

    def __init__(self, message: str, *, next_command: str | None = None) -> None:
        super().__init__(message)
        self.message = self.problem = message
        self.next_command = next_command
        self.path, self.line = "", 0

    @classmethod
    def of(
        cls: type[Error],
        path: Path | str,
        problem: str,
        *,
        line: int | None = None,
        next_command: str | None = None,
    ) -> Error:
        """Return the error of a file: where, what is wrong, and a command that shows the place.

        A path that is a str, such as "stdin", lies on no disk and has nothing to show; the first
        line is 1.
        """
        where = f"{path}" if line is None else f"{path}, line {line}"
        if next_command is None and isinstance(path, Path):
            next_command = _show(path, line)
        error = cls(f"{where}: {problem}", next_command=next_command)
        error.path, error.line, error.problem = f"{path}", line or 0, problem
        return error

    def __str__(self) -> str:
        if self.next_command is None:
            return self.message
        return f"{self.message}\nnext: {self.next_command}"


class UsageError(ProjectError):
    """A command was called in a way it does not understand."""


class ConfigError(UsageError):
    """A configuration key is unknown, of the wrong type or out of range."""


class DataError(ProjectError):
    """The data is wrong."""


class FileFault(DataError):
    """An input file can't be read as what it should be."""


class ValidationError(DataError):
    """The data was read but is not fit for training."""


class DatabaseError(ProjectError):
    """PostgreSQL can't be reached, or refused the request."""


class ArtifactError(ProjectError):
    """A generated file is missing, altered, locked or was made by something else."""


class BackboneError(ProjectError):
    """A pretrained network can't be had."""


def _show(path: Path, line: int | None) -> str:
    if line is not None:
        return f"sed -n {line}p {shlex.quote(str(path))} | cut -b 1-300"
    folder = path.absolute().parent
    while not folder.is_dir():
        folder = folder.parent
    return f"ls -l {shlex.quote(str(folder))}"
