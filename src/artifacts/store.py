"""Saves and loads the files of runs: the one user of ``joblib.dump`` and ``joblib.load``.

A file is written beside its target and moved over it. The manifest (`src.artifacts.manifest`)
lists what is in it and where it comes from, and `load` unpickles only what it lists. Names are in
`src.artifacts.names`; which run is served, in `src.artifacts.runs`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, Any, BinaryIO

from src.artifacts import manifest, runs
from src.artifacts.manifest import TRAIN_COMMAND, Run, warn_about_versions
from src.artifacts.names import Alias, Names
from src.errors import ArtifactError
from src.files import sha256, unwritable, write_atomically

TEXT_SUFFIXES = {".txt", ".md", ".html"}
IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp"}


@dataclasses.dataclass(frozen=True)
class ServedRun:
    """Content of ``serving.json``: what a run is."""

    kind: str
    run_id: str
    snapshot: str
    f1_weighted: float  # on the hold-out
    half_width: float  # half of its 95 % bootstrap interval
    synthetic: bool
    promoted_at: str | None  # since when it is or was served (UTC, ISO 8601); None: it never was
    rows: int  # labelled products that it was trained on
    sample: bool  # True when [debug].sample_rows left others out
    # Settings that are not the defaults, by dotted key.
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    corrections: int = 0  # products whose label people changed, confirmed or, outside, gave

    @property
    def started(self) -> datetime:
        """When its training began: what people corrected later it has not seen."""
        stamp = datetime.strptime(self.run_id.partition("-")[0], "%Y%m%dT%H%M%S.%f")
        return stamp.replace(tzinfo=timezone.utc)

    def __str__(self) -> str:
        score = f"{self.f1_weighted:.3f} +- {self.half_width:.3f}"
        return f"{self.kind} {score} {self.run_id}{' SYNTHETIC' if self.synthetic else ''}"


class ArtifactStore(Names):
    """The files of a workspace, saved and loaded by name.

    It stands for the run `run_id` (`begin`, `pinned`); None follows the served run.

    >>> from src.config import load_config
    >>> ArtifactStore(load_config().paths).model("linear_svc", "final").name
    'model_linear_svc_final.joblib'
    """

    def begin(self, run: Run) -> ArtifactStore:
        """Return the store of a new run, which is the candidate."""
        runs.begin(self.paths, run.run_id)
        return ArtifactStore(self.paths, run.run_id)

    def pinned(self, alias: Alias = "served", *, kind: str | None = None) -> ArtifactStore:
        """Return the store of the run of an alias; it stays with it when another is promoted.

        With `kind`, of the last promoted run of that kind of model, in place of `alias`.
        """
        if kind is None:
            return ArtifactStore(self.paths, runs.get(self.paths, alias).name)
        promoted = runs.kinds(self.paths)
        if kind not in promoted:
            runs.get(self.paths, "served")
            raise ArtifactError(
                f"{self.paths.artifacts_dir}: no run of kind {kind!r} was promoted; "
                f"expected {', '.join(promoted)}",
                next_command=f"{TRAIN_COMMAND} --set model.name={kind}",
            )
        return ArtifactStore(self.paths, promoted[kind].name)

    def served_run(self) -> ServedRun:
        """Return what the store's run is; missing, unfinished or altered it is an error."""
        if not self.serving.exists():
            if self.run_id is None:
                runs.get(self.paths, "served")
            problem = f"{self.serving}: this run was not finished"
            raise ArtifactError(problem, next_command=TRAIN_COMMAND)
        try:
            return ServedRun(**self.load(self.serving))
        except TypeError as e:
            raise ArtifactError(
                f"{self.serving}: written by another version ({e})", next_command=TRAIN_COMMAND
            ) from e

    def serve_from_now(self) -> ServedRun:
        """Note in ``serving.json`` when the run became the served one, and return what it says."""
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        served = dataclasses.replace(self.served_run(), promoted_at=now)
        run = Run.of(self.describe(self.serving))
        self.save(self.serving, dataclasses.asdict(served), run=run, stage="promote")
        return served

    def verify(self) -> None:
        """Check every file of the run against the manifest; one that is not listed is an error."""
        for path in runs.files_of(self.folder("run")):
            self.describe(path)

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the writer's lock; it goes with the process, however that ends."""
        try:
            self.lock.parent.mkdir(parents=True, exist_ok=True)
            handle = self.lock.open("a+")
        except OSError as e:
            raise unwritable(self.lock, e) from e
        with handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as e:
                raise ArtifactError(
                    f"{self.lock.parent}: another run is writing here (lock {self.lock}); "
                    "expected one at a time",
                    next_command="ps -ef | grep train",
                ) from e
            yield

    def save(self, path: Path, value: object, *, run: Run, stage: str) -> None:
        """Write `value` under `path` in the format of its suffix and list it in the manifest.

        `value` is a DataFrame for .csv and .parquet, text for .txt, .md and .html, bytes for an
        image, JSON values for .json, a dict of arrays for .npz, anything for .joblib. `run` and
        `stage` are what the manifest says of its origin.
        """
        root = self.paths.artifacts_dir
        target = path.resolve() if path.is_symlink() else path  # a link leads to the served run
        with write_atomically(target, "wb") as handle:
            _write(handle, path.suffix, value)
            handle.flush()
            digest = sha256(Path(handle.name))
            entry = manifest.new_entry(root, target, digest, run, stage)
            manifest.update(root, target, {"pending": entry})
        manifest.update(root, target, {"current": entry})

    def load(self, path: Path) -> Any:  # noqa: ANN401
        """Read a file back after its sha256 (and HMAC, where a key is set) agreed.

        Raises
        ------
        ArtifactError
            The file is missing, not listed, or not what the manifest lists; the message gives the
            command that makes it.
        """
        with self._open(path) as handle:
            entry = manifest.check(self.paths.artifacts_dir, path, handle)
            warn_about_versions(path, entry["versions"])
            return _read(handle, path.suffix)  # the very bytes that were checked

    def describe(self, path: Path) -> Mapping[str, Any]:
        """Return the manifest's entry of a file, checked against the file."""
        with self._open(path) as handle:
            return manifest.check(self.paths.artifacts_dir, path, handle)

    def _open(self, path: Path) -> BinaryIO:
        try:
            return path.open("rb")
        except OSError as e:
            problem = "no such file" if isinstance(e, FileNotFoundError) else str(e)
            raise ArtifactError(f"{path}: {problem}", next_command=TRAIN_COMMAND) from e


def _write(handle: IO[bytes], suffix: str, value: Any) -> None:  # noqa: ANN401
    if suffix == ".json":
        handle.write((json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode())
    elif suffix == ".csv":
        value.to_csv(handle, mode="wb", index=False, lineterminator="\n")
    elif suffix == ".parquet":
        value.to_parquet(handle, index=False)
    elif suffix in TEXT_SUFFIXES:
        handle.write(value.encode())
    elif suffix.lower() in IMAGE_SUFFIXES:
        handle.write(value)
    elif suffix == ".npz":
        import numpy as np

        np.savez_compressed(handle, **value)
    elif suffix == ".joblib":
        import joblib

        joblib.dump(value, handle)
    else:
        raise ValueError(f"no format for suffix {suffix!r}")


def _read(handle: BinaryIO, suffix: str) -> Any:  # noqa: ANN401
    if suffix == ".json":
        return json.loads(handle.read())
    if suffix in TEXT_SUFFIXES:
        return handle.read().decode()
    if suffix.lower() in IMAGE_SUFFIXES:
        return handle.read()
    if suffix == ".npz":
        import numpy as np

        with np.load(handle, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    if suffix == ".joblib":
        import joblib

        return joblib.load(handle)
    import pandas as pd

    return pd.read_csv(handle) if suffix == ".csv" else pd.read_parquet(handle)
