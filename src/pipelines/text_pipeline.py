"""The text branches: what is extracted from title and description, and what learns from it.

The sparse branches read title and description together, and the title again on its own: apart they
lose points on all but the full data. The dense ones tell sellers' habits apart.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from src.cache import content_key
from src.config import Config, TextFeatures

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.base import BaseEstimator

    from src.features.text.cleaner import TextCleaner
    from src.pipelines.branches import Branch

MODALITY = "text"
CLEAN_COLUMNS = ("clean_title", "clean_description")


class TextMeasure(Protocol):
    """Numbers of a product's text, as `TextStatistics` and `TextStatisticsPro` give them."""

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each number."""

    def settings(self) -> Mapping[str, Any]:
        """Return what the result depends on beside the text."""

    def extract(self, titles: list[str], descriptions: list[str]) -> np.ndarray:
        """Return one row of float32 a product."""


def text_keys(products: pd.DataFrame) -> list[bytes]:
    """Return a hash of title and description of each product."""
    pairs = zip(products["designation"], products["description"], strict=True)
    return [
        content_key(*(text.encode("utf-8", "surrogatepass") for text in pair)) for pair in pairs
    ]


@dataclasses.dataclass(frozen=True)
class TextExtractor:
    """The columns that every table has of a text; see `src.pipelines.table`."""

    cleaner: TextCleaner
    name: str = "text"
    value_names: tuple[str, ...] = ()

    def settings(self) -> Mapping[str, Any]:
        """Return the cleaner's settings, and the version of the columns."""
        return {**self.cleaner.settings(), "columns": 2}

    def keys(self, products: pd.DataFrame) -> list[bytes]:
        """Hash title and description."""
        return text_keys(products)

    def extract(self, products: pd.DataFrame) -> dict[str, np.ndarray]:
        """Return clean texts, has_text, has_description and title_length."""
        from src.features.text.markup import plain_text

        titles, descriptions = _texts(products)
        clean_titles = self.cleaner.clean(titles)
        clean_descriptions = self.cleaner.clean(descriptions)
        return {
            "clean_title": _object_array(clean_titles),
            "clean_description": _object_array(clean_descriptions),
            "has_text": np.array(
                [
                    any(map(str.isalnum, title)) or any(map(str.isalnum, body))
                    for title, body in zip(clean_titles, clean_descriptions, strict=True)
                ],
                dtype=bool,
            ),
            "has_description": np.array(
                [bool(plain_text(text)) for text in descriptions], dtype=bool
            ),
            "title_length": np.array([len(plain_text(text)) for text in titles], dtype=np.float32),
        }


@dataclasses.dataclass(frozen=True)
class LanguageExtractor:
    """The column "language"; apart, since it costs a third of all that a text alone costs."""

    name: str = "language"
    value_names: tuple[str, ...] = ()

    def settings(self) -> Mapping[str, Any]:
        """Return the detector's version."""
        from src.features.text.language import VERSION

        return {"version": VERSION, "columns": 2}

    def keys(self, products: pd.DataFrame) -> list[bytes]:
        """Hash title and description."""
        return text_keys(products)

    def extract(self, products: pd.DataFrame) -> dict[str, np.ndarray]:
        """Return the language of title and description."""
        from src.features.text.language import detect_languages
        from src.features.text.markup import plain_text

        pairs = zip(*_texts(products), strict=True)
        joined = [plain_text(f"{title}\n{body}") for title, body in pairs]
        return {self.name: _object_array(detect_languages(joined))}


@dataclasses.dataclass(frozen=True)
class MeasureExtractor:
    """One of the sets of text statistics, as a block."""

    name: str
    measure: TextMeasure

    @property
    def value_names(self) -> tuple[str, ...]:
        """Names of the statistics."""
        return self.measure.names

    def settings(self) -> Mapping[str, Any]:
        """Return the statistics' settings."""
        return self.measure.settings()

    def keys(self, products: pd.DataFrame) -> list[bytes]:
        """Hash title and description."""
        return text_keys(products)

    def extract(self, products: pd.DataFrame) -> dict[str, np.ndarray]:
        """Return the block."""
        return {self.name: self.measure.extract(*_texts(products))}


def build(cfg: Config) -> list[Branch]:
    """Return the branches that ``[features.text.weights]`` names."""
    from src.pipelines.branches import Branch

    text = cfg.features.text
    return [
        Branch(name, MODALITY, _extractor(name), TRANSFORMERS[name](text)) for name in text.weights
    ]


def text_extractor(cfg: Config) -> TextExtractor:
    """Return the extractor of the columns that every table has."""
    return TextExtractor(build_cleaner(cfg))


def _extractor(name: str) -> MeasureExtractor | None:
    if name == "text_stats":
        from src.features.text.statistics import TextStatistics

        return MeasureExtractor(name, TextStatistics())
    if name == "text_stats_pro":
        from src.features.text.statistics_pro import TextStatisticsPro

        return MeasureExtractor(name, TextStatisticsPro())
    return None


def build_cleaner(cfg: Config) -> TextCleaner:
    """Return the cleaner that ``[features.text.clean]`` describes."""
    from src.features.text.cleaner import TextCleaner

    switches = cfg.features.text.clean.model_dump()
    translations = {}
    if switches.pop("translate"):
        translations = json.loads(cfg.paths.translate_map.read_text(encoding="utf-8"))
    return TextCleaner(**switches, translations=translations)


def _words(*columns: str) -> Callable[[TextFeatures], BaseEstimator]:
    def build_one(cfg: TextFeatures) -> BaseEstimator:
        from src.features.tfidf.vectorizers import TfidfWords

        words = TfidfWords(
            ngram_range=cfg.ngram_range,
            max_features=cfg.max_features,
            min_df=cfg.min_df,
            sublinear_tf=True,
        )
        return _sparse(cfg, columns, words)

    return build_one


def _chars(*columns: str) -> Callable[[TextFeatures], BaseEstimator]:
    def build_one(cfg: TextFeatures) -> BaseEstimator:
        from src.features.tfidf.vectorizers import TfidfChars

        chars = TfidfChars(
            ngram_range=cfg.char.ngram_range,
            max_features=cfg.char.max_features,
            min_df=cfg.char.min_df,
            sublinear_tf=True,
        )
        return _sparse(cfg, columns, chars)

    return build_one


def _sparse(cfg: TextFeatures, columns: tuple[str, ...], counter: BaseEstimator) -> BaseEstimator:
    """Return the branch of a counter, reduced where ``[features.text.svd]`` says so."""
    from sklearn.pipeline import make_pipeline

    from src.pipelines.branches import JoinText

    if not cfg.svd.enabled:
        return make_pipeline(JoinText(columns), counter)
    from src.features.tfidf.svd import CappedSVD

    return make_pipeline(JoinText(columns), counter, CappedSVD(cfg.svd.n_components))


def _scaled(column: str) -> Callable[[TextFeatures], BaseEstimator]:
    def build_one(_: TextFeatures) -> BaseEstimator:
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        from src.pipelines.branches import SelectColumns

        return make_pipeline(SelectColumns(column), StandardScaler())

    return build_one


def _lexicon(cfg: TextFeatures) -> BaseEstimator:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from src.features.text.lexicon import Chi2Lexicon
    from src.pipelines.branches import JoinText

    lexicon = Chi2Lexicon(top_k=cfg.lexicon.top_k)
    return make_pipeline(JoinText(CLEAN_COLUMNS), lexicon, StandardScaler())


def _language(_: TextFeatures) -> BaseEstimator:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    from src.features.text.language import LANGUAGE_NAMES
    from src.pipelines.branches import SelectColumns

    encoder = OneHotEncoder(
        categories=[list(LANGUAGE_NAMES)], sparse_output=False, dtype=np.float32
    )
    return make_pipeline(SelectColumns("language"), encoder, StandardScaler())


TRANSFORMERS: Mapping[str, Callable[[TextFeatures], BaseEstimator]] = {
    "tfidf_word": _words(*CLEAN_COLUMNS),
    "tfidf_char": _chars(*CLEAN_COLUMNS),
    "tfidf_word_title": _words("clean_title"),
    "tfidf_char_title": _chars("clean_title"),
    "has_description": _scaled("has_description"),
    "title_length": _scaled("title_length"),
    "text_stats": _scaled("text_stats"),
    "text_stats_pro": _scaled("text_stats_pro"),
    "language": _language,
    "lexicon": _lexicon,
}


def _texts(products: pd.DataFrame) -> tuple[list[str], list[str]]:
    return products["designation"].tolist(), products["description"].tolist()


def _object_array(texts: list[str]) -> np.ndarray:
    column = np.empty(len(texts), dtype=object)
    column[:] = texts
    return column
