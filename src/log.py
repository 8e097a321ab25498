"""Logging as the ``main()`` of a script sets it up: talk goes to stderr, results to stdout."""

import logging
import sys

LOGGER_NAME = "src"
_MARKS = {"DEBUG": "  . ", "INFO": "", "WARNING": "warning: ", "ERROR": "error: "}


def set_up_logging(*, verbose: bool = False) -> None:
    """Send the project's messages to stderr, a plain line each; verbose shows DEBUG lines too."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_mark)
    handler.setFormatter(logging.Formatter("%(mark)s%(message)s"))
    logger = logging.getLogger(LOGGER_NAME)
    logger.handlers[:] = [handler]
    logger.setLevel(logging.DEBUG if verbose else logging.INFO)
    logger.propagate = False


def _mark(record: logging.LogRecord) -> bool:
    """Give a line what it begins with: warnings and errors say what they are."""
    record.mark = _MARKS.get(record.levelname, "")
    return True
