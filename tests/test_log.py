"""Messages go to stderr as plain lines; --verbose shows more."""

from __future__ import annotations

import logging

import pytest

from src.log import set_up_logging


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
