"""The text branches: what is extracted from title and description, and what learns from it.

The sparse branches read title and description together, and the title again on its own: apart they
lose points on all but the full data. The dense ones tell sellers' habits apart.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from src.cache import content_key
from src.config import Config, TextFeatures
from src.pipelines.registry_types import Branch

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from sklearn.base import BaseEstimator

    from src.features.text.cleaner import TextCleaner
    from src.pipelines.extraction import Extractor

MODALITY = "text"
TEXT_COLUMNS = ("title", "text_description")


class TextMeasure(Protocol):
    """Numbers of a product's text, as `TextStatistics` and `TextStatisticsPro` give them."""

    def settings(self) -> Mapping[str, Any]:
        """Return what the result depends on beside the text."""

    def extract(self, titles: list[str], descriptions: list[str]) -> np.ndarray:
        """Return one row of float32 a product."""


class _TextExtractor:
    """What all extractors of text share: the key is title and description."""

    def keys(self, items: pd.DataFrame) -> list[bytes]:
        """Hash title and description."""
        pairs = zip(items["designation"], items["description"], strict=True)
        return [
            content_key(*(text.encode("utf-8", "surrogatepass") for text in pair)) for pair in pairs
        ]


@dataclasses.dataclass(frozen=True)
class CleanTextExtractor(_TextExtractor):
    """Clean title and description, and the two plain measures of them."""

    cleaner: TextCleaner
    name: str = "text"

    def settings(self) -> Mapping[str, Any]:
        """Return the cleaner's settings, and the version of the measures beside it."""
        from src.features.text.language import VERSION

        return {**self.cleaner.settings(), "language": VERSION, "measures": 1}

    def extract(self, items: pd.DataFrame) -> dict[str, np.ndarray]:
        """Return clean title and description, has_description and title_length (characters)."""
        import numpy as np

        titles, descriptions = _texts(items)
        return {
            "title": _column(self.cleaner.clean(titles)),
            "text_description": _column(self.cleaner.clean(descriptions)),
            "has_description": np.array([bool(d.strip()) for d in descriptions], dtype=np.float32),
            "title_length": np.array([len(t) for t in titles], dtype=np.float32),
        }


@dataclasses.dataclass(frozen=True)
class MeasureExtractor(_TextExtractor):
    """One of the sets of text statistics."""

    name: str
    measure: TextMeasure

    def settings(self) -> Mapping[str, Any]:
        """Return the statistics' settings."""
        return self.measure.settings()

    def extract(self, items: pd.DataFrame) -> dict[str, np.ndarray]:
        """Return one column of several values, under the extractor's name."""
        return {self.name: self.measure.extract(*_texts(items))}


@dataclasses.dataclass(frozen=True)
class LanguageExtractor(_TextExtractor):
    """Detected language of title and description, one-hot."""

    name: str = "language"

    def settings(self) -> Mapping[str, Any]:
        """Return the detector's version."""
        from src.features.text.language import VERSION

        return {"version": VERSION}

    def extract(self, items: pd.DataFrame) -> dict[str, np.ndarray]:
        """Return the column "language", one value a language."""
        from src.features.text.language import detect_languages, one_hot_languages
        from src.features.text.markup import strip_markup

        joined = [strip_markup(f"{t}\n{d}") for t, d in zip(*_texts(items), strict=True)]
        return {self.name: one_hot_languages(detect_languages(joined))}


def build(cfg: Config) -> list[Branch]:
    """Return the branches that ``[features.text.weights]`` names."""
    text = cfg.features.text
    return [
        Branch(name, MODALITY, (_extractor(name, cfg),), ESTIMATORS[name](text))
        for name in text.weights
    ]


def _extractor(name: str, cfg: Config) -> Extractor:
    if name == "text_stats":
        from src.features.text.statistics import TextStatistics

        return MeasureExtractor(name, TextStatistics())
    if name == "text_stats_pro":
        from src.features.text.statistics_pro import TextStatisticsPro

        return MeasureExtractor(name, TextStatisticsPro())
    if name == "language":
        return LanguageExtractor()
    return CleanTextExtractor(build_cleaner(cfg))


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

    from src.pipelines.fusion import JoinColumns

    if not cfg.svd.enabled:
        return make_pipeline(JoinColumns(columns), counter)
    from sklearn.preprocessing import Normalizer

    from src.features.tfidf.svd import CappedSVD

    return make_pipeline(
        JoinColumns(columns), counter, CappedSVD(cfg.svd.n_components), Normalizer()
    )


def _scaled(column: str) -> Callable[[TextFeatures], BaseEstimator]:
    def build_one(_: TextFeatures) -> BaseEstimator:
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        from src.pipelines.fusion import SelectColumn

        return make_pipeline(SelectColumn(column), StandardScaler())

    return build_one


def _lexicon(cfg: TextFeatures) -> BaseEstimator:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from src.features.text.lexicon import Chi2Lexicon
    from src.pipelines.fusion import JoinColumns

    lexicon = Chi2Lexicon(top_k=cfg.lexicon.top_k)
    return make_pipeline(JoinColumns(TEXT_COLUMNS), lexicon, StandardScaler())


ESTIMATORS: Mapping[str, Callable[[TextFeatures], BaseEstimator]] = {
    "tfidf_word": _words(*TEXT_COLUMNS),
    "tfidf_char": _chars(*TEXT_COLUMNS),
    "tfidf_word_title": _words("title"),
    "tfidf_char_title": _chars("title"),
    "has_description": _scaled("has_description"),
    "title_length": _scaled("title_length"),
    "text_stats": _scaled("text_stats"),
    "text_stats_pro": _scaled("text_stats_pro"),
    "language": _scaled("language"),
    "lexicon": _lexicon,
}


def _texts(items: pd.DataFrame) -> tuple[list[str], list[str]]:
    return items["designation"].tolist(), items["description"].tolist()


def _column(texts: list[str]) -> np.ndarray:
    import numpy as np

    column = np.empty(len(texts), dtype=object)
    column[:] = texts
    return column
