"""snapshot.json and images_manifest.json as the command writes them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from etl import manifest_and_hash
from src.config import load_config
from src.data import csv_files, images
from src.labels import load_labels

if TYPE_CHECKING:
    from tests.conftest import Shop

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command with the workspace in tmp_path."""

    def call(*options: str) -> tuple[int, str, str]:
        status = manifest_and_hash.main(["--set", f"paths.workspace={tmp_path}", *options])
        return status, *capsys.readouterr()

    return call


def test_the_snapshot_names_hash_source_rows_and_time(shop: Shop, run: Run, tmp_path: Path) -> None:
    folder = shop.write_plain(4)
    before = datetime.now(timezone.utc).replace(microsecond=0)
    status, out, _ = run()
    snapshot = json.loads((tmp_path / "snapshot.json").read_text())
    assert status == 0
    assert out.startswith(f"official data {snapshot['data_hash'][:12]}: 4 rows in X_train_update")
    assert before <= datetime.fromisoformat(snapshot.pop("created_at"))
    assert snapshot == {
        "data_hash": csv_files.take_snapshot(folder)["data_hash"],
        "source": "official",
        "files": {
            name: {
                "sha256": hashlib.sha256((folder / name).read_bytes()).hexdigest(),
                "bytes": (folder / name).stat().st_size,
                "rows": rows,
            }
            for name, rows in zip(csv_files.FILES, (4, 4, 2), strict=True)
        },
    }


def test_the_snapshot_stays_while_it_is_true(shop: Shop, run: Run, tmp_path: Path) -> None:
    path = tmp_path / "snapshot.json"
    folder = shop.write_plain(4)
    run()
    old = {**json.loads(path.read_text()), "created_at": "2020-01-01T00:00:00+00:00"}
    path.write_text(json.dumps(old))
    run()
    assert json.loads(path.read_text()) == old
    (folder / "SYNTHETIC").touch()
    run()
    marked = json.loads(path.read_text())
    assert (marked["source"], marked["data_hash"]) == ("demo", old["data_hash"])
    assert marked["created_at"] > old["created_at"]
    path.write_text("{")
    run()
    assert json.loads(path.read_text())["source"] == "demo"


def test_a_file_fault_ends_with_status_2_and_leaves_no_snapshot(
    shop: Shop, run: Run, tmp_path: Path
) -> None:
    folder = shop.write_plain(4)
    (folder / csv_files.Y_TRAIN).write_bytes(b",prdtypecode\n0,10\n1,10")
    status, out, error = run()
    assert (status, out) == (2, "")
    assert error.startswith(f"error: {folder / csv_files.Y_TRAIN}, line 3: expected")
    assert error.splitlines()[-1].startswith("next: sed -n 3p ")
    assert not (tmp_path / "snapshot.json").exists()


def test_the_image_manifest_comes_and_goes_with_the_folder(
    shop: Shop, run: Run, tmp_path: Path
) -> None:
    shop.write_plain(1)
    manifest = tmp_path / images.MANIFEST_NAME
    assert "no images" in run()[1]
    assert not manifest.exists()
    folder = tmp_path / "data" / "images" / "images" / "image_train"
    folder.mkdir(parents=True)
    for number, size in enumerate([(20, 30), (20, 30)]):
        picture = Image.new("RGB", size, "white")
        picture.paste((200, 0, 0), (0, 0, 10, 10 * (number + 1)))
        picture.save(folder / images.file_name(number, number))
    (folder / images.file_name(2, 2)).touch()
    assert (
        run()[1].splitlines()[-1]
        == "3 images, 1 of them unreadable, 0 damaged and used, 0 repeat another"
    )
    assert [(e.path, e.width, e.height) for e in images.read_manifest(manifest)] == [
        ("data/images/images/image_train/image_0_product_0.jpg", 20, 30),
        ("data/images/images/image_train/image_1_product_1.jpg", 20, 30),
        ("data/images/images/image_train/image_2_product_2.jpg", None, None),
    ]
    folder.rename(tmp_path / "elsewhere")
    run()
    assert not manifest.exists()


def test_settings_are_five_lines_for_init_sh(run: Run, tmp_path: Path) -> None:
    status, out, _ = run("--settings", "--set", "validation.max_reject_rate=0.25")
    codes = load_labels(load_config().paths.labels_map).codes
    assert (status, out.splitlines()) == (
        0,
        [
            str(tmp_path),
            str(tmp_path / "import"),
            str(tmp_path / "results"),
            "0.25",
            ",".join(map(str, codes)),
        ],
    )
    status, _, error = run("--set", "validation.max_reject_rat=1")
    assert status == 2
    assert "max_reject_rate" in error
