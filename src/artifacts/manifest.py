"""The manifest: which bytes each generated file must have, and where they come from.

``artifacts/manifest.json`` lists, per file, sha256, run, stage, data snapshot, config, library
versions and time. The new sha256 enters as *pending* before a file is replaced and is confirmed
after; either is accepted, so a kill in between loses nothing. Where ``ARTIFACT_KEY`` is set every
entry is signed with it. A file is listed under its path from the artifacts folder (`root` below),
that of its run's folder: aliases and links (`src.artifacts.runs`) need no entry.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import hmac
import importlib.metadata
import json
import logging
import os
import platform
import shlex
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, BinaryIO

from src.errors import ArtifactError
from src.files import sha256, write_atomically

logger = logging.getLogger(__name__)

TRAIN_COMMAND = "python scripts/train_pipeline.py"
KEY_VARIABLE = "ARTIFACT_KEY"
LIBRARIES = ("numpy", "scipy", "scikit-learn", "pandas", "joblib")
MANIFEST = "manifest.json"


@dataclasses.dataclass(frozen=True)
class Run:
    """What every file of one run has in common."""

    run_id: str  # time of the start in UTC, and the config digest: unique for one writer at a time
    snapshot: str  # data hash of the rows
    synthetic: bool  # True when the rows come from the demo shop
    config: str  # digest of the configuration

    @classmethod
    def start(cls, snapshot: str, *, synthetic: bool, config: str) -> Run:
        """Return a run that starts now."""
        stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S.%f")[:-3]
        return cls(f"{stamp}-{config[:6]}", snapshot, synthetic, config)

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> Run:
        """Return the run that an entry of the manifest names."""
        return cls(**{field.name: entry[field.name] for field in dataclasses.fields(cls)})


def key_of(root: Path, path: Path) -> str:
    """Return the name under which a file is listed: links to runs are followed."""
    real = path.resolve()
    if real.name == path.name and real.is_relative_to(root.resolve()):
        return os.path.relpath(real, root.resolve())
    return os.path.relpath(path, root)


def new_entry(root: Path, path: Path, digest: str, run: Run, stage: str) -> dict[str, Any]:
    """Return what is to be listed of a file with that sha256."""
    entry: dict[str, Any] = {
        "sha256": digest,
        **dataclasses.asdict(run),
        "stage": stage,
        "versions": library_versions(),
        "written_at": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
    }
    if secret := os.environ.get(KEY_VARIABLE):
        entry["hmac"] = _sign(secret, key_of(root, path), entry)
    return entry


def check(root: Path, path: Path, handle: BinaryIO) -> Mapping[str, Any]:
    """Return the entry that an open file agrees with, and rewind it; no entry is an error."""
    digest, key = sha256(handle), key_of(root, path)
    handle.seek(0)
    entries = read(root).get(key, {})
    secret = os.environ.get(KEY_VARIABLE)
    for entry in entries.values():
        signed = not secret or hmac.compare_digest(entry.get("hmac", ""), _sign(secret, key, entry))
        if signed and hmac.compare_digest(entry["sha256"], digest):
            return entry
    listed = ", ".join(entry["sha256"][:16] for entry in entries.values()) or "nothing"
    raise ArtifactError(
        f"{path}: refused: its sha256 starts with {digest[:16]}, the manifest lists {listed}"
        + (" with another key's signature" if listed.startswith(digest[:16]) else ""),
        next_command=TRAIN_COMMAND,
    )


def read(root: Path) -> dict[str, dict[str, Any]]:
    """Return all entries by name, each a dict of "current" and perhaps "pending"."""
    path = root / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(manifest, dict):
            raise ValueError(f"expected an object, found a {type(manifest).__name__}")
        return manifest
    except FileNotFoundError:
        return {}
    except ValueError as e:
        raise ArtifactError(
            f"{path}: not readable as JSON ({e}); without it no artifact is trusted",
            next_command=f"mv {shlex.quote(str(path))} {shlex.quote(str(path) + '.damaged')}",
        ) from e


def update(root: Path, path: Path, change: dict[str, Any]) -> None:
    """Lay `change` over the file's entry; "current" ends a "pending".

    An entry that a kill left pending is current if its file is there.
    """
    manifest, key = read(root), key_of(root, path)
    entries = {} if "current" in change else dict(manifest.get(key, {}))
    pending = entries.get("pending")
    if pending and path.is_file() and sha256(path) == pending["sha256"]:
        entries = {"current": pending}
    manifest[key] = {**entries, **change}
    _write(root, manifest)


def forget(root: Path, folder: Path) -> None:
    """Drop the entries of every file below a folder."""
    below = key_of(root, folder) + os.sep
    manifest = read(root)
    kept = {name: entry for name, entry in manifest.items() if not name.startswith(below)}
    if len(kept) < len(manifest):
        _write(root, kept)


@functools.cache
def library_versions() -> dict[str, str]:
    """Return the versions that a pickle depends on."""
    versions = {name: importlib.metadata.version(name) for name in LIBRARIES}
    return {"python": platform.python_version(), **versions}


def warn_about_versions(path: Path, written: Mapping[str, str]) -> None:
    """Log which library has another version than the one that wrote a file."""
    for name, installed in library_versions().items():
        writer = written.get(name, installed)
        if writer.split(".")[:2] != installed.split(".")[:2]:
            logger.warning(
                "%s was written with %s %s, here is %s", path.name, name, writer, installed
            )


def _write(root: Path, manifest: Mapping[str, Any]) -> None:
    with write_atomically(root / MANIFEST) as handle:
        json.dump(manifest, handle, indent=1, sort_keys=True)


def _sign(secret: str, key: str, entry: Mapping[str, Any]) -> str:
    """Sign name, content and run of a file: an entry can't be moved to another file."""
    parts = "\n".join([key, entry["sha256"], entry["run_id"]])
    return hmac.new(secret.encode(), parts.encode(), hashlib.sha256).hexdigest()
