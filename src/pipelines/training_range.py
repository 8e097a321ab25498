"""How far training went, and which products lie so far outside of it that a person should look."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd

from src.features.tfidf.counting import encode_words
from src.features.tfidf.vectorizers import TfidfWords
from src.models.late_fusion import LateFusion
from src.pipelines.branches import join_text, transformed
from src.pipelines.table import block_mask, block_values
from src.pipelines.text_pipeline import CLEAN_COLUMNS, LANGUAGE

LENGTHS = ("title_length", "description_length")
UNKNOWN, IMAGE = "unknown_words", "image"
# A product is far outside where a measure is beyond what all but 1 in 1,000 training products have,
# times this: to lengths there is no end, other measures are close to theirs.
USUAL = 0.999
FAR = {**dict.fromkeys(LENGTHS, 2.0), UNKNOWN: 1.0, IMAGE: 1.1}
MOST_UNKNOWN = 0.9
CLEAN_TEXT = join_text(*CLEAN_COLUMNS)
# A language of fewer training products is one that the model has not learned.
LEAST_LANGUAGE_SHARE = 0.001
# A shorter text does not tell its language: "Piscine" passes for Italian.
TELLING_CHARACTERS = 50
# Image statistics vary at least by this: what is constant in training need not be.
LEAST_SPREAD = 1e-3


@dataclasses.dataclass(frozen=True, eq=False)
class TrainingRange:
    """What training products have, of what the model reads."""

    largest: Mapping[str, float]  # the most that each measure of `FAR` may be, or NaN
    languages: frozenset[str]  # empty where the model reads no text
    images: pd.DataFrame  # rows mean and std, a column an image statistic that is measured

    @classmethod
    def of(cls, table: pd.DataFrame, model: LateFusion) -> TrainingRange:
        """Learn from the product table that the model was fitted on."""
        statistics = table.loc[table["has_image"], block_mask(table, "image_stats")]
        images = statistics.astype(np.float64).agg(["mean", "std"])
        images.loc["std"] = images.loc["std"].clip(lower=LEAST_SPREAD)
        counter = find_vocabulary(model)
        words = known_words(counter, of_others=True) if counter else frozenset()
        has_text, texts = _has_text(table, model), transformed(CLEAN_TEXT, table)
        measured = _measure(table, texts, has_text, counter, words, images)
        usual = pd.DataFrame(measured).quantile(USUAL)
        largest = usual * pd.Series(FAR)
        largest[UNKNOWN] = np.minimum(largest[UNKNOWN], MOST_UNKNOWN)
        shares = table.loc[has_text, LANGUAGE].value_counts(normalize=True)
        languages = shares.index[shares >= LEAST_LANGUAGE_SHARE]
        return cls(largest.to_dict(), frozenset(languages), images)

    def reasons(self, table: pd.DataFrame, model: LateFusion) -> dict[str, np.ndarray]:
        """Return why n products are far outside: bool, shape (n,), by the name of the reason.

        The language is judged where the table has it, of text that is long enough to tell it.
        """
        counter, has_text = find_vocabulary(model), _has_text(table, model)
        texts = transformed(CLEAN_TEXT, table)
        words = counter.vocabulary_ if counter else ()
        measured = _measure(table, texts, has_text, counter, words, self.images)
        found = {name: values > self.largest[name] for name, values in measured.items()}
        if self.languages and LANGUAGE in table:
            pairs = zip(texts, table[LANGUAGE].tolist(), strict=True)
            strange = [
                len(text) >= TELLING_CHARACTERS and language not in self.languages
                for text, language in pairs
            ]
            found[LANGUAGE] = has_text & np.array(strange, dtype=bool)
        return found


def _has_text(table: pd.DataFrame, model: LateFusion) -> np.ndarray:
    """Return which products have text that the model reads, shape (n,)."""
    requires = model.requires or {}
    reads = any("has_text" in requires.get(name, ("has_text",)) for name in model.experts_)
    return table["has_text"].to_numpy(dtype=bool) & reads


def _measure(
    table: pd.DataFrame,
    texts: Sequence[str],
    has_text: np.ndarray,
    counter: TfidfWords | None,
    words: Collection[str],
    images: pd.DataFrame,
) -> dict[str, np.ndarray]:
    """Return the measures of `FAR`, NaN where a product or the model has nothing of the kind.

    Of an image it is how many standard deviations its statistics are from their means, on average.
    """
    unknown = np.full(len(table), np.nan)
    if counter is not None:
        unknown = unknown_shares(texts, words, counter.token_pattern)
    # Of what is read: what nobody can see makes no description long.
    lengths = [len(text) for text in table["clean_description"].tolist()]
    columns = table["title_length"].to_numpy(), lengths, unknown
    measures = np.array(columns, dtype=np.float64)
    measures[:, ~has_text] = np.nan
    distances, seen = np.full(len(table), np.nan), table["has_image"].to_numpy(dtype=bool)
    if seen.any() and len(images.columns):
        mean, std = images.loc[["mean", "std"]].to_numpy()
        values = np.abs(block_values(table, "image_stats")[seen] - mean) / std
        distances[seen] = pd.DataFrame(values).mean(axis=1)
    return {**dict(zip((*LENGTHS, UNKNOWN), measures, strict=True)), IMAGE: distances}


def find_word_counter(model: LateFusion) -> TfidfWords | None:
    """Return the fitted word TF-IDF on title and description, else on titles alone, else None."""
    counters = {branch: step for _, branch, step in model.fitted_steps(TfidfWords)}
    return counters.get("tfidf_word", counters.get("tfidf_word_title"))


def find_vocabulary(model: LateFusion) -> TfidfWords | None:
    """Return the same where it knows its words; hashed columns have no names."""
    counter = find_word_counter(model)
    return counter if hasattr(counter, "vocabulary_") else None


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
    tokens, rows = encode_words([text.lower() for text in texts], find)
    unknown = np.array([token not in words for token in tokens], dtype=np.float64)
    counts = np.diff(rows.indptr)
    shares = np.full(len(texts), np.nan)
    return np.divide(rows @ unknown, counts, out=shares, where=counts > 0)
