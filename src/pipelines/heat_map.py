"""Where in an image a class was found: the heat map of a network that a linear model reads."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from src.data.image_decode import ImageFault, ImageSource
from src.features.cnn_features import CNNFeaturizer, FineTunedCNN
from src.features.networks import heat_map as cnn_explain
from src.pipelines.branches import BranchUnion
from src.pipelines.image_pipeline import ImageExtractor

if TYPE_CHECKING:
    from src.pipelines.product_model import FullPipeline


def heat_map(pipeline: FullPipeline, source: ImageSource, code: int) -> bytes | None:
    """Return where in an image a class was found, as a PNG; None where that can't be said.

    Networks of other programs give no maps, and so no heat map. A classifier without coefficients
    says what the network responds to, for any class.
    """
    for branch, network in _networks(pipeline):
        with contextlib.suppress(ImageFault):
            image = network.load(source)
            direction = _direction(pipeline, branch, code)
            heat = cnn_explain.explain(network.engine, image[None], direction)
            if heat is not None:
                return cnn_explain.overlay_png(image, heat[0])
    return None


def _networks(pipeline: FullPipeline) -> Iterator[tuple[str, CNNFeaturizer]]:
    """Yield the branches of image networks that experts read, tuned ones first."""
    for _, branch, tuned in pipeline.model.fitted_steps(FineTunedCNN):
        yield branch, tuned.featurizer_
    for extractor in pipeline.extractors:
        if isinstance(extractor, ImageExtractor) and isinstance(
            extractor.featurizer, CNNFeaturizer
        ):
            yield extractor.name, extractor.featurizer


def _direction(pipeline: FullPipeline, branch: str, code: int) -> np.ndarray | None:
    """Return the slope of the class's margin, less the mean class's, by the embedding; (d,)."""
    for expert in pipeline.model.experts_.values():
        union: BranchUnion = expert["features"]
        classifier = expert["classifier"].classifier_
        blocks = {block.branch: block for block in union.blocks_}
        if not (branch in blocks and hasattr(classifier, "coef_") and code in expert.classes_):
            continue
        coef = np.asarray(classifier.coef_[:, blocks[branch].start : blocks[branch].stop])
        if len(coef) == 1:  # of two classes, the margin is of the second
            coef = np.vstack([-coef, coef])
        slope = coef[int(np.searchsorted(expert.classes_, code))] - coef.mean(axis=0)
        return np.asarray(slope * union.factors_[branch], dtype=np.float32)
    return None
