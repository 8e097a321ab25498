"""The branches tool lists what is on and off, with weights and the last run's columns."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.check_pipeline_branches import main


def rows_of(output: str) -> dict[str, list[str]]:
    return {line.split()[0]: line.split()[1:] for line in output.splitlines()[1:]}


def test_weights_and_switches(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["fusion.weights.text=0.5", "features.image.cnn.enabled=false"]
    assert main([word for option in options for word in ("--set", option)]) == 0
    rows = rows_of(capsys.readouterr().out)
    assert rows["tfidf_word"] == ["text", "0.5", "text"]
    assert rows["tfidf_word_title"] == ["text", "0.3", "text"]
    assert rows["image_cnn"] == ["image_cnn", "off"]
    assert rows["image_stats"] == ["image_stats", "0.25", "image_stats"]
    assert rows["text_encoder"] == ["text", "off"]
    assert len(rows) == 15


def test_columns_need_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--columns", "--set", f"paths.workspace={tmp_path}"]) == 2
    assert "feature_mapping.json: no such file" in capsys.readouterr().err


def test_a_weight_without_a_branch(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--set", "features.text.weights.tfidf_wrod=1"]) == 2
    assert "did you mean 'tfidf_word'" in capsys.readouterr().err
