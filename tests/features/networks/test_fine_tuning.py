"""Light fine-tuning: what is trained, on which rows, and that it can be repeated."""

import dataclasses
import functools
import logging

import cv2
import numpy as np
import pytest

from src.errors import UsageError, ValidationError
from src.features.cnn_features import CNNFeaturizer, FineTunedCNN
from src.features.image.loader import load_batches
from src.features.networks.export import build_onnx
from src.features.networks.fine_tuning import FineTuning, fine_tune, inner_split
from src.features.networks.runtime import start_engine
from src.features.networks.weights import weights_from_onnx

LOAD = functools.partial(load_batches, size_px=32)
QUICK = FineTuning(epochs=2, batch_size=16, device="cpu", learning_rate=1e-3)


@pytest.fixture(scope="module")
def onnx() -> bytes:
    return build_onnx("resnet18", "random", image_size_px=32)


def shapes(n: int, seed: int = 0) -> tuple[list[bytes | None], np.ndarray]:
    """Discs, frames and lines of any colour at any place."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3
    sources: list[bytes | None] = []
    for kind in y:
        image = np.full((40, 40, 3), 255, dtype=np.uint8)
        column, row = (int(v) for v in rng.integers(12, 28, 2))
        colour = tuple(int(v) for v in rng.integers(0, 180, 3))
        if kind == 0:
            cv2.circle(image, (column, row), 9, colour, -1)
        elif kind == 1:
            cv2.rectangle(image, (column - 8, row - 8), (column + 8, row + 8), colour, 2)
        else:
            cv2.line(image, (column - 11, row - 11), (column + 11, row + 11), colour, 3)
        sources.append(cv2.imencode(".png", image)[1].tobytes())
    return sources, y


def separation(onnx: bytes) -> float:
    """Scatter between class means over scatter within, on images never trained on."""
    engine = start_engine(onnx, runtime="onnxruntime", device="cpu")
    sources, y = shapes(60, seed=9)
    ((_, images, _),) = LOAD(sources, 60)
    embeddings = engine(images, False)[0]
    means = np.stack([embeddings[y == k].mean(axis=0) for k in range(3)])
    within = ((embeddings - means[y]) ** 2).sum()
    return float(60 * ((means - means.mean(axis=0)) ** 2).sum(axis=1).mean() / within)


def test_training_helps_on_other_images() -> None:
    pretrained = build_onnx("efficientnet_lite0", "pretrained", image_size_px=32)
    settings = dataclasses.replace(
        QUICK, n_blocks=6, epochs=3, learning_rate=3e-3, mixup_alpha=0.0, cutmix_alpha=0.0
    )
    tuned, history = fine_tune(pretrained, LOAD, *shapes(60), settings=settings)
    assert min(epoch["loss"] for epoch in history["epochs"]) < np.log(3) / 2
    assert separation(tuned) > 1.1 * separation(pretrained)


def test_only_the_last_blocks_change(onnx: bytes) -> None:
    sources, y = shapes(40)
    tuned, history = fine_tune(onnx, LOAD, sources, y, settings=QUICK)
    before, after = weights_from_onnx(onnx), weights_from_onnx(tuned)
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    assert changed
    assert all(name.startswith("body.layer4.") for name in changed)
    # Batch normalisation keeps its statistics.
    assert not any("running" in name for name in changed)
    assert [sorted(epoch) for epoch in history["epochs"]] == 2 * [
        ["accuracy", "loss", "train_loss"]
    ]
    assert history["n_train"] == 34


def test_the_same_seed_gives_the_same_network_and_another_seed_another(onnx: bytes) -> None:
    sources, y = shapes(40)
    quick = dataclasses.replace(QUICK, epochs=1)
    first, history = fine_tune(onnx, LOAD, sources, y, settings=quick)
    again, same = fine_tune(onnx, LOAD, sources, y, settings=quick)
    assert again == first
    assert same == history
    other = dataclasses.replace(quick, random_state=1)
    assert fine_tune(onnx, LOAD, sources, y, settings=other)[0] != first


@pytest.mark.parametrize(("mixup", "cutmix"), [(1.0, 0.0), (0.0, 1.0), (0.0, 0.0)])
def test_each_way_of_mixing_trains(onnx: bytes, mixup: float, cutmix: float) -> None:
    sources, y = shapes(40)
    quick = dataclasses.replace(QUICK, epochs=1, mixup_alpha=mixup, cutmix_alpha=cutmix)
    tuned, history = fine_tune(onnx, LOAD, sources, y, settings=quick)
    assert np.isfinite(history["epochs"][0]["train_loss"])
    assert tuned != onnx


def test_rows_without_a_image_are_left_out_and_counted(onnx: bytes) -> None:
    sources, y = shapes(40)
    quick = dataclasses.replace(QUICK, epochs=1)
    sources[0] = sources[17] = None
    sources[30] = b"no image"
    _, history = fine_tune(onnx, LOAD, sources, y, settings=quick)
    train, _ = inner_split(y, None, quick.validation_share, quick.random_state)
    assert history["n_train"] == len(set(train.tolist()) - {0, 17, 30}) < 34
    with pytest.raises(ValidationError, match="none of 34 training rows has an image"):
        fine_tune(onnx, LOAD, [None] * 40, y, settings=quick)


def test_it_stops_when_validation_stops_improving_and_keeps_the_best(onnx: bytes) -> None:
    sources, _ = shapes(40)
    y = np.random.default_rng(3).integers(0, 2, 40)  # nothing to learn
    eager = dataclasses.replace(QUICK, epochs=30, patience=1, learning_rate=3e-2)
    _, history = fine_tune(onnx, LOAD, sources, y, settings=eager)
    losses = [epoch["loss"] for epoch in history["epochs"]]
    assert len(losses) < 30
    assert history["best_epoch"] == int(np.argmin(losses)) + 1 == len(losses) - 1


def test_inner_rows_are_stratified() -> None:
    y = np.array([0] * 80 + [1] * 20)
    train, held = inner_split(y, None, 0.2, 0)
    assert sorted([*train, *held]) == list(range(100))
    assert np.bincount(y[held]).tolist() == [16, 4]
    np.testing.assert_array_equal(inner_split(y, None, 0.2, 0)[1], held)
    assert inner_split(y, None, 0.2, 1)[1].tolist() != held.tolist()


def test_groups_stay_together() -> None:
    groups = np.arange(100) // 5
    train, held = inner_split(np.arange(100) % 2, groups, 0.2, 0)
    assert not set(groups[train]) & set(groups[held])
    assert len(held) == 20


def test_a_class_with_one_row_stays_in_training() -> None:
    y = np.array([0] * 10 + [1] * 10 + [2])
    train, held = inner_split(y, None, 0.1, 0)
    assert 20 in train
    assert np.bincount(y[held]).tolist() == [1, 1]


@pytest.mark.parametrize(
    ("y", "fault"),
    [
        (np.zeros(50), "it needs 10 rows of 2"),
        (np.arange(9) % 2, "it needs 10 rows of 2"),
        (np.arange(50), "too few of each to hold any out"),
    ],
)
def test_too_little_to_learn_from(y: np.ndarray, fault: str) -> None:
    with pytest.raises(ValidationError, match=fault):
        inner_split(y, None, 0.2, 0)


def test_more_blocks_than_the_network_has_are_refused_before_any_data() -> None:
    network = CNNFeaturizer("resnet18", weights="random", image_size_px=32, device="cpu")
    FineTunedCNN(network, FineTuning(n_blocks=10)).check()
    with pytest.raises(UsageError, match="n_blocks = 11: resnet18 has 10 blocks") as found:
        FineTunedCNN(network, FineTuning(n_blocks=11)).check()
    assert found.value.next_command == "--set features.image.cnn.fine_tune.n_blocks=10"


def test_every_epoch_is_said_in_detail(onnx: bytes, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        _, history = fine_tune(onnx, LOAD, *shapes(40), settings=QUICK)
    said = [m for m in caplog.messages if m.startswith("fine-tuning, epoch")]
    assert len(said) == len(history["epochs"]) == 2
    for line, epoch in zip(said, history["epochs"], strict=True):
        assert f"{epoch['loss']:.3f} in validation, accuracy {epoch['accuracy']:.3f}" in line
    assert f"epoch {history['best_epoch']} of 2" in caplog.messages[-1]
