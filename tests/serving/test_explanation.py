"""Why a product gets a class: the margin's parts, and the heat map built by hand."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from src.config import load_config
from src.errors import UsageError
from src.features.cnn_features import CNNFeaturizer, FineTunedCNN
from src.features.networks.heat_map import explain, overlay_png
from src.models.late_fusion import LateFusion
from src.pipelines.heat_map import heat_map
from src.pipelines.product_model import build_model, feature_mapping
from src.pipelines.registry import build_branches, extractors_of
from src.pipelines.table import extract_table
from src.serving.predictor import Predictor, Product, as_frame


@pytest.fixture(scope="module")
def pictured(products: list[Product]) -> Product:
    return next(product for product in products if product.image is not None)


def network_of(predictor: Predictor) -> CNNFeaturizer:
    return next(e.featurizer for e in predictor.pipeline.extractors if e.name == "image_cnn")


def test_the_parts_add_up_to_the_margin(predictor: Predictor, pictured: Product) -> None:
    found, _ = predictor.explain(pictured)
    assert found.code == predictor.predict([pictured])[0].code
    model: LateFusion = predictor.pipeline.model
    margins = model.decision_function(predictor.pipeline.table(as_frame([pictured])))[0]
    assert found.margin == pytest.approx(margins[model.classes_ == found.code][0], rel=1e-5)
    assert found.base + sum(found.blocks.values()) == pytest.approx(found.margin, abs=1e-4)
    assert {"tfidf_word", "image_cnn"} <= set(found.blocks)
    assert all(weight > 0 for weight in found.weights.values())


def test_heat_map_is_grad_cam_of_the_experts_coefficients(
    predictor: Predictor, pictured: Product
) -> None:
    expert = predictor.pipeline.model.experts_["image"]
    names = expert["features"].get_feature_names_out()
    columns = np.char.startswith(names.astype(str), "image_cnn__")
    slopes = expert["classifier"].classifier_.coef_[:, columns]
    network = network_of(predictor)
    image = network.load(pictured.image)
    directions = slopes - slopes.mean(axis=0)
    heats = explain(network.engine, np.repeat(image[None], len(slopes), axis=0), directions)
    chosen = int(heats.max(axis=(1, 2)).argmax())  # random weights: of most classes, nothing
    heat, code = heats[chosen], int(expert.classes_[chosen])
    assert heat.max() == 1
    found, drawn = predictor.explain(pictured, code)
    assert drawn == overlay_png(image, heat)
    as_bytes = dataclasses.replace(pictured, image=Path(str(pictured.image)).read_bytes())
    assert predictor.explain(as_bytes, code)[1] == drawn
    assert found.code == code


@pytest.mark.parametrize("image", [None, b"no picture"])
def test_no_picture_no_heat_map(predictor: Predictor, image: bytes | None) -> None:
    assert predictor.explain(Product("Lampe LED", image=image))[1] is None


def test_no_network_no_heat_map(predictor: Predictor, pictured: Product) -> None:
    others = tuple(e for e in predictor.pipeline.extractors if e.name != "image_cnn")
    without = dataclasses.replace(predictor.pipeline, extractors=others)
    assert heat_map(without, pictured.image, int(predictor.pipeline.model.classes_[0])) is None


def test_an_unknown_class(predictor: Predictor) -> None:
    with pytest.raises(UsageError, match="class -1: the model does not know it"):
        predictor.explain(Product("Lampe LED"), -1)


@pytest.mark.parametrize("kind", ["late_fusion", "lightgbm"])
def test_a_tuned_network_draws_its_own_heat_map(
    pictured: Product, predictor: Predictor, tmp_path: Path, kind: str
) -> None:
    """By the classifier's coefficients where it has any, else where the network responds."""
    cfg = load_config(
        overrides=[
            f"paths.workspace={tmp_path}",
            f"model.name={kind}",
            "model.lightgbm.n_estimators=3",
            "cv.n_folds=2",
            "images.size=64",
            "features.image.cnn.backbone=resnet18",
            "features.image.cnn.weights=random",
            "features.image.cnn.device=cpu",
            "features.image.cnn.runtime=onnxruntime",
            "features.image.cnn.fine_tune.enabled=true",
            "features.image.cnn.fine_tune.epochs=1",
        ]
    )
    branches = build_branches(cfg)
    rows = as_frame([dataclasses.replace(pictured, designation=f"lampe {i}") for i in range(24)])
    table = extract_table(rows, extractors_of(cfg, branches), None)
    y = np.arange(24) % 2
    model = build_model(cfg, branches).fit(table, y)
    pipeline = dataclasses.replace(
        predictor.pipeline, model=model, extractors=extractors_of(cfg, branches)
    )
    ((expert, _, tuned),) = model.fitted_steps(FineTunedCNN)
    assert feature_mapping(model, [])["fine_tuning"] == {"image_cnn": tuned.history_}
    network = tuned.featurizer_
    direction = None
    if kind == "late_fusion":
        fitted = model.experts_[expert]
        (block,) = [b for b in fitted["features"].blocks_ if b.branch == "image_cnn"]
        (slope,) = fitted["classifier"].classifier_.coef_[:, block.start : block.stop]
        direction = slope  # of two classes: its own less the mean of both
    (heat,) = explain(network.engine, network.load(pictured.image)[None], direction)
    drawn = heat_map(pipeline, pictured.image, 1)
    assert drawn == overlay_png(network.load(pictured.image), heat)
