"""Why a product gets a class, as JSON values, and where in its image the class was found."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import numpy as np

from src.data.image_decode import ImageFault, ImageSource
from src.features.cnn_features import CNNFeaturizer
from src.features.networks import heat_map as cnn_explain
from src.features.networks.fine_tuned import FineTunedCNN
from src.pipelines.branches import BranchUnion
from src.pipelines.image_pipeline import ImageExtractor

if TYPE_CHECKING:
    from src.pipelines.product_model import FullPipeline
    from src.serving.predictor import Predictor, Product


def explanation(
    predictor: Predictor, product: Product, code: int | None, language: str
) -> tuple[dict[str, Any], bytes | None]:
    """Return JSON values of what spoke for and against a class, and the heat map as a PNG.

    Raises
    ------
    UsageError
        As `Predictor.explain`.
    """
    found, png = predictor.explain(product, code)
    terms = {
        side: [{"text": text, "contribution": contribution} for text, contribution in terms]
        for side, terms in (("terms_for", found.terms_for), ("terms_against", found.terms_against))
    }
    labels = predictor.pipeline.labels.get(found.code, {})
    values = {
        "code": found.code,
        "label": labels.get(language, str(found.code)),
        "margin": found.margin,
        "base": found.base,
        "branches": found.blocks,
        "weights": found.weights,
    }
    return {**values, **terms}, png


def heat_map(pipeline: FullPipeline, source: ImageSource, code: int) -> bytes | None:
    """Return where in an image a class was found, as a PNG; None where that can't be said."""
    for extractor in pipeline.extractors:
        if isinstance(extractor, ImageExtractor) and isinstance(
            extractor.featurizer, CNNFeaturizer
        ):
            direction = _direction(pipeline, extractor.name, code)
            if direction is not None:
                network = extractor.featurizer
                with contextlib.suppress(ImageFault):
                    image = network.loader.load(source)
                    (heat,) = cnn_explain.explain(network.session, image[None], direction)
                    return cnn_explain.overlay_png(image, heat)
    return None


def _direction(pipeline: FullPipeline, branch: str, code: int) -> np.ndarray | None:
    """Return the slope of the class's margin, less the mean class's, by the embedding; (d,)."""
    for expert in pipeline.model.experts_.values():
        union: BranchUnion = expert["features"]
        classifier = expert["classifier"].classifier_
        blocks = {block.branch: block for block in union.blocks_}
        if not (branch in blocks and hasattr(classifier, "coef_") and code in expert.classes_):
            continue
        if isinstance(dict(union.transformer_list)[branch], FineTunedCNN):
            continue  # its values are not those of the network that would be drawn
        coef = np.asarray(classifier.coef_[:, blocks[branch].start : blocks[branch].stop])
        if len(coef) == 1:  # of two classes, the margin is of the second
            coef = np.vstack([-coef, coef])
        slope = coef[int(np.searchsorted(expert.classes_, code))] - coef.mean(axis=0)
        weight = (union.transformer_weights or {}).get(branch, 1.0)
        return np.asarray(slope * weight, dtype=np.float32)
    return None
