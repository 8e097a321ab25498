"""The manifest: which bytes each generated file must have, and where they come from.

``artifacts/manifest.json`` lists, per file, sha256, run, stage, data snapshot, config, library
versions and time. The new sha256 enters as *pending* before a file is replaced and is confirmed
after; either is accepted, so a kill in between loses nothing. Where ``ARTIFACT_KEY`` is set every
entry is signed with it. A file is listed under the name of its run's folder; the links through
which a run is reached (``artifacts/served``, see `src.artifacts.runs`) need no entry.
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
    """The entries of a workspace.

    Parameters
    ----------
    folder : Path
        The artifacts folder; the manifest lies in it.
    workspace : Path
        What names of files are relative to.
    """

    def __init__(self, folder: Path, workspace: Path) -> None:
        self.path = folder / "manifest.json"
        self.workspace = workspace

    def key(self, path: Path) -> str:
        """Return the name under which a file is listed: links to runs are followed."""
        folder, real = self.path.parent, path.resolve()
        if real.name == path.name and real.is_relative_to(folder.resolve()):
            path = folder / real.relative_to(folder.resolve())
        return os.path.relpath(path, self.workspace)

    def entry(self, path: Path, sha256: str, run: Run, stage: str) -> dict[str, Any]:
        """Return what is to be listed of a file."""
        entry: dict[str, Any] = {
            "sha256": sha256,
            **dataclasses.asdict(run),
            "stage": stage,
            "versions": library_versions(),
            "written_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        }
        if key := os.environ.get(KEY_VARIABLE):
            entry["hmac"] = _sign(key, self.key(path), sha256, run.run_id)
        return entry

    def check(self, path: Path, handle: BinaryIO) -> Mapping[str, Any]:
        """Return the entry that an open file agrees with, and rewind the file.

        Raises
        ------
        ArtifactError
            The file is not listed, or not what is listed; both hashes are named.
        """
        found = sha256_of(handle)
        handle.seek(0)
        entries = self.read().get(self.key(path), {})
        for entry in entries.values():
            if hmac.compare_digest(entry["sha256"], found) and self._is_signed(path, entry):
                return entry
        listed = ", ".join(entry["sha256"][:16] for entry in entries.values()) or "nothing"
        raise ArtifactError(
            f"{path}: refused: its sha256 starts with {found[:16]}, the manifest lists {listed}"
            + (" with another key's signature" if listed.startswith(found[:16]) else ""),
            next_command=TRAIN_COMMAND,
        )

    def _is_signed(self, path: Path, entry: Mapping[str, Any]) -> bool:
        key = os.environ.get(KEY_VARIABLE)
        if not key:
            return True
        expected = _sign(key, self.key(path), entry["sha256"], entry["run_id"])
        return hmac.compare_digest(entry.get("hmac", ""), expected)

    def read(self) -> dict[str, dict[str, Any]]:
        """Return all entries by name, each a dict of "current" and perhaps "pending".

        Raises
        ------
        ArtifactError
            It is no JSON object.
        """
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
        temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}.tmp")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_text(json.dumps(manifest, indent=1, sort_keys=True), encoding="utf-8")
            flush_to_disk(temporary)
            temporary.replace(self.path)
        finally:
            temporary.unlink(missing_ok=True)

    def _on_disk(self, path: Path, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Return the entries of a file; one that a kill left pending is current if it is there."""
        entries = dict(manifest.get(self.key(path), {}))
        if "pending" in entries and path.is_file():
            with path.open("rb") as handle:
                if sha256_of(handle) == entries["pending"]["sha256"]:
                    return {"current": entries["pending"]}
        return entries


def library_versions() -> dict[str, str]:
    """Return the versions that a pickle depends on."""
    versions = {name: importlib.metadata.version(name) for name in LIBRARIES}
    return {"python": platform.python_version(), **versions}


def warn_about_versions(path: Path, written: Mapping[str, str]) -> None:
    """Say which library has another version than the one that wrote a file."""
    for name, here in library_versions().items():
        there = written.get(name, here)
        if there.split(".")[:2] != here.split(".")[:2]:
            logger.warning("%s was written with %s %s, here is %s", path.name, name, there, here)


def sha256_of(handle: BinaryIO) -> str:
    """Return the hex digest of what is left to read of an open file."""
    digest = hashlib.sha256()
    for block in iter(lambda: handle.read(1 << 20), b""):
        digest.update(block)
    return digest.hexdigest()


def flush_to_disk(path: Path) -> None:
    """Make sure that the bytes are on the disk before the name is."""
    with path.open("rb") as handle:
        os.fsync(handle.fileno())


def unwritable(path: Path, error: OSError) -> ArtifactError:
    """Return the error of a file that the disk refused."""
    folder = shlex.quote(str(path.parent))
    return ArtifactError(
        f"{path}: can't be written ({error}); what was there before is unchanged",
        next_command=f"df -h {folder}; ls -ld {folder}",
    )


def _sign(key: str, *parts: str) -> str:
    """Sign what a file is called, holds and comes from: an entry can't be moved to another file."""
    return hmac.new(key.encode(), "\n".join(parts).encode(), hashlib.sha256).hexdigest()
