"""What visitors upload, checked before it is used: one image, a zip of images.

Nothing of a zip's own paths reaches the disk: a member counts when its bare name is that of a
product image, and it is written under that name into a folder of ours.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from pathlib import Path

from src.data.image_decode import NOT_AN_IMAGE, ImageFault, decode_image
from src.data.images import ids_of
from src.errors import FileFault

MAX_FILES = 20_000
MAX_MEMBER_BYTES = 20_000_000
MAX_BYTES = 1_000_000_000
# What browsers send and shops hold. Other formats that the decoder knows stay outside.
_SIGNATURES = ((b"\xff\xd8\xff", 0), (b"\x89PNG\r\n\x1a\n", 0), (b"WEBP", 8))
_CHECK_SIDE_PX = 64
_BLOCK_BYTES = 1 << 20
# What zipfile raises on members that are cut, encrypted or packed in ways that it does not know.
_MEMBER_FAULTS = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError)


def check_image(data: bytes, max_pixels: int) -> None:
    """Make sure that an uploaded image can be decoded.

    Raises
    ------
    ImageFault
        It is no JPEG, PNG or WebP, is cut short, or has more than `max_pixels`.
    """
    if not any(data[at : at + len(sign)] == sign for sign, at in _SIGNATURES):
        raise ImageFault(NOT_AN_IMAGE, "expected a JPEG, PNG or WebP file")
    decode_image(data, min_side_px=_CHECK_SIDE_PX, max_pixels=max_pixels)


def unpack_images(data: bytes, folder: Path) -> tuple[int, int]:
    """Write the product images of a zip into an empty folder.

    Members named otherwise than ``image_{imageid}_product_{productid}.jpg``, in whatever folder of
    the zip, and those that can't be read are skipped.

    Returns
    -------
    int, int
        Images written, files skipped.

    Raises
    ------
    FileFault
        It is no zip, holds too many files, or more bytes than allowed.
    """
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except (zipfile.BadZipFile, ValueError, OSError) as e:
        raise FileFault(f"the file is no zip ({e}); expected a zip of images") from e
    with archive:
        members = [member for member in archive.infolist() if not member.is_dir()]
        if len(members) > MAX_FILES:
            raise FileFault(f"the zip holds {len(members):,} files; expected {MAX_FILES:,} at most")
        left, written = MAX_BYTES, 0
        for member in members:
            name = member.filename.replace("\\", "/").rsplit("/", 1)[-1]
            content = _read(archive, member) if ids_of(name) else None
            if content is None:
                continue
            left -= len(content)
            if left < 0:
                raise FileFault(f"the images of the zip unpack to more than {MAX_BYTES:,} bytes")
            (folder / name).write_bytes(content)
            written += 1
    return written, len(members) - written


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes | None:
    """Return a member's bytes; None where it is too large or can't be read.

    The size that the zip states is not trusted: what comes out is counted.
    """
    content = bytearray()
    try:
        with archive.open(member) as stream:
            while block := stream.read(_BLOCK_BYTES):
                content += block
                if len(content) > MAX_MEMBER_BYTES:
                    return None
    except _MEMBER_FAULTS:
        return None
    return bytes(content)
