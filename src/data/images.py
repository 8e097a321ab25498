"""Images of products: their names, what one file holds, and the manifest of them all.

They lie in folders, of this machine or of other storage (s3://bucket/images), which fsspec reads.

The manifest is a JSON array with one object a line, so that SQL loads it line by line. A file whose
size and time have not changed is not read again; its entry is taken from the manifest before.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shlex
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from src.data.csv_files import NO_ID, whole_number
from src.data.duplicates import MIN_SIDE_PX, fingerprint, representatives
from src.data.image_decode import ImageFault, inspect_image, read_source
from src.errors import DataError
from src.files import encodable, files_below, is_url, sha256, write_atomically
from src.utils.cores import available_cores

if TYPE_CHECKING:
    import pandas as pd

Folder: TypeAlias = Path | str
"""A folder of this machine, or the URL of one on other storage."""

MANIFEST_NAME = "images_manifest.json"

_NAME = re.compile(r"image_([0-9]{1,18})_product_([0-9]{1,18})\.(jpe?g|png|webp)", re.IGNORECASE)
_IMAGE = re.compile(
    r"(?!.*__MACOSX/)(?:.*/)?[^./][^/]*\.(jpe?g|png|webp)", re.IGNORECASE | re.DOTALL
)
# Raised when an entry would come out differently: entries of another version are not reused.
_VERSION = 2
# What file systems of fsspec call what tells a changed file from the one before.
_CHANGES = {"mtime", "created", "updated", "lastmodified", "last_modified", "modified", "etag"}
# Files a thread takes at a time: handing one over costs as much as a tenth of reading it.
_CHUNK = 32


@dataclasses.dataclass(frozen=True)
class ImageEntry:
    """One file of the manifest."""

    path: str  # relative to the workspace where the file lies below it, with forward slashes; a URL
    part: str  # "train" or "test"
    imageid: int | None  # as its name gives it, like productid
    productid: int | None
    bytes: int
    # With `bytes` it tells whether the file must be read again: always, where it is 0. Of other
    # storage it stands for the times and tags that this gives.
    mtime_ns: int
    sha256: str | None = None
    width: int | None = None
    height: int | None = None
    fingerprint: str | None = None
    # Path of the first image that this one equals, often its own: one value a group of equal
    # images. None where there is nothing to compare: unreadable, or of one colour.
    same_as: str | None = None
    fault: str | None = None  # why the file can't be used: a reason of `image_decode`, or "name"
    damaged: bool = False  # it is used, and not as it was written: some rows are missing, for one
    version: int = _VERSION  # of the rules that made the entry


def file_name(imageid: int | str, productid: int | str) -> str:
    """Return the name of a product's image.

    >>> file_name(1263597046, 3804725264)
    'image_1263597046_product_3804725264.jpg'
    """
    return f"image_{imageid}_product_{productid}.jpg"


def ids_of(name: str) -> tuple[int, int] | None:
    """Return imageid and productid of an official name, whatever its ending; None for others."""
    ids = _NAME.fullmatch(name)
    return (int(ids[1]), int(ids[2])) if ids else None


def is_image_name(path: str) -> bool:
    """Tell an image file by its path, in a folder or a zip; what macOS adds to a zip is none.

    >>> [is_image_name(n) for n in ("a/SKU 1.JPG", "a.csv", "__MACOSX/a/._b.jpg", "._b.jpg")]
    [True, False, False, False]
    """
    return _IMAGE.fullmatch(path.replace("\\", "/")) is not None


def list_images(folders: Iterable[Folder]) -> dict[str, str]:
    """Return the images in some folders and below: path in its folder, with "/", to its place.

    That is the path on disk or the URL. A missing folder of this machine is empty; of two files
    with one path, the later folder's counts.
    """
    found: dict[str, str] = {}
    for folder in folders:
        if not isinstance(folder, Path):
            below_url = files_below(folder, recursive=True)
            found |= {path: _url(folder, path) for path in filter(is_image_name, below_url)}
            continue
        seen = set()
        for place, below, names in os.walk(folder, followlinks=True):
            seen.add(os.path.realpath(place))
            below[:] = [name for name in below if os.path.realpath(f"{place}/{name}") not in seen]
            paths = {Path(place, name).relative_to(folder).as_posix(): name for name in names}
            found |= {path: f"{place}/{paths[path]}" for path in filter(is_image_name, paths)}
    return found


def find_images(
    listed: Mapping[str, str],
) -> Callable[[Sequence[str], Sequence[str], Sequence[str]], list[str]]:
    """Return what finds the image of each product among listed ones (see `list_images`).

    It takes the file name or path that each product names, its productid and its imageid, all as
    text, and returns paths on disk, "" where there is none. What the product names comes first,
    then the official name, then files called as one of the ids. Where names are not enough to
    choose one file, none is chosen.
    """
    index: dict[str, str | None] = {}  # None: two files go by this name
    official = _official(listed.items())
    for path in listed:
        parts = _file_key(path).split("/")
        for start in range(len(parts)):
            whole = "/".join(parts[start:])
            for key in (whole, whole.rpartition(".")[0]):
                index[key] = None if key in index else listed[path]

    def find_one(name: str, productid: str, imageid: str) -> str:
        bare = name.partition("?")[0]  # of an address
        parts = _file_key(bare).split("/") if bare.strip() else []
        for start in range(len(parts)):
            key = "/".join(parts[start:])
            if key in index:
                return index[key] or ""
        ids = (whole_number(imageid), whole_number(productid))
        if ids in official:
            return official[ids]
        keys = {_id_key(text) for text in (productid, imageid) if text.strip()}
        found = {index[key] for key in keys if key in index}
        return (found.pop() or "") if len(found) == 1 else ""

    def find(*columns: Sequence[str]) -> list[str]:
        rows = zip(*columns, strict=True)
        return [find_one(*row) if listed else "" for row in rows]

    return find


def _official(listed: Iterable[tuple[str, str]]) -> dict[tuple[int, int], str]:
    """Return the path on disk of each official name; of several endings .jpg counts."""
    found = {}
    for path, place in sorted(listed, key=lambda pair: pair[0].lower().endswith(".jpg")):
        if ids := ids_of(path.rpartition("/")[2]):
            found[ids] = place
    return found


def _file_key(path: str) -> str:
    """Return a path as names are compared: "/" between, no case, composed accents."""
    return unicodedata.normalize("NFC", path.strip().replace("\\", "/")).casefold()


def _id_key(text: str) -> str:
    number = whole_number(text)
    return _file_key(text) if number in (None, NO_ID) else str(number)


def image_paths(products: pd.DataFrame, folder: Folder) -> list[str]:
    """Return where each product's image lies in the official folder; "" where there is none."""
    found = _official((file.name, file.place) for file in _files(folder))
    rows = zip(products["imageid"].tolist(), products["productid"].tolist(), strict=True)
    return [found.get(ids, "") for ids in rows]


def scan_images(
    folders: Mapping[str, Folder],
    workspace: Path,
    known: Sequence[ImageEntry] = (),
    on_progress: Callable[[int], None] | None = None,
) -> list[ImageEntry]:
    """Hash and fingerprint every file of the folders, ordered by path.

    `folders` are "train" and "test"; a missing one is empty. Entries that are `known` from before
    are taken over where the file did not change. `on_progress` is told how many files are done.
    """
    cache = {entry.path: entry for entry in known if entry.version == _VERSION}
    files = [(part, file) for part, folder in folders.items() for file in _files(folder)]
    stated = [(file.place, _stated(part, file, workspace)) for part, file in files]
    jobs = [(place, entry, cache.get(entry.path)) for place, entry in stated]
    entries: list[ImageEntry] = []
    with ThreadPoolExecutor(available_cores()) as pool:
        chunks = (jobs[start : start + _CHUNK] for start in range(0, len(jobs), _CHUNK))
        for done in pool.map(_read_chunk, chunks):
            entries += done
            if on_progress:
                on_progress(len(entries))
    entries.sort(key=lambda entry: entry.path)
    return _with_groups(entries, unchanged=entries == sorted(known, key=lambda e: e.path))


class _File(NamedTuple):
    """A file of a folder, and its size and time or what stands for it (`ImageEntry.mtime_ns`)."""

    name: str
    place: str  # path or URL
    n_bytes: int
    mtime_ns: int


def _files(folder: Folder) -> Iterator[_File]:
    """Yield the files of a folder; one that is missing on this machine is empty."""
    if not isinstance(folder, Path):
        for name, said in files_below(folder, recursive=False).items():
            times = {key: value for key, value in said.items() if key.lower() in _CHANGES}
            stamp = int(sha256(repr(times).encode())[:15], 16) if times else 0
            yield _File(name, _url(folder, name), said["size"] or 0, stamp)
    elif folder.is_dir():
        with os.scandir(folder) as found:
            yield from (_on_disk(entry) for entry in found if not entry.is_dir())


def _url(folder: str, path: str) -> str:
    return f"{folder.rstrip('/')}/{path}"


def _on_disk(entry: os.DirEntry[str]) -> _File:
    try:
        status = entry.stat()
    except OSError:  # a link to nowhere: reading it will say so
        return _File(entry.name, entry.path, 0, 0)
    return _File(entry.name, entry.path, status.st_size, status.st_mtime_ns)


def _stated(part: str, file: _File, workspace: Path) -> ImageEntry:
    shown, path = file.place, Path(file.place)
    if not is_url(shown):
        shown = (path.relative_to(workspace) if path.is_relative_to(workspace) else path).as_posix()
    imageid, productid = ids_of(file.name) or (None, None)
    return ImageEntry(
        path=shown,
        part=part,
        imageid=imageid,
        productid=productid,
        bytes=file.n_bytes,
        mtime_ns=file.mtime_ns,
    )


def _read_chunk(jobs: Sequence[tuple[str, ImageEntry, ImageEntry | None]]) -> list[ImageEntry]:
    return [
        before
        if before
        and entry.mtime_ns
        and (before.bytes, before.mtime_ns) == (entry.bytes, entry.mtime_ns)
        else read_entry(place, entry)
        for place, entry, before in jobs
    ]


def read_entry(place: str, entry: ImageEntry) -> ImageEntry:
    """Return the entry with what the file holds, or with the reason why that can't be read."""
    if entry.imageid is None:
        fault = "name: expected image_{imageid}_product_{productid}.jpg"
        return dataclasses.replace(entry, fault=fault)
    digest = None
    try:
        data = read_source(place)
        digest = sha256(data)
        pixels, (width, height), damaged = inspect_image(
            data, min_side_px=MIN_SIDE_PX, side="short"
        )
    except ImageFault as fault:
        return dataclasses.replace(entry, sha256=digest, fault=str(fault))
    return dataclasses.replace(
        entry,
        sha256=digest,
        width=width,
        height=height,
        fingerprint=fingerprint(pixels),
        damaged=damaged,
    )


def _with_groups(entries: list[ImageEntry], *, unchanged: bool) -> list[ImageEntry]:
    """Fill in `same_as`; comparing all with all takes seconds, so only where something changed."""
    if unchanged:
        return entries
    first = representatives([entry.fingerprint or "" for entry in entries])
    return [
        dataclasses.replace(entry, same_as=None if place is None else entries[place].path)
        for entry, place in zip(entries, first, strict=True)
    ]


def entries_beside(paths: Sequence[str], entries: Collection[ImageEntry]) -> dict[str, ImageEntry]:
    """Return the entry of images that lie elsewhere, by path, compared with those of the folders.

    The folders' entries are as `current_entries` gives them, which stay as they are.
    """
    read = [read_entry(path, ImageEntry(path, "", NO_ID, NO_ID, 0, 0)) for path in paths]
    grouped = _with_groups([*entries, *read], unchanged=not read)
    return {entry.path: entry for entry in grouped[len(entries) :]}


def write_manifest(path: Path, entries: Sequence[ImageEntry]) -> None:
    """Write the manifest, whole or not at all; names that are not UTF-8 with question marks."""
    lines = (json.dumps(dataclasses.asdict(entry), ensure_ascii=False) for entry in entries)
    with write_atomically(path) as file:
        file.write(encodable("[\n" + ",\n".join(lines) + "\n]\n"))


def read_manifest(path: Path) -> list[ImageEntry]:
    """Read a manifest; no file means no entry, and what is no manifest is a DataError."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return [ImageEntry(**row) for row in rows]
    except FileNotFoundError:
        return []
    except (ValueError, TypeError) as e:
        raise DataError(
            f"{path}: expected an image manifest, found something else ({e})",
            next_command=f"rm {shlex.quote(str(path))} && bash init.sh",
        ) from e


def current_entries(folders: Mapping[str, Folder], workspace: Path) -> dict[str, ImageEntry]:
    """Return the entry of every file of the folders as it is now, by the path that it has there.

    Files that the manifest does not know, or whose size or time has changed, are read now and the
    manifest is brought up to date: without it copies of an image would stand on both sides of a
    split, and what was extracted of an image would be cached under the hash of another. Keys are
    as `image_paths` gives them for the same folders.
    """
    path = workspace / MANIFEST_NAME
    known = read_manifest(path)
    entries = scan_images(folders, workspace, known)
    if entries != known:
        write_manifest(path, entries)
    return {e.path if is_url(e.path) else str(workspace / e.path): e for e in entries}
