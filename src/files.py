"""Files written whole or not at all, other storage, lines, hashes, TOML, text for UTF-8."""

import contextlib
import fcntl
import hashlib
import os
import re
import shlex
import sys
import unicodedata
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from src.errors import ArtifactError, DataError, UsageError

SUFFIX = ".tmp"
"""Ending of a file that is being written; one that is found later was left by a killed process."""

_BLOCK_BYTES = 1 << 20
# Format characters (Cf), and what else Unicode calls ignorable where it is not known: joiners,
# fillers of Hangul, vowels of Khmer, selectors of variants.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5"
    "\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0"
    "\ufff0-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


@contextlib.contextmanager
def write_atomically(path: Path, mode: str = "w", **options: Any) -> Iterator[IO[Any]]:  # noqa: ANN401
    """Open a temporary file beside `path` that takes its place when the block ends without error.

    A link stays and its target is written; what is no regular file, such as a device or a pipe, is
    written through. The folder is made where it is missing; text is UTF-8 unless `options` say
    otherwise.

    Raises
    ------
    ArtifactError
        The disk is full, or the folder can't be written; what was at `path` is unchanged.
    """
    if "b" not in mode:
        options.setdefault("encoding", "utf-8")
    try:
        if _is_replaceable(path):
            with _replacing(Path(os.path.realpath(path)), mode, **options) as handle:
                yield handle
        else:
            with path.open(mode, **options) as handle:
                yield handle
    except BrokenPipeError:  # the reader of a pipe has seen enough
        raise
    except OSError as e:
        raise unwritable(path, e) from e


@contextlib.contextmanager
def _replacing(target: Path, mode: str, **options: Any) -> Iterator[IO[Any]]:  # noqa: ANN401
    target.parent.mkdir(parents=True, exist_ok=True)
    # Not from the target's own name, which may be as long as a name may be.
    temporary = target.with_name(f".{uuid.uuid4().hex}{SUFFIX}")
    try:
        with temporary.open(mode, **options) as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        temporary.replace(target)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def unwritable(path: Path, error: OSError) -> ArtifactError:
    """Return the error of a file that the disk refused."""
    folder = shlex.quote(str(path.parent))
    return ArtifactError(
        f"{path}: can't be written ({error}); what was there before is unchanged",
        next_command=f"df -h {folder}; ls -ld {folder}",
    )


@contextlib.contextmanager
def appending(file: Path) -> Iterator[IO[bytes]]:
    """Open a file of lines, which writers lock in turn; what was added is on the disk at the end.

    A last line that a kill left without its end is ended first. Reading begins where the caller
    seeks to.

    Raises
    ------
    ArtifactError
        The disk is full, or the folder can't be written to.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("ab+") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            handle.write(_line_end(handle.fileno()))
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
    except OSError as e:
        raise unwritable(file, e) from e


def _line_end(descriptor: int) -> bytes:
    """Return what ends the last line, if a kill left it without its end."""
    size = os.fstat(descriptor).st_size
    return b"\n" if size and os.pread(descriptor, 1, size - 1) != b"\n" else b""


def _is_replaceable(path: Path) -> bool:
    """Tell whether a file may be renamed over `path`: over none, and over a regular file.

    What /dev/stdout and /dev/fd/3 lead to is open elsewhere, and goes on to be.
    """
    folder = Path(os.path.realpath(path.parent))
    if folder == Path("/dev") or folder.is_relative_to("/dev/fd") or folder.is_relative_to("/proc"):
        return False
    return path.is_file() or not os.path.lexists(os.path.realpath(path))


def place_of(text: str) -> Path | str:
    """Return the path that a text names; a URL of other storage stays as it is."""
    return text if is_url(text) else Path(text)


def is_url(place: object) -> bool:
    """Tell a place on other storage (s3://bucket/images), which fsspec reads, from a path."""
    return isinstance(place, str) and "://" in place


def holds_password(url: str) -> bool:
    """Tell a URL that would show a password wherever it is shown."""
    return re.search("//[^/@]*:[^@]*@", url) is not None


@contextlib.contextmanager
def storage(url: str) -> Iterator[tuple[Any, str]]:
    """Return the fsspec file system of a URL, and what that calls the place.

    Raises
    ------
    UsageError
        The package for this kind of storage is not installed, or the URL holds a password, which
        would be in every message.
    DataError
        There is none, or the storage fails while it is in use, which is no sign of a missing file.
    """
    if holds_password(url):
        kind = url.partition("://")[0]
        where = f"FSSPEC_{kind.upper()}_PASSWORD, or whatever fsspec reads for {kind}"
        raise UsageError(f"{kind}://***: expected a URL without a password: {where}, holds it")
    try:
        from fsspec.core import url_to_fs

        yield url_to_fs(url)
    except ImportError as e:
        package = getattr(e.__cause__ or e, "name", None) or "fsspec"
        command = f"python -m pip install {package}"
        raise UsageError(f"{url}: {package} is not installed", next_command=command) from e
    except Exception as e:  # each kind of storage has errors of its own
        raise DataError(f"{url}: can't be read ({type(e).__name__}: {e})") from e


def files_below(url: str, *, recursive: bool) -> dict[str, dict[str, Any]]:
    """Return the files of a folder on other storage: path in it to what the storage says of them.

    Their URLs are added as "url".
    """
    with storage(url) as (files, root):
        files.invalidate_cache()
        found = files.find(root, maxdepth=None if recursive else 1, detail=True)
        if not found:
            files.ls(root)  # which says so of a folder that is not there
    inside = {name.removeprefix(root.rstrip("/")).lstrip("/"): e for name, e in found.items()}
    # A server lists addresses, in which names are quoted; "::" would make two addresses of one.
    named = unquote if url.startswith("http") else str
    return {
        named(path): {**entry, "url": f"{url.rstrip('/')}/{path}"}
        for path, entry in inside.items()
        if "::" not in path
    }


def sha256(source: Path | bytes | IO[bytes]) -> str:
    """Return the SHA256 in hexadecimal of bytes, a file, or what is left to read of an open one."""
    if isinstance(source, bytes):
        return hashlib.sha256(source).hexdigest()
    if isinstance(source, Path):
        with source.open("rb") as handle:
            return sha256(handle)
    digest = hashlib.sha256()
    while block := source.read(_BLOCK_BYTES):
        digest.update(block)
    return digest.hexdigest()


def encodable(text: str) -> str:
    r"""Return a text that UTF-8 can hold: half of a surrogate pair becomes a question mark.

    >>> encodable("caf\u00e9 \ud83d")
    'café ?'
    """
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def visible(text: str) -> str:
    r"""Return what a person sees of a text: one code a character, and none that shows nothing.

    Soft hyphens, zero-width characters, byte order marks, marks of direction, variation selectors
    and fillers go; NFKC undoes widths and ligatures, composes accents and makes spaces of no-break
    spaces. Half of a surrogate pair becomes a question mark.

    >>> visible("pis\u00adcine \uff27ON\ufb02able\u00a0e\u0301te\u0301")
    'piscine GONflable été'
    """
    if text.isascii():
        return text
    if len(text.encode("latin-1", "ignore")) == len(text):
        shown = text.replace("\u00ad", "")  # the only one of the first 256: fifty times as fast
    else:
        shown = _INVISIBLE.sub("", encodable(text))
    return unicodedata.normalize("NFKC", shown)


def read_toml(source: Path | str) -> dict[str, Any]:
    """Return the tables of a TOML file, or of a text; a TOMLDecodeError is a ValueError."""
    text = source if isinstance(source, str) else source.read_text(encoding="utf-8-sig")
    return tomllib.loads(text)
