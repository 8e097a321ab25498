"""Two trainings, the second refused, promoted by force, taken back: what is shown is the served."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from src.artifacts import runs
from src.artifacts.names import public_folders
from src.artifacts.store import ArtifactStore
from src.config import REPOSITORY, Config, load_config
from src.errors import EXIT_FINE
from src.labels import load_labels
from src.pipeline_steps.runner import Options, run_pipeline
from src.runs.promotion import promote
from src.serving.predictor import Product, load_predictor
from streamlit_app.diagnostics.source import scored
from streamlit_app.inference_lite import load_lite
from streamlit_app.shared import loaders
from tools.clear_cache import main as clear_cache


def train(cfg: Config, *, force: bool = False) -> str:
    labels = load_labels(cfg.paths.labels_map, cfg.paths.theme_map)
    run, _ = run_pipeline(cfg, labels, Options(skip_validation=True, register=False, force=force))
    return run.run_id


def shown(cfg: Config) -> set[str]:
    """Return the runs that wrote the files in results/, reports/, rapport/, data/, demo_images/.

    What the manifest says of each, and what the files say themselves, on disk and in the app.
    """
    store = ArtifactStore(cfg.paths)
    folders = public_folders(cfg.paths)
    files = [path for name in folders if name for path in folders[name].glob("**/*")]
    written = [path for path in files if path.is_symlink()]
    names = {path.name for path in written}
    kind = store.served_run().kind
    assert names >= {
        "b2_diagnostics.csv", "b4_top_confusions.csv", "label_issues.csv", "shap_values.npz",
        "test_predictions.csv", "promotion.json", "report.json", "demo_image_features.npz",
        f"preds_oof_{kind}.csv", f"{kind}_holdout.json", f"{kind}_oof_confusion_fr.png",
    }  # fmt: skip
    found = {store.describe(path)["run_id"] for path in written}
    for path in cfg.paths.results_dir.glob("metrics/*.json"):
        found.add(json.loads(path.read_text())["run_id"])
    ctx = loaders.context("fr")
    of_app = scored(ctx)
    assert of_app is not None
    assert of_app.scores is not None
    assert ctx.run is not None
    lite = load_lite(cfg.paths)
    found |= {of_app.scores["run_id"], ctx.run.run_id, lite.pipeline.run_id}
    pictures = [path.name for path in loaders.demo_images(ctx)]
    assert len(pictures) > 5
    gone = [Product("Lampe", image=Path("/gone") / name) for name in pictures]
    assert all(answer.used_image for answer in lite.predict(gone))
    return found


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    workspace = tmp_path_factory.mktemp("two-runs")
    tool = REPOSITORY / "tools" / "make_demo_data.py"
    sizes = ["--rows", "300", "--images", "120", "--seed", "5"]
    command = [sys.executable, tool, *sizes, "--out", workspace / "import"]
    subprocess.run([str(word) for word in command], check=True, capture_output=True)
    smoke = (REPOSITORY / "config" / "smoke.toml").read_text(encoding="utf-8")
    smoke = smoke.replace("figures = false", "figures = true").replace(
        "[explainability]\nenabled = false", "[explainability]\nenabled = true"
    )
    path = workspace / "two.toml"
    path.write_text(f'{smoke}\n[paths]\nworkspace = "{workspace}"\n', encoding="utf-8")
    return path


def test_every_figure_is_of_the_served_run(
    settings: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(loaders.CONFIG_VARIABLE, str(settings))
    cfg = load_config(settings)
    store = ArtifactStore(cfg.paths)
    first = train(cfg)
    assert shown(cfg) == {first}
    # Another kind, other features of the images, and next to nothing of the text.
    poor = ["features.text.max_features=1", "features.text.char.max_features=1"]
    changed = ["model.name=late_fusion", "features.image.pixels.enabled=true", *poor]
    other = load_config(settings, changed)
    second = train(other)
    assert shown(cfg) == {first}
    assert promote(store, 0.01, force=True).candidate.run_id == second
    assert shown(cfg) == {second}
    promoted = list(runs.kinds(cfg.paths))
    assert promoted == ["late_fusion", "linear_svc"]
    kinds = {kind: load_predictor(cfg.paths, kind).pipeline.run_id for kind in promoted}
    assert kinds == {"late_fusion": second, "linear_svc": first}
    runs.roll_back(cfg.paths)
    assert shown(cfg) == {first}
    # What nobody can make again stays when everything else is cleared.
    report = cfg.paths.rapport_dir / "2026-01-01_lot.json"
    report.write_text("{}")
    words = ["--all", "--config", str(settings)]
    assert clear_cache(words) == EXIT_FINE
    assert report.exists()
    assert shown(cfg) == {first}
    assert "kept" in capsys.readouterr().out
