"""Some fifty numbers a product: what its text looks like and what it mentions.

``TextStatisticsPro`` is an extractor: a product's numbers depend on its own text alone. Lengths
and counts are given as log(1 + n), because a few texts are a hundred times longer than the rest.
"""

import string
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from src.features.text.keyword_families import KEYWORD_FAMILIES
from src.features.text.markup import plain_text
from src.features.text.patterns import (
    DIMENSION,
    EURO,
    PERCENT,
    UNIT_GROUPS,
    YEAR,
    count_ages,
    count_isbn,
    count_sizes,
    count_units,
)
from src.features.text.statistics import count_bytes, fold_to_ascii, join_fields, share

VERSION = 2

_DIGITS = string.digits.encode()
_PUNCTUATION = string.punctuation.encode()
_UPPER = string.ascii_uppercase.encode()
_LETTERS = string.ascii_letters.encode()
_NON_WORD_TO_SPACE = str.maketrans(
    {chr(code): " " for code in range(128) if not chr(code).isalnum()}
)

SHAPE_NAMES = (
    "log_title_words", "log_title_chars", "log_description_words", "log_description_chars",
    "avg_word_len", "max_word_len", "lexical_diversity", "caps_ratio", "title_caps_ratio",
    "digit_ratio", "title_digit_ratio", "punctuation_ratio", "non_ascii_ratio",
    "uppercase_token_ratio", "numeric_token_ratio",
)  # fmt: skip
MENTION_NAMES = (
    "log_years", "log_dimensions", "isbn10", "isbn13", "log_euros", "log_percents", "log_ages",
    "log_sizes", *(f"log_unit_{group}" for group in UNIT_GROUPS),
)  # fmt: skip
_COLUMNS_OF_WORD = {
    word: [c for c, members in enumerate(KEYWORD_FAMILIES.values()) if word in members]
    for word in frozenset().union(*KEYWORD_FAMILIES.values())
}
FAMILY_NAMES = tuple(
    f"log_{field}_{family}" for field in ("title", "text") for family in KEYWORD_FAMILIES
)


@dataclass(frozen=True)
class TextStatisticsPro:
    """Shape, mentions and keyword families of a product's text.

    The columns are `SHAPE_NAMES`, `MENTION_NAMES` and `FAMILY_NAMES`, in this order; ``log_``
    means log(1 + count), ``_ratio`` a share between 0 and 1, ``isbn10`` and ``isbn13`` are 0 or 1.

    >>> pro = TextStatisticsPro()
    >>> row = dict(zip(pro.names, pro.extract(["Puzzle 3+, 20 x 30 cm"], [""])[0].tolist()))
    >>> row["log_title_puzzle"] > 0, row["log_ages"] > 0, row["log_dimensions"] > 0, row["isbn13"]
    (True, True, True, 0.0)
    """

    @property
    def names(self) -> tuple[str, ...]:
        """Column names."""
        return (*SHAPE_NAMES, *MENTION_NAMES, *FAMILY_NAMES)

    def settings(self) -> dict[str, object]:
        """Give what the result depends on beside the text: the cache's key."""
        return {"version": VERSION}

    def extract(self, titles: Sequence[str], descriptions: Sequence[str]) -> NDArray[np.float32]:
        """Measure products, shape (n_products, n_columns); a missing text is ""."""
        texts = join_fields(titles, descriptions)
        titles = [plain_text(title) for title in titles]
        folded = [fold_to_ascii(text) for text in texts]
        folded_titles = [fold_to_ascii(title) for title in titles]
        lower = [text.lower() for text in folded]
        shape = [_shape(*row) for row in zip(texts, titles, folded, folded_titles, strict=True)]
        mentions = [_mentions(text) for text in lower]
        families = [
            count_families([title.lower() for title in folded_titles]),
            count_families(lower),
        ]
        blocks = [
            np.array(shape, dtype=np.float32).reshape(-1, len(SHAPE_NAMES)),
            np.array(mentions, dtype=np.float32).reshape(-1, len(MENTION_NAMES)),
            *families,
        ]
        values = np.hstack(blocks).astype(np.float32)
        logged = [name.startswith("log_") for name in self.names]
        values[:, logged] = np.log1p(values[:, logged])
        return values


def _shape(text: str, title: str, folded: str, folded_title: str) -> tuple[float, ...]:
    """Measure one product's lengths and character shares, in the order of `SHAPE_NAMES`."""
    words = text.split()
    n_title_words = len(title.split())
    sizes = list(map(len, words))
    whole, head = folded.encode(), folded_title.encode()
    # Folding spells "¼" as "14": digits and punctuation are shares of the characters themselves.
    plain, plain_head = (part.encode("ascii", "ignore") for part in (text, title))
    n_shouted = sum(map(str.isupper, [word for word in words if len(word) > 1]))
    return (
        n_title_words,
        len(title),
        len(words) - n_title_words,
        max(len(text) - len(title) - 1, 0),
        share(sum(sizes), len(words)),
        max(sizes, default=0),
        share(len(set(text.casefold().split())), len(words)),
        share(count_bytes(whole, _UPPER), count_bytes(whole, _LETTERS)),
        share(count_bytes(head, _UPPER), count_bytes(head, _LETTERS)),
        share(count_bytes(plain, _DIGITS), len(text)),
        share(count_bytes(plain_head, _DIGITS), len(title)),
        share(count_bytes(plain, _PUNCTUATION), len(text)),
        share(len(text) - len(plain), len(text)),
        share(n_shouted, len(words)),
        share(sum(map(str.isnumeric, words)), len(words)),
    )


def _mentions(text: str) -> tuple[float, ...]:
    """Count what one folded, lower-case text mentions, in the order of `MENTION_NAMES`."""
    n_euros, n_sizes = len(EURO.findall(text)), count_sizes(text)
    if not count_bytes(text.encode(), _DIGITS):
        return (0, 0, 0, 0, n_euros, 0, 0, n_sizes, *(0 for _ in UNIT_GROUPS))
    n_ten, n_thirteen = count_isbn(text)
    return (
        len(YEAR.findall(text)),
        len(DIMENSION.findall(text)),
        min(n_ten, 1),
        min(n_thirteen, 1),
        n_euros,
        len(PERCENT.findall(text)),
        count_ages(text),
        n_sizes,
        *count_units(text).values(),
    )


def count_families(texts: Sequence[str]) -> NDArray[np.float32]:
    """Count the words of each keyword family, shape (n_texts, n_families).

    The texts are folded to lower-case ASCII; the columns are in the order of `KEYWORD_FAMILIES`.
    """
    counts = np.zeros((len(texts), len(KEYWORD_FAMILIES)), dtype=np.float32)
    for row, text in enumerate(texts):
        for word in text.translate(_NON_WORD_TO_SPACE).split():
            for column in _COLUMNS_OF_WORD.get(word, ()):
                counts[row, column] += 1
    return counts
