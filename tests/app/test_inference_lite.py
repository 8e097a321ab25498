"""`inference_lite`: the predictor's answers, without torch, shap, streamlit or a database."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from src.config import REPOSITORY, Paths
from src.serving.predictor import Product, load_predictor
from streamlit_app.inference_lite import load_lite

ROW = {"designation": "Lampe LED de bureau", "description": "12 W"}


@pytest.fixture
def images(served_paths: Paths) -> list[Path]:
    return sorted(served_paths.demo_images_dir.glob("*.jpg"))


def test_answers_are_the_predictors(served_paths: Paths, images: list[Path]) -> None:
    lite, whole = load_lite(served_paths), load_predictor(served_paths)
    other = next(
        path for path in (served_paths.workspace / "data/images/images/image_test").glob("*.jpg")
    )
    sources = [None, *images, other, other.read_bytes(), b"no image", Path("/nowhere.jpg")]
    products = [Product(**ROW, image=source) for source in sources]
    assert lite.predict(products) == whole.predict(products)


def test_a_demo_image_is_known_by_its_name(served_paths: Paths, images: list[Path]) -> None:
    lite = load_lite(served_paths)
    gone = [Product(**ROW, image=Path("/gone") / path.name) for path in images]
    there = [Product(**ROW, image=path) for path in images]
    assert lite.predict(gone) == lite.predict(there)
    assert all(answer.used_image for answer in lite.predict(gone))


BLOCKED = (
    "torch", "shap", "streamlit", "psycopg", "transformers", "matplotlib",
    "onnxruntime", "openvino", "cv2", "simplejpeg",
)  # fmt: skip
WITHOUT = f"""
import pathlib, sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {BLOCKED!r}:
            raise ImportError(name + " is blocked")
sys.meta_path.insert(0, Blocked())
from src.config import load_config
from streamlit_app import inference_lite
paths = load_config(overrides=["paths.workspace=" + sys.argv[1]]).paths
inference_lite._default = lambda: inference_lite.load_lite(paths)
for image in sys.argv[2:]:
    answer = inference_lite.predict({{"designation": "Lampe LED"}}, image)
    print(answer.used_image, answer.top_k[0][2])
"""


def test_nothing_heavy_is_imported(served_paths: Paths, images: list[Path], tmp_path: Path) -> None:
    """Not even a decoder: a demo image counts, any other is a missing one."""
    other = tmp_path / "other.jpg"
    other.write_bytes(images[1].read_bytes())
    sources = [str(images[0]), str(other)]
    command = [sys.executable, "-c", WITHOUT, str(served_paths.workspace), *sources]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    whole = load_predictor(served_paths)
    expected = [
        whole.predict([Product("Lampe LED", image=image)])[0] for image in (images[0], None)
    ]
    assert done.stdout.splitlines() == [
        f"{answer.used_image} {answer.probability}" for answer in expected
    ]
    assert "images count as missing" in done.stderr
