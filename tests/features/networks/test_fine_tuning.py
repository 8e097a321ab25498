"""Light fine-tuning: what is trained, on which rows, and that it can be repeated."""

import functools
import logging
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest

from src.errors import UsageError, ValidationError
from src.features.cnn_features import CNNFeaturizer, FineTunedCNN
from src.features.image.loader import load_batches
from src.features.networks.export import build_onnx
from src.features.networks.fine_tuning import fine_tune, inner_split
from src.features.networks.runtime import start_engine
from src.features.networks.trainer import FineTuning
from src.features.networks.weights import weights_from_onnx

LOAD = functools.partial(load_batches, size_px=32)
QUICK = FineTuning(
    epochs=2,
    batch_size=16,
    device="cpu",
    learning_rate=1e-3,
    mixup_alpha=0.2,
    cutmix_alpha=1.0,
)


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


def tune(
    onnx: bytes,
    images: tuple[Sequence[bytes | None], np.ndarray],
    settings: FineTuning,
    folder: Path | None = None,
) -> tuple[bytes, dict[str, Any]]:
    sources, y = images
    network = CNNFeaturizer("resnet18", weights="random", image_size_px=32, device="cpu")
    X = pd.DataFrame({"image": sources})
    rows = FineTunedCNN(network, settings).training_rows(X, np.unique(y, return_inverse=True)[1])
    return fine_tune(onnx, rows, settings, folder=folder)


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
    settings = QUICK.model_copy(
        update={
            "n_blocks": 6,
            "epochs": 3,
            "learning_rate": 3e-3,
            "mixup_alpha": 0.0,
            "cutmix_alpha": 0.0,
        }
    )
    tuned, history = tune(pretrained, shapes(60), settings)
    assert min(epoch["loss"] for epoch in history["epochs"]) < np.log(3) / 2
    assert separation(tuned) > 1.1 * separation(pretrained)


def test_only_the_last_blocks_change(onnx: bytes) -> None:
    sources, y = shapes(40)
    tuned, history = tune(onnx, (sources, y), QUICK)
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
    quick = QUICK.model_copy(update={"epochs": 1})
    first, history = tune(onnx, (sources, y), quick)
    again, same = tune(onnx, (sources, y), quick)
    assert again == first
    assert same == history
    other = quick.model_copy(update={"random_state": 1})
    assert tune(onnx, (sources, y), other)[0] != first


@pytest.mark.parametrize(("mixup", "cutmix"), [(1.0, 0.0), (0.0, 1.0), (0.0, 0.0)])
def test_each_way_of_mixing_trains(onnx: bytes, mixup: float, cutmix: float) -> None:
    sources, y = shapes(40)
    quick = QUICK.model_copy(update={"epochs": 1, "mixup_alpha": mixup, "cutmix_alpha": cutmix})
    tuned, history = tune(onnx, (sources, y), quick)
    assert np.isfinite(history["epochs"][0]["train_loss"])
    assert tuned != onnx


def test_rows_without_a_image_are_left_out_and_counted(onnx: bytes) -> None:
    sources, y = shapes(40)
    quick = QUICK.model_copy(update={"epochs": 1})
    sources[0] = sources[17] = None
    sources[30] = b"no image"
    _, history = tune(onnx, (sources, y), quick)
    train, _ = inner_split(y, None, quick.validation_share, quick.random_state)
    assert history["n_train"] == len(set(train.tolist()) - {0, 17, 30}) < 34
    with pytest.raises(ValidationError, match="none of 34 training rows can be read"):
        tune(onnx, ([None] * 40, y), quick)


def test_it_stops_when_validation_stops_improving_and_keeps_the_best(onnx: bytes) -> None:
    sources, _ = shapes(40)
    y = np.random.default_rng(3).integers(0, 2, 40)  # nothing to learn
    eager = QUICK.model_copy(update={"epochs": 30, "patience": 1, "learning_rate": 3e-2})
    _, history = tune(onnx, (sources, y), eager)
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
    with pytest.raises(UsageError, match="n_blocks = 11: the network has 10 blocks") as found:
        FineTunedCNN(network, FineTuning(n_blocks=11)).check()
    assert found.value.next_command == "--set features.image.cnn.fine_tune.n_blocks=10"


def test_every_epoch_is_said(onnx: bytes, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        _, history = tune(onnx, shapes(40), QUICK)
    said = [m for m in caplog.messages if m.startswith("fine-tuning, epoch")]
    assert len(said) == len(history["epochs"]) == 2
    for line, epoch in zip(said, history["epochs"], strict=True):
        assert f"{epoch['loss']:.3f} in validation, accuracy {epoch['accuracy']:.3f}, " in line
        assert line.endswith(" images/s")
    assert f"epoch {history['best_epoch']} of 2" in caplog.messages[-1]


LONG = QUICK.model_copy(update={"epochs": 3, "patience": 3, "batch_size": 4})


@pytest.mark.slow
def test_a_killed_training_goes_on_and_gives_the_same_digits(
    onnx: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole, history = tune(onnx, shapes(60), LONG)
    (tmp_path / "start.onnx").write_bytes(onnx)
    process = subprocess.Popen([sys.executable, __file__, str(tmp_path)])
    while not (kept := list(tmp_path.glob("*.pt"))) and process.poll() is None:
        time.sleep(0.01)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    with caplog.at_level(logging.INFO):
        resumed, again = tune(onnx, shapes(60), LONG, tmp_path)
    assert f"fine-tuning goes on from {kept[0]}: 0 epochs and" in caplog.text
    assert resumed == whole
    assert again == history
    assert list(tmp_path.glob("*.pt")) == kept


def test_a_finished_training_is_not_done_again(
    onnx: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    quick = QUICK.model_copy(update={"epochs": 1})
    first = tune(onnx, shapes(40), quick, tmp_path)
    (kept,) = tmp_path.glob("*.pt")
    with caplog.at_level(logging.INFO):
        assert tune(onnx, shapes(40), quick, tmp_path) == first
    assert not any(line.startswith("fine-tuning, epoch") for line in caplog.messages)
    # Other rows, another network of their own; a file that can't be read is made anew.
    tune(onnx, shapes(40, seed=1), quick, tmp_path)
    assert len(list(tmp_path.glob("*.pt"))) == 2
    kept.write_bytes(kept.read_bytes()[:1000])
    assert tune(onnx, shapes(40), quick, tmp_path) == first
    assert "can't be read, training starts anew" in caplog.text


def test_batches_gathered_before_a_step_count_as_one(onnx: bytes) -> None:
    plain = QUICK.model_copy(update={"epochs": 1, "mixup_alpha": 0.0, "cutmix_alpha": 0.0})
    whole = plain.model_copy(update={"batch_size": 34})
    halves = plain.model_copy(update={"batch_size": 17, "accumulate": 2})
    one, two = (weights_from_onnx(tune(onnx, shapes(40), way)[0]) for way in (whole, halves))
    name = "body.layer4.1.conv2.weight"
    steps = one[name] - weights_from_onnx(onnx)[name]
    # AdamW's first step is the rate by the gradient's sign, which rounding turns near zero.
    assert (np.abs(one[name] - two[name]) < 0.01 * np.abs(steps).max()).mean() > 0.99


def test_all_blocks_and_lower_rates_toward_the_input(onnx: bytes) -> None:
    plain = QUICK.model_copy(update={"epochs": 1, "n_blocks": 0})
    before = weights_from_onnx(onnx)

    def moved(layer_decay: float) -> list[float]:
        settings = plain.model_copy(update={"layer_decay": layer_decay})
        after = weights_from_onnx(tune(onnx, shapes(40), settings)[0])
        names = ["body.conv1.weight", "body.layer4.1.conv2.weight"]
        return [float(np.abs(after[name] - before[name]).mean()) for name in names]

    even, decayed = moved(1.0), moved(0.5)
    assert min(even) > 0
    # Eight blocks of two and the stem's two lie between: 0.5 ** 9 of the rate.
    assert decayed[0] < even[0] / 100
    assert decayed[1] > even[1] / 2


if __name__ == "__main__":  # the process that is killed
    place = Path(sys.argv[1])
    tune(
        (place / "start.onnx").read_bytes(),
        shapes(60),
        LONG.model_copy(update={"checkpoint_s": 0.0}),
        place,
    )
