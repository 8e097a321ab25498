"""Which run is served, which was before, which waits: one folder a run, and links that name them.

    artifacts/runs/<run_id>/     the files of one run; never changed once it is complete
    artifacts/served             -> runs/...   what answers
    artifacts/previous           -> runs/...   what answered before
    artifacts/candidate          -> runs/...   what is being trained, or was not promoted
    artifacts/<file>             -> served/<file>, for every file of the served run

All files of the served run change together, by one rename of one link: a kill at any moment leaves
one whole run in force, and no byte of a model is moved. What a kill leaves undone beside that is
made good by the next writer (`RunFolders.repair`). Every method that writes expects the writer's
lock to be held.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from src.artifacts.manifest import TRAIN_COMMAND, Manifest, unwritable
from src.errors import ArtifactError

Slot = Literal["served", "previous", "candidate"]
SEAL = "serving.json"  # the last file of a run: a folder without it is not complete
WHO: dict[Slot, str] = {
    "served": "no run is in force",
    "previous": "there is no run before the served one",
    "candidate": "no run waits to be promoted",
}


class RunFolders:
    """The runs of a workspace.

    Parameters
    ----------
    root : Path
        The artifacts folder.
    manifest : Manifest
        Where the files of deleted runs are struck out.
    """

    def __init__(self, root: Path, manifest: Manifest) -> None:
        self.root, self.manifest = root, manifest

    def find(self, slot: Slot) -> Path | None:
        """Return the folder of the run in a slot; None where there is none."""
        folder = (self.root / slot).resolve()
        return folder if folder.is_dir() else None

    def get(self, slot: Slot) -> Path:
        """Return the folder of the run in a slot.

        Raises
        ------
        ArtifactError
            There is none.
        """
        folder = self.find(slot)
        if folder is None:
            raise ArtifactError(f"{self.root / slot}: {WHO[slot]}", next_command=TRAIN_COMMAND)
        return folder

    def begin(self, run_id: str) -> Path:
        """Make the folder of a new run, as the candidate; a candidate from before is deleted."""
        with self._writing():
            folder = self.root / "runs" / run_id
            folder.mkdir(parents=True, exist_ok=True)
            self.repair()
            self._point("candidate", folder)
            self._prune()
        return folder

    def promote(self) -> None:
        """Let the candidate be served and what was served be the run before.

        Raises
        ------
        ArtifactError
            There is no candidate, or its training did not come to its end.
        """
        candidate = self.get("candidate")
        if not (candidate / SEAL).is_file():
            raise ArtifactError(
                f"{self.root / 'candidate'}: this run was not finished: it has no {SEAL}",
                next_command=TRAIN_COMMAND,
            )
        with self._writing():
            self.repair()
            self._prune()  # so that `repair` has one choice, should this be killed in turn
            self._link_new_names(candidate)
            served = self.find("served")
            if served is not None and served != candidate:
                self._point("previous", served)
            self._point("served", candidate)  # from here on the candidate answers
            (self.root / "candidate").unlink()
            self.repair()
            self._prune()

    def roll_back(self) -> None:
        """Let the served run and the run before change places.

        Raises
        ------
        ArtifactError
            There is no run before.
        """
        with self._writing():
            self.repair()
            self._prune()  # as in `promote`
            served, previous = self.get("served"), self.get("previous")
            self._link_new_names(previous)
            self._point("served", previous)
            self._point("previous", served)
            self.repair()

    def discard_candidate(self) -> None:
        """Delete the run that waits, if there is one."""
        with self._writing():
            self.repair()
            (self.root / "candidate").unlink(missing_ok=True)
            self._prune()

    def repair(self) -> None:
        """Finish what a kill left undone.

        Between two renames `served` and `previous` may name the same run. The run that belongs in
        `previous` then is the complete one that no link names: at most one, as all others are
        deleted before a promotion ends.
        """
        served, previous = self.find("served"), self.find("previous")
        if served is not None and served == previous:
            loose = [folder for folder in self._loose() if (folder / SEAL).is_file()]
            if loose:
                self._point("previous", max(loose, key=lambda folder: folder.name))
            else:
                (self.root / "previous").unlink()
        if served is not None:
            self._link_all_names(served)
        for left in self.root.glob(".*.tmp"):
            if left.is_symlink():
                left.unlink()

    def _loose(self) -> list[Path]:
        """Return the folders that no link names."""
        named = {self.find(slot) for slot in WHO}
        folders = self.root.resolve() / "runs"
        return [f for f in sorted(folders.glob("*")) if f.is_dir() and f not in named]

    def _prune(self) -> None:
        for folder in self._loose():
            (folder / SEAL).unlink(missing_ok=True)  # half deleted is not complete
            self.manifest.forget(folder)
            shutil.rmtree(folder)

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

    def _point(self, slot: Slot, folder: Path) -> None:
        self._link(self.root / slot, Path("runs") / folder.name)

    def _link(self, link: Path, target: Path) -> None:
        """Make or replace a link by one rename."""
        temporary = link.with_name(f".{link.name}.{os.getpid()}.tmp")
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(target)
        temporary.replace(link)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as e:
            raise unwritable(self.root / "runs", e) from e


def _names(folder: Path) -> list[str]:
    return sorted(f.name for f in folder.iterdir() if f.is_file() and not f.name.startswith("."))
