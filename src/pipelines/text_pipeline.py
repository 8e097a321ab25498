"""The text branches: what is extracted from title and description, and what learns from it.

``tfidf_word`` reads title and description together (apart it loses points on all but the full
data); ``has_description`` and ``title_length`` tell sellers' habits apart.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from src.cache import content_key
from src.config import Config, TextFeatures
from src.pipelines.registry_types import Branch

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from sklearn.base import BaseEstimator

    from src.features.text_cleaner import TextCleaner

MODALITY = "text"
TEXT_COLUMNS = ("title", "text_description")


@dataclasses.dataclass(frozen=True)
class TextExtractor:
    """Clean title and description, and the two plain measures of them."""

    cleaner: TextCleaner
    name: str = "text"

    def settings(self) -> Mapping[str, Any]:
        """Return the cleaner's settings."""
        return self.cleaner.settings()

    def keys(self, items: pd.DataFrame) -> list[bytes]:
        """Hash title and description."""
        pairs = zip(items["designation"], items["description"], strict=True)
        return [
            content_key(*(text.encode("utf-8", "surrogatepass") for text in pair)) for pair in pairs
        ]

    def extract(self, items: pd.DataFrame) -> dict[str, np.ndarray]:
        """Return clean title and description, has_description and title_length (characters)."""
        import numpy as np

        titles, descriptions = items["designation"].tolist(), items["description"].tolist()
        return {
            "title": _texts(self.cleaner.clean(titles)),
            "text_description": _texts(self.cleaner.clean(descriptions)),
            "has_description": np.array([bool(d.strip()) for d in descriptions], dtype=np.float32),
            "title_length": np.array([len(t) for t in titles], dtype=np.float32),
        }


def build(cfg: Config) -> list[Branch]:
    """Return the branches that ``[features.text.weights]`` names."""
    from src.features.text_cleaner import TextCleaner

    extractor = TextExtractor(TextCleaner())
    return [
        Branch(name, MODALITY, (extractor,), ESTIMATORS[name](cfg.features.text))
        for name in cfg.features.text.weights
    ]


def _tfidf_word(cfg: TextFeatures) -> BaseEstimator:
    import numpy as np
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline

    from src.pipelines.fusion import JoinColumns

    vectorizer = TfidfVectorizer(
        ngram_range=cfg.ngram_range,
        max_features=cfg.max_features,
        min_df=cfg.min_df,
        sublinear_tf=True,
        dtype=np.float32,
    )
    return make_pipeline(JoinColumns(TEXT_COLUMNS), vectorizer)


def _scaled_column(column: str) -> Callable[[TextFeatures], BaseEstimator]:
    def build_one(_: TextFeatures) -> BaseEstimator:
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        from src.pipelines.fusion import SelectColumn

        return make_pipeline(SelectColumn(column), StandardScaler())

    return build_one


ESTIMATORS: Mapping[str, Callable[[TextFeatures], BaseEstimator]] = {
    "tfidf_word": _tfidf_word,
    "has_description": _scaled_column("has_description"),
    "title_length": _scaled_column("title_length"),
}


def _texts(texts: list[str]) -> np.ndarray:
    import numpy as np

    column = np.empty(len(texts), dtype=object)
    column[:] = texts
    return column
