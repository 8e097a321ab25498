"""The manifest: which bytes each generated file must have, and where they come from.

``artifacts/manifest.json`` lists, per file, sha256, run, stage, data snapshot, config, library
versions and time. The new sha256 enters as *pending* before a file is replaced and is confirmed
after; either is accepted, so a kill in between loses nothing. Where ``ARTIFACT_KEY`` is set every
entry is signed with it. A file is listed under its path in its run's folder; aliases and links
(``artifacts/served``, see `src.artifacts.runs`) need no entry.
"""

from __future__ import annotations

import dataclasses
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


@dataclasses.dataclass(frozen=True)
class Run:
    """What every file of one run has in common.

    Attributes
    ----------
    run_id : str
        Time of the start in UTC, and the config digest: unique for one writer at a time.
    snapshot : str
        Data hash of the rows.
    synthetic : bool
        True when the rows come from the demo shop.
    config : str
        Digest of the configuration.
    """

    run_id: str
    snapshot: str
    synthetic: bool
    config: str

    @classmethod
    def start(cls, snapshot: str, *, synthetic: bool, config: str) -> Run:
        """Return a run that starts now."""
        stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S.%f")[:-3]
        return cls(f"{stamp}-{config[:6]}", snapshot, synthetic, config)

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> Run:
        """Return the run that an entry of the manifest names."""
        return cls(**{field.name: entry[field.name] for field in dataclasses.fields(cls)})


class Manifest:
    """The entries of the file at `path`; names in it are relative to the workspace."""

    def __init__(self, path: Path, workspace: Path) -> None:
        self.path, self.workspace = path, workspace

    def key(self, path: Path) -> str:
        """Return the name under which a file is listed: links to runs are followed."""
        folder, real = self.path.parent, path.resolve()
        if real.name == path.name and real.is_relative_to(folder.resolve()):
            path = folder / real.relative_to(folder.resolve())
        return os.path.relpath(path, self.workspace)

    def entry(self, path: Path, digest: str, run: Run, stage: str) -> dict[str, Any]:
        """Return what is to be listed of a file with that sha256."""
        entry: dict[str, Any] = {
            "sha256": digest,
            **dataclasses.asdict(run),
            "stage": stage,
            "versions": library_versions(),
            "written_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        }
        if key := os.environ.get(KEY_VARIABLE):
            entry["hmac"] = _sign(key, self.key(path), digest, run.run_id)
        return entry

    def check(self, path: Path, handle: BinaryIO) -> Mapping[str, Any]:
        """Return the entry that an open file agrees with, and rewind it; no entry is an error."""
        digest = sha256(handle)
        handle.seek(0)
        entries = self.read().get(self.key(path), {})
        for entry in entries.values():
            if hmac.compare_digest(entry["sha256"], digest) and self._is_signed(path, entry):
                return entry
        listed = ", ".join(entry["sha256"][:16] for entry in entries.values()) or "nothing"
        raise ArtifactError(
            f"{path}: refused: its sha256 starts with {digest[:16]}, the manifest lists {listed}"
            + (" with another key's signature" if listed.startswith(digest[:16]) else ""),
            next_command=TRAIN_COMMAND,
        )

    def _is_signed(self, path: Path, entry: Mapping[str, Any]) -> bool:
        key = os.environ.get(KEY_VARIABLE)
        if not key:
            return True
        expected = _sign(key, self.key(path), entry["sha256"], entry["run_id"])
        return hmac.compare_digest(entry.get("hmac", ""), expected)

    def read(self) -> dict[str, dict[str, Any]]:
        """Return all entries by name, each a dict of "current" and perhaps "pending"."""
        try:
            manifest = json.loads(self.path.read_text(encoding="utf-8"))
            if not isinstance(manifest, dict):
                raise ValueError(f"expected an object, found a {type(manifest).__name__}")
            return manifest
        except FileNotFoundError:
            return {}
        except ValueError as e:
            raise ArtifactError(
                f"{self.path}: not readable as JSON ({e}); without it no artifact is trusted",
                next_command=f"mv {shlex.quote(str(self.path))} "
                f"{shlex.quote(str(self.path) + '.damaged')}",
            ) from e

    def update(self, path: Path, change: dict[str, Any]) -> None:
        """Lay `change` over the file's entry; "current" ends a "pending"."""
        manifest = self.read()
        kept = {} if "current" in change else self._on_disk(path, manifest)
        manifest[self.key(path)] = {**kept, **change}
        self._write(manifest)

    def forget(self, folder: Path) -> None:
        """Drop the entries of every file below a folder."""
        below = self.key(folder) + os.sep
        manifest = self.read()
        kept = {name: entry for name, entry in manifest.items() if not name.startswith(below)}
        if len(kept) < len(manifest):
            self._write(kept)

    def _write(self, manifest: Mapping[str, Any]) -> None:
        with write_atomically(self.path) as handle:
            json.dump(manifest, handle, indent=1, sort_keys=True)

    def _on_disk(self, path: Path, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Return the entries of a file; one that a kill left pending is current if it is there."""
        entries = dict(manifest.get(self.key(path), {}))
        pending = entries.get("pending")
        if pending and path.is_file() and sha256(path) == pending["sha256"]:
            return {"current": pending}
        return entries


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


def unwritable(path: Path, error: OSError) -> ArtifactError:
    """Return the error of a file that the disk refused."""
    folder = shlex.quote(str(path.parent))
    return ArtifactError(
        f"{path}: can't be written ({error}); what was there before is unchanged",
        next_command=f"df -h {folder}; ls -ld {folder}",
    )


def _sign(key: str, *parts: str) -> str:
    """Sign name, content and run of a file: an entry can't be moved to another file."""
    return hmac.new(key.encode(), "\n".join(parts).encode(), hashlib.sha256).hexdigest()
