"""Every file that a run writes: its name, how it is saved, how it is checked on the way back.

A file is written beside its target and moved over it, so that no half file ever has a final name.
``artifacts/manifest.json`` lists what each file is: sha256, run, stage, data snapshot, config,
library versions, time. The new sha256 enters the manifest as *pending* before the move and is
confirmed after it; `load` accepts either, so a kill in between loses nothing. `load` unpickles only
what the manifest lists. This is the one user of ``joblib.dump`` and ``joblib.load``.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import hmac
import importlib.metadata
import json
import logging
import os
import platform
import shlex
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO

from src.config import Paths
from src.errors import ArtifactError

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

TRAIN_COMMAND = "python scripts/train_pipeline.py"
KEY_VARIABLE = "ARTIFACT_KEY"
TEXT_SUFFIXES = {".txt", ".md", ".html"}
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


class ArtifactStore:
    """The files of a workspace, by name.

    Parameters
    ----------
    paths : Paths
        Folders of the configuration.

    Examples
    --------
    >>> from src.config import load_config
    >>> ArtifactStore(load_config().paths).model("linear_svc", "final").name
    'model_linear_svc_final.joblib'
    """

    def __init__(self, paths: Paths) -> None:
        self.paths = paths
        self.manifest = paths.artifacts_dir / "manifest.json"
        self.feature_mapping = paths.artifacts_dir / "feature_mapping.json"
        self.validation_report = paths.results_dir / "validation" / "report.json"
        self.rejects = paths.results_dir / "rejects.csv"
        self.submission = paths.results_dir / "predictions" / "test_predictions.csv"
        self.catalogue = paths.artifacts_dir / "catalogue.parquet"
        self.reference_profile = paths.artifacts_dir / "reference_profile.json"
        self.model_card = paths.artifacts_dir / "MODEL_CARD.md"
        self.label_issues = paths.results_dir / "label_issues.csv"
        self.comparison = paths.models_dir / "compare_cv_results.csv"
        self.comparison_pairs = paths.models_dir / "compare_cv_differences.csv"
        self.shap_values = paths.results_dir / "shap" / "shap_values.npz"
        self.shap_blocks = paths.results_dir / "shap" / "shap_blocks.png"
        self.shap_summary = paths.results_dir / "shap" / "shap_summary.csv"
        self.demo_image_features = paths.demo_dir / "demo_image_features.npz"
        self.demo_image_index = paths.demo_dir / "demo_image_index.json"

    def model(self, kind: str, phase: str) -> Path:
        """Return the model of a phase: "holdout" (the scored one) or "final" (all rows)."""
        return self.paths.artifacts_dir / f"model_{kind}_{phase}.joblib"

    def full_pipeline(self, kind: str) -> Path:
        """Return the one file that serving loads."""
        return self.paths.artifacts_dir / f"{kind}_full_pipeline.joblib"

    def metrics(self, kind: str, split: str, suffix: str) -> Path:
        """Return a metrics file; `suffix` is what follows, as ".json" or "_per_class.csv"."""
        return self.paths.results_dir / "metrics" / f"{kind}_{split}{suffix}"

    def predictions(self, kind: str, split: str) -> Path:
        """Return the predictions of a split, one row a product."""
        return self.paths.results_dir / "predictions" / f"{split}_{kind}.csv"

    def out_of_fold(self, kind: str) -> Path:
        """Return the out-of-fold predictions, one row a labelled product."""
        return self.paths.results_dir / f"preds_oof_{kind}.csv"

    def comparison_part(self, work: str, name: str) -> Path:
        """Return what one model of a comparison said; `work` names data, settings and folds."""
        return self.paths.models_dir / "parts" / f"{work}_{name}.npz"

    def figure(self, kind: str, split: str, name: str) -> Path:
        """Return a picture for a report, as "confusion_fr" or "reliability_en"."""
        return self.paths.reports_dir / "figures" / f"{kind}_{split}_{name}.png"

    def rapport(self, name: str) -> Path:
        """Return a file that the app's monitoring pages read, as "b2_diagnostics.csv"."""
        return self.paths.rapport_dir / name

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the writer's lock; it goes with the process, however that ends.

        Raises
        ------
        ArtifactError
            Another run is writing to this workspace.
        """
        lock = self.paths.artifacts_dir / ".lock"
        with self._open_lock(lock) as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as e:
                raise ArtifactError(
                    f"{self.paths.artifacts_dir}: another run is writing here (lock {lock}); "
                    "expected one at a time",
                    next_command="ps -ef | grep train",
                ) from e
            yield

    def save(self, path: Path, value: object, *, run: Run, stage: str) -> None:
        """Write `value` under `path` in the format of its suffix and list it in the manifest.

        Parameters
        ----------
        path : Path
            One of the names of this class.
        value : object
            A DataFrame for .csv and .parquet, text for .txt, .md and .html, bytes for .png, JSON
            values for .json, a dict of arrays for .npz, anything for .joblib.
        run : Run
            What the manifest says of the file's origin.
        stage : str
            The stage that writes it.
        """
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(temporary, path.suffix, value)
            _flush_to_disk(temporary)
            with temporary.open("rb") as handle:
                entry = self._entry(path, _sha256(handle), run, stage)
            self._update_manifest(path, {"pending": entry})
            temporary.replace(path)
            self._update_manifest(path, {"current": entry})
        except OSError as e:
            raise _unwritable(path, e) from e
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)

    def _open_lock(self, lock: Path) -> TextIO:
        try:
            lock.parent.mkdir(parents=True, exist_ok=True)
            return lock.open("a+")
        except OSError as e:
            raise _unwritable(lock, e) from e

    def load(self, path: Path) -> Any:  # noqa: ANN401
        """Read a file back after its sha256 (and HMAC, where a key is set) agreed.

        Raises
        ------
        ArtifactError
            The file is missing, not listed, or not what the manifest lists; the message gives the
            command that makes it.
        """
        with self._open(path) as handle:
            entry = self._check(path, handle)
            _warn_about_versions(path, entry["versions"])
            return _read(handle, path.suffix)  # the very bytes that were checked

    def describe(self, path: Path) -> Mapping[str, Any]:
        """Return the manifest's entry of a file, checked against the file."""
        with self._open(path) as handle:
            return self._check(path, handle)

    def _open(self, path: Path) -> BinaryIO:
        try:
            return path.open("rb")
        except OSError as e:
            problem = "no such file" if isinstance(e, FileNotFoundError) else str(e)
            raise ArtifactError(f"{path}: {problem}", next_command=TRAIN_COMMAND) from e

    def _check(self, path: Path, handle: BinaryIO) -> Mapping[str, Any]:
        """Return the entry that an open file agrees with, and rewind the file."""
        found = _sha256(handle)
        handle.seek(0)
        entries = self._read_manifest().get(self._key(path), {})
        for entry in entries.values():
            if hmac.compare_digest(entry["sha256"], found) and self._is_signed(path, entry):
                return entry
        listed = ", ".join(entry["sha256"][:16] for entry in entries.values()) or "nothing"
        raise ArtifactError(
            f"{path}: refused: its sha256 starts with {found[:16]}, the manifest lists {listed}"
            + (" with another key's signature" if listed.startswith(found[:16]) else ""),
            next_command=TRAIN_COMMAND,
        )

    def _entry(self, path: Path, sha256: str, run: Run, stage: str) -> dict[str, Any]:
        entry: dict[str, Any] = {
            "sha256": sha256,
            **dataclasses.asdict(run),
            "stage": stage,
            "versions": library_versions(),
            "written_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        }
        if key := os.environ.get(KEY_VARIABLE):
            entry["hmac"] = _sign(key, self._key(path), sha256, run.run_id)
        return entry

    def _is_signed(self, path: Path, entry: Mapping[str, Any]) -> bool:
        key = os.environ.get(KEY_VARIABLE)
        if not key:
            return True
        expected = _sign(key, self._key(path), entry["sha256"], entry["run_id"])
        return hmac.compare_digest(entry.get("hmac", ""), expected)

    def _key(self, path: Path) -> str:
        return os.path.relpath(path, self.paths.workspace)

    def _read_manifest(self) -> dict[str, dict[str, Any]]:
        try:
            manifest = json.loads(self.manifest.read_text(encoding="utf-8"))
            if not isinstance(manifest, dict):
                raise ValueError(f"expected an object, found a {type(manifest).__name__}")
            return manifest
        except FileNotFoundError:
            return {}
        except ValueError as e:
            raise ArtifactError(
                f"{self.manifest}: not readable as JSON ({e}); without it no artifact is trusted",
                next_command=f"mv {shlex.quote(str(self.manifest))} "
                f"{shlex.quote(str(self.manifest) + '.damaged')}",
            ) from e

    def _update_manifest(self, path: Path, change: dict[str, Any]) -> None:
        """Lay `change` over the file's entry; "current" ends a "pending"."""
        manifest = self._read_manifest()
        kept = {} if "current" in change else self._on_disk(path, manifest)
        manifest[self._key(path)] = {**kept, **change}
        temporary = self.manifest.with_name(f".{self.manifest.name}.{os.getpid()}.tmp")
        self.manifest.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_text(json.dumps(manifest, indent=1, sort_keys=True), encoding="utf-8")
            _flush_to_disk(temporary)
            temporary.replace(self.manifest)
        finally:
            temporary.unlink(missing_ok=True)

    def _on_disk(self, path: Path, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Return the entries of a file; one that a kill left pending is current if it is there."""
        entries = dict(manifest.get(self._key(path), {}))
        if "pending" in entries and path.is_file():
            with path.open("rb") as handle:
                if _sha256(handle) == entries["pending"]["sha256"]:
                    return {"current": entries["pending"]}
        return entries


def _unwritable(path: Path, error: OSError) -> ArtifactError:
    folder = shlex.quote(str(path.parent))
    return ArtifactError(
        f"{path}: can't be written ({error}); what was there before is unchanged",
        next_command=f"df -h {folder}; ls -ld {folder}",
    )


def library_versions() -> dict[str, str]:
    """Return the versions that a pickle depends on."""
    versions = {name: importlib.metadata.version(name) for name in LIBRARIES}
    return {"python": platform.python_version(), **versions}


def _warn_about_versions(path: Path, written: Mapping[str, str]) -> None:
    for name, here in library_versions().items():
        there = written.get(name, here)
        if there.split(".")[:2] != here.split(".")[:2]:
            logger.warning("%s was written with %s %s, here is %s", path.name, name, there, here)


def _write(target: Path, suffix: str, value: Any) -> None:  # noqa: ANN401
    if suffix == ".json":
        text = json.dumps(value, indent=1, ensure_ascii=False) + "\n"
        target.write_text(text, encoding="utf-8")
    elif suffix == ".csv":
        frame: pd.DataFrame = value
        frame.to_csv(target, index=False, lineterminator="\n")
    elif suffix == ".parquet":
        value.to_parquet(target, index=False)
    elif suffix in TEXT_SUFFIXES:
        target.write_text(value, encoding="utf-8")
    elif suffix == ".png":
        target.write_bytes(value)
    elif suffix == ".npz":
        import numpy as np

        with target.open("wb") as handle:  # numpy appends .npz to a name that ends otherwise
            np.savez_compressed(handle, **value)
    elif suffix == ".joblib":
        import joblib

        joblib.dump(value, target)
    else:
        raise ValueError(f"no format for suffix {suffix!r}")


def _read(handle: BinaryIO, suffix: str) -> Any:  # noqa: ANN401
    if suffix == ".json":
        return json.loads(handle.read())
    if suffix in TEXT_SUFFIXES:
        return handle.read().decode("utf-8")
    if suffix == ".png":
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


def _sha256(handle: BinaryIO) -> str:
    digest = hashlib.sha256()
    for block in iter(lambda: handle.read(1 << 20), b""):
        digest.update(block)
    return digest.hexdigest()


def _sign(key: str, *parts: str) -> str:
    """Sign what a file is called, holds and comes from: an entry can't be moved to another file."""
    return hmac.new(key.encode(), "\n".join(parts).encode(), hashlib.sha256).hexdigest()


def _flush_to_disk(path: Path) -> None:
    """Make sure that the bytes are on the disk before the name is."""
    with path.open("rb") as handle:
        os.fsync(handle.fileno())
