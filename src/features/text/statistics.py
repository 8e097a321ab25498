"""Five plain numbers a text: how long, how varied, how loud.

``TextStatistics`` is an extractor: a product's numbers depend on its own text alone.
"""

import string
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from src.features.text.markup import plain_text

VERSION = 2

_UPPER = string.ascii_uppercase.encode()
_LETTERS = string.ascii_letters.encode()
# What Unicode does not decompose into ASCII, spelled as catalogues spell it.
_SPELLED = {
    "€": " euro ", "œ": "oe", "Œ": "OE", "æ": "ae", "Æ": "AE", "ß": "ss", "ø": "o", "Ø": "O",
    "×": "x", "–": "-", "—": "-", "‑": "-", "’": "'",
}  # fmt: skip


def join_fields(titles: Sequence[str], descriptions: Sequence[str]) -> list[str]:
    """Put title and description, without markup, on two lines of one text."""
    pairs = zip(titles, descriptions, strict=True)
    plain = [(plain_text(title), plain_text(text)) for title, text in pairs]
    return [f"{title}\n{text}" if text else title for title, text in plain]


def fold_to_ascii(text: str) -> str:
    """Drop accents and what has no ASCII spelling; keep the case.

    >>> fold_to_ascii("Bébé à 5 €, 4×25, cœur 日本")
    'Bebe a 5  euro , 4x25, coeur '
    """
    if text.isascii():
        return text
    for sign, spelling in _SPELLED.items():
        if sign in text:
            text = text.replace(sign, spelling)
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")


def count_bytes(text: bytes, members: bytes) -> int:
    """Count the bytes of a text that are among the members (about 1 GB/s)."""
    return len(text) - len(text.translate(None, members))


def share(part: float, whole: float) -> float:
    """Divide, 0 where there is nothing to divide by."""
    return part / whole if whole else 0.0


@dataclass(frozen=True)
class TextStatistics:
    """Length, variety and loudness of a product's whole text.

    Columns: ``n_words`` (cut at white space), ``n_chars`` (after removal of HTML),
    ``avg_word_len`` (characters), ``lexical_diversity`` (distinct words / words, case-folded),
    ``caps_ratio`` (Latin capitals / Latin letters).

    >>> TextStatistics().extract(["LOT de lot"], [""]).tolist()
    [[3.0, 10.0, 2.6666667461395264, 0.6666666865348816, 0.375]]
    """

    @property
    def names(self) -> tuple[str, ...]:
        """Column names."""
        return ("n_words", "n_chars", "avg_word_len", "lexical_diversity", "caps_ratio")

    def settings(self) -> dict[str, object]:
        """Give what the result depends on beside the text: the cache's key."""
        return {"version": VERSION}

    def extract(self, titles: Sequence[str], descriptions: Sequence[str]) -> NDArray[np.float32]:
        """Measure products, shape (n_products, 5); a missing text is ""."""
        rows = [self._measure(text) for text in join_fields(titles, descriptions)]
        return np.array(rows, dtype=np.float32).reshape(-1, len(self.names))

    def _measure(self, text: str) -> tuple[float, ...]:
        words = text.casefold().split()
        n_letters_in_words = sum(map(len, text.split()))
        folded = fold_to_ascii(text).encode()
        return (
            len(words),
            len(text),
            share(n_letters_in_words, len(words)),
            share(len(set(words)), len(words)),
            share(count_bytes(folded, _UPPER), count_bytes(folded, _LETTERS)),
        )
