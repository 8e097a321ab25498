"""What visitors upload, made safe: a zip of pictures, one picture.

Nothing of a zip's own paths reaches the disk: a member counts when its bare name is that of a
product picture, and it is written under that name into a folder of ours.
"""

from __future__ import annotations

import dataclasses
import io
import zipfile
import zlib
from pathlib import Path

from src.data.image_decode import ImageFault, decode_image
from src.data.images import PICTURE_NAME
from src.errors import FileFault

MOST_FILES = 20_000
MOST_BYTES_EACH = 20_000_000
MOST_BYTES = 1_000_000_000
MOST_PIXELS = 25_000_000
_CHECK_SIDE_PX = 64
_BLOCK_BYTES = 1 << 20
# What zipfile raises on members that are cut, encrypted or packed in ways that it does not know.
_MEMBER_FAULTS = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError)


@dataclasses.dataclass(frozen=True)
class Unpacked:
    """How many pictures a zip gave, and how many of its files were passed over."""

    pictures: int
    skipped: int


def unpack_pictures(data: bytes, folder: Path) -> Unpacked:
    """Write the product pictures of a zip into a folder.

    Parameters
    ----------
    data : bytes
        The zip. Members named otherwise than ``image_{imageid}_product_{productid}.jpg``, in
        whatever folder of the zip, and those that can't be read are passed over.
    folder : Path
        An empty folder.

    Raises
    ------
    FileFault
        It is no zip, holds too many files, or more bytes than allowed.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except (zipfile.BadZipFile, ValueError, OSError) as e:
        raise FileFault(f"the file is no zip ({e}); expected a zip of pictures") from e
    with archive:
        members = [member for member in archive.infolist() if not member.is_dir()]
        if len(members) > MOST_FILES:
            raise FileFault(
                f"the zip holds {len(members):,} files; expected {MOST_FILES:,} at most"
            )
        left, written = MOST_BYTES, 0
        for member in members:
            name = member.filename.replace("\\", "/").rsplit("/", 1)[-1]
            if not PICTURE_NAME.fullmatch(name):
                continue
            content = _read(archive, member)
            if content is None:
                continue
            left -= len(content)
            if left < 0:
                raise FileFault(f"the pictures of the zip unpack to more than {MOST_BYTES:,} bytes")
            (folder / name).write_bytes(content)
            written += 1
    return Unpacked(written, len(members) - written)


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes | None:
    """Return a member's bytes; None where it is too large or can't be read.

    The size that the zip states is not trusted: what comes out is counted.
    """
    content = bytearray()
    try:
        with archive.open(member) as stream:
            while block := stream.read(_BLOCK_BYTES):
                content += block
                if len(content) > MOST_BYTES_EACH:
                    return None
    except _MEMBER_FAULTS:
        return None
    return bytes(content)


def check_picture(data: bytes) -> None:
    """Make sure that a picture can be decoded.

    Raises
    ------
    ImageFault
        It is no picture, cut short, or has more than `MOST_PIXELS`.
    """
    decode_image(data, min_side_px=_CHECK_SIDE_PX, max_pixels=MOST_PIXELS)


__all__ = ["ImageFault", "Unpacked", "check_picture", "unpack_pictures"]
