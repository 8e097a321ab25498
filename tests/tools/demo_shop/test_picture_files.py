"""Files on disk: good ones, broken ones, none."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from tools.demo_shop.picture_files import picture_bytes, write_pictures
from tools.demo_shop.picture_plan import PictureTask

TASK = PictureTask(
    file="images/image_train/image_1_product_2.jpg",
    seed=5,
    source_seed=6,
    code=1280,
    picture="plush",
    title="Doudou",
    copied=False,
    fault="",
    label=1280,
)


def test_a_sound_picture_can_be_read() -> None:
    with Image.open(io.BytesIO(picture_bytes(TASK))) as image:
        image.load()
        assert image.size == (500, 500)


def test_faults_give_what_they_say() -> None:
    whole = picture_bytes(TASK)
    assert picture_bytes(replace(TASK, fault="empty")) == b""
    assert picture_bytes(replace(TASK, fault="text")).startswith(b"<html>")
    cut = picture_bytes(replace(TASK, fault="truncated"))
    assert whole.startswith(cut)
    with Image.open(io.BytesIO(cut)) as image, pytest.raises(OSError, match="truncated"):
        image.load()


def test_placeholders_come_in_few_kinds() -> None:
    seen = {picture_bytes(replace(TASK, seed=seed, fault="placeholder")) for seed in range(30)}
    assert 1 <= len(seen) <= 3


def test_missing_pictures_are_not_written_and_old_ones_go(tmp_path: Path) -> None:
    place = tmp_path / "images" / "image_train"
    place.mkdir(parents=True)
    (place / "image_9_product_9.jpg").write_bytes(b"old")
    gone = replace(TASK, file="images/image_train/image_3_product_4.jpg", fault="missing")
    written = write_pictures([TASK, gone], tmp_path, workers=1)
    assert [path.name for path in place.iterdir()] == ["image_1_product_2.jpg"]
    assert written == (place / "image_1_product_2.jpg").stat().st_size
    assert (tmp_path / "SYNTHETIC").exists()
