"""One folder a run, and the aliases that name runs: served, previous, candidate.

    artifacts/runs/<run_id>/     the files of one run; never changed once it is complete
    artifacts/served             -> runs/...   the champion
    artifacts/previous           -> runs/...   the champion before
    artifacts/candidate          -> runs/...   in training, or not promoted
    artifacts/<file>             -> served/<file>, for every file of the served run

All files of the served run change together, by one rename of one link: a kill at any moment leaves
one whole run served, and no byte of a model is moved. What else a kill leaves undone, the next
writer completes (`RunFolders._repair`). Every method that writes expects the writer's lock.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from src.artifacts.manifest import TRAIN_COMMAND, Manifest, unwritable
from src.artifacts.names import SERVING
from src.errors import ArtifactError

Alias = Literal["served", "previous", "candidate"]
MISSING: dict[Alias, str] = {
    "served": "no run is served",
    "previous": "there is no run before the served one",
    "candidate": "there is no candidate to promote",
}


class RunFolders:
    """The runs of the artifacts folder `root`; the manifest forgets those that are deleted."""

    def __init__(self, root: Path, manifest: Manifest) -> None:
        self.root, self.manifest = root, manifest

    def find(self, alias: Alias) -> Path | None:
        """Return the folder of the run of an alias; None where there is none."""
        folder = (self.root / alias).resolve()
        return folder if folder.is_dir() else None

    def get(self, alias: Alias) -> Path:
        """Return the folder of the run of an alias; that there is none is an error."""
        folder = self.find(alias)
        if folder is None:
            raise ArtifactError(
                f"{self.root / alias}: {MISSING[alias]}", next_command=TRAIN_COMMAND
            )
        return folder

    def begin(self, run_id: str) -> None:
        """Make the folder of a new run, as the candidate; a candidate from before is deleted."""
        with self._changing():
            folder = self.root / "runs" / run_id
            folder.mkdir(parents=True, exist_ok=True)
            self._set_alias("candidate", folder)

    def promote(self) -> None:
        """Make the candidate the served run, and what was served the previous one.

        Raises
        ------
        ArtifactError
            There is no candidate, or its training was not finished.
        """
        candidate = self.get("candidate")
        if not (candidate / SERVING).is_file():
            raise ArtifactError(
                f"{self.root / 'candidate'}: this run was not finished: it has no {SERVING}",
                next_command=TRAIN_COMMAND,
            )
        with self._changing():
            self._link_new_names(candidate)
            served = self.find("served")
            if served is not None and served != candidate:
                self._set_alias("previous", served)
            self._set_alias("served", candidate)  # from here on the candidate answers
            (self.root / "candidate").unlink()

    def roll_back(self) -> None:
        """Exchange the served run and the previous one; that one is missing is an error."""
        with self._changing():
            served, previous = self.get("served"), self.get("previous")
            self._link_new_names(previous)
            self._set_alias("served", previous)
            self._set_alias("previous", served)

    def discard_candidate(self) -> None:
        """Delete the candidate, if there is one."""
        with self._changing():
            (self.root / "candidate").unlink(missing_ok=True)

    def _repair(self) -> None:
        """Complete what a kill left undone, and delete the runs that no alias names.

        Between two renames `served` and `previous` may name the same run. The run that belongs in
        `previous` then is the complete one without an alias: at most one, as all others are
        deleted before aliases change.
        """
        served, previous = self.find("served"), self.find("previous")
        if served is not None and served == previous:
            complete = [folder for folder in self._without_alias() if (folder / SERVING).is_file()]
            if complete:
                self._set_alias("previous", max(complete, key=lambda folder: folder.name))
            else:
                (self.root / "previous").unlink()
        if served is not None:
            self._link_all_names(served)
        for left in self.root.glob(".*.tmp"):
            if left.is_symlink():
                left.unlink()
        for folder in self._without_alias():
            (folder / SERVING).unlink(missing_ok=True)  # half deleted is not complete
            self.manifest.forget(folder)
            shutil.rmtree(folder)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Repair before and after a change, so that two kills never leave two ways to repair."""
        try:
            self._repair()
            yield
            self._repair()
        except OSError as e:
            raise unwritable(self.root / "runs", e) from e

    def _without_alias(self) -> list[Path]:
        named = {self.find(alias) for alias in MISSING}
        folders = self.root.resolve() / "runs"
        return [f for f in sorted(folders.glob("*")) if f.is_dir() and f not in named]

    def _link_new_names(self, folder: Path) -> None:
        """Link the files of a run that is about to be served and that have no name yet."""
        for name in _names(folder):
            if not os.path.lexists(self.root / name):
                self._link(self.root / name, Path("served") / name)

    def _link_all_names(self, served: Path) -> None:
        for name in _names(served):
            target = Path("served") / name
            link = self.root / name
            if not link.is_symlink() or link.readlink() != target:
                self._link(link, target)
        for link in self.root.iterdir():
            is_name = link.is_symlink() and link.readlink().parts[:1] == ("served",)
            if is_name and not link.exists():
                link.unlink()

    def _set_alias(self, alias: Alias, folder: Path) -> None:
        self._link(self.root / alias, Path("runs") / folder.name)

    def _link(self, link: Path, target: Path) -> None:
        """Make or replace a link by one rename."""
        temporary = link.with_name(f".{link.name}.{os.getpid()}.tmp")
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(target)
        temporary.replace(link)


def _names(folder: Path) -> list[str]:
    return sorted(f.name for f in folder.iterdir() if f.is_file() and not f.name.startswith("."))
