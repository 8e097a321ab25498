"""All runtimes give one answer, and the right one is chosen."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from src.errors import BackboneError, UsageError
from src.features.image.loader import resize
from src.features.networks.export import build_onnx
from src.features.networks.runtime import (
    Engine,
    choose_device,
    choose_precision,
    choose_runtime,
    start_engine,
)

SIZE_PX = 96


@pytest.fixture(scope="module")
def onnx() -> bytes:
    return build_onnx("efficientnet_lite0", "pretrained", image_size_px=SIZE_PX)


def draw_images(n: int) -> np.ndarray:
    """Smooth patterns: like photographs, unlike noise, they wake every layer."""
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (n, 6, 6, 3), dtype=np.uint8)
    return np.stack([resize(image, SIZE_PX, SIZE_PX) for image in small])


def cosines(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return np.asarray((one * other).sum(axis=1) / lengths)


def engine(onnx: bytes, runtime: str, precision: str) -> Engine:
    if runtime != "torch":
        pytest.importorskip(runtime)
    if (runtime, precision) == ("openvino", "bf16") and (
        choose_precision("auto", "openvino", "cpu") != "bf16"
    ):
        pytest.skip("this processor has no bf16 instructions")
    return start_engine(onnx, runtime=runtime, precision=precision, device="cpu")


@pytest.mark.parametrize(
    ("runtime", "precision", "least"),
    [
        ("openvino", "fp32", 0.999),
        ("onnxruntime", "fp32", 0.999),
        ("openvino", "bf16", 0.99),
        ("torch", "bf16", 0.99),
    ],
)
def test_runtimes_agree_with_torch(onnx: bytes, runtime: str, precision: str, least: float) -> None:
    images = draw_images(19)  # no multiple of the parts
    expected = engine(onnx, "torch", "fp32")(images, True)
    tested = engine(onnx, runtime, precision)
    embeddings = tested(images, False)[0]
    assert embeddings.dtype == np.float32
    assert embeddings.shape == expected[0].shape == (19, 1712)
    assert cosines(embeddings, expected[0]).min() > least
    again, maps = tested(images, True)
    np.testing.assert_allclose(again, embeddings, atol=1e-6 if precision == "fp32" else 1e-2)
    assert maps.shape == expected[1].shape == (19, 1280, 3, 3)
    flat = (maps.reshape(19, -1), expected[1].reshape(19, -1))
    assert cosines(*flat).min() > least
    one = np.concatenate([tested(images[i : i + 1], False)[0] for i in range(3)])
    assert cosines(one, embeddings[:3]).min() > least


def test_serving_an_exported_network_never_loads_torch(onnx: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(onnx)
    code = f"""
import sys
from pathlib import Path
import numpy as np
from src.features.networks.heat_map import explain, overlay_png
from src.features.networks.runtime import start_engine
from src.features.image.loader import load_batches
engine = start_engine(Path({str(tmp_path / "a.onnx")!r}).read_bytes(), device="cpu")
images = np.zeros((1, {SIZE_PX}, {SIZE_PX}, 3), dtype=np.uint8)
assert engine(images, False)[0].shape == (1, 1712)
overlay_png(images[0], explain(engine, images)[0])
loaded = {{"torch", "torchvision", "transformers", "onnx"}} & set(sys.modules)
assert not loaded, loaded
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_auto_takes_the_fastest_that_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    present: set[str] = set()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name if name in present else None)
    present |= {"torch"}
    assert choose_runtime("auto", "cpu") == "torch"
    present |= {"onnxruntime"}
    assert choose_runtime("auto", "cpu") == "onnxruntime"
    present |= {"openvino"}
    assert choose_runtime("auto", "cpu") == "openvino"
    assert choose_runtime("auto", "cuda") == "torch"
    assert choose_runtime("onnxruntime", "cpu") == "onnxruntime"
    present.clear()
    with pytest.raises(BackboneError, match="runtime openvino is not installed\nnext: python -m"):
        choose_runtime("openvino", "cpu")
    with pytest.raises(BackboneError, match="runtime onnxruntime is not installed"):
        choose_runtime("auto", "cpu")


def test_precision_is_chosen_by_runtime_and_device() -> None:
    assert choose_precision("auto", "onnxruntime", "cpu") == "fp32"
    assert choose_precision("auto", "torch", "cpu") == "fp32"
    assert choose_precision("auto", "torch", "cuda") == "bf16"
    assert choose_precision("fp32", "torch", "cuda") == "fp32"
    with pytest.raises(UsageError, match="precision 'bf16' needs runtime openvino or torch"):
        choose_precision("bf16", "onnxruntime", "cpu")


def test_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    assert choose_device("cpu") == "cpu"
    monkeypatch.setattr(Path, "exists", lambda path: True)  # the driver's file
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto") == choose_device("cuda") == "cuda"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto") == "cpu"
    with pytest.raises(
        BackboneError, match="device = 'cuda', but torch finds no graphics card"
    ) as found:
        choose_device("cuda")
    assert "--set features.image.cnn.device=auto" in str(found.value.next_command)


@pytest.mark.parametrize("option", ["device", "runtime", "precision"])
def test_unknown_options_are_refused(option: str) -> None:
    with pytest.raises(UsageError, match=f"{option} 'fast' is not one of auto, "):
        start_engine(b"", **{"device": "cpu", option: "fast"})


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino", "torch"])
def test_bytes_that_are_no_network_are_refused(runtime: str) -> None:
    with pytest.raises(BackboneError, match="can't read the network|not an ONNX model"):
        start_engine(b"no network", runtime=runtime, device="cpu")


def test_a_graphics_card_agrees(onnx: bytes) -> None:
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no graphics card")
    images = draw_images(5)
    expected = start_engine(onnx, runtime="onnxruntime", device="cpu")(images, False)[0]
    found = start_engine(onnx, device="cuda")(images, False)[0]
    assert cosines(found, expected).min() > 0.99
