"""``scripts/predict.py``: the predictor's answers as a CSV, and mistakes with a next command."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from scripts.predict import PARQUET, _output
from src.config import REPOSITORY, Paths
from src.data.images import file_name
from src.errors import FileFault
from src.serving.predictor import Product, load_predictor
from tests.test_faults import small_disk

SCRIPT = REPOSITORY / "scripts" / "predict.py"
Predict = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def predict(served_paths: Paths, tmp_path: Path) -> Predict:
    def run(
        *words: object, stdin: str | None = None, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        place = ["--set", f"paths.workspace={served_paths.workspace}"]
        return subprocess.run(
            [sys.executable, str(SCRIPT), *map(str, words), *place],
            cwd=tmp_path, input=stdin, capture_output=True, encoding="utf-8", check=False,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), **variables},
        )  # fmt: skip

    return run


def test_two_hundred_products_as_the_predictor_answers_them(
    predict: Predict, served_paths: Paths, tmp_path: Path
) -> None:
    source = served_paths.import_dir / "X_train_update.csv"
    folder = served_paths.workspace / "data" / "images" / "images" / "image_train"
    with source.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))[:200]
    given, out = tmp_path / "given.csv", tmp_path / "out.csv"
    with given.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    done = predict(given, "--images", folder, "--top-k", 2, "--language", "fr", "--out", out)
    assert (done.returncode, done.stdout) == (0, "")
    assert "200 products, " in done.stderr
    assert "SYNTHETIC" in done.stderr
    paths = [folder / file_name(int(r["imageid"]), int(r["productid"])) for r in rows]
    products = [
        Product(r["designation"], r["description"], path if path.is_file() else None)
        for r, path in zip(rows, paths, strict=True)
    ]
    answers = load_predictor(served_paths).predict(products, top_k=2, language="fr")
    assert any(answer.used_image for answer in answers)
    with out.open(encoding="utf-8", newline="") as stream:
        for line, row, a in zip(csv.DictReader(stream), rows, answers, strict=True):
            assert {name: line[name] for name in row} == row
            first, second = a.top_k
            assert (line["prdtypecode"], line["label"]) == (str(first[0]), first[1])
            shown = [float(line["probability"]), float(line["probability_2"])]
            assert shown == [first[2], second[2]]
            flags = [line[name] for name in ("needs_review", "known", "used_image")]
            assert flags == [str(f).lower() for f in (a.needs_review, a.known, a.used_image)]


def test_stdin_to_stdout(predict: Predict) -> None:
    done = predict("-", stdin="sku,designation\nA1,Lampe LED\n")
    (row,) = csv.DictReader(io.StringIO(done.stdout))
    assert (done.returncode, row["sku"]) == (0, "A1")
    assert 0 < float(row["probability"]) <= 1


def test_answers_are_utf8_whatever_the_terminal_speaks(predict: Predict) -> None:
    done = predict("-", stdin="designation\nCafé 本\n", PYTHONIOENCODING="latin-1")
    assert done.returncode == 0, done.stderr
    assert "Café 本" in done.stdout


def test_what_was_assumed_and_renamed_is_said(predict: Predict, tmp_path: Path) -> None:
    given = "designation;label;needs_review\nDécoration d'été;mine;no\n"
    (tmp_path / "shop.csv").write_bytes(given.encode("cp1252"))
    done = predict("shop.csv", "--top-k", 1)
    assert done.returncode == 0
    (row,) = csv.DictReader(io.StringIO(done.stdout))
    assert (row["designation"], row["input_label"]) == ("Décoration d'été", "mine")
    assert row["needs_review"] in {"true", "false"}
    assert "semicolons" in done.stderr
    assert "Windows-1252" in done.stderr
    assert "label -> input_label, needs_review -> input_needs_review" in done.stderr


def test_images_that_are_not_found_are_a_finding(predict: Predict, tmp_path: Path) -> None:
    (tmp_path / "shop.csv").write_text("designation,productid\nLampe,20\n")
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "SKU-7.jpg").write_bytes(b"")
    done = predict("shop.csv", "--images", folder)
    assert done.returncode == 1
    assert "20" in done.stderr
    assert "SKU-7.jpg" in done.stderr
    (row,) = csv.DictReader(io.StringIO(done.stdout))
    assert row["used_image"] == "false"


def test_why_is_written_beside_the_answers(
    predict: Predict, served_paths: Paths, tmp_path: Path
) -> None:
    folder = served_paths.workspace / "data" / "images" / "images" / "image_train"
    image = sorted(folder.glob("*.jpg"))[0]
    table = f"designation,image\nLampe LED,{image.name}\n<br>,\nLivre de poche,\n"
    done = predict("-", "--images", folder, "--explain", "why", "--language", "fr", stdin=table)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "why").iterdir()) == [
        "000001.json", "000001.png", "000003.json",
    ]  # fmt: skip
    first, second, third = csv.DictReader(io.StringIO(done.stdout))
    assert (second["prdtypecode"], second["review_reason"]) == ("", "nothing_to_read")
    for row, name in ((first, "000001.json"), (third, "000003.json")):
        found = json.loads((tmp_path / "why" / name).read_text())
        assert (str(found["code"]), found["label"]) == (row["prdtypecode"], row["label"])
        total = found["base"] + sum(found["branches"].values())
        assert total == pytest.approx(found["margin"], abs=1e-4)
        assert (len(found["similar"]), found["reason"]) == (5, "")


def next_command(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 2
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("next: "), done.stderr
    return last.removeprefix("next: ")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere.csv"], "nowhere.csv: no such file"),
        (["nothing"], "nothing: expected parts of a table, found no file"),
        (["good.csv", "--out", "nothing/../"], "is replaced; expected no good.csv in it"),
        (["nothing", "--out", "nothing/"], "is replaced; expected no nothing in it"),
        (["twice.csv", "--out", "a.parquet"], "two columns have one name"),
        (["good.csv", "--images", "nonsense://there"], "Protocol not known: nonsense"),
        (["header.csv"], "header.csv: expected products, found none below the header"),
        (["good.csv", "--language", "de"], "argument --language: invalid choice: 'de'"),
        (["good.csv", "--kind", "xgboost"], "no run of kind 'xgboost' was promoted; expected late"),
        (["good.csv", "--kind", "nonsense"], "invalid choice: 'nonsense' (choose from"),
        (["cut.csv"], "cut.csv, line 2: expected 2 fields, found 1: x"),
        (["cut.csv", "--top-k", "0"], "--top-k 0: expected 1 or more"),
        (["cut.csv", "--images", "nowhere"], "--images nowhere: no such folder"),
        (["good.csv", "--out", "no/such/folder.csv"], "can't be written"),
        (["good.csv", "--set", "paths.artifacts_dir=empty"], "empty/served: no run is served"),
    ],
)
def test_a_mistake_is_named_and_its_next_command_works(
    predict: Predict, tmp_path: Path, words: list[str], message: str
) -> None:
    (tmp_path / "cut.csv").write_text("designation,b\nx\n", encoding="utf-8")
    (tmp_path / "header.csv").write_text("designation\n", encoding="utf-8")
    (tmp_path / "good.csv").write_text("designation\nx\n", encoding="utf-8")
    (tmp_path / "twice.csv").write_text("designation,a,a\nx,,\n", encoding="utf-8")
    (tmp_path / "nothing").mkdir()
    done = predict(*words)
    assert "Traceback" not in done.stderr
    assert message in done.stderr
    command = next_command(done)
    if "train_pipeline" not in command:
        again = subprocess.run(
            ["bash", "-c", command], cwd=tmp_path, capture_output=True, check=False
        )
        assert again.returncode == 0, again.stderr


@pytest.mark.parametrize(
    ("streams", "message"),
    [
        ("<&-", "stdin is closed"),
        ("< x.csv >&-", "stdout is closed"),
        ("< x.csv > /dev/full", "stdout: can't be written"),
    ],
)
def test_streams_that_are_closed_or_full_are_named(
    served_paths: Paths, tmp_path: Path, streams: str, message: str
) -> None:
    (tmp_path / "x.csv").write_text("designation\nx\n", encoding="utf-8")
    place = f"--set paths.workspace='{served_paths.workspace}'"
    done = subprocess.run(
        ["bash", "-c", f"'{sys.executable}' '{SCRIPT}' - {place} {streams}"], cwd=tmp_path,
        capture_output=True, encoding="utf-8", check=False,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    assert f"error: {message}" in done.stderr
    assert next_command(done)


def test_an_output_that_failed_leaves_the_one_before(predict: Predict, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    out.write_text("before", encoding="utf-8")
    (tmp_path / "cut.csv").write_text("designation,b\nx,y\nx\n", encoding="utf-8")
    assert predict("cut.csv", "--out", out).returncode == 2
    assert out.read_text(encoding="utf-8") == "before"
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_parts_become_parquet_with_the_answers_of_the_csv(
    predict: Predict, served_paths: Paths, tmp_path: Path
) -> None:
    table = pd.read_csv(served_paths.import_dir / "X_train_update.csv", dtype=str)
    table = table[["designation", "description", "productid"]].fillna("").head(60)
    table.loc[7, ["designation", "description"]] = ""
    (tmp_path / "given").mkdir()
    for number, start in enumerate(range(0, 60, 25)):
        table[start : start + 25].to_parquet(tmp_path / "given" / f"{number}.parquet")
    table.to_csv(tmp_path / "whole.csv", index=False)
    out = tmp_path / "out.parquet"
    assert predict("given", "--out", out).returncode == 0
    found = pd.read_parquet(out)
    done = predict("whole.csv")
    expected = pd.read_csv(io.StringIO(done.stdout), dtype=dict.fromkeys(table, str))
    assert found.columns.tolist() == expected.columns.tolist()
    assert [len(pd.read_parquet(part)) for part in sorted(out.iterdir())] == [25, 25, 10]
    pd.testing.assert_frame_equal(found[[*table]], table, check_dtype=False)
    for name in expected.columns[3:]:
        values = expected[name].fillna("") if "reason" in name else expected[name]
        assert [*found[name].astype(object).fillna("?")] == [*values.astype(object).fillna("?")], (
            name
        )
    assert (found.loc[7, "review_reason"], found["prdtypecode"].isna().sum()) == (
        "nothing_to_read", 1
    )  # fmt: skip
    # What is in the folder would be lost with the parts.
    for words in ([out / "part-00000.parquet"], ["whole.csv", "--explain", out / "why"]):
        done = predict(*words, "--out", out)
        assert (done.returncode, len([*out.iterdir()])) == (2, 3)
        assert f"--out {out}: is replaced; expected no {words[-1]} in it" in done.stderr
    # Other answers take the place of all parts; a fault leaves them as they were.
    assert predict("whole.csv", "--out", out, "--top-k", 1).returncode == 0
    assert [part.name for part in out.iterdir()] == ["part-00000.parquet"]
    (tmp_path / "given" / "3.csv").write_text("designation,description,productid\nx\n")
    assert predict("given", "--out", out).returncode == 2
    assert "probability_2" not in pd.read_parquet(out)
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_a_folder_of_parts_is_replaced_where_nothing_else_is_in_it(tmp_path: Path) -> None:
    """A file that comes while the answers are made is not theirs to delete; a disk stays."""
    out = tmp_path / "out"
    with _output(str(out), PARQUET) as put:
        put(b"first")
    strangers = pytest.raises(FileFault, match="something else than parts")
    with strangers, _output(str(out), PARQUET) as put:
        put(b"second")
        (out / "notes.txt").write_text("mine")
    assert (out / "part-00000.parquet").read_bytes() == b"first"
    (out / "notes.txt").unlink()
    (out / "part-00001.parquet").mkdir()
    with pytest.raises(FileFault, match="something else than parts"), _output(str(out), PARQUET):
        pass
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = pytest.raises(FileFault, match="a disk is mounted here")
    with small_disk(disk, 100), mounted, _output(str(disk), PARQUET):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["disk", "out"]
