"""How far training went, and which products lie so far outside of it that a person should look."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd

from src.features.tfidf.vectorizers import TfidfWords
from src.models.late_fusion import LateFusion
from src.pipelines.table import block_mask

# A measure is far outside when it is beyond FAR times what all but 1 in 1,000 training products
# have; of lengths there is no end, of unknown words all of them is.
USUAL, FAR = 0.999, 2.0
MOST_UNKNOWN = 0.9
# A language of fewer training products is one that the model has not learned.
LEAST_LANGUAGE_SHARE = 0.001
# Statistics of an image may lie outside of what training images have, but not this share of them.
STRANGE_SHARE = 0.1
NUMBERS = ("title_length", "description_length", "unknown_words")
LANGUAGE, IMAGE = "language", "image"
IMAGE_BLOCK = "image_stats"


@dataclasses.dataclass(frozen=True, eq=False)
class TrainingRange:
    """What training products have, of what the model reads.

    Attributes
    ----------
    largest : mapping of str to float
        The most that each of `NUMBERS` may be.
    languages : frozenset of str
        Empty where the model reads no text.
    images : DataFrame, 2 rows
        Least and largest value of each image statistic; without columns where none is measured.
    """

    largest: Mapping[str, float]
    languages: frozenset[str]
    images: pd.DataFrame

    @classmethod
    def of(cls, table: pd.DataFrame, model: LateFusion) -> TrainingRange:
        """Learn from the product table that the model was fitted on."""
        images = table.loc[table["has_image"], block_mask(table, IMAGE_BLOCK)].agg(["min", "max"])
        texts = table[table["has_text"]]
        if not (reads(model, "has_text") and len(texts)):
            return cls({}, frozenset(), images)
        counter = find_word_counter(model)
        words = known_words(counter, of_others=True) if counter else frozenset()
        usual = _measure(texts, counter, words).quantile(USUAL)
        largest = usual * FAR
        largest["unknown_words"] = min(usual["unknown_words"], MOST_UNKNOWN)
        shares = texts[LANGUAGE].value_counts(normalize=True)
        languages = shares.index[shares >= LEAST_LANGUAGE_SHARE]
        return cls(largest.to_dict(), frozenset(languages), images)

    def reasons(self, table: pd.DataFrame, model: LateFusion) -> dict[str, np.ndarray]:
        """Return why n products are far outside: bool, shape (n,), by the name of the reason.

        The language is judged where the table has it.
        """
        counter = find_word_counter(model)
        words = counter.vocabulary_ if counter else ()
        measured = _measure(table, counter, words)
        found = {name: (measured[name] > most).to_numpy() for name, most in self.largest.items()}
        if self.languages and LANGUAGE in table:
            unlearned = ~table[LANGUAGE].isin(self.languages)
            found[LANGUAGE] = (unlearned & table["has_text"]).to_numpy(dtype=bool)
        if len(self.images.columns):
            values = table[self.images.columns]
            outside = (values < self.images.loc["min"]) | (values > self.images.loc["max"])
            found[IMAGE] = (outside.mean(axis=1) > STRANGE_SHARE).to_numpy()
        return found


def reads(model: LateFusion, column: str) -> bool:
    """Say whether any expert of a fitted model has input of the products of a bool column."""
    requires = model.requires or {}
    return any(column in requires.get(name, (column,)) for name in model.experts_)


def _measure(
    table: pd.DataFrame, counter: TfidfWords | None, words: Collection[str]
) -> pd.DataFrame:
    unknown = np.full(len(table), np.nan)
    if counter is not None:
        texts = table["clean_title"] + "\n" + table["clean_description"]
        unknown = unknown_shares(texts.tolist(), words, counter.token_pattern)
    lengths = table["title_length"].to_numpy(), table["description"].str.len().to_numpy()
    return pd.DataFrame(dict(zip(NUMBERS, (*lengths, unknown), strict=True)), dtype=np.float64)


def find_word_counter(model: LateFusion) -> TfidfWords | None:
    """Return the fitted word TF-IDF on title and description, else on titles alone, else None."""
    counters = {branch: step for _, branch, step in model.fitted_steps(TfidfWords)}
    return counters.get("tfidf_word", counters.get("tfidf_word_title"))


def known_words(counter: TfidfWords, *, of_others: bool) -> frozenset[str]:
    """Return the single words of a fitted vocabulary.

    `of_others` leaves out words that would be unknown if one of the products with them had not
    been in training (document frequency at least ``min_df + 1``): a training product always
    finds its own words in the vocabulary, a new one does not.
    """
    names = counter.get_feature_names_out()
    if of_others and counter.idf_ is not None:
        # idf = ln((1 + n) / (1 + df)) + 1, so the rarest words are those with the highest idf.
        rarest = counter.idf_.max()
        names = names[counter.idf_ < rarest - 1e-9]
    return frozenset(name for name in names.tolist() if " " not in name)


def unknown_shares(texts: Sequence[str], words: Collection[str], pattern: str) -> np.ndarray:
    """Return the share of each text's words that are not among `words`; NaN without a word."""
    find = re.compile(pattern).findall
    shares = np.full(len(texts), np.nan)
    for row, text in enumerate(texts):
        found = find(text.lower())
        if found:
            shares[row] = sum(word not in words for word in found) / len(found)
    return shares
