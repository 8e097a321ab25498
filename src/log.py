"""Logging as the ``main()`` of a script sets it up: talk goes to stderr, results to stdout."""

from __future__ import annotations

import logging
import sys

LOGGER_NAME = "src"


def set_up_logging(*, verbose: bool = False) -> None:
    """Send the project's messages to stderr, one plain line each.

    Parameters
    ----------
    verbose : bool
        True shows DEBUG lines too: timers, shapes, cache hits.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_PlainFormatter())
    logger = logging.getLogger(LOGGER_NAME)
    logger.handlers[:] = [handler]
    logger.setLevel(logging.DEBUG if verbose else logging.INFO)
    logger.propagate = False


class _PlainFormatter(logging.Formatter):
    """The message alone; warnings and errors say what they are."""

    def format(self, record: logging.LogRecord) -> str:
        text = record.getMessage()
        if record.levelno >= logging.WARNING:
            return f"{record.levelname.lower()}: {text}"
        return text if record.levelno >= logging.INFO else f"  . {text}"
