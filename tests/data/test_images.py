"""The image manifest: an entry a file, faults with a reason, unchanged files not read again."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import os
import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from src.data import duplicates, images
from src.data.image_decode import ImageFault, read_source
from src.errors import DataError, UsageError

if TYPE_CHECKING:
    from tests.conftest import ServeFolder

Folders = dict[str, Path]


def jpeg(seed: int, side: int = 200) -> bytes:
    cells = np.random.default_rng(seed).integers(0, 220, (5, 4, 3)).astype(np.uint8)
    picture = Image.new("RGB", (side, side), "white")
    picture.paste(Image.fromarray(cells).resize((side // 2, side // 3), 2), (seed, 20))
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=90)
    return data.getvalue()


def huge_png() -> bytes:
    """A PNG of 20,000 x 20,000 pixels, in its header at least."""
    data = io.BytesIO()
    Image.new("L", (1, 1)).save(data, "PNG")
    raw = bytearray(data.getvalue())
    raw[16:24] = (20_000).to_bytes(4, "big") * 2
    raw[29:33] = zlib.crc32(raw[12:29]).to_bytes(4, "big")
    return bytes(raw)


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    for part in ("train", "test"):
        (tmp_path / part).mkdir()
    return {part: tmp_path / part for part in ("train", "test")}


def scan(folders: Folders, known: Sequence[images.ImageEntry] = ()) -> list[images.ImageEntry]:
    return images.scan_images(folders, folders["train"].parent, known)


def test_an_entry_says_what_the_file_is(folders: Folders) -> None:
    data = jpeg(3)
    path = folders["test"] / images.file_name(12, 34)
    path.write_bytes(data)
    os.utime(path, ns=(1, 1_700_000_000_000_000_001))
    pixels = np.asarray(Image.open(io.BytesIO(data)))
    [entry] = scan(folders)
    both = [str(entry.fingerprint), duplicates.fingerprint(pixels)]
    assert len(duplicates.equal_pairs(both)) == 1
    assert entry == images.ImageEntry(
        path="test/image_12_product_34.jpg",
        part="test",
        imageid=12,
        productid=34,
        bytes=len(data),
        mtime_ns=1_700_000_000_000_000_001,
        sha256=hashlib.sha256(data).hexdigest(),
        width=200,
        height=200,
        fingerprint=entry.fingerprint,
        same_as="test/image_12_product_34.jpg",
    )


@pytest.mark.parametrize(
    ("name", "data", "fault"),
    [
        ("image_1_product_2.jpg", b"", "empty"),
        ("image_1_product_2.jpg", b"no picture at all", "not_an_image"),
        ("image_1_product_2.jpg", jpeg(1)[:900], "truncated|corrupt"),
        ("image_1_product_2.jpg", huge_png(), "too_large"),
        ("photo.jpg", jpeg(1), "name: expected image_"),
        ("image_1_product_2.jpg.part", jpeg(1), "name: expected image_"),
    ],
)
def test_a_file_that_cant_be_used_says_why(
    folders: Folders, name: str, data: bytes, fault: str
) -> None:
    (folders["train"] / name).write_bytes(data)
    [entry] = scan(folders)
    assert entry.path == f"train/{name}"
    assert (entry.width, entry.fingerprint, entry.same_as) == (None, None, None)
    assert re.match(fault, str(entry.fault))


def test_a_link_to_nowhere_is_missing_and_folders_are_passed_over(folders: Folders) -> None:
    (folders["train"] / images.file_name(1, 2)).symlink_to("nowhere")
    (folders["train"] / "folder").mkdir()
    [entry] = scan(folders)
    assert (entry.bytes, str(entry.fault)[:7]) == (0, "missing")


def test_equal_pictures_name_the_first_of_them(folders: Folders) -> None:
    for number, seed in enumerate([1, 2, 1, 3, 2]):
        (folders["train"] / images.file_name(number, number)).write_bytes(jpeg(seed))
    blank = io.BytesIO()
    Image.new("RGB", (50, 50), "white").save(blank, "JPEG")
    for number in (5, 6):
        (folders["test"] / images.file_name(number, number)).write_bytes(blank.getvalue())
    entries = scan(folders)
    assert [entry.path for entry in entries] == sorted(entry.path for entry in entries)
    same = {entry.productid: entry.same_as for entry in entries}
    first = {n: f"train/{images.file_name(n, n)}" for n in (0, 1, 3)}
    assert same == {
        0: first[0], 1: first[1], 2: first[0], 3: first[3], 4: first[1], 5: None, 6: None
    }  # fmt: skip


def test_only_files_whose_size_or_time_changed_are_read_again(folders: Folders) -> None:
    paths = [folders["train"] / images.file_name(n, n) for n in range(3)]
    for n, path in enumerate(paths):
        path.write_bytes(jpeg(n))
    before = scan(folders)
    status = paths[0].stat()
    paths[0].write_bytes(b"x" * status.st_size)
    os.utime(paths[0], ns=(status.st_atime_ns, status.st_mtime_ns))
    assert scan(folders, before) == before
    os.utime(paths[0], ns=(0, 0))
    paths[1].unlink()
    after = scan(folders, before)
    assert [entry.fault and entry.fault[:12] for entry in after] == ["not_an_image", None]
    assert after[1] == before[2]
    old = [images.ImageEntry(**{**entry.__dict__, "version": 0}) for entry in after]
    assert scan(folders, old) == after


def test_the_manifest_is_a_json_array_with_an_object_a_line(
    folders: Folders, tmp_path: Path
) -> None:
    for n in range(3):
        (folders["train"] / images.file_name(n, 7)).write_bytes(jpeg(n) if n else b"")
    entries = scan(folders)
    path = tmp_path / images.MANIFEST_NAME
    images.write_manifest(path, entries)
    assert images.read_manifest(path) == entries
    lines = path.read_text().splitlines()
    assert [lines[0], lines[-1], len(lines)] == ["[", "]", 5]
    assert [json.loads(line.rstrip(",")) for line in lines[1:-1]] == [e.__dict__ for e in entries]
    images.write_manifest(path, [])
    assert images.read_manifest(path) == []


def test_a_name_that_is_not_utf8_is_written_with_a_question_mark(
    folders: Folders, tmp_path: Path
) -> None:
    Path(os.fsdecode(os.fsencode(folders["train"]) + b"/caf\xe9.jpg")).touch()
    images.write_manifest(tmp_path / "m.json", scan(folders))
    assert [entry.path for entry in images.read_manifest(tmp_path / "m.json")] == ["train/caf?.jpg"]


def test_fingerprints_are_current_whatever_the_manifest_says(
    folders: Folders, tmp_path: Path
) -> None:
    """Without a manifest, or with an old one, copies of a picture must still be found."""
    pictures = {(0, 7): b"", (1, 7): jpeg(1), (2, 7): jpeg(2), (3, 7): jpeg(1)}
    for (imageid, productid), content in pictures.items():
        (folders["train"] / images.file_name(imageid, productid)).write_bytes(content)
    paths = [str(folders["train"] / images.file_name(*ids)) for ids in pictures]
    found = images.current_entries(folders, tmp_path)
    same = [found[path].same_as for path in paths]
    assert same[0] is None
    assert same[1] == same[3] is not None
    assert same[2] not in {None, same[1]}
    added = folders["test"] / images.file_name(9, 9)
    added.write_bytes(jpeg(2))
    again = images.current_entries(folders, tmp_path)
    assert again[str(added)].same_as == again[paths[2]].same_as
    assert len(images.read_manifest(tmp_path / images.MANIFEST_NAME)) == 5


def test_the_hash_of_a_picture_follows_its_bytes(folders: Folders, tmp_path: Path) -> None:
    path = folders["train"] / images.file_name(1, 7)
    for content in (jpeg(1), b"longer or shorter, and no picture"):
        path.write_bytes(content)
        entry = images.current_entries(folders, tmp_path)[str(path)]
        assert entry.sha256 == hashlib.sha256(content).hexdigest()


def test_official_images_are_found_by_both_ids_whatever_their_ending(tmp_path: Path) -> None:
    for name in ("1_product_2.jpg", "3_product_4.JPEG", "7_product_8.png", "7_product_8.jpg"):
        (tmp_path / f"image_{name}").touch()
    (tmp_path / "image_5_product_6.jpg").mkdir()
    ids = [(1, 2), (3, 4), (7, 8), (5, 6), (2, 1), (-1, -1)]
    products = pd.DataFrame(ids, columns=["imageid", "productid"])
    found = ("image_1_product_2.jpg", "image_3_product_4.JPEG", "image_7_product_8.jpg")
    assert images.image_paths(products, tmp_path) == [
        *(str(tmp_path / name) for name in found), "", "", ""
    ]  # fmt: skip
    assert images.image_paths(products, tmp_path / "none") == [""] * 6


def test_images_are_listed_with_what_lies_below_and_each_once(tmp_path: Path) -> None:
    for name in ("a/b/1.jpg", "2.PNG", "a/notes.txt", "__MACOSX/3.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    assert images.list_images([tmp_path, tmp_path / "none"]) == {
        "a/b/1.jpg": str(tmp_path / "a/b/1.jpg"),
        "2.PNG": str(tmp_path / "2.PNG"),
    }


def test_no_manifest_is_empty_and_a_broken_one_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / images.MANIFEST_NAME
    assert images.read_manifest(path) == []
    for text in ("{", '[{"path": "a"}]', "[1]"):
        path.write_text(text)
        with pytest.raises(DataError, match=r"expected an image manifest") as caught:
            images.read_manifest(path)
    assert caught.value.next_command == f"rm {path} && bash init.sh"


def test_images_behind_a_url_are_those_of_the_folder(
    folders: Folders, tmp_path: Path, serve_folder: ServeFolder
) -> None:
    pytest.importorskip("aiohttp", reason="fsspec reads http:// with it")
    for number in range(3):
        (folders["train"] / images.file_name(number, 7)).write_bytes(
            jpeg(number) if number else b""
        )
    (folders["train"] / "below").mkdir()
    (folders["train"] / "below" / "1.jpg").write_bytes(jpeg(1))
    there = f"{serve_folder(tmp_path)}/train"
    products = pd.DataFrame([(2, 7), (0, 7), (9, 9)], columns=["imageid", "productid"])
    names = [images.file_name(2, 7), images.file_name(0, 7)]
    assert images.image_paths(products, there) == [*(f"{there}/{name}" for name in names), ""]
    (folders["train"] / "below" / "été 50%.jpg").write_bytes(jpeg(2))
    listed = images.list_images([folders["train"]])
    behind = images.list_images([there])
    assert behind == {path: f"{there}/{quote(path)}" for path in listed}
    assert read_source(behind["below/été 50%.jpg"]) == jpeg(2)
    here = images.scan_images({"train": folders["train"]}, folders["train"])
    (tmp_path / "workspace").mkdir()
    found = images.current_entries({"train": there}, tmp_path / "workspace")
    assert list(found) == [f"{there}/{entry.path}" for entry in here]
    for one, other in zip(found.values(), here, strict=True):
        assert (one.sha256, one.fingerprint, one.fault) == (
            other.sha256, other.fingerprint, other.fault
        )  # fmt: skip
    # The server says neither size nor time: what has changed there is read all the same.
    (folders["train"] / names[1]).write_bytes(jpeg(5))
    again = images.current_entries({"train": there}, tmp_path / "workspace")
    assert again[f"{there}/{names[1]}"].sha256 == hashlib.sha256(jpeg(5)).hexdigest()


def test_on_other_storage_only_what_changed_is_read_again(tmp_path: Path) -> None:
    import fsspec

    storage, folder = fsspec.filesystem("memory"), f"memory://{tmp_path.name}"
    for number in range(2):
        storage.pipe(f"{folder}/{images.file_name(number, 7)}", jpeg(number))
    first, second = images.scan_images({"train": folder}, tmp_path)
    assert first.path == f"{folder}/{images.file_name(0, 7)}"
    assert (first.bytes, first.sha256) == (len(jpeg(0)), hashlib.sha256(jpeg(0)).hexdigest())
    known = [images.ImageEntry(**{**entry.__dict__, "width": 1}) for entry in (first, second)]
    storage.pipe(second.path, jpeg(2))
    # fsspec takes this name for two addresses: one such file must not stop all others.
    storage.pipe(f"{folder}/image_1_product_2::s3:/.jpg", jpeg(2))
    after = images.scan_images({"train": folder}, tmp_path, known)
    assert [entry.width for entry in after] == [1, 200]
    assert after[1].sha256 == hashlib.sha256(jpeg(2)).hexdigest()


def test_storage_that_fails_is_no_missing_image(free_port: int) -> None:
    """An image that a network fault took for missing would stay missing in the cache."""
    url = f"http://127.0.0.1:{free_port}"
    for read in (read_source, lambda place: images.list_images([place]), images_of):
        with pytest.raises(DataError, match=rf"{url}.*: can't be read \(") as found:
            read(f"{url}/image_1_product_2.jpg")
        assert not isinstance(found.value, ImageFault)


def images_of(folder: str) -> list[str]:
    return images.image_paths(pd.DataFrame({"imageid": [1], "productid": [2]}), folder)


@pytest.mark.parametrize(
    ("url", "message", "command"),
    [
        ("s3://bucket/images", "s3://bucket/images: s3fs is not installed", "pip install s3fs"),
        ("gs://bucket/images", "gcsfs is not installed", "python -m pip install gcsfs"),
    ],
)
def test_storage_that_nothing_reads_names_the_package(url: str, message: str, command: str) -> None:
    if importlib.util.find_spec(command.rpartition(" ")[2]):
        pytest.skip("it is installed")
    with pytest.raises(UsageError, match=message) as found:
        images.list_images([url])
    assert str(found.value.next_command).endswith(command)
