"""French and English: one dictionary a language (``en.toml``, ``fr.toml``), one number format.

Screens, figures and reports take every word from here. A section of a dictionary belongs to one
place (``[drift_report]``, ``[app.predict]``); both languages hold the same keys (tested).
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from src.files import read_toml

LANGUAGES = ("fr", "en")
"""Languages of labels, screens and reports."""

NARROW_SPACE = "\u202f"


class Translator:
    r"""Words and numbers of one language.

    Parameters
    ----------
    language : {"fr", "en"}

    Examples
    --------
    >>> translator("fr").percent(0.125)
    '12,5\u202f%'
    >>> translator("en").number(1234.5, 1)
    '1,234.5'
    """

    def __init__(self, language: str) -> None:
        self.language = language
        self._texts = read_toml(Path(__file__).with_name(f"{language}.toml"))

    def __call__(self, key: str, **values: object) -> str:
        """Return the text of a dotted key, its ``{names}`` filled in.

        Raises
        ------
        KeyError
            No such text.
        """
        text = self.section(key)
        if not isinstance(text, str):
            raise KeyError(key)
        return text.format(**values) if values else text

    def section(self, key: str) -> Any:  # noqa: ANN401
        """Return what stands under a dotted key: a text or a table of texts."""
        found: Any = self._texts
        for part in key.split("."):
            found = found[part]
        return found

    def number(self, value: float, digits: int = 0) -> str:
        """Return a number with thousands apart; NaN and None are a dash."""
        if value is None or value != value:
            return "–"
        text = f"{value:,.{digits}f}"
        if text.startswith("-") and not text.strip("-0.,"):
            text = text[1:]  # no negative zero
        if self.language != "fr":
            return text
        return text.replace(",", NARROW_SPACE).replace(".", ",")

    def percent(self, share: float, digits: int = 1) -> str:
        """Return a share between 0 and 1 in per cent."""
        text = self.number(share * 100, digits)
        return (
            text if text == "–" else text + (f"{NARROW_SPACE}%" if self.language == "fr" else "%")
        )


@functools.cache
def translator(language: str) -> Translator:
    """Return the words of a language, read once a process."""
    return Translator(language)
