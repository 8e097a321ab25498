"""The aggregation tool on our own file, on plain SHAP arrays, and on what is neither."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from src.evaluation.shap.blocks import summarise
from tools.shap_block_aggregation import aggregate, main

BLOCKS = [("tfidf_word", 0, 3), ("image_cnn", 3, 5)]
PLAIN = np.random.default_rng(0).normal(size=(6, 5, 2))
SUMS = np.stack([PLAIN[:, :3].sum(axis=1), PLAIN[:, 3:].sum(axis=1)], axis=1)


@pytest.fixture
def mapping(tmp_path: Path) -> Path:
    path = tmp_path / "feature_mapping.json"
    blocks = [{"branch": name, "start": start, "stop": stop} for name, start, stop in BLOCKS]
    path.write_text(json.dumps({"columns": 5, "blocks": blocks}))
    return path


def saved(folder: Path, **arrays: object) -> Path:
    path = folder / "values.npz"
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]
    return path


def test_plain_values_are_added_up_by_the_mapping(tmp_path: Path, mapping: Path) -> None:
    found = aggregate(saved(tmp_path, shap_values=PLAIN, classes=np.array([10, 40])), mapping)
    expected = summarise(SUMS, ["tfidf_word", "image_cnn"], [10, 40])
    assert found.to_dict() == expected.to_dict()


def test_two_dimensions_are_one_class(tmp_path: Path, mapping: Path) -> None:
    found = aggregate(saved(tmp_path, shap_values=PLAIN[:, :, 0]), mapping)
    expected = summarise(SUMS[:, :, :1], ["tfidf_word", "image_cnn"], [0])
    assert found.to_dict() == expected.to_dict()


def test_a_bare_array_is_what_an_archive_of_it_is(
    tmp_path: Path, mapping: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "values.npy", PLAIN)
    found = aggregate(tmp_path / "values.npy", mapping)
    assert found.to_dict() == aggregate(saved(tmp_path, shap_values=PLAIN), mapping).to_dict()
    np.save(tmp_path / "words.npy", np.array(["a"]))
    assert main(["--shap_values", str(tmp_path / "words.npy"), "--mapping", str(mapping)]) == 2
    assert "expected numbers named shap_values" in capsys.readouterr().err


def test_the_runs_own_file_and_its_picture(
    tmp_path: Path, mapping: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    blocks, classes = np.array(["tfidf_word", "image_cnn"]), np.array([10, 40])
    values = saved(tmp_path, shap_values=SUMS, blocks=blocks, classes=classes)
    picture = tmp_path / "new" / "blocks.png"
    options = ["--shap_values", str(values), "--mapping", str(mapping)]
    assert main([*options, "--output", str(picture)]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    lines = capsys.readouterr().out.splitlines()
    sizes = np.abs(SUMS).mean(axis=(0, 2))
    assert [line.split()[:2] for line in lines[1:]] == [
        [str(blocks[i]), f"{sizes[i]:.4g}"] for i in np.argsort(-sizes)
    ]
    assert main([*options, "--verbose"]) == 0
    long = capsys.readouterr().out.splitlines()
    assert [line[:3] for line in long if line.endswith("share")] == ["all", "10 ", "40 "]
    assert max(map(len, long)) <= 80


WRONG = {
    "not an archive": (b"no", r"not readable as \.npz"),
    "no such array": ({"values": PLAIN}, "holds values; expected numbers named shap_values"),
    "text": ({"shap_values": np.array(["a"])}, "expected numbers named shap_values"),
    "width": ({"shap_values": PLAIN[:, :4]}, r"shape \(6, 4, 2\), expected \(rows, 5\)"),
    "empty file": (b"", r"not readable as \.npz"),
    "rows": ({"shap_values": PLAIN[:0]}, "no rows"),
    "no class": ({"shap_values": PLAIN[:, :, :0]}, "no classes"),
    "not finite": ({"shap_values": np.full((6, 5, 2), np.nan)}, "no finite numbers"),
    "classes": ({"shap_values": PLAIN, "classes": np.arange(3)}, "3 classes for 2 margins"),
    "blocks": (
        {"shap_values": SUMS, "blocks": np.array(["tfidf_word", "pixels"])},
        "blocks tfidf_word, pixels: not those of",
    ),
    "pickle": ({"shap_values": np.array([{}], dtype=object)}, r"not readable as \.npz"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_values(
    name: str, tmp_path: Path, mapping: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content, expected = WRONG[name]
    path = tmp_path / "values.npz"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        saved(tmp_path, **content)
    assert main(["--shap_values", str(path), "--mapping", str(mapping)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {path}: ")
    assert re.search(expected, error)


@pytest.mark.parametrize("start", [60, 140])
def test_an_archive_that_was_overwritten_in_part(
    start: int, tmp_path: Path, mapping: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = saved(tmp_path, shap_values=PLAIN)
    content = bytearray(path.read_bytes())
    content[start : start + 80] = b"U" * 80
    path.write_bytes(content)
    assert main(["--shap_values", str(path), "--mapping", str(mapping)]) == 2
    assert "not readable as .npz" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, "not a feature mapping (FileNotFoundError"),
        ("[1]", "not a feature mapping (TypeError"),
        ('{"blocks": [{"branch": "a", "start": 1, "stop": 2}]}', "do not follow one another"),
        ('{"blocks": []}', "do not follow one another"),
    ],
)
def test_wrong_mappings(
    text: str | None, expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mapping.json"
    if text is not None:
        path.write_text(text)
    values = saved(tmp_path, shap_values=PLAIN)
    assert main(["--shap_values", str(values), "--mapping", str(path)]) == 2
    assert expected in capsys.readouterr().err


def test_a_picture_that_cannot_be_written(
    tmp_path: Path, mapping: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--shap_values", str(saved(tmp_path, shap_values=PLAIN)), "--mapping", str(mapping)]
    assert main([*options, "--output", str(mapping / "blocks.png")]) == 2
    assert "can't be written" in capsys.readouterr().err
