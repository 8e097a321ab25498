"""Files of a run: written whole or not at all, and refused when they are not what was written."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from src.artifacts import manifest
from src.artifacts.store import ArtifactStore, Run
from src.config import load_config
from src.errors import ArtifactError

RUN = Run("run-1", "d" * 64, synthetic=True, config="abc")


def store_in(workspace: Path) -> ArtifactStore:
    return ArtifactStore(load_config(overrides=[f"paths.workspace={workspace}"]).paths)


def test_names(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    assert store.model("logreg", "final") == tmp_path / "artifacts/model_logreg_final.joblib"
    assert store.full_pipeline("logreg") == tmp_path / "artifacts/logreg_full_pipeline.joblib"
    assert store.metrics("logreg", "holdout", "_per_class.csv") == (
        tmp_path / "results/metrics/logreg_holdout_per_class.csv"
    )
    assert store.submission == tmp_path / "results/predictions/test_predictions.csv"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x.json", {"a": [1, "é"]}),
        ("x.txt", "line\n"),
        ("x.csv", pd.DataFrame({"a": [1, 2], "b": ["x,y", "z"]})),
        ("x.joblib", {"array": [1, 2, 3]}),
    ],
)
def test_values_come_back(tmp_path: Path, name: str, value: object) -> None:
    store = store_in(tmp_path)
    path = store.paths.artifacts_dir / name
    store.save(path, value, run=RUN, stage="train")
    loaded = store.load(path)
    if isinstance(value, pd.DataFrame):
        pd.testing.assert_frame_equal(loaded, value)
    else:
        assert loaded == value
    assert [p.name for p in path.parent.iterdir() if p.suffix == ".tmp"] == []


def test_manifest_tells_the_origin(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    path = store.metrics("logreg", "holdout", ".json")
    store.save(path, {"f1": 1}, run=RUN, stage="evaluate")
    entry = json.loads(store.manifest.read_text())["../results/metrics/logreg_holdout.json"][
        "current"
    ]
    assert entry["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (entry["run_id"], entry["snapshot"]) == (RUN.run_id, RUN.snapshot)
    assert (entry["synthetic"], entry["stage"]) == (True, "evaluate")
    assert entry["versions"]["numpy"] == np.__version__
    assert store.describe(path) == entry


def test_missing_and_altered_files_are_refused(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    path = store.model("logreg", "final")
    with pytest.raises(ArtifactError, match=r"no such file\nnext: python scripts/train_pipeline"):
        store.load(path)
    store.save(path, [1, 2], run=RUN, stage="train")
    written = hashlib.sha256(path.read_bytes()).hexdigest()
    path.write_bytes(path.read_bytes() + b"x")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    message = f"refused: its sha256 starts with {found[:16]}, the manifest lists {written[:16]}"
    with pytest.raises(ArtifactError, match=message):
        store.load(path)


def test_a_file_nobody_listed_is_not_unpickled(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    path = store.model("logreg", "final")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"cos\nsystem\n(S'touch " + os.fsencode(tmp_path) + b"/run'\ntR.")
    with pytest.raises(ArtifactError, match="the manifest lists nothing"):
        store.load(path)
    assert not (tmp_path / "run").exists()


def test_a_kill_between_move_and_confirmation_loses_nothing(tmp_path: Path) -> None:
    """The state that a kill leaves: entry pending, file already replaced, or not yet."""
    store = store_in(tmp_path)
    path = store.paths.artifacts_dir / "x.json"
    store.save(path, "old", run=RUN, stage="train")
    old_bytes, old = path.read_bytes(), json.loads(store.manifest.read_text())
    store.save(path, "new", run=RUN, stage="train")
    new = json.loads(store.manifest.read_text())
    key = "x.json"
    halfway = {key: {"current": old[key]["current"], "pending": new[key]["current"]}}
    store.manifest.write_text(json.dumps(halfway))
    assert store.load(path) == "new"
    path.write_bytes(old_bytes)
    assert store.load(path) == "old"


def test_a_second_kill_before_the_move_loses_nothing_either(tmp_path: Path) -> None:
    """Killed after one replacement and before the next: the file is what was pending first."""
    store = store_in(tmp_path)
    path = store.paths.artifacts_dir / "x.json"
    key = "x.json"
    store.save(path, "old", run=RUN, stage="train")
    old = json.loads(store.manifest.read_text())[key]["current"]
    store.save(path, "new", run=RUN, stage="train")
    new, bytes_of_new = json.loads(store.manifest.read_text())[key]["current"], path.read_bytes()
    store.manifest.write_text(json.dumps({key: {"current": old, "pending": new}}))
    store.save(path, "newest", run=RUN, stage="train")
    newest = json.loads(store.manifest.read_text())[key]["current"]
    path.write_bytes(bytes_of_new)
    store.manifest.write_text(json.dumps({key: {"current": old, "pending": new}}))
    manifest.update(
        store.paths.artifacts_dir, path, {"pending": newest}
    )  # where the second kill strikes
    assert store.load(path) == "new"


def test_a_signed_entry_can_not_be_moved_to_another_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARTIFACT_KEY", "one")
    store = store_in(tmp_path)
    first, second = (store.paths.artifacts_dir / name for name in ("a.json", "b.json"))
    store.save(first, "a", run=RUN, stage="train")
    store.save(second, "b", run=RUN, stage="train")
    listed = json.loads(store.manifest.read_text())
    listed["a.json"] = listed["b.json"]
    store.manifest.write_text(json.dumps(listed))
    first.write_bytes(second.read_bytes())
    with pytest.raises(ArtifactError, match="with another key's signature"):
        store.load(first)


KILLED_WRITER = """
import sys
from src.artifacts import manifest
from src.artifacts.store import ArtifactStore, Run
from src.config import load_config
store = ArtifactStore(load_config(overrides=["paths.workspace=" + sys.argv[1]]).paths)
path = store.model("logreg", "final")
number = 0
while True:
    number += 1
    run = Run(str(number), "d", synthetic=True, config="c")
    store.save(path, [number] * 200_000, run=run, stage="train")
    print(number, flush=True)
"""


def test_sigkill_while_writing_leaves_a_loadable_file(tmp_path: Path) -> None:
    for attempt in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED_WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        first = int(process.stdout.readline())
        time.sleep(0.02 + 0.013 * attempt)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        value = store_in(tmp_path).load(store_in(tmp_path).model("logreg", "final"))
        assert len(value) == 200_000
        assert value[0] == value[-1] >= first


def test_unwritable_target_keeps_what_was_there(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    path = store.paths.artifacts_dir / "x.json"
    path.mkdir(parents=True)
    with pytest.raises(ArtifactError, match=r"x\.json: can't be written .*\nnext: df -h"):
        store.save(path, 1, run=RUN, stage="train")
    assert path.is_dir()
    assert [p.name for p in path.parent.iterdir() if p.suffix == ".tmp"] == []


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    with (
        store_in(tmp_path).writing(),
        pytest.raises(ArtifactError, match="another run is writing here"),
        store_in(tmp_path).writing(),
    ):
        pass
    with store_in(tmp_path).writing():
        pass


def test_signature(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = store_in(tmp_path)
    path = store.paths.artifacts_dir / "x.json"
    monkeypatch.setenv("ARTIFACT_KEY", "one")
    store.save(path, 1, run=RUN, stage="train")
    assert store.load(path) == 1
    monkeypatch.setenv("ARTIFACT_KEY", "two")
    with pytest.raises(ArtifactError, match="with another key's signature"):
        store.load(path)


def test_other_versions_are_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = store_in(tmp_path)
    path = store.paths.artifacts_dir / "x.json"
    store.save(path, 1, run=RUN, stage="train")
    listed = json.loads(store.manifest.read_text())
    listed["x.json"]["current"]["versions"]["numpy"] = "1.0.1"
    store.manifest.write_text(json.dumps(listed))
    with caplog.at_level(logging.WARNING, logger="src"):
        assert store.load(path) == 1
    assert caplog.messages == [f"x.json was written with numpy 1.0.1, here is {np.__version__}"]


def test_broken_manifest_is_named(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    path = store.paths.artifacts_dir / "x.json"
    store.save(path, 1, run=RUN, stage="train")
    for broken in ("{", "[]"):
        store.manifest.write_text(broken)
        with pytest.raises(ArtifactError, match=r"manifest\.json: not readable as JSON"):
            store.load(path)


def test_unknown_suffix_is_a_programming_error(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    with pytest.raises(ValueError, match=r"no format for suffix '\.xyz'"):
        store.save(store.paths.artifacts_dir / "a.xyz", 1, run=RUN, stage="train")
