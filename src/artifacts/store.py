"""Every file that a run writes: its name, how it is saved, how it is checked on the way back.

A file is written beside its target and moved over it, so that no half file ever has a final name.
What is in a file and where it comes from is listed in the manifest (`src.artifacts.manifest`), and
`load` unpickles only what it lists. The files of a run lie in one folder; which run is served, and
how another takes its place, is told in `src.artifacts.runs`. The one user of ``joblib.dump``
and ``joblib.load``.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO

from src.artifacts.manifest import (
    TRAIN_COMMAND,
    Manifest,
    Run,
    flush_to_disk,
    sha256_of,
    unwritable,
    warn_about_versions,
)
from src.artifacts.runs import SEAL, RunFolders, Slot
from src.config import Paths
from src.errors import ArtifactError

if TYPE_CHECKING:
    import pandas as pd

TEXT_SUFFIXES = {".txt", ".md", ".html"}


@dataclasses.dataclass(frozen=True)
class ServedRun:
    """What ``artifacts/serving.json`` says of a run; the last file that its training writes.

    Attributes
    ----------
    kind : str
        model.name: the kind of model.
    run_id, snapshot : str
        As in the manifest.
    f1_weighted, half_width : float
        Hold-out score, and half of its 95 % bootstrap interval.
    synthetic : bool
        True when the rows come from the demo shop.
    promoted_at : str or None
        When it came into force first (UTC, ISO 8601); None for a run that never did.
    """

    kind: str
    run_id: str
    snapshot: str
    f1_weighted: float
    half_width: float
    synthetic: bool
    promoted_at: str | None

    def __str__(self) -> str:
        score = f"{self.f1_weighted:.4f} +- {self.half_width:.4f}"
        return f"{self.kind} {score}  {self.run_id}{'  SYNTHETIC' if self.synthetic else ''}"


class ArtifactStore:
    """The files of a workspace, by name.

    Parameters
    ----------
    paths : Paths
        Folders of the configuration.
    run_folder : Path or None
        Folder of one run (see `begin` and `pinned`); None reads whatever run is served.

    Examples
    --------
    >>> from src.config import load_config
    >>> ArtifactStore(load_config().paths).model("linear_svc", "final").name
    'model_linear_svc_final.joblib'
    """

    def __init__(self, paths: Paths, run_folder: Path | None = None) -> None:
        self.paths = paths
        self.run_folder = run_folder or paths.artifacts_dir
        self.entries = Manifest(paths.artifacts_dir, paths.workspace)
        self.manifest = self.entries.path
        self.runs = RunFolders(paths.artifacts_dir, self.entries)
        self.serving = self.run_folder / SEAL
        self.holdout = self.run_folder / "holdout.csv"
        self.feature_mapping = self.run_folder / "feature_mapping.json"
        self.promotion = paths.results_dir / "promotion.json"
        self.feedback = paths.results_dir / "feedback.jsonl"
        self.validation_report = paths.results_dir / "validation" / "report.json"
        self.rejects = paths.results_dir / "rejects.csv"
        self.submission = paths.results_dir / "predictions" / "test_predictions.csv"
        self.catalogue = self.run_folder / "catalogue.parquet"
        self.reference_profile = self.run_folder / "reference_profile.json"
        self.model_card = self.run_folder / "MODEL_CARD.md"
        self.label_issues = paths.results_dir / "label_issues.csv"
        self.comparison = paths.models_dir / "compare_cv_results.csv"
        self.comparison_pairs = paths.models_dir / "compare_cv_differences.csv"
        self.shap_values = paths.results_dir / "shap" / "shap_values.npz"
        self.shap_blocks = paths.results_dir / "shap" / "shap_blocks.png"
        self.shap_summary = paths.results_dir / "shap" / "shap_summary.csv"
        self.top_features = paths.results_dir / "shap" / "top_features.csv"
        self.demo_image_features = paths.demo_dir / "demo_image_features.npz"
        self.demo_image_index = paths.demo_dir / "demo_image_index.json"

    def model(self, kind: str, phase: str) -> Path:
        """Return the model of a phase: "holdout" (the scored one) or "final" (all rows)."""
        return self.run_folder / f"model_{kind}_{phase}.joblib"

    def full_pipeline(self, kind: str) -> Path:
        """Return the one file that serving loads."""
        return self.run_folder / f"{kind}_full_pipeline.joblib"

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

    def begin(self, run: Run) -> ArtifactStore:
        """Return the store of a new run: the same names, in a folder that is not served."""
        return ArtifactStore(self.paths, self.runs.begin(run.run_id))

    def pinned(self, slot: Slot = "served") -> ArtifactStore:
        """Return the store of the run in a slot; it stays with that run when another is promoted.

        Raises
        ------
        ArtifactError
            There is no such run; the message says to train.
        """
        return ArtifactStore(self.paths, self.runs.get(slot))

    def served_run(self) -> ServedRun:
        """Return what is in force, or, of a store that is pinned, what that run is.

        Raises
        ------
        ArtifactError
            Nothing was trained yet, or the file was altered.
        """
        if not self.serving.exists():
            whole = self.run_folder == self.paths.artifacts_dir
            problem = (
                "no run is in force yet: train first" if whole else "this run was not finished"
            )
            raise ArtifactError(f"{self.serving}: {problem}", next_command=TRAIN_COMMAND)
        try:
            return ServedRun(**self.load(self.serving))
        except TypeError as e:
            raise ArtifactError(
                f"{self.serving}: written by another version ({e})", next_command=TRAIN_COMMAND
            ) from e

    def verify(self) -> None:
        """Check every file of a run against the manifest.

        Raises
        ------
        ArtifactError
            A file was altered, or is not listed.
        """
        for path in sorted(self.run_folder.iterdir()):
            if path.is_file() and not path.name.startswith(".") and path != self.manifest:
                self.describe(path)

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
        target = path.resolve() if path.is_symlink() else path  # a link leads to the served run
        temporary = target.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            _write(temporary, path.suffix, value)
            flush_to_disk(temporary)
            with temporary.open("rb") as handle:
                entry = self.entries.entry(target, sha256_of(handle), run, stage)
            self.entries.update(target, {"pending": entry})
            temporary.replace(target)
            self.entries.update(target, {"current": entry})
        except OSError as e:
            raise unwritable(path, e) from e
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)

    def _open_lock(self, lock: Path) -> TextIO:
        try:
            lock.parent.mkdir(parents=True, exist_ok=True)
            return lock.open("a+")
        except OSError as e:
            raise unwritable(lock, e) from e

    def load(self, path: Path) -> Any:  # noqa: ANN401
        """Read a file back after its sha256 (and HMAC, where a key is set) agreed.

        Raises
        ------
        ArtifactError
            The file is missing, not listed, or not what the manifest lists; the message gives the
            command that makes it.
        """
        with self._open(path) as handle:
            entry = self.entries.check(path, handle)
            warn_about_versions(path, entry["versions"])
            return _read(handle, path.suffix)  # the very bytes that were checked

    def describe(self, path: Path) -> Mapping[str, Any]:
        """Return the manifest's entry of a file, checked against the file."""
        with self._open(path) as handle:
            return self.entries.check(path, handle)

    def _open(self, path: Path) -> BinaryIO:
        try:
            return path.open("rb")
        except OSError as e:
            problem = "no such file" if isinstance(e, FileNotFoundError) else str(e)
            raise ArtifactError(f"{path}: {problem}", next_command=TRAIN_COMMAND) from e


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
