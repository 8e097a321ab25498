"""Both networks tuned in every fold: trained, killed, gone on with, served and explained."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from src.artifacts.store import ArtifactStore
from src.config import REPOSITORY, load_config

SMOKE = REPOSITORY / "config" / "smoke.toml"
OPTIONS = (
    "model.name=late_fusion", "debug.sample_rows=0", "cv.n_folds=2", "images.size=32",
    "features.image.cnn.enabled=true", "features.image.cnn.backbone=resnet18",
    "features.image.cnn.weights=random", "features.image.cnn.device=cpu",
    "features.image.cnn.fine_tune.enabled=true",
    "features.text.encoder.enabled=true", "features.text.encoder.max_tokens=32",
    "features.text.encoder.device=cpu", "features.text.encoder.fine_tune.enabled=true",
    "features.text.encoder.fine_tune.epochs=1",
)  # fmt: skip
WITHOUT = """
import runpy, sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "transformers", "onnx", "safetensors"):
            raise ImportError(name + " is blocked")
sys.meta_path.insert(0, Blocked())
sys.argv.pop(0)
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.slow
def test_a_killed_run_goes_on_and_is_served_and_explained(
    encoder_folder: Path, tmp_path: Path
) -> None:
    tool = [sys.executable, str(REPOSITORY / "tools" / "make_demo_data.py"), "--seed", "5"]
    sizes = ["--rows", "300", "--images", "120", "--out", str(tmp_path / "import")]
    subprocess.run([*tool, *sizes], check=True, capture_output=True)
    places = [f"paths.workspace={tmp_path}", f"features.text.encoder.model={encoder_folder}"]
    sets = [word for option in (*OPTIONS, *places) for word in ("--set", option)]
    command = [sys.executable, str(REPOSITORY / "scripts" / "train_pipeline.py")]
    command += ["--config", str(SMOKE), *sets]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    kept = tmp_path / "data" / "networks" / "fine_tuning"
    while len(list(kept.glob("*.pt"))) < 2 and process.poll() is None:
        time.sleep(0.01)
    process.kill()
    said = process.communicate()[1]
    assert process.returncode == -signal.SIGKILL, said
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("fine-tuning goes on from") >= 1
    # Two folds, the scored model and the final one.
    assert len(list(kept.glob("*.pt"))) == 8

    cfg = load_config(SMOKE, [*OPTIONS, *places])
    store = ArtifactStore(cfg.paths)
    mapping = store.load(store.feature_mapping)
    assert sorted(mapping["fine_tuning"]) == ["image_cnn", "text_encoder"]
    assert sorted(mapping["networks"]) == ["image_cnn", "text_encoder"]
    table = pd.read_csv(tmp_path / "import" / "X_train_update.csv", keep_default_na=False)
    images = sorted((tmp_path / "data" / "images" / "images" / "image_train").glob("*.jpg"))[:3]
    rows = table.head(3)[["designation", "description"]].assign(image=[i.name for i in images])
    rows.to_csv(tmp_path / "given.csv", index=False)
    ask = [sys.executable, "-c", WITHOUT, str(REPOSITORY / "scripts" / "predict.py"), "given.csv"]
    ask += ["--images", str(images[0].parent), "--out", "out.csv", "--explain", "why"]
    ask += ["--set", f"paths.workspace={tmp_path}"]
    answered = subprocess.run(ask, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert answered.returncode == 0, answered.stderr
    assert pd.read_csv(tmp_path / "out.csv")["used_image"].all()
    reasons = [json.loads(file.read_text()) for file in (tmp_path / "why").rglob("*.json")]
    assert all("text_encoder" in json.dumps(reason) for reason in reasons)
    assert len(list((tmp_path / "why").rglob("*.png"))) == 3
