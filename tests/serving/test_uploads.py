"""Uploads: only product images come out of a zip, never outside the folder; one image is sound."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from src.data.image_decode import ImageFault
from src.errors import FileFault
from src.serving import uploads
from src.serving.uploads import check_image, unpack_images

IMAGE = "image_12_product_34.jpg"


def zip_of(*members: tuple[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


def test_takes_images_out_of_any_folder_of_the_zip(tmp_path: Path) -> None:
    data = zip_of((f"images/train/{IMAGE}", b"one"), ("notes.txt", b"two"), ("a/", b""))
    assert unpack_images(data, tmp_path) == (1, 1)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {IMAGE: b"one"}


@pytest.mark.parametrize(
    "name", [f"../../{IMAGE}", f"/etc/{IMAGE}", f"..\\..\\{IMAGE}", f"C:\\{IMAGE}"]
)
def test_a_path_never_leaves_the_folder(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "deep" / "deeper"
    folder.mkdir(parents=True)
    unpack_images(zip_of((name, b"one")), folder)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [folder / IMAGE]


@pytest.mark.parametrize(
    "name", ["image_1_product_2.jpg.exe", "image_1_product_2.png", "..", "image_x_product_2.jpg"]
)
def test_other_names_are_passed_over(tmp_path: Path, name: str) -> None:
    assert unpack_images(zip_of((name, b"one")), tmp_path) == (0, 1)
    assert list(tmp_path.iterdir()) == []


def test_a_member_that_unpacks_to_too_much_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "MAX_MEMBER_BYTES", 1_000)
    data = zip_of((IMAGE, bytes(100_000)), ("image_1_product_1.jpg", b"small"))
    assert len(data) < 1_000
    assert unpack_images(data, tmp_path) == (1, 1)


def test_a_zip_that_unpacks_to_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "MAX_BYTES", 1_500)
    members = [(f"image_{i}_product_{i}.jpg", bytes(1_000)) for i in range(2)]
    with pytest.raises(FileFault, match="unpack to more than 1,500 bytes"):
        unpack_images(zip_of(*members), tmp_path)


def test_a_zip_of_too_many_files_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "MAX_FILES", 2)
    with pytest.raises(FileFault, match="the zip holds 3 files; expected 2 at most"):
        unpack_images(zip_of(*((f"{i}.txt", b"") for i in range(3))), tmp_path)


@pytest.mark.parametrize("data", [b"", b"no zip", b"PK\x03\x04 cut short"])
def test_what_is_no_zip_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(FileFault, match="the file is no zip"):
        unpack_images(data, tmp_path)


def test_a_damaged_member_is_passed_over(tmp_path: Path) -> None:
    data = bytearray(zip_of((IMAGE, bytes(range(256)) * 40)))
    data[60] ^= 0xFF
    assert unpack_images(bytes(data), tmp_path) == (0, 1)


def encoded(image: Image.Image, how: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, how)
    return buffer.getvalue()


@pytest.mark.parametrize("how", ["PNG", "JPEG", "WEBP"])
def test_a_sound_image_passes_up_to_the_limit(how: str) -> None:
    data = encoded(Image.new("RGB", (30, 20), "red"), how)
    check_image(data, max_pixels=600)
    with pytest.raises(ImageFault, match="too_large"):
        check_image(data, max_pixels=599)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"a pickle, perhaps", "not_an_image"),
        (encoded(Image.new("RGB", (30, 20), "red"), "GIF"), "not_an_image"),
        (encoded(Image.new("RGB", (30, 20), "red"), "PNG")[:-30], "truncated"),
        (encoded(Image.new("1", (20_000, 20_000)), "PNG"), "too_large"),
    ],
    ids=["bytes", "gif", "cut", "bomb"],
)
def test_what_is_no_sound_image_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(ImageFault) as fault:
        check_image(data, max_pixels=25_000_000)
    assert fault.value.reason == reason
