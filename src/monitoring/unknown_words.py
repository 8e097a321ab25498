"""Which words the text expert knows, and how much of a product's text it does not.

A training product always finds its own words in the vocabulary, a new one does not. To compare
like with like, the reference counts a word of a training product as known only where enough
*other* products have it: document frequency at least ``min_df + 1`` (leave one out, exactly).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from src.features.tfidf.vectorizers import TfidfWords
from src.models.late_fusion import LateFusion


def find_word_counter(model: LateFusion) -> TfidfWords | None:
    """Return the fitted word TF-IDF on title and description, else on titles alone, else None."""
    counters = {branch: step for _, branch, step in model.fitted_steps(TfidfWords)}
    return counters.get("tfidf_word", counters.get("tfidf_word_title"))


def known_words(counter: TfidfWords, *, of_others: bool) -> frozenset[str]:
    """Return the single words of a fitted vocabulary.

    `of_others` leaves out words that would be unknown if one of the products with them had not
    been in training: the vocabulary that a training product meets as a new one would.
    """
    names = counter.get_feature_names_out()
    if of_others and counter.idf_ is not None:
        # idf = ln((1 + n) / (1 + df)) + 1, so the rarest words are those with the highest idf.
        rarest = counter.idf_.max()
        names = names[counter.idf_ < rarest - 1e-9]
    return frozenset(name for name in names.tolist() if " " not in name)


def unknown_shares(texts: Sequence[str], words: frozenset[str], pattern: str) -> np.ndarray:
    """Return the share of each text's words that are not among `words`; NaN without a word."""
    find = re.compile(pattern).findall
    shares = np.full(len(texts), np.nan)
    for row, text in enumerate(texts):
        found = find(text.lower())
        if found:
            shares[row] = sum(word not in words for word in found) / len(found)
    return shares
