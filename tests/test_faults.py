"""Whole commands that are broken on purpose: killed, out of disk, with damaged files, all at once.

After each fault what was served still answers, and the same command goes on once the fault is gone.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from src.artifacts.store import ArtifactStore
from src.config import REPOSITORY, Paths, load_config
from src.errors import ArtifactError
from src.serving.predictor import Product, load_predictor

pytestmark = pytest.mark.faults

SMOKE = ["--config", str(REPOSITORY / "config" / "smoke.toml"), "--set", "debug.sample_rows=0"]
TITLE = [Product("Piscine gonflable pour enfants")]


def command(workspace: Path, script: str, *words: str) -> list[str]:
    path = str(REPOSITORY / "scripts" / script)
    return [sys.executable, path, *SMOKE, "--set", f"paths.workspace={workspace}", *words]


def run(workspace: Path, script: str, *words: str) -> subprocess.CompletedProcess[str]:
    words = command(workspace, script, *words)
    return subprocess.run(words, capture_output=True, text=True, check=False)


def paths_of(workspace: Path) -> Paths:
    return load_config(None, [f"paths.workspace={workspace}"]).paths


def answer(workspace: Path) -> tuple[str, float | None]:
    found = load_predictor(paths_of(workspace)).predict(TITLE)[0]
    return found.model, found.probability


@pytest.fixture(scope="module")
def first(demo_shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace in which one run is served."""
    workspace = tmp_path_factory.mktemp("first")
    shutil.copytree(demo_shop, workspace / "import")
    done = run(workspace, "train_pipeline.py")
    assert done.returncode == 0, done.stderr
    return workspace


@pytest.fixture
def workspace(first: Path, tmp_path: Path) -> Path:
    """The same again, to be broken, its features to be extracted anew."""
    shutil.copytree(first, tmp_path / "w", symlinks=True)
    shutil.rmtree(tmp_path / "w" / "data" / "cache")
    return tmp_path / "w"


@pytest.mark.parametrize("stage", range(6))
def test_a_training_that_is_killed_in_a_stage_leaves_the_served_run_and_goes_on(
    workspace: Path, first: Path, stage: int
) -> None:
    """Killed as soon as the stage before is done: 0 before the first, 5 while it is promoted."""
    before = answer(workspace)
    words = command(workspace, "train_pipeline.py", "--force", "--set", "compute.seed=7")
    with subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        assert process.stderr is not None
        while stage and not process.stderr.readline().startswith(b"[%d/5]" % stage):
            assert process.poll() is None
        process.send_signal(signal.SIGKILL)
    run_id, _ = before
    assert answer(workspace) == before or stage == 5
    again = subprocess.run(words, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert answer(workspace)[0] != run_id
    assert_whole(workspace)


def assert_whole(workspace: Path) -> None:
    """No half file under a final name, no temporary one left, and two runs at the most."""
    store = ArtifactStore(paths_of(workspace))
    store.pinned("served").verify()
    store.pinned("previous").verify()
    assert len(list((workspace / "artifacts" / "runs").iterdir())) <= 3
    left = [
        path for path in workspace.rglob("*.tmp") if not path.is_relative_to(workspace / "data")
    ]
    assert left == []


@contextlib.contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[None]:
    if os.getuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can make a small disk")
    options = ["-o", f"size={kilobytes}k"]
    made = subprocess.run(["mount", "-t", "tmpfs", *options, "tmpfs", folder], check=False)
    if made.returncode:
        pytest.skip("no file system can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("room", [0, 200, 1_000, 3_000, 6_000, 9_000])
def test_a_full_disk_is_a_sentence_and_leaves_the_served_run(
    first: Path, tmp_path: Path, room: int
) -> None:
    """Room for some stages more and not for all; the whole needs some 12 MB."""
    used = sum(path.lstat().st_size + 4_096 for path in first.rglob("*"))
    place = tmp_path / "disk"
    place.mkdir()
    with small_disk(place, used // 1_000 + room):
        workspace = place / "w"
        shutil.copytree(first, workspace, symlinks=True)
        shutil.rmtree(workspace / "data" / "cache")
        before = answer(workspace)
        done = run(workspace, "train_pipeline.py", "--force", "--set", "compute.seed=7")
        if done.returncode == 0:
            assert room > 1_000
            return
        assert done.returncode == 2
        assert "No space left on device" in done.stderr
        assert "Traceback" not in done.stderr
        assert answer(workspace) == before


def served_files(workspace: Path) -> list[str]:
    served = (workspace / "artifacts" / "served").resolve()
    return sorted(str(path.relative_to(served)) for path in served.rglob("*") if path.is_file())


def test_a_flipped_byte_in_any_artifact_is_refused(first: Path, tmp_path: Path) -> None:
    names = served_files(first)
    assert len(names) > 15
    for name in names:
        workspace = tmp_path / "flipped"
        shutil.copytree(first, workspace, symlinks=True)
        path = (workspace / "artifacts" / "served").resolve() / name
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 0x10
        path.write_bytes(bytes(data))
        with pytest.raises(ArtifactError, match=rf"(?s){path.name}.*"):
            ArtifactStore(paths_of(workspace)).pinned("served").verify()
        shutil.rmtree(workspace)


@pytest.mark.parametrize("keep", [0.0, 0.5, 0.99])
def test_a_cut_manifest_is_refused_and_a_training_mends_it(workspace: Path, keep: float) -> None:
    manifest = workspace / "artifacts" / "manifest.json"
    data = manifest.read_bytes()
    manifest.write_bytes(data[: int(len(data) * keep)])
    done = run(workspace, "predict.py", str(workspace / "import" / "X_test_update.csv"))
    assert done.returncode == 2
    assert "manifest" in done.stderr
    assert "Traceback" not in done.stderr


def test_commands_that_change_runs_at_once_leave_whole_runs(workspace: Path) -> None:
    assert run(workspace, "train_pipeline.py", "--force").returncode == 0
    served = {answer(workspace)[0]}
    words = [command(workspace, "rollback.py") for _ in range(4)]
    running = [subprocess.Popen(w, stdout=-3, stderr=-3) for w in words]
    codes = [process.wait() for process in running]
    assert set(codes) <= {0, 2}
    assert 0 in codes
    served.add(answer(workspace)[0])
    assert_whole(workspace)


def test_a_workspace_that_can_only_be_read_is_a_sentence(first: Path, tmp_path: Path) -> None:
    place = tmp_path / "disk"
    place.mkdir()
    with small_disk(place, 200_000):
        workspace = place / "w"
        shutil.copytree(first, workspace, symlinks=True)
        subprocess.run(["mount", "-o", "remount,ro", place], check=True)
        before = answer(workspace)
        done = run(workspace, "train_pipeline.py")
        assert done.returncode == 2
        assert "Read-only file system" in done.stderr
        assert "Traceback" not in done.stderr
        out = run(workspace, "predict.py", str(workspace / "import" / "X_test_update.csv"))
        assert (out.returncode, answer(workspace)) == (0, before)


def test_a_clock_that_goes_back_changes_no_answer(workspace: Path) -> None:
    """The run before was trained in a year to come; the next one is served all the same."""
    manifest = (workspace / "artifacts" / "served").resolve()
    late = 4_000_000_000
    for path in [manifest, *manifest.rglob("*")]:
        os.utime(path, (late, late), follow_symlinks=False)
    before = answer(workspace)
    assert run(workspace, "train_pipeline.py", "--force").returncode == 0
    assert answer(workspace)[0] != before[0]
    assert run(workspace, "rollback.py").returncode == 0
    assert answer(workspace) == before


def test_pictures_that_are_all_corrupt_are_counted(workspace: Path) -> None:
    folder = workspace / "data" / "images" / "images" / "image_train"
    folder.mkdir(parents=True)
    lines = (workspace / "import" / "X_train_update.csv").read_text(encoding="utf-8").splitlines()
    names = [line.split(",")[-2:] for line in lines if line.count(",") >= 4]
    broken: Callable[[int], bytes] = lambda n: b"\xff\xd8\xff" + bytes([n % 256]) * (n % 50)  # noqa: E731
    made = 0
    for number, (productid, imageid) in enumerate(names):
        if productid.isdigit() and imageid.isdigit():
            (folder / f"image_{imageid}_product_{productid}.jpg").write_bytes(broken(number))
            made += 1
    assert made > 500
    done = run(workspace, "train_pipeline.py", "--force")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
