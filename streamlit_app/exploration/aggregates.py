"""What the exploration page shows of the catalogue, small enough for a screen.

Every function takes the whole catalogue (one row a product) and is called through
`loaders.derive`, which keeps its result: no page computes twice over the whole catalogue.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np
import pandas as pd
from pandas.api.typing import DataFrameGroupBy

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
    grouped = train.assign(title_length=train["designation"].str.len()).groupby("prdtypecode")
    table = pd.DataFrame({"products": grouped.size(), "share": grouped.size() / max(len(train), 1)})
    table = table.join(_missing(grouped)).join(grouped["title_length"].median())
    return table.rename_axis("code").sort_values("products", ascending=False).reset_index()


def _missing(grouped: DataFrameGroupBy) -> pd.DataFrame:
    """Return the shares without a description (no_description) and without an image (no_image)."""
    has = grouped[["has_description", "has_image"]].mean()
    return (1 - has).set_axis(["no_description", "no_image"], axis="columns")


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
    shares = pd.crosstab(theme, train["language"], normalize="index")
    return _missing(train.groupby(theme)).reset_index(), shares.stack().rename(
        "share"
    ).reset_index()


def sample(
    catalogue: pd.DataFrame, code: int | None, with_image: bool, n: int, seed: int
) -> pd.DataFrame:
    """Return up to `n` labelled products of a class (None: of all), drawn with `seed`."""
    chosen = labelled(catalogue)
    chosen = chosen if code is None else chosen[chosen["prdtypecode"] == code]
    chosen = chosen[chosen["has_image"]] if with_image else chosen
    return chosen.sample(frac=1, random_state=seed).head(n)


@dataclasses.dataclass(frozen=True, eq=False)
class WordCounts:
    """In how many titles of each class a word stands.

    `counts` has a row a code and a column a word; `titles` are those of each code.
    """

    counts: pd.DataFrame
    titles: pd.Series

    def frequent(self, code: int | None, n: int) -> pd.Series:
        """Return the `n` words in most titles of a class (None: of all), with their titles."""
        counts = self.counts.sum() if code is None else self.counts.loc[code]
        return counts[counts > 0].nlargest(n).rename("titles")

    def typical(self, code: int, n: int) -> pd.DataFrame:
        """Return the `n` words that set a class apart: word (the index), titles, times, alone.

        Chosen by the word's term of the Kullback-Leibler divergence between the class and the
        others, p log(p / q): a word must be both common and telling. `times` is p / q, the largest
        first, with half a title added to either side, for words that stand `alone` in the class.
        """
        inside = self.counts.loc[code]
        outside = self.counts.sum() - inside
        p = (inside + 0.5) / (self.titles[code] + 1)
        q = (outside + 0.5) / (self.titles.sum() - self.titles[code] + 1)
        gain = (p * np.log(p / q))[inside >= _MIN_TITLES].nlargest(n)
        table = pd.DataFrame({"titles": inside, "times": p / q, "alone": outside == 0})
        return table.loc[gain[gain > 0].index].sort_values("times", ascending=False)


def words(catalogue: pd.DataFrame) -> WordCounts:
    """Count the words of the titles by class, but for stop words, numbers, units and rare ones."""
    from src.features.text.cleaner import stop_words_of
    from src.features.text.language import LANGUAGES

    train = labelled(catalogue).reset_index(drop=True)
    # "l'eau" gives "eau": what is no letter parts words, and short ones are dropped.
    found = train["designation"].str.lower().str.findall(r"[^\W\d_]{3,}").explode().rename("word")
    found = found.dropna().astype("category")
    found = found[~found.isin(frozenset().union(*map(stop_words_of, LANGUAGES)))]
    once = found.reset_index().drop_duplicates()
    once = once[once.groupby("word", observed=True)["index"].transform("size") >= _MIN_TITLES]
    titles = train["prdtypecode"].value_counts().sort_index()
    counts = pd.crosstab(
        train["prdtypecode"].loc[once["index"]].to_numpy(), once["word"].to_numpy()
    )
    return WordCounts(counts.reindex(titles.index, fill_value=0), titles)
