"""Uploads: images come out of a zip, never outside the folder; one image is sound."""

from __future__ import annotations

import contextlib
import io
import random
import zipfile
import zlib
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

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
    files, skipped = unpack_images(data, tmp_path)
    assert {path: Path(file).read_bytes() for path, file in files.items()} == {
        f"images/train/{IMAGE}": b"one"
    }
    assert skipped == 1


def test_images_of_any_name_and_what_systems_add(tmp_path: Path) -> None:
    """Two of one name, accents as macOS and as Windows write them, and files of nobody's."""
    members = {
        "SKU-0001.jpg": b"1", "a/1.JPEG": b"2", "b/1.JPEG": b"3", "e\u0301te\u0301.png": b"4",
        "__MACOSX/._SKU-0001.jpg": b"", "a/.DS_Store": b"", "Thumbs.db": b"", "a/.b.jpg": b"",
    }  # fmt: skip
    data = zip_of(*members.items())
    files, skipped = unpack_images(data, tmp_path)
    found = {path: Path(file).read_bytes() for path, file in files.items()}
    assert found == {
        "SKU-0001.jpg": b"1", "a/1.JPEG": b"2", "b/1.JPEG": b"3", "\u00e9t\u00e9.png": b"4"
    }  # fmt: skip
    assert skipped == 0


def test_utf8_that_does_not_say_so_is_understood(tmp_path: Path) -> None:
    data = zip_of(("été.jpg", b"1")).replace(b"\x00\x08\x08\x00", b"\x00\x00\x08\x00")
    data = data.replace(b"PK\x03\x04\x14\x00\x00\x08", b"PK\x03\x04\x14\x00\x00\x00")
    assert zipfile.ZipFile(io.BytesIO(data)).namelist() == ["├⌐t├⌐.jpg"]
    assert [*unpack_images(data, tmp_path)[0]] == ["été.jpg"]


@pytest.mark.parametrize(
    "name", [f"../../{IMAGE}", f"/etc/{IMAGE}", f"..\\..\\{IMAGE}", f"C:\\{IMAGE}"]
)
def test_a_path_never_leaves_the_folder(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "deep" / "deeper"
    folder.mkdir(parents=True)
    files, _ = unpack_images(zip_of((name, b"one")), folder)
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [str(path) for path in written] == [*files.values()]
    assert [path.parent for path in written] == [folder]


@pytest.mark.parametrize("name", ["image_1_product_2.jpg.exe", "..", "a.gif", "jpg"])
def test_what_is_no_image_is_counted(tmp_path: Path, name: str) -> None:
    assert unpack_images(zip_of((name, b"one")), tmp_path) == ({}, 1)
    assert list(tmp_path.iterdir()) == []


def test_a_member_that_unpacks_to_too_much_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "MAX_MEMBER_BYTES", 1_000)
    data = zip_of((IMAGE, bytes(100_000)), ("image_1_product_1.jpg", b"small"))
    assert len(data) < 1_000
    files, skipped = unpack_images(data, tmp_path)
    assert (list(files), skipped) == (["image_1_product_1.jpg"], 1)


def test_a_zip_that_unpacks_to_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "MAX_BYTES", 1_500)
    members = [(f"image_{i}_product_{i}.jpg", bytes(1_000)) for i in range(2)]
    with pytest.raises(FileFault, match="unpack to more than 1,500 bytes"):
        unpack_images(zip_of(*members), tmp_path)


@pytest.mark.parametrize("damaged", [False, True])
def test_what_is_passed_over_counts_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, damaged: bool
) -> None:
    """Else small zips of large members would keep the service busy for minutes."""
    monkeypatch.setattr(uploads, "MAX_BYTES", 5_000_000)
    monkeypatch.setattr(uploads, "MAX_MEMBER_BYTES", 3_000_000 if damaged else 1_000_000)
    data = zip_of(*((f"{i}.jpg", bytes(2_000_000)) for i in range(6)))
    if damaged:
        sums = zlib.crc32(bytes(2_000_000)).to_bytes(4, "little")
        data = data.replace(sums, bytes(4))
    with pytest.raises(FileFault, match="unpack to more than 5,000,000 bytes"):
        unpack_images(data, tmp_path)
    assert list(tmp_path.iterdir()) == []


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


METHODS = {
    "stored": zipfile.ZIP_STORED, "deflate": zipfile.ZIP_DEFLATED, "bzip2": zipfile.ZIP_BZIP2,
    "lzma": zipfile.ZIP_LZMA,
}  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
def test_a_damaged_member_is_passed_over_and_counted(tmp_path: Path, method: str) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", METHODS[method]) as archive:
        archive.writestr(IMAGE, bytes(range(256)) * 40)
        archive.writestr("b.jpg", b"sound")
    data = bytearray(buffer.getvalue())
    data[30 + len(IMAGE) + 10] ^= 0xFF
    files, skipped = unpack_images(bytes(data), tmp_path)
    assert (list(files), skipped) == (["b.jpg"], 1)


@pytest.mark.parametrize(
    ("what", "value"), [("method", 99), ("method", 9), ("encrypted", 1), ("name", 0)]
)
def test_a_member_that_zipfile_does_not_know_is_passed_over(
    tmp_path: Path, what: str, value: int
) -> None:
    """A packing method of another program, a password, a name of length zero."""
    data = bytearray(zip_of((IMAGE, b"one"), ("b.jpg", b"sound")))
    local, central = data.find(b"PK\x03\x04"), data.find(b"PK\x01\x02")
    if what == "name":
        data[central + 46 : central + 46 + len(IMAGE)] = b"\0" * len(IMAGE)
    else:
        at = {"encrypted": 6, "method": 8}[what]
        data[local + at] = data[central + at + 2] = value
    files, skipped = unpack_images(bytes(data), tmp_path)
    assert (list(files), skipped) == (["b.jpg"], 1)


@pytest.mark.parametrize("seed", range(4))
def test_no_damage_is_an_error_of_another_kind(tmp_path: Path, seed: int) -> None:
    draws = random.Random(seed)
    sound = zip_of(("é/a.jpg", bytes(range(256))), (IMAGE, b"x" * 3000))
    for number in range(200):
        data = bytearray(sound)
        for _ in range(draws.choice((1, 3))):
            data[draws.randrange(len(data))] = draws.randrange(256)
        folder = tmp_path / str(number)
        folder.mkdir()
        with contextlib.suppress(FileFault):
            files, _ = unpack_images(bytes(data), folder)
            assert len(files) <= 2


def test_a_table_of_too_many_rows_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_ROWS", 1_000)
    text = io.BytesIO(b"designation\n" + b"a\n" * 1_001)
    packed = io.BytesIO()
    pd.DataFrame({"designation": ["a"] * 1_001}).to_parquet(packed)
    for table in (text, packed):
        with pytest.raises(FileFault, match="more than 1,?000 rows"):
            uploads.check_table(table, None)


def test_a_small_parquet_that_is_large_in_memory_is_refused_unread() -> None:
    """A megabyte that half a million rows name: 500 GB as texts, 100 kB as a file."""
    places = pa.array([0] * 500_000, pa.int32())
    titles = pa.DictionaryArray.from_arrays(places, pa.array(["a" * 1_000_000]))
    packed = io.BytesIO()
    parquet.write_table(pa.table({"designation": titles}), packed, store_schema=False)
    assert len(packed.getvalue()) < 1_000_000
    with pytest.raises(FileFault, match="more than 1,?000,?000,?000 bytes"):
        uploads.check_table(packed, None)


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
