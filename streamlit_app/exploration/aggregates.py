"""What the exploration page shows of the catalogue, small enough for a screen.

Every function takes the whole catalogue (one row a product) and is called through
`loaders.derive`, which keeps its result: no page computes twice over the whole catalogue.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

# Edges of the length histogram: eight bins a factor of ten.
_LENGTH_EDGES = np.unique(np.round(10 ** np.arange(0.5, 4.6, 0.125)).astype(int))
_MIN_TITLES = 3


def labelled(catalogue: pd.DataFrame) -> pd.DataFrame:
    """Return the products that carry a class."""
    return catalogue[catalogue["split"] == "train"]


def overview(catalogue: pd.DataFrame) -> dict[str, float]:
    """Return products by split, and shares of all products with an image or no description."""
    return {
        "labelled": int((catalogue["split"] == "train").sum()),
        "unlabelled": int((catalogue["split"] == "test").sum()),
        "with_image": float(catalogue["has_image"].mean()),
        "without_description": float(1 - catalogue["has_description"].mean()),
    }


def by_class(catalogue: pd.DataFrame) -> pd.DataFrame:
    """Return one row a class, largest first.

    Columns: code, products, share (of the labelled ones), no_description, no_image (shares of the
    class), title_length (median, characters).
    """
    train = labelled(catalogue)
    lengths = train["designation"].str.len()
    grouped = train.assign(title_length=lengths).groupby("prdtypecode")
    table = pd.DataFrame(
        {
            "products": grouped.size(),
            "share": grouped.size() / max(len(train), 1),
            "no_description": 1 - grouped["has_description"].mean(),
            "no_image": 1 - grouped["has_image"].mean(),
            "title_length": grouped["title_length"].median(),
        }
    )
    return table.rename_axis("code").sort_values("products", ascending=False).reset_index()


def lengths(catalogue: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, float]]:
    """Return a histogram of text lengths, and the median of each field.

    Columns: field, low, high (characters), share (of the texts that are not empty).
    """
    parts, medians = [], {}
    for field in ("designation", "description"):
        length = catalogue[field].str.len().to_numpy(dtype=np.int64)
        length = length[length > 0]
        counts, edges = np.histogram(np.clip(length, None, _LENGTH_EDGES[-1]), _LENGTH_EDGES)
        share = counts / max(len(length), 1)
        parts.append(
            pd.DataFrame({"field": field, "low": edges[:-1], "high": edges[1:], "share": share})
        )
        medians[field] = float(np.median(length)) if len(length) else 0.0
    return pd.concat(parts, ignore_index=True), medians


def by_theme(
    catalogue: pd.DataFrame, themes: Mapping[int, str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return what is missing and which language is written, by theme.

    The first has the columns theme, no_description, no_image (shares), the second theme, language,
    share. `themes` gives the theme of each code.
    """
    train = labelled(catalogue)
    theme = train["prdtypecode"].map(dict(themes)).fillna("other").rename("theme")
    grouped = train.groupby(theme)
    missing = pd.DataFrame(
        {
            "no_description": 1 - grouped["has_description"].mean(),
            "no_image": 1 - grouped["has_image"].mean(),
        }
    ).reset_index()
    shares = pd.crosstab(theme, train["language"], normalize="index")
    return missing, shares.stack().rename("share").reset_index()


def sample(
    catalogue: pd.DataFrame, codes: tuple[int, ...], *, with_image: bool, n: int, seed: int
) -> pd.DataFrame:
    """Return up to `n` labelled products of the classes, drawn with `seed`."""
    chosen = catalogue["prdtypecode"].isin(codes) & (catalogue["split"] == "train")
    if with_image:
        chosen &= catalogue["has_image"]
    rows = np.flatnonzero(chosen.to_numpy(dtype=bool))
    picked = np.random.default_rng(seed).permutation(rows)[:n]
    return catalogue.iloc[picked]


@dataclasses.dataclass(frozen=True, eq=False)
class WordCounts:
    """In how many titles of each class a word stands.

    `counts`, shape (n_codes, n_words), counts a word that stands twice in a title once; `titles`,
    shape (n_codes,), are those of each class.
    """

    words: np.ndarray
    codes: tuple[int, ...]
    counts: np.ndarray
    titles: np.ndarray

    def frequent(self, code: int | None, n: int) -> pd.DataFrame:
        """Return the `n` words in most titles of a class (None: of all): word, titles, share."""
        rows = slice(None) if code is None else [self.codes.index(code)]
        counts, total = self.counts[rows].sum(axis=0), self.titles[rows].sum()
        best = np.argsort(-counts, kind="stable")[:n]
        best = best[counts[best] > 0]
        return pd.DataFrame(
            {
                "word": self.words[best],
                "titles": counts[best],
                "share": counts[best] / max(total, 1),
            }
        )

    def typical(self, code: int, n: int) -> pd.DataFrame:
        """Return the `n` words that set a class apart: word, titles, times, alone.

        Chosen by the word's term of the Kullback-Leibler divergence between the class and the
        others, p log(p / q): a word must be both common and telling. `times` is p / q, the largest
        first, with half a title added to either side, for words that stand `alone` in the class.
        """
        here = self.codes.index(code)
        inside, outside = self.counts[here], self.counts.sum(axis=0) - self.counts[here]
        p = (inside + 0.5) / (self.titles[here] + 1)
        q = (outside + 0.5) / (self.titles.sum() - self.titles[here] + 1)
        gain = np.where(inside >= _MIN_TITLES, p * np.log(p / q), 0)
        best = np.argsort(-gain, kind="stable")[:n]
        best = best[gain[best] > 0]
        table = pd.DataFrame(
            {
                "word": self.words[best],
                "titles": inside[best],
                "times": (p / q)[best],
                "alone": outside[best] == 0,
            }
        )
        return table.sort_values("times", ascending=False, ignore_index=True)


def words(catalogue: pd.DataFrame) -> WordCounts:
    """Count the words of the titles by class, but for stop words, numbers and units.

    Arrow splits the titles several times faster than a loop over Python strings.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    train = labelled(catalogue)
    titles = pa.array(train["designation"].to_numpy(dtype=object), type=pa.large_string())
    # \pL: what is no letter parts words; "l'eau" gives "eau", as short words are dropped below.
    split = pc.split_pattern_regex(pc.utf8_lower(titles), r"[^\pL]+")
    flat = pc.list_flatten(split).dictionary_encode()
    names = np.asarray(flat.dictionary.to_pylist(), dtype=object)
    title_of = np.asarray(pc.list_parent_indices(split))
    classes, class_of_title = np.unique(train["prdtypecode"], return_inverse=True)
    # Sort and compare neighbours: several times faster than np.unique on as many integers.
    pairs = np.sort(title_of.astype(np.int64) * len(names) + np.asarray(flat.indices))
    pairs = pairs[np.diff(pairs, prepend=-1) != 0]
    cell = class_of_title[pairs // len(names)] * len(names) + pairs % len(names)
    counts = np.bincount(cell, minlength=len(classes) * len(names)).reshape(len(classes), -1)
    kept = _is_telling(names) & (counts.sum(axis=0) >= _MIN_TITLES)
    return WordCounts(
        names[kept], tuple(classes.tolist()), counts[:, kept], np.bincount(class_of_title)
    )


def _is_telling(names: Sequence[str] | np.ndarray) -> np.ndarray:
    from src.features.text.cleaner import stop_words_of
    from src.features.text.language import LANGUAGES

    stop = frozenset().union(*(stop_words_of(language) for language in LANGUAGES))
    return np.asarray([len(name) > 2 and name not in stop for name in names], dtype=bool)
