"""Every error that a user can meet, as one tree.

    ProjectError                exit 2, message + the next command
    |-- UsageError              a wrong option or argument
    |   `-- ConfigError         a key, type or range in a TOML file or in --set
    |-- DataError               the data itself is wrong
    |   |-- FileFault           an input file can't be read: missing, header, encoding, cut ...
    |   |-- LoadError           the rows were refused (too many rejects, a failed check)
    |   `-- ValidationError     stage 2 refused the data
    |-- DatabaseError           PostgreSQL can't be reached or refused
    |-- ArtifactError           an artifact is missing, altered, locked or from elsewhere
    `-- BackboneError           a pretrained network can't be had

An error says what was found, where, what was expected, and, as its last line, the command to run
next. It is raised ``from`` its cause and caught once, by the ``main()`` of a script or a tool.
"""

from __future__ import annotations

EXIT_FINE = 0
EXIT_FINDINGS = 1
EXIT_USAGE = 2


class ProjectError(Exception):
    """Something the user can mend.

    Parameters
    ----------
    message : str
        What was found, where, and what was expected.
    next_command : str or None
        A shell command that shows more or mends it; it is run by ``tests/test_cli.py``.

    Examples
    --------
    >>> print(ProjectError("no table project.items", next_command="bash init.sh"))
    no table project.items
    next: bash init.sh
    """

    exit_code = EXIT_USAGE

    def __init__(self, message: str, *, next_command: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.next_command = next_command

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


class LoadError(DataError):
    """The database refused the rows."""


class ValidationError(DataError):
    """The data was read but is not fit for training."""


class DatabaseError(ProjectError):
    """PostgreSQL can't be reached, or refused the request."""


class ArtifactError(ProjectError):
    """A generated file is missing, altered, locked or was made by something else."""


class BackboneError(ProjectError):
    """A pretrained network can't be had."""
