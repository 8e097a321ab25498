"""`Branch`: what a recipe module builds, without anything heavy to import."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator

    from src.pipelines.extraction import Extractor


HAS_IMAGE = "has_image"
"""Column in which extractors of pictures say which could be read."""


@dataclasses.dataclass(frozen=True, eq=False)
class Branch:
    """One way of seeing a product.

    Attributes
    ----------
    name : str
        As in ``[features.<modality>.weights]``; names the block of columns.
    modality : str
        "text", "image_stats", ...: the expert it belongs to.
    extractors : tuple of Extractor
        What must be extracted for it.
    estimator : transformer
        Unfitted, from `Extracted` to a matrix.
    """

    name: str
    modality: str
    extractors: tuple[Extractor, ...]
    estimator: BaseEstimator
