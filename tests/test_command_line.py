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
    "etl/feedback.py",
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


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_refuses_the_source_of_another_checkout(command: str, tmp_path: Path) -> None:
    """As in an environment where this checkout is installed and the script is of a second one."""
    second = tmp_path / "my second checkout"
    for name in ("src", "config", "scripts", "tools", "etl", "streamlit_app"):
        shutil.copytree(
            REPOSITORY / name, second / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    script = second / command
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    words = [sys.executable, str(script), "--help"]
    done = subprocess.run(words, env=env, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    problem, following = done.stderr.splitlines()
    assert str(second) in problem
    assert str(REPOSITORY) in problem
    command = following.removeprefix("next: ")
    again = subprocess.run(command, shell=True, env=env, capture_output=True, text=True)  # noqa: S602
    assert (again.returncode, again.stderr) == (0, "")
    assert again.stdout.startswith(f"usage: {script.name}")
