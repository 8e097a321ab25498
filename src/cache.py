"""What was extracted from a product is kept, addressed by the product's own content.

A *namespace* is one extractor with its settings and version; a *key* is a hash of what it reads
(text, or the bytes of an image). A namespace is a folder of immutable segments: one `.npz` a
`put_many`, written beside and moved into place, so two processes may write at once and a half-
written segment is never read. New settings open a new folder and touch no other.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
import uuid
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.files import sha256, write_atomically

if TYPE_CHECKING:
    import numpy as np

KEY_BYTES = 16
# What numpy and zipfile raise on a file that is cut, was deleted meanwhile, or has flipped bits.
_UNREADABLE = (
    OSError,
    ValueError,
    EOFError,
    KeyError,
    RuntimeError,  # NotImplementedError is one
    zipfile.BadZipFile,
    zlib.error,
)
KEY_COLUMN = "__key__"
TEXT_SUFFIX = "__json__"
SETTINGS_NAME = "settings.json"


@dataclasses.dataclass(frozen=True)
class Namespace:
    """One extractor with its settings: canonical JSON of everything that changes the result."""

    name: str
    settings: str

    @classmethod
    def of(cls, name: str, settings: Mapping[str, Any]) -> Namespace:
        """Build a namespace from a mapping of JSON values."""
        return cls(name, json.dumps(settings, sort_keys=True, ensure_ascii=False))

    @property
    def folder(self) -> str:
        """Folder name: the readable name and a digest of the settings."""
        return f"{self.name}-{sha256(self.settings.encode())[:16]}"


def content_key(*parts: bytes) -> bytes:
    """Hash the parts of a product into 16 bytes; ("ab", "c") differs from ("a", "bc")."""
    digest = hashlib.blake2b(digest_size=KEY_BYTES)
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.digest()


class ExtractionCache:
    """Rows of extracted values on disk, below a folder that this class alone writes to.

    Values are columns: float or integer arrays with one row a key, or arrays of `str`.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def get_many(
        self, namespace: Namespace, keys: Sequence[bytes]
    ) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Return the columns of the keys that are known, in their order, and which are: (n,)."""
        import numpy as np

        segments: list[dict[str, Any]] = []
        for path in sorted((self.root / namespace.folder).glob("*.npz")):
            segment = _read_segment(path)
            if segment and (not segments or segment.keys() == segments[0].keys()):
                segments.append(segment)
        columns = {
            name: np.concatenate([segment[name] for segment in segments])
            for name in (segments[0] if segments else {})
        }
        where = {key.tobytes(): row for row, key in enumerate(columns.pop(KEY_COLUMN, []))}
        rows = np.array([where.get(key, -1) for key in keys], dtype=np.intp)
        found = rows >= 0
        if not found.any():
            return {}, found
        return {name: column[rows[found]] for name, column in columns.items()}, found

    def put_many(
        self, namespace: Namespace, keys: Sequence[bytes], columns: Mapping[str, np.ndarray]
    ) -> None:
        """Keep one row a key; a key that is already there may come again with the same values."""
        import numpy as np

        if not keys:
            return
        folder = self.root / namespace.folder
        arrays: dict[str, Any] = {KEY_COLUMN: np.frombuffer(b"".join(keys), np.uint8)}
        arrays[KEY_COLUMN] = arrays[KEY_COLUMN].reshape(len(keys), KEY_BYTES)
        for name, column in columns.items():
            if len(column) != len(keys):
                raise ValueError(f"column {name!r} has {len(column)} rows for {len(keys)} keys")
            if column.dtype == object:  # JSON keeps every character, and needs no pickle
                texts = json.dumps(column.tolist()).encode()
                arrays[name + TEXT_SUFFIX] = np.frombuffer(texts, np.uint8)
            else:
                arrays[name] = column
        settings = folder / SETTINGS_NAME
        if not settings.exists():
            with write_atomically(settings) as text:
                text.write(namespace.settings)
        with write_atomically(folder / f"{uuid.uuid4().hex}.npz", "wb") as segment:
            np.savez(segment, **arrays)

    def namespaces(self) -> list[tuple[str, int]]:
        """Return (folder, bytes) of every namespace on disk."""
        folders = sorted(self.root.iterdir()) if self.root.is_dir() else []
        return [
            (folder.name, sum(path.stat().st_size for path in folder.iterdir()))
            for folder in folders
            if (folder / SETTINGS_NAME).is_file()
        ]

    def forget(self, namespace: Namespace) -> None:
        """Delete the values of one namespace."""
        shutil.rmtree(self.root / namespace.folder, ignore_errors=True)

    def purge(self) -> int:
        """Delete every namespace, and nothing else; return the number of bytes freed."""
        namespaces = self.namespaces()
        for folder, _ in namespaces:
            shutil.rmtree(self.root / folder, ignore_errors=True)
        return sum(size for _, size in namespaces)


def _read_segment(path: Path) -> dict[str, Any] | None:
    """Return the columns of a segment; None when another process purged it, or it is damaged."""
    import numpy as np

    try:
        with path.open("rb") as handle, np.load(handle, allow_pickle=False) as archive:
            stored = {name: archive[name] for name in archive.files}
        arrays = {}  # in the order in which they were put
        for name, column in stored.items():
            is_text = name.endswith(TEXT_SUFFIX)
            values = np.array(json.loads(column.tobytes()), dtype=object) if is_text else column
            arrays[name.removesuffix(TEXT_SUFFIX)] = values
    except _UNREADABLE:
        return None
    heights = {len(column) for column in arrays.values()}
    return arrays if KEY_COLUMN in arrays and len(heights) == 1 else None
