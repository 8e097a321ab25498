"""The extractor: order, masks, pickles, and independence of runtime and batch."""

import io
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from src.errors import BackboneError, UsageError
from src.features.cnn_features import CNNFeaturizer, FineTunedCNN
from src.features.image.loader import resize
from src.features.networks.fine_tuning import FineTuning


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("networks")


@pytest.fixture
def make(cache: Path) -> Callable[..., CNNFeaturizer]:
    def build(**options: object) -> CNNFeaturizer:
        chosen = {"image_size_px": 64, "device": "cpu", "cache_dir": cache, **options}
        return CNNFeaturizer("efficientnet_lite0", **chosen)  # type: ignore[arg-type]

    return build


def draw_image(seed: int, height: int = 50, width: int = 70) -> bytes:
    small = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(resize(small, width, height)).save(file, "PNG")
    return file.getvalue()


def test_embeddings_are_in_order_whatever_the_batch(make: Callable[..., CNNFeaturizer]) -> None:
    sources: list[bytes | None] = [draw_image(seed) for seed in range(11)]
    sources[2], sources[7] = None, b"<html>"
    values, mask = make(runtime="onnxruntime", batch_size=4).extract(sources)
    assert np.flatnonzero(~mask).tolist() == [2, 7]
    assert not values[~mask].any()
    np.testing.assert_allclose(np.linalg.norm(values[mask], axis=1), 1, atol=1e-5)
    one = make(runtime="onnxruntime", batch_size=1)
    expected = np.concatenate([one.extract([source])[0] for source in sources])
    np.testing.assert_allclose(values, expected, atol=1e-5)
    ((_, images, _),) = one.load_batches(sources, 11)
    np.testing.assert_allclose(one.engine(images, False)[0][mask], values[mask], atol=1e-5)


def test_whole_batches_without_an_image(make: Callable[..., CNNFeaturizer]) -> None:
    featurizer = make(batch_size=2)
    values, mask = featurizer.extract([None] * 5)
    assert values.shape == (5, featurizer.n_features)
    assert not mask.any()
    assert featurizer.extract([])[0].shape == (0, featurizer.n_features)


def test_pickles_hold_the_network_and_nothing_else(make: Callable[..., CNNFeaturizer]) -> None:
    featurizer = make(runtime="onnxruntime")
    values, _ = featurizer.extract([draw_image(0)])
    data = pickle.dumps(featurizer)
    assert len(data) < len(featurizer.onnx_) + 10_000
    assert b"torch" not in data.replace(featurizer.onnx_, b"")
    again = pickle.loads(data)  # noqa: S301
    np.testing.assert_array_equal(again.extract([draw_image(0)])[0], values)
    assert again.settings() == featurizer.settings()
    unprepared = pickle.loads(  # noqa: S301
        pickle.dumps(make(runtime="onnxruntime"))
    )
    np.testing.assert_array_equal(unprepared.extract([draw_image(0)])[0], values)


def test_settings_name_the_network_and_what_changes_values(
    make: Callable[..., CNNFeaturizer],
) -> None:
    plain = make(runtime="onnxruntime").settings()
    assert plain["features"] == "cnn_efficientnet_lite0"
    assert make(runtime="onnxruntime", batch_size=3).settings() == plain
    assert make(runtime="torch", precision="fp32").settings() == plain
    for changed in (
        {"mode": "stretch"},
        {"image_size_px": 96},
        {"weights": "random"},
        {"runtime": "torch", "precision": "bf16"},
    ):
        assert make(**{"runtime": "onnxruntime", **changed}).settings() != plain


def test_names(make: Callable[..., CNNFeaturizer]) -> None:
    featurizer = make()
    assert len(featurizer.names) == featurizer.n_features == 1712
    assert featurizer.names[:2] == ("cnn_efficientnet_lite0_0", "cnn_efficientnet_lite0_1")


def test_like_images_are_near_each_other(make: Callable[..., CNNFeaturizer]) -> None:
    """Pretrained weights are at work: a re-encoded image is nearer than any other."""
    sources = [draw_image(seed) for seed in range(6)]
    coded = []
    for source in sources:
        file = io.BytesIO()
        Image.open(io.BytesIO(source)).resize((90, 64)).save(file, "JPEG", quality=70)
        coded.append(file.getvalue())
    featurizer = make()
    likeness = featurizer.extract(sources)[0] @ featurizer.extract(coded)[0].T
    assert likeness.argmax(axis=1).tolist() == list(range(6))


def test_faults_wait_until_the_network_is_needed() -> None:
    featurizer = CNNFeaturizer("resnet18", weights="nowhere.pth")
    with pytest.raises(BackboneError, match="nowhere.pth.*there is no such file"):
        featurizer.extract([draw_image(0)])
    with pytest.raises(BackboneError, match="unknown backbone 'alexnet'"):
        CNNFeaturizer("alexnet").prepare()


@pytest.mark.parametrize("weights", ["pretrained", "random"])
def test_what_does_not_go_together_is_refused_before_any_data(
    make: Callable[..., CNNFeaturizer], weights: str
) -> None:
    network = make(weights=weights, runtime="onnxruntime", precision="bf16")
    with pytest.raises(UsageError, match="'bf16' needs runtime openvino or torch"):
        network.check()


def test_fine_tuning_gives_another_featurizer(make: Callable[..., CNNFeaturizer]) -> None:
    featurizer = make(runtime="onnxruntime", batch_size=8, weights="random")
    sources = [draw_image(seed) for seed in range(12)]
    before, _ = featurizer.extract(sources)
    settings = FineTuning(epochs=1, batch_size=4, device="cpu")
    products = pd.DataFrame({"image": sources, "has_image": True})
    tuning = FineTunedCNN(featurizer, settings).fit(products, np.arange(12) % 2)
    tuned = tuning.featurizer_
    after, mask = tuned.extract(sources)
    np.testing.assert_array_equal(tuning.transform(products), after)
    assert tuning.history_["n_train"] == 10
    assert mask.all()
    assert np.abs(after - before).max() > 1e-4
    np.testing.assert_array_equal(featurizer.extract(sources)[0], before)
    assert tuned.settings() != featurizer.settings()
    assert tuned.batch_size == 8
    assert tuned.weights == "random"


def test_tuning_is_done_again_where_images_are_read_in_another_way(
    make: Callable[..., CNNFeaturizer], tmp_path: Path
) -> None:
    products = pd.DataFrame({"image": [draw_image(s) for s in range(12)], "has_image": True})
    settings = FineTuning(n_blocks=1, epochs=1, batch_size=4, device="cpu")
    networks = []
    for mode in ("letterbox", "stretch", "letterbox"):
        featurizer = make(mode=mode, weights="random")
        tuned = FineTunedCNN(featurizer, settings, tmp_path).fit(products, np.arange(12) % 2)
        networks.append(tuned.featurizer_.onnx_)
    assert networks[0] == networks[2] != networks[1]
    assert len(list(tmp_path.glob("*.pt"))) == 2


def test_a_card_that_was_asked_for_may_be_missing_where_the_pickle_is_read(
    make: Callable[..., CNNFeaturizer],
) -> None:
    assert pickle.loads(pickle.dumps(make(device="cuda"))).device == "auto"  # noqa: S301
    assert pickle.loads(pickle.dumps(make(device="cpu"))).device == "cpu"  # noqa: S301
