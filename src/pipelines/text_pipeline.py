"""The text branches: what is extracted from title and description, and what learns from it.

The sparse branches read title and description together, and the title again on its own: apart they
lose points on all but the full data. The dense ones tell sellers' habits apart; the encoder's
embedding holds what a pretrained network knows of words that no product of the catalogue has.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from src.cache import content_key
from src.config import Config, TextFeatures
from src.pipelines.extractor import Extractor

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.base import BaseEstimator

    from src.features.text.cleaner import TextCleaner
    from src.pipelines.branches import Branch

MODALITY = "text"
ENCODER = "text_encoder"
LANGUAGE = "language"
CLEAN_COLUMNS = ("clean_title", "clean_description")


class TextExtractor(Extractor):
    """A block of values, or columns, of title and description."""

    def keys(self, products: pd.DataFrame) -> list[bytes]:
        """Hash title and description of each product."""
        pairs = zip(*_texts(products), strict=True)
        return [
            content_key(*(text.encode("utf-8", "surrogatepass") for text in pair)) for pair in pairs
        ]

    def extract(self, products: pd.DataFrame) -> dict[str, np.ndarray]:
        """Read title and description of each product."""
        found = self.featurizer.extract(*_texts(products))
        return found if isinstance(found, dict) else {self.name: found}


@dataclasses.dataclass(frozen=True, eq=False)
class Columns:
    """Columns that `extract` makes of titles and descriptions, where there is no block."""

    extract: Callable[[list[str], list[str]], dict[str, np.ndarray]]
    settings: Callable[[], Mapping[str, Any]]
    names = ()


def _clean_columns(
    cleaner: TextCleaner, titles: list[str], descriptions: list[str]
) -> dict[str, np.ndarray]:
    from src.features.text.markup import plain_text

    clean_titles, clean_descriptions = cleaner.clean(titles), cleaner.clean(descriptions)
    titled, described = (
        np.array([any(map(str.isalnum, text)) for text in texts], dtype=bool)
        for texts in (clean_titles, clean_descriptions)
    )
    return {
        "clean_title": _object_array(clean_titles),
        "clean_description": _object_array(clean_descriptions),
        "has_text": titled | described,
        "has_description": described,
        "title_length": np.array([len(plain_text(t)) for t in titles], dtype=np.float32),
    }


def _languages(titles: list[str], descriptions: list[str]) -> dict[str, np.ndarray]:
    from src.features.text.language import MAX_CHARS, detect_languages
    from src.features.text.markup import plain_text

    # Only the start is read; markup may take most of what stands there.
    pairs = zip(titles, descriptions, strict=True)
    joined = [plain_text(f"{title}\n{body}"[: 8 * MAX_CHARS]) for title, body in pairs]
    return {LANGUAGE: _object_array(detect_languages(joined))}


def build(cfg: Config) -> list[Branch]:
    """Return the branches that ``[features.text.weights]`` names."""
    from src.pipelines.branches import Branch

    text = cfg.features.text
    return [
        Branch(name, MODALITY, _extractor(name), TRANSFORMERS[name](text)) for name in text.weights
    ]


def build_encoder(cfg: Config) -> list[Branch]:
    """Return the branch ``text_encoder``, an expert of its own under late fusion."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from src.features.text.encoder import FineTunedEncoder, TextEncoder
    from src.pipelines.branches import Branch, PresentRows, select_columns, tuned_in_folds

    options = cfg.features.text.encoder
    if not options.enabled:
        return []
    settings = options.model_dump(exclude={"enabled", "fine_tune"})
    encoder = TextEncoder(networks_dir=cfg.paths.networks_dir, **settings)
    if options.fine_tune.enabled:
        tuned = tuned_in_folds(FineTunedEncoder, encoder, options, cfg)
        every = options.fine_tune.cross_fit
        return [Branch(ENCODER, MODALITY, None, tuned, own_expert=ENCODER, cross_fit=every)]
    steps = make_pipeline(select_columns(ENCODER), PresentRows(StandardScaler()))
    return [Branch(ENCODER, MODALITY, TextExtractor(ENCODER, encoder), steps, own_expert=ENCODER)]


def table_extractors(cfg: Config) -> tuple[TextExtractor, TextExtractor]:
    """Return the extractors of the columns that every table has.

    The language is apart: it costs a third of all that a text alone costs.
    """
    from src.features.text.language import VERSION

    cleaner = build_cleaner(cfg)
    clean = functools.partial(_clean_columns, cleaner)
    settings = functools.partial(dict[str, Any], cleaner.settings(), columns=3)
    language = Columns(_languages, functools.partial(dict, version=VERSION, columns=3))
    return TextExtractor("text", Columns(clean, settings)), TextExtractor(LANGUAGE, language)


def _extractor(name: str) -> TextExtractor | None:
    """Return the extractor of a set of text statistics."""
    if name == "text_stats":
        from src.features.text.statistics import TextStatistics

        return TextExtractor(name, TextStatistics())
    if name == "text_stats_pro":
        from src.features.text.statistics_pro import TextStatisticsPro

        return TextExtractor(name, TextStatisticsPro())
    return None


def build_cleaner(cfg: Config) -> TextCleaner:
    """Return the cleaner that ``[features.text.clean]`` describes."""
    from src.features.text.cleaner import TextCleaner

    switches = cfg.features.text.clean.model_dump()
    translations = {}
    if switches.pop("translate"):
        translations = json.loads(cfg.paths.translate_map.read_text(encoding="utf-8-sig"))
    return TextCleaner(**switches, translations=translations)


def _ngrams(unit: str, *columns: str) -> Callable[[TextFeatures], BaseEstimator]:
    """Return the builder of a branch that counts n-grams of words or characters."""

    def build_one(cfg: TextFeatures) -> BaseEstimator:
        from src.features.tfidf.hashing import HashedChars, HashedWords
        from src.features.tfidf.vectorizers import TfidfChars, TfidfWords

        limits = cfg if unit == "words" else cfg.char
        if cfg.hashing.enabled:
            hashed = HashedWords if unit == "words" else HashedChars
            options = {"ngram_range": limits.ngram_range, "n_features": cfg.hashing.n_features}
            return _sparse(cfg, columns, hashed(**options, sublinear_tf=True))
        kind = TfidfWords if unit == "words" else TfidfChars
        counter = kind(
            ngram_range=limits.ngram_range,
            max_features=limits.max_features,
            min_df=limits.min_df,
            sublinear_tf=True,
        )
        return _sparse(cfg, columns, counter)

    return build_one


def _sparse(cfg: TextFeatures, columns: tuple[str, ...], counter: BaseEstimator) -> BaseEstimator:
    """Return the branch of a counter, reduced where ``[features.text.svd]`` says so."""
    from sklearn.pipeline import make_pipeline

    from src.pipelines.branches import join_text

    if not cfg.svd.enabled:
        return make_pipeline(join_text(*columns), counter)
    from src.features.tfidf.svd import CappedSVD

    return make_pipeline(join_text(*columns), counter, CappedSVD(cfg.svd.n_components))


def _scaled(column: str) -> Callable[[TextFeatures], BaseEstimator]:
    def build_one(_: TextFeatures) -> BaseEstimator:
        from sklearn.pipeline import make_pipeline

        from src.pipelines.branches import PresentRows, clipped_scaler, select_columns

        return make_pipeline(select_columns(column), PresentRows(clipped_scaler()))

    return build_one


def _lexicon(cfg: TextFeatures) -> BaseEstimator:
    from sklearn.pipeline import make_pipeline

    from src.features.text.lexicon import Chi2Lexicon
    from src.pipelines.branches import clipped_scaler, join_text

    lexicon = Chi2Lexicon(top_k=cfg.lexicon.top_k)
    return make_pipeline(join_text(*CLEAN_COLUMNS), lexicon, clipped_scaler())


def _language(_: TextFeatures) -> BaseEstimator:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    from src.features.text.language import LANGUAGE_NAMES
    from src.pipelines.branches import select_columns

    encoder = OneHotEncoder(
        categories=[list(LANGUAGE_NAMES)], sparse_output=False, dtype=np.float32
    )
    return make_pipeline(select_columns("language"), encoder, StandardScaler())


TRANSFORMERS: Mapping[str, Callable[[TextFeatures], BaseEstimator]] = {
    "tfidf_word": _ngrams("words", *CLEAN_COLUMNS),
    "tfidf_char": _ngrams("characters", *CLEAN_COLUMNS),
    "tfidf_word_title": _ngrams("words", "clean_title"),
    "tfidf_char_title": _ngrams("characters", "clean_title"),
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
