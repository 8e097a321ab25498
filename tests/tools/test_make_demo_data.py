"""The command: its files, its refusals, its exit codes, the same bytes from the same seed."""

from __future__ import annotations

import csv
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from src.errors import UsageError
from tools import make_demo_data
from tools.demo_shop.statistics import CLASSES

TOOL = Path(make_demo_data.__file__)
NAMES = ("X_train_update.csv", "Y_train_CVw08PX.csv", "X_test_update.csv")


def call(*args: object, hash_seed: str = "0") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(TOOL), *map(str, args)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
    )


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_help_answers_before_anything_heavy_is_loaded() -> None:
    done = call("--help")
    assert done.returncode == 0
    assert "--describe" in done.stdout
    probe = "import tools.make_demo_data, sys; print({'numpy', 'cv2'} & set(sys.modules))"
    seen = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True)
    assert seen.stdout.strip() == "set()"


def test_files_are_the_official_format(tmp_path: Path) -> None:
    out = tmp_path / "import"
    assert make_demo_data.main(["--rows", "300", "--seed", "5", "--out", str(out)]) == 0
    assert sorted(path.name for path in out.iterdir()) == sorted((*NAMES, "SYNTHETIC"))
    x_train, y_train, x_test = (pd.read_csv(out / name, index_col=0) for name in NAMES)
    assert list(x_train.columns) == ["designation", "description", "productid", "imageid"]
    assert list(y_train.columns) == ["prdtypecode"]
    assert x_train.index.tolist() == y_train.index.tolist() == list(range(300))
    assert x_test.index.tolist() == list(range(300, 300 + round(300 * 13812 / 84916)))
    both = pd.concat([x_train, x_test])
    assert both.productid.is_unique
    assert both.imageid.is_unique
    assert both.designation.str.strip().ne("").all()
    assert set(y_train.prdtypecode) <= {figures.code for figures in CLASSES}
    for name in NAMES:
        data = (out / name).read_bytes()
        assert data.endswith(b"\n")
        assert b"\x00" not in data
        assert data.startswith(b",")
    assert "synthetic" in (out / "SYNTHETIC").read_text(encoding="utf-8")


def test_missing_description_is_an_empty_field(tmp_path: Path) -> None:
    make_demo_data.main(["--rows", "200", "--out", str(tmp_path / "import")])
    with (tmp_path / "import" / NAMES[0]).open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert {len(row) for row in rows} == {5}
    assert 30 < sum(row[2] == "" for row in rows) < 110


def test_same_seed_same_bytes_whatever_the_hash_seed_and_the_number_of_processes(
    tmp_path: Path,
) -> None:
    for name, hash_seed, jobs in (("a", "1", 1), ("b", "2", 2)):
        options = ("--rows", 100, "--images", 80, "--seed", 3, "--jobs", jobs)
        done = call(*options, "--out", tmp_path / name / "import", hash_seed=hash_seed)
        assert done.returncode == 0, done.stderr
    first = digests(tmp_path / "a")
    assert len(first) > 80
    assert first == digests(tmp_path / "b")


def test_another_seed_is_another_shop(tmp_path: Path) -> None:
    for seed in ("1", "2"):
        make_demo_data.main(["--rows", "40", "--seed", seed, "--out", str(tmp_path / seed)])
    one, two = (
        set(pd.read_csv(tmp_path / seed / NAMES[0], index_col=0).designation) for seed in "12"
    )
    assert len(one & two) <= 2


def test_pictures_belong_to_products_of_both_files(tmp_path: Path) -> None:
    options = ["--rows", "120", "--images", "70", "--out", str(tmp_path / "import")]
    assert make_demo_data.main([*options, "--jobs", "1"]) == 0
    root = tmp_path / "data" / "images" / "images"
    for split, name in (("train", NAMES[0]), ("test", NAMES[2])):
        items = pd.read_csv(tmp_path / "import" / name, index_col=0)
        expected = {
            f"image_{imageid}_product_{productid}.jpg"
            for imageid, productid in zip(items.imageid, items.productid, strict=True)
        }
        found = sorted((root / f"image_{split}").iterdir())
        assert {path.name for path in found} <= expected
        assert len(found) == pytest.approx(70 * len(items) / 140, abs=2)
    with Image.open(max(root.rglob("*.jpg"), key=lambda path: path.stat().st_size)) as image:
        assert (image.size, image.mode, image.format) == ((500, 500), "RGB", "JPEG")


def test_a_second_shop_leaves_no_picture_of_the_first(tmp_path: Path) -> None:
    for seed in ("1", "2"):
        options = ["--rows", "30", "--images", "20", "--seed", seed, "--jobs", "1"]
        assert make_demo_data.main([*options, "--out", str(tmp_path / "import")]) == 0
    items = pd.concat(pd.read_csv(tmp_path / "import" / name) for name in (NAMES[0], NAMES[2]))
    found = [path.stem.rpartition("_")[2] for path in (tmp_path / "data").rglob("*.jpg")]
    assert set(map(int, found)) <= set(items.productid)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_official_is_overwritten(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_text("official", encoding="utf-8")
    assert make_demo_data.main(["--rows", "30", "--out", str(tmp_path)]) == 2
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text(encoding="utf-8") == "official"
    last_line = capsys.readouterr().err.strip().splitlines()[-1]
    assert last_line.startswith("next: ")
    assert "python tools/make_demo_data.py --rows 3000" in last_line


def test_official_pictures_are_refused_by_name(tmp_path: Path) -> None:
    place = tmp_path / "images" / "image_train"
    place.mkdir(parents=True)
    (place / "image_1_product_2.jpg").write_bytes(b"x")
    with pytest.raises(UsageError, match=r"image_1_product_2\.jpg.*official"):
        make_demo_data.refuse_official(tmp_path / "import", tmp_path)


def test_a_demo_shop_may_be_drawn_again(tmp_path: Path) -> None:
    for rows in ("30", "40"):
        assert make_demo_data.main(["--rows", rows, "--out", str(tmp_path / "import")]) == 0
    assert len(pd.read_csv(tmp_path / "import" / NAMES[0])) == 40


@pytest.mark.parametrize("options", [("--rows", "0"), ("--images", "-1"), ("--seed", "-4")])
def test_numbers_out_of_range_exit_2(
    options: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert make_demo_data.main([*options, "--out", str(tmp_path / "import")]) == 2
    assert "expected at least one row" in capsys.readouterr().err
    assert not (tmp_path / "import").exists()


def test_describe_prints_the_real_figures_beside_the_shop(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--rows", "400", "--images", "120", "--jobs", "1", "--describe"]
    assert make_demo_data.main([*options, "--out", str(tmp_path / "import")]) == 0
    lines = {line[:38].strip(): line[38:].split() for line in capsys.readouterr().out.splitlines()}
    assert lines["missing descriptions"][0] == "0.3509"
    assert lines["2583 title characters"][0] == "49"
    assert lines["JPEG KB, percentile 50"][0] == "23.96"
    assert lines["pairs with one label"][0] == "0.6314"


def test_official_files_laid_over_a_demo_shop_are_not_overwritten(tmp_path: Path) -> None:
    out = tmp_path / "import"
    assert call("--rows", 40, "--out", out).returncode == 0
    assert call("--rows", 40, "--out", out).returncode == 0  # its own files may be drawn again
    official = out / "X_train_update.csv"
    official.write_text(",designation,description,productid,imageid\n0,a,,1,2\n")
    done = call("--rows", 40, "--out", out)
    assert done.returncode == 2
    assert f"{out} holds X_train_update.csv, which no SYNTHETIC marker lists" in done.stderr
    assert official.read_text().endswith("0,a,,1,2\n")
