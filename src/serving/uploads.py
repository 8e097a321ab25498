"""What visitors upload, checked before it is used: one image, a zip of images and a table.

Nothing of a zip's own paths reaches the disk: images are written under numbers into a folder of
ours, and found by their path in the zip.
"""

import contextlib
import io
import lzma
import re
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

from src.data.image_decode import NOT_AN_IMAGE, ImageFault, decode_image
from src.data.images import is_image_name
from src.data.readers import ProductReader
from src.errors import FileFault
from src.i18n import Said

TABLE_TYPES = ("csv", "tsv", "txt", "gz", "xlsx", "parquet")
"""Endings of the tables that the readers read."""

MAX_FILES = 20_000
MAX_MEMBER_BYTES = 20_000_000
MAX_BYTES = 1_000_000_000
MAX_ROWS = 1_000_000
# What browsers send and shops hold. Other formats that the decoder knows stay outside.
_SIGNATURES = ((b"\xff\xd8\xff", 0), (b"\x89PNG\r\n\x1a\n", 0), (b"WEBP", 8))
_CHECK_SIDE_PX = 64
_BLOCK_BYTES = 1 << 20
_SAYS_UTF8 = 0x800
_TABLE_ENDINGS = tuple(f".{ending}" for ending in TABLE_TYPES)
# What zipfile raises where a zip is cut, encrypted, damaged or packed in an unknown way.
_MEMBER_FAULTS = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError, RuntimeError,
    ValueError, IndexError, KeyError, OverflowError,
)  # fmt: skip
# Folders, and what macOS, Windows and file managers put beside what somebody zipped.
_PASSED_OVER = re.compile(r"(^|/)(__MACOSX/|\.[^./]|Thumbs\.db$|desktop\.ini$)|/$")


def check_image(data: bytes, max_pixels: int) -> None:
    """Refuse what is no JPEG, PNG or WebP, is cut, or has too many pixels, as an ImageFault."""
    if not any(data[at : at + len(sign)] == sign for sign, at in _SIGNATURES):
        raise ImageFault(NOT_AN_IMAGE, "expected a JPEG, PNG or WebP file")
    decode_image(data, min_side_px=_CHECK_SIDE_PX, max_pixels=max_pixels)


def unpack_images(data: bytes, folder: Path) -> tuple[dict[str, str], int]:
    """Write the images of a zip into an empty folder.

    Returns the file of each image by its path in the zip, and how many other files there were, and
    images that can't be read. What is no zip, or holds too much, is a FileFault.
    """
    with _open_zip(data) as (archive, members):
        left, files = MAX_BYTES, {}
        for number, (path, member) in enumerate(members.items()):
            if not is_image_name(path):
                continue
            content, whole = _read(archive, member, MAX_MEMBER_BYTES)
            left -= len(content)
            if left < 0:
                raise FileFault(Said("reader.faults.zip_bytes", n=MAX_BYTES))
            if not whole:
                continue
            files[path] = str(folder / str(number))
            Path(files[path]).write_bytes(content)
    return files, len(members) - len(files)


def unpack_products(
    spool: IO[bytes], folder: Path, most_bytes: int
) -> tuple[IO[bytes], dict[str, str]]:
    """Return the one table of a zip of products, and its images as a `ProductReader` takes them.

    None, several or a larger table is a FileFault.
    """
    spool.seek(0)
    data = spool.read()
    with _open_zip(data) as (archive, members):
        tables = [m for path, m in members.items() if path.lower().endswith(_TABLE_ENDINGS)]
        content, whole = b"", False
        if len(tables) == 1:
            content, whole = _read(archive, tables[0], most_bytes)
    if not whole:
        raise FileFault(Said("reader.faults.zip_table", n=len(tables), most=most_bytes))
    return io.BytesIO(content), unpack_images(data, folder)[0]


def check_table(spool: IO[bytes], images: Mapping[str, str] | None) -> str:
    """Read the whole table once: what is wrong is said before the first answer leaves.

    Returns what was assumed of it and how many images were found, fit for a header.
    """
    spool.seek(0)
    if spool.read(4) == b"PAR1":
        _check_parquet(spool)
    spool.seek(0)
    reader = ProductReader(spool, "body", images=images)
    for _ in reader.chunks():
        if reader.rows > MAX_ROWS:
            raise FileFault(Said("reader.faults.rows", n=MAX_ROWS))
    return _as_header(" ".join(filter(None, (reader.assumed("en"), reader.images_line("en")))))


def _check_parquet(spool: IO[bytes]) -> None:
    """Refuse what is small as a file and large when it is read: a long text named a million times.

    Texts are counted as the file holds them, each once. What is damaged the reader refuses.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import parquet

    left = MAX_BYTES
    with contextlib.suppress(pa.ArrowException):
        fields = parquet.read_schema(spool)
        texts = [f.name for f in fields if pa.types.is_string(f.type) or pa.types.is_binary(f.type)]
        file = parquet.ParquetFile(spool, read_dictionary=texts)
        if file.metadata.num_rows > MAX_ROWS:
            raise FileFault(Said("reader.faults.rows", n=MAX_ROWS))
        for batch in file.iter_batches(1_000):
            for column in batch.columns:
                if pa.types.is_dictionary(column.type):
                    lengths = pc.binary_length(column.dictionary)
                    left -= pc.sum(pc.take(lengths, column.indices)).as_py() or 0
                else:
                    left -= column.nbytes
            if left < 0:
                raise FileFault(Said("reader.faults.bytes", n=MAX_BYTES))


def _as_header(text: str) -> str:
    r"""Return a text as a header can hold it, whatever the sheet of a workbook is called.

    >>> _as_header("sheet “a\nb: c” é")
    'sheet "a?b: c" ?'
    """
    return re.sub("[^ -~]", "?", re.sub("[“”]", '"', text))


@contextlib.contextmanager
def _open_zip(data: bytes) -> Iterator[tuple[zipfile.ZipFile, dict[str, zipfile.ZipInfo]]]:
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except _MEMBER_FAULTS as e:
        raise FileFault(Said("reader.faults.no_zip", reason=str(e))) from e
    with archive:
        members = {_path(member): member for member in archive.infolist()}
        members = {path: m for path, m in members.items() if not _PASSED_OVER.search(path)}
        if len(members) > MAX_FILES:
            raise FileFault(Said("reader.faults.zip_files", n=len(members), most=MAX_FILES))
        yield archive, members


def _path(member: zipfile.ZipInfo) -> str:
    """Return a member's path; programs that write UTF-8 without saying so are understood."""
    path = member.filename
    if not member.flag_bits & _SAYS_UTF8:
        with contextlib.suppress(UnicodeError):
            path = path.encode("cp437").decode("utf-8")
    return unicodedata.normalize("NFC", path.replace("\\", "/"))


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo, most_bytes: int) -> tuple[bytes, bool]:
    """Return what came out of a member, and whether that is all: not too much, and undamaged.

    The size that the zip states is not trusted: what comes out is counted.
    """
    content, whole = bytearray(), False
    with contextlib.suppress(*_MEMBER_FAULTS), archive.open(member) as stream:
        while len(content) <= most_bytes and (block := stream.read(_BLOCK_BYTES)):
            content += block
        whole = len(content) <= most_bytes
    return bytes(content), whole
