"""`Explanation`: why a product gets a class, in words, branches and places of the picture."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from src.data.image_decode import ImageFault, ImageSource
from src.evaluation.shap.product import Contributions
from src.features.cnn_features import CNNFeaturizer
from src.features.networks import heat_map as cnn_explain
from src.pipelines.fusion import SelectColumn
from src.pipelines.image_pipeline import ImageExtractor

if TYPE_CHECKING:
    from src.pipelines.product_model import FullPipeline, ProductModel


@dataclasses.dataclass(frozen=True, eq=False)
class Explanation:
    """What spoke for and against one class of one product.

    Attributes
    ----------
    contributions : Contributions
        N-grams, words, blocks and the experts' weights.
    heat_map : bytes or None
        PNG: the picture, and over it where the network found what speaks for the class. None
        without a picture, and where no linear model looks at a network's embedding.
    """

    contributions: Contributions
    heat_map: bytes | None


def heat_map(pipeline: FullPipeline, source: ImageSource, code: int) -> bytes | None:
    """Return where in a picture a class was found, as a PNG; None where that can't be said.

    Parameters
    ----------
    pipeline : FullPipeline
        The served model.
    source : path, bytes or None
        The picture.
    code : int
        prdtypecode of the class.
    """
    for extractor in pipeline.extractors:
        if isinstance(extractor, ImageExtractor) and isinstance(extractor.looker, CNNFeaturizer):
            direction = _direction(pipeline, extractor.name, code)
            if direction is not None:
                return _draw(extractor.looker, source, direction)
    return None


def _draw(network: CNNFeaturizer, source: ImageSource, direction: np.ndarray) -> bytes | None:
    try:
        image = network.loader.load(source)
    except ImageFault:
        return None
    (heat,) = cnn_explain.explain(network.session, image[None], direction)
    return cnn_explain.overlay_png(image, heat)


def _direction(pipeline: FullPipeline, branch: str, code: int) -> np.ndarray | None:
    """Return the slope of the class's margin, less the mean class's, by the embedding; (d,)."""
    for _, _, expert in pipeline.model.experts_:
        steps = dict(expert.features_.transformers_)
        linear = hasattr(expert.head_, "coef_") and code in expert.classes_
        if linear and isinstance(steps.get(branch), SelectColumn):
            return _slopes(expert, branch, code)
    return None


def _slopes(expert: ProductModel, branch: str, code: int) -> np.ndarray:
    (block,) = (block for block in expert.blocks_ if block.branch == branch)
    coef = np.asarray(expert.head_.coef_[:, block.start : block.stop])
    if len(coef) == 1:  # of two classes, the margin is of the second
        coef = np.vstack([-coef, coef])
    own = coef[int(np.searchsorted(expert.classes_, code))] - coef.mean(axis=0)
    weight = expert.features_.transformer_weights.get(branch, 1.0)
    return np.asarray(own * weight, dtype=np.float32)
