"""French and English: one dictionary a language (``en.toml``, ``fr.toml``), one number format.

Screens, figures and reports take every word from here. A section of a dictionary belongs to one
place (``[drift_report]``, ``[app.predict]``); both languages hold the same keys (tested).
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from src.files import read_toml

LANGUAGES = ("fr", "en")
"""Languages of labels, screens and reports."""

NARROW_SPACE, NO_BREAK_SPACE = "\u202f", "\u00a0"
DASH = "–"


class Translator:
    r"""Words and numbers of one language.

    >>> translator("fr").percent(0.125)
    '12,5\u202f%'
    >>> translator("en").number(1234.5, 1)
    '1,234.5'
    """

    def __init__(self, language: str) -> None:
        self.language = language
        texts = read_toml(Path(__file__).with_name(f"{language}.toml"))
        self._texts = _spaced(texts) if language == "fr" else texts

    def __call__(self, key: str, **values: object) -> str:
        """Return the text of a dotted key, its ``{names}`` filled in; none is a KeyError."""
        text = self.section(key)
        if not isinstance(text, str):
            raise KeyError(key)
        return text.format(**values) if values else text

    def say(self, text: str) -> str:
        """Return a `Said` in this language, its own values too; any other text as it is."""
        return self.fill(text.key, text.values) if isinstance(text, Said) else text

    def fill(self, key: str, values: Mapping[str, str | int]) -> str:
        """Return the text of a key; numbers and each `Said` among its values in this language."""
        told = {n: self.say(v) if isinstance(v, str) else self.number(v) for n, v in values.items()}
        return self(key, **told)

    def section(self, key: str) -> Any:  # noqa: ANN401
        """Return what stands under a dotted key: a text or a table of texts."""
        found: Any = self._texts
        for part in key.split("."):
            found = found[part]
        return found

    def number(self, value: float | None, digits: int = 0) -> str:
        """Return a number with thousands apart; NaN and None are a dash."""
        return self._written(value, f",.{digits}f")

    def decimal(self, value: float | None) -> str:
        """Return a number in three significant digits, at most four of them decimals."""
        size = 0.0 if value is None else abs(value)
        return self._written(value, ",.0f" if size >= 999.5 else ".3g" if size >= 0.001 else ".4f")

    def points(self, shift: float | None) -> str:
        """Return a difference of two shares in percentage points, with its sign."""
        return self._written(None if shift is None else 100 * shift, "+.1f")

    def percent(self, share: float | None, digits: int = 1) -> str:
        """Return a share between 0 and 1 in per cent."""
        text = self.number(None if share is None else 100 * share, digits)
        sign = f"{NARROW_SPACE}%" if self.language == "fr" else "%"
        return text if text == DASH else text + sign

    def _written(self, value: float | None, how: str) -> str:
        if value is None or math.isnan(value):
            return DASH
        text = format(value, how)
        if text.startswith("-") and not text.strip("-0.,"):
            text = text[1:]  # no negative zero
        text = text.replace("-", "\N{MINUS SIGN}")
        if self.language == "fr":
            text = text.replace(",", NARROW_SPACE).replace(".", ",")
        return text


class Said(str):
    """An English text, as of an error, that can be said in another language (`Translator.say`).

    >>> translator("fr").say(Said("reader.encoding", encoding="UTF-16"))
    'texte en UTF-16'
    """

    key: str
    values: Mapping[str, str | int]

    def __new__(cls, key: str, **values: str | int) -> Said:  # noqa: D102
        said = super().__new__(cls, translator("en").fill(key, values))
        said.key, said.values = key, values
        return said


def _spaced(texts: Any) -> Any:  # noqa: ANN401 - a table of texts, or one
    """Return French texts with the spaces that no line breaks at before and inside punctuation."""
    if isinstance(texts, dict):
        return {key: _spaced(text) for key, text in texts.items()}
    if isinstance(texts, list):
        return [_spaced(text) for text in texts]
    text = re.sub(r" (?=[;!?%×])", NARROW_SPACE, texts)
    return re.sub(r" (?=[:»])|(?<=«) ", NO_BREAK_SPACE, text)


@functools.cache
def translator(language: str) -> Translator:
    """Return the words of a language, read once a process."""
    return Translator(language)
