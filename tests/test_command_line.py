"""What a command says at its edge works where the user stands."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from src.command_line import parser, report, run, runnable, settings
from src.config import REPOSITORY, load_config
from src.errors import ProjectError, UsageError

COMMANDS = (
    "scripts/train_pipeline.py",
    "tools/make_demo_data.py",
    "etl/lines.py",
    "streamlit_app/rapport/compare.py",
)


def raising(error: BaseException) -> Callable[[argparse.Namespace], int]:
    def work(args: argparse.Namespace) -> int:
        raise error

    return work


def test_report(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    assert report(UsageError("refused", next_command="ls import")) == 2
    assert capsys.readouterr().err == "error: refused\nnext: ls import\n"
    assert report(ProjectError("alone")) == 2
    assert capsys.readouterr().err == "error: alone\n"


def test_the_exit_code_is_that_of_the_work_or_of_the_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    assert run(lambda args: 1 if args.config else 0, parser("Does."), ["--config", "x"]) == 1
    assert run(raising(ProjectError("no")), parser("Does."), []) == 2
    following = "next: python tests/test_command_line.py --help\n"
    assert capsys.readouterr().err == f"error: no\n{following}"
    options = parser("Does.", source=True)
    assert run(raising(AssertionError()), options, ["--source", "mysql"]) == 2
    message, next_line = capsys.readouterr().err.splitlines(keepends=True)
    assert message.startswith("error: argument --source: invalid choice: 'mysql'")
    assert next_line == following


def test_an_interrupt_names_the_same_command_again(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    stopped = raising(KeyboardInterrupt())
    words = ["--set", "paths.import_dir=my shop"]
    assert run(stopped, parser("Does."), words, kept="nothing lost") == 2
    assert capsys.readouterr().err == (
        "\ninterrupted: nothing lost\n"
        "next: python tests/test_command_line.py --set 'paths.import_dir=my shop'\n"
    )
    assert run(stopped, parser("Does."), words, kept=None) == 2
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("command", "stream", "message"),
    [
        ("etl/postgres_server.py status", "> /dev/full", "stdout: can't be written"),
        ("tools/check_pipeline_branches.py", "> /dev/full", "stdout: can't be written"),
        ("etl/lines.py rejects rejects.csv", "> /dev/full", "stdout: can't be written"),
        ("etl/lines.py rejects rejects.csv", ">&-", "stdout is closed"),
    ],
)
def test_an_output_that_takes_nothing_is_named(
    command: str, stream: str, message: str, tmp_path: Path
) -> None:
    reject = f'{"long " * 20},1,"a reason of many bytes {"x" * 900}",x\n'
    (tmp_path / "rejects.csv").write_text(f"file,line,reason,raw\n{reject * 20}", encoding="utf-8")
    done = subprocess.run(
        ["bash", "-c", f"'{sys.executable}' '{REPOSITORY}'/{command} {stream}"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {message}")
    assert done.stderr.splitlines()[-1].startswith("next: ")
    assert "Traceback" not in done.stderr


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    command = [sys.executable, "scripts/train.py", "--help"]
    shown = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=-1)
    assert shown.stdout is not None
    shown.stdout.close()
    assert b"Traceback" not in shown.communicate()[1]


def test_commands_run_from_any_folder_and_without_an_activated_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    command = runnable("python scripts/train_pipeline.py --help")
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)  # noqa: S602
    assert done.stdout.startswith("usage: train_pipeline.py")
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:/usr/bin:/bin")
    assert runnable("python tools/x.py") == "python tools/x.py"


def test_settings_of_the_command_line_reach_the_configuration(tmp_path: Path) -> None:
    options = parser("Does.", source=True)
    given = options.parse_args(["--set", "model.name=logreg", "--set", "compute.seed=7"])
    assert settings(given) == load_config(overrides=["model.name=logreg", "compute.seed=7"])
    given = options.parse_args(["--source", "csv", "--set", "compute.seed=7"])
    expected = load_config(overrides=["data.source=csv", "compute.seed=8"])
    assert settings(given, "compute.seed=8") == expected
    assert options.parse_args(["--config", str(tmp_path)]).config == tmp_path


def test_the_next_command_has_the_settings_that_were_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["--config", "my own.toml", "--set", "paths.workspace=a b", "--source", "csv"]
    given = f"--config '{tmp_path}/my own.toml' --set 'paths.workspace=a b' --set data.source=csv"
    shown = {
        "python scripts/train_pipeline.py --set model.name=xgboost":
            f" scripts/train_pipeline.py {given} --set model.name=xgboost",
        "rm x && bash init.sh": f"rm x && bash init.sh {given}",
        "PGPORT=1 bash init.sh": f"PGPORT=1 bash init.sh {given}",
        "python scripts/train.py --help": " scripts/train.py --help",
        "ls import": "ls import",
    }  # fmt: skip
    for command, expected in shown.items():
        raised = raising(ProjectError("no", next_command=command))
        assert run(raised, parser("Does.", source=True), words) == 2
        assert capsys.readouterr().err.strip().endswith(expected)


@pytest.fixture
def second(tmp_path: Path) -> Path:
    """Another checkout, in an environment where this one is installed."""
    folder = tmp_path / "my second checkout"
    for name in ("src", "config", "scripts", "tools", "etl", "streamlit_app"):
        shutil.copytree(
            REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    return folder


def call(*words: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.run(
        [sys.executable, *map(str, words)], env=environment, capture_output=True, text=True
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_uses_the_source_of_its_own_checkout(command: str, second: Path) -> None:
    done = call(second / command, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(f"usage: {Path(command).name}")
    assert done.stderr == f"src of {second}, not of {REPOSITORY}, which this Python has installed\n"


def test_a_second_checkout_answers_with_its_own_run_alone(second: Path, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("designation\nLampe\n")
    done = call(second / "scripts" / "predict.py", tmp_path / "a.csv")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{second}/artifacts" in done.stderr
    assert "train" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252:strict"])
def test_results_are_utf_8_whatever_the_language_of_the_machine(encoding: str) -> None:
    program = """
import sys
from src.command_line import parser, run
def work(args):
    sys.stdout.write("Étagère € \\U0001f600 caf\\udce9 \\ud83d\\n")
    return 0
sys.exit(run(work, parser("Does."), []))
"""
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == "Étagère € 😀 caf".encode() + b"\xe9 \\ud83d\n"
