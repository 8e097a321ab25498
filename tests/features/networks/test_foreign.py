"""ONNX files of other programs, with a description beside."""

import pickle
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from src.errors import BackboneError, UsageError
from src.features.cnn_features import CNNFeaturizer
from src.features.networks.foreign import wrap_foreign
from src.features.networks.heat_map import explain
from src.features.networks.runtime import start_engine
from src.features.networks.weights import network_from_onnx

SIZE_PX, WIDTH = 8, 5
DESCRIPTION = "image_size_px = 8\nmean = [0.1, 0.2, 0.3]\nstd = [0.5, 0.25, 0.2]\n"
WEIGHTS = np.random.default_rng(0).normal(size=(3 * SIZE_PX**2, WIDTH)).astype(np.float32)


def write(
    path: Path,
    *,
    shape: tuple[object, ...] = ("batch", 3, SIZE_PX, SIZE_PX),
    kind: int = TensorProto.FLOAT,
    opset: int = 14,
    description: str = DESCRIPTION + 'output = "vector"\n',
) -> Path:
    """One matrix product of all pixels; names that ours use, too."""
    node = helper.make_node
    weights = WEIGHTS.astype(helper.tensor_dtype_to_np_dtype(kind))
    graph = helper.make_graph(
        [node("Flatten", ["images"], ["flat"]), node("MatMul", ["flat", "mean"], ["vector"]),
         node("Identity", ["flat"], ["other"])],
        "foreign",
        [helper.make_tensor_value_info("images", kind, shape)],
        [helper.make_tensor_value_info(name, kind, None) for name in ("other", "vector")],
        [numpy_helper.from_array(weights, "mean")],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.save(model, path)
    path.with_suffix(".toml").write_text(description)
    return path


def expected(images: np.ndarray, order: tuple[int, ...]) -> np.ndarray:
    scaled = (images / 255 - [0.1, 0.2, 0.3]) / [0.5, 0.25, 0.2]
    values = scaled.transpose(order).reshape(len(images), -1) @ WEIGHTS
    values = np.sign(values) * np.sqrt(np.abs(values))
    return values / np.linalg.norm(values, axis=1, keepdims=True)


IMAGES = np.random.default_rng(1).integers(0, 256, (3, SIZE_PX, SIZE_PX, 3), dtype=np.uint8)


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("channels_first", [True, False])
def test_images_are_scaled_as_described(tmp_path: Path, runtime: str, channels_first: bool) -> None:
    order = (0, 3, 1, 2) if channels_first else (0, 1, 2, 3)
    shape = ("n", 3, SIZE_PX, SIZE_PX) if channels_first else ("n", SIZE_PX, SIZE_PX, 3)
    data = wrap_foreign(write(tmp_path / "mine.onnx", shape=shape))
    engine = start_engine(data, runtime=runtime, device="cpu", precision="fp32")
    embeddings, maps = engine(IMAGES, True)
    np.testing.assert_allclose(embeddings, expected(IMAGES, order), atol=1e-5)
    assert maps is None
    assert explain(engine, IMAGES) is None


def test_half_precision_is_taken_too(tmp_path: Path) -> None:
    data = wrap_foreign(write(tmp_path / "half.onnx", kind=TensorProto.FLOAT16))
    engine = start_engine(data, runtime="onnxruntime", device="cpu")
    np.testing.assert_allclose(engine(IMAGES, False)[0], expected(IMAGES, (0, 3, 1, 2)), atol=1e-2)


def test_it_is_an_image_network_as_any_other(tmp_path: Path) -> None:
    path = write(tmp_path / "My net-2.onnx")
    network = CNNFeaturizer(str(path), runtime="onnxruntime", cache_dir=tmp_path / "cache")
    network.check()
    assert network.size_px == SIZE_PX
    assert network.names == tuple(f"cnn_my_net_2_{i}" for i in range(WIDTH))
    assert sorted(network.origin()["files"]) == ["My net-2.onnx", "My net-2.toml"]
    first = network.settings()
    # Another description: another network, in the cache too.
    path.with_suffix(".toml").write_text(DESCRIPTION.replace("0.1", "0.4") + 'output = "vector"')
    again = CNNFeaturizer(str(path), runtime="onnxruntime", cache_dir=tmp_path / "cache")
    assert again.settings() != first
    served = pickle.loads(pickle.dumps(network))  # noqa: S301
    path.unlink()
    np.testing.assert_allclose(
        served.engine(IMAGES, False)[0], expected(IMAGES, (0, 3, 1, 2)), atol=1e-5
    )


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.onnx"
    for options, said in (
        ({"shape": (1, 3, SIZE_PX, SIZE_PX)}, r"the first of shape \[1, 3, 8, 8\]"),
        ({"shape": ("n", SIZE_PX * SIZE_PX * 3)}, r"one input \(0, 3, h, w\)"),
        ({"opset": 11}, "opset 11, 1 inputs"),
        (
            {"description": DESCRIPTION + 'output = "no"'},
            "outputs other, vector; .* and the output no",
        ),
        (
            {"description": "mean = [1, 2, 3]"},
            "mine.toml: (?s:.*)image_size_px(?s:.*)std(?s:.*); expected",
        ),
        ({"description": DESCRIPTION + "size = 3"}, "mine.toml: key 'size': unknown key; valid: "),
        ({"description": "std = 1"}, r"'std': found 1, expected a list, as in std=\[1\]; "),
        ({"description": "mean ="}, "mine.toml: .*expected image_size_px"),
    ):
        write(path, **options)  # type: ignore[arg-type]
        with pytest.raises(BackboneError, match=said):
            wrap_foreign(path)
    for content, said in ((b"garbage", "7 bytes that are not an ONNX model"), (b"", "0 inputs")):
        write(path)
        path.write_bytes(content)
        with pytest.raises(BackboneError, match=f"mine.onnx: .*{said}.*expected") as caught:
            wrap_foreign(path)
        assert str(path.with_suffix("")) in str(caught.value.next_command)
    path.with_suffix(".toml").unlink()
    with pytest.raises(BackboneError, match="mine.toml.*expected image_size_px, mean and std"):
        wrap_foreign(path)
    with pytest.raises(BackboneError, match="there is no such file"):
        CNNFeaturizer(str(tmp_path / "no.onnx")).check()


def test_it_can_neither_be_tuned_nor_resized(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.onnx")
    with pytest.raises(BackboneError, match="another program.*can't be tuned"):
        network_from_onnx(wrap_foreign(path))
    with pytest.raises(UsageError, match="images.size = 16: .*takes images of 8 px"):
        CNNFeaturizer(str(path), image_size_px=16).check()
