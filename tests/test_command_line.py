"""What a command says at its edge works where the user stands."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import pytest

from src.command_line import add_config_options, report, report_interrupt, runnable
from src.config import REPOSITORY, load_config
from src.errors import FileFault, ProjectError


def test_report(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    assert report(FileFault("refused", next_command="ls import")) == 2
    assert capsys.readouterr().err == "error: refused\nnext: ls import\n"
    assert report(ProjectError("alone")) == 2
    assert capsys.readouterr().err == "error: alone\n"


def test_interrupt(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    assert report_interrupt("nothing lost", "ls import") == 2
    assert capsys.readouterr().err == "\ninterrupted: nothing lost\nnext: ls import\n"


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
    parser = argparse.ArgumentParser()
    add_config_options(parser)
    given = parser.parse_args(["--set", "model.name=logreg", "--set", "compute.seed=7"])
    cfg = load_config(given.config, given.overrides)
    assert (cfg.model.name, cfg.compute.seed) == ("logreg", 7)
    assert parser.parse_args(["--config", str(tmp_path)]).config == tmp_path
