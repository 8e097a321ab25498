"""Messages go to stderr as plain lines; --verbose shows more."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from src.log import LOGGER_NAME, set_up_logging


@pytest.fixture(autouse=True)
def restore() -> Iterator[None]:
    logger = logging.getLogger(LOGGER_NAME)
    before = (logger.handlers[:], logger.level, logger.propagate)
    yield
    logger.handlers[:], logger.propagate = before[0], before[2]
    logger.setLevel(before[1])


@pytest.mark.parametrize(
    ("verbose", "expected"),
    [(False, "hello 1\nwarning: careful\n"), (True, "  . detail\nhello 1\nwarning: careful\n")],
)
def test_lines(verbose: bool, expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging(verbose=verbose)
    logger = logging.getLogger("src.something")
    logger.debug("detail")
    logger.info("hello %d", 1)
    logger.warning("careful")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", expected)
