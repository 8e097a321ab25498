"""The sample run shows its timers and leaves nothing of the workspace changed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from src.config import REPOSITORY
from tools.test_pipeline_sample import main


def test_a_profiled_sample(
    demo_shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = [f"paths.workspace={tmp_path}", f"paths.import_dir={demo_shop}"]
    smoke = str(REPOSITORY / "config" / "smoke.toml")
    words = ["--config", smoke, *(word for place in places for word in ("--set", place))]
    options = ["--sample-size", "300", "--profile-features", "--with-cv", "--source", "csv"]
    assert main([*options, *words]) == 0
    captured = capsys.readouterr()
    assert re.search(r"on 4[3-7] held-out rows of the sample", captured.out)
    assert "on 300 rows, each left out of a fold" in captured.out
    assert "branch tfidf_char" in captured.err
    assert "300 train" in captured.err
    assert "text: extracted " in captured.err
    assert [path.name for path in tmp_path.iterdir()] == []


def test_no_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--source", "csv", "--set", f"paths.workspace={tmp_path}"]) == 2
    assert "next: " in capsys.readouterr().err
