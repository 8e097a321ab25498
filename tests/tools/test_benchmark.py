"""The section of the benchmark that measures profiles, on tiny ones."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.benchmarks import __main__ as benchmark
from tests.benchmarks import commands

TINY = """
[features.text]
max_features = 500
[features.text.char]
max_features = 500
[images]
size = 64
[features.image.cnn]
backbone = "efficientnet_lite0"
weights = "{weights}"
[outputs]
figures = false
[explainability]
enabled = false
[monitoring]
resamples = 500
"""


def test_profiles_are_measured_and_those_without_weights_skipped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "N_IMAGES", 150)
    files = [tmp_path / "tiny.toml", tmp_path / "absent.toml"]
    for file, weights in zip(files, ("random", tmp_path / "none.pth"), strict=True):
        file.write_text(TINY.format(weights=weights))
    text, image = commands.profiles(tmp_path, 84_916, files)
    assert (text.what, image.what) == ("tiny: predict one text", "tiny: predict one text + image")
    assert 0 < text.ours_s < image.ours_s
    assert text.target.endswith(image.target.partition(";")[2])  # the catalogue is read once
    assert re.search(r" ms; 84,916 products: [\d.]+ h$", image.target)
    skipped = re.search(r"^skip absent: .*none\.pth.*", capsys.readouterr().err, re.MULTILINE)
    assert skipped


def test_profiles_alone_need_no_shop_of_the_whole_size(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands.profiles, "__defaults__", ((),))
    assert benchmark._measure(["profiles"], 84_916) == []
    assert "drawing" not in capsys.readouterr().err
