"""Commands as a user types them: help, mistakes, and the command that each mistake points to."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from src.config import REPOSITORY

TRAIN = REPOSITORY / "scripts" / "train_pipeline.py"
COMMANDS = sorted(
    path
    for place in ("scripts", "tools", "etl", "streamlit_app/rapport")
    for path in (REPOSITORY / place).glob("*.py")
    if "def main(" in path.read_text()
)

HEAVY = {"fastapi", "matplotlib", "numba", "pandas", "scipy", "sklearn", "streamlit", "torch"}

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(tmp_path: Path, free_port: int) -> Run:
    """Run a command from a folder of its own, with no database near."""
    env = {**os.environ, "PGPORT": str(free_port)}
    env.pop("DATABASE_URL", None)

    def run_one(*words: object, shell: bool = False) -> subprocess.CompletedProcess[str]:
        command = str(words[0]) if shell else [sys.executable, *map(str, words)]
        return subprocess.run(
            command, cwd=tmp_path, env=env, shell=shell, capture_output=True, text=True, check=False
        )

    return run_one


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: path.name)
def test_help_answers_from_any_folder_without_the_heavy_libraries(path: Path, run: Run) -> None:
    done = run("-X", "importtime", path, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(f"usage: {path.name}")
    lines = done.stderr.splitlines()
    assert [line for line in lines if not line.startswith("import time:")] == []
    assert {line.split("|")[-1].strip() for line in lines} & HEAVY == set()


def next_command(done: subprocess.CompletedProcess[str]) -> str:
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("next: "), done.stderr
    return last.removeprefix("next: ")


MISTAKES = {
    "unknown key": (["--set", "model.nmae=xgb"], "'model.nmae': unknown key; did you mean 'name'?"),
    "wrong type": (["--set", "data.holdout=much"], "found 'much', expected a number"),
    "out of range": (["--set", "data.holdout=3"], "found 3, expected less than or equal to 0.5"),
    "no value": (["--set", "seed"], "expected KEY=VALUE"),
    "no such model": (["--set", "model.name=xgb"], "found 'xgb'; did you mean 'xgboost'?"),
    "no such branch": (["--set", "fusion.weights.txt=1"], "a weight without a branch"),
    "no such config": (["--config", "nowhere.toml"], "nowhere.toml: the configuration can't be"),
    "no labels": (["--set", "paths.labels_map=none.json"], "none.json: the file does not exist"),
    "no files": (
        ["--source", "csv", "--set", "paths.import_dir=/nowhere"],
        "X_train_update.csv",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named_and_its_next_command_works(name: str, run: Run, tmp_path: Path) -> None:
    options, message = MISTAKES[name]
    done = run(TRAIN, "--set", f"paths.workspace={tmp_path}", *options)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    follow_up = run(next_command(done), shell=True)  # noqa: S604
    assert follow_up.returncode in {0, 2}, follow_up.stderr  # 2: ls of a folder that is not there
    assert "not found" not in follow_up.stderr


def test_missing_weights_point_to_the_same_command_with_other_weights(
    run: Run, tmp_path: Path
) -> None:
    config = tmp_path / "mine own.toml"
    config.write_text("[compute]\nseed = 4\n")
    options = ["--config", config, "--set", f"paths.workspace={tmp_path}", "--source", "csv"]
    done = run(TRAIN, *options, "--set", "features.image.cnn.weights=nowhere.pth")
    assert done.returncode == 2
    assert "no weights for efficientnet_lite2 (weights = 'nowhere.pth')" in done.stderr
    words = shlex.split(next_command(done))
    assert words[2:8] == [*map(str, options)]
    assert words[-1] == "features.image.cnn.weights=pretrained"
    follow_up = run(next_command(done), shell=True)  # noqa: S604
    assert "X_train_update.csv" in follow_up.stderr  # the weights are there; now data is asked for


def test_a_database_that_is_down_points_to_init(run: Run, tmp_path: Path) -> None:
    done = run(TRAIN, "--source", "postgres", "--set", f"paths.workspace={tmp_path}")
    assert done.returncode == 2
    assert "mlops:mlops" not in done.stderr
    given = f"--set paths.workspace={tmp_path} --set data.source=postgres"
    assert next_command(done) == f"cd {REPOSITORY} && bash init.sh {given}"


def test_a_key_of_the_command_line_is_answered_without_the_heavy_libraries(run: Run) -> None:
    """A configuration error must not wait for scikit-learn or torch."""
    probe = (
        "import sys, runpy; sys.argv = ['train_pipeline.py', '--set', 'fusion.weights.txt=1']\n"
        f"try: runpy.run_path({str(TRAIN)!r}, run_name='__main__')\n"
        "except SystemExit as e: print(e.code, {'sklearn', 'torch', 'pandas'} & {*sys.modules})"
    )
    assert run("-c", probe).stdout == "2 set()\n"


@pytest.mark.slow
def test_ctrl_c_says_what_is_kept_and_the_next_run_works(demo_shop: Path, tmp_path: Path) -> None:
    smoke = REPOSITORY / "config" / "smoke.toml"
    places = [f"paths.workspace={tmp_path}", f"paths.import_dir={demo_shop}"]
    words = [str(TRAIN), "--config", str(smoke), *(w for p in places for w in ("--set", p))]
    command = [sys.executable, *words]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        first = process.stderr.readline()
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert first.startswith("[1/5] ingest")
    assert process.returncode == 2
    assert "interrupted: no half file was left" in rest
    assert "Traceback" not in rest
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr  # a sample is not served
    assert "not promoted: trained on a sample of 600 rows" in done.stdout
    assert "SYNTHETIC" in done.stdout
    lines = [line for line in done.stdout.splitlines() if str(tmp_path) not in line]
    assert max(map(len, lines)) <= 80
