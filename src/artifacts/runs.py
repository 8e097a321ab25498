"""One folder a run, and the aliases that name runs: served, previous, candidate.

    artifacts/runs/<run_id>/     the files of one run; never changed once it is complete
    artifacts/served             -> runs/...   the champion
    artifacts/previous           -> runs/...   the champion before
    artifacts/candidate          -> runs/...   in training, or not promoted
    artifacts/<file>             -> served/<file>, for every file of the served run

All files of the served run change together, by one rename of one link: a kill at any moment leaves
one whole run served, and no byte of a model is moved. What else a kill leaves undone, the next
writer completes (`_repair`). Every function that writes expects the writer's lock.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from src.artifacts import manifest
from src.artifacts.manifest import TRAIN_COMMAND, unwritable
from src.artifacts.names import SERVING
from src.config import Paths
from src.errors import ArtifactError

Alias = Literal["served", "previous", "candidate"]
MISSING: dict[Alias, str] = {
    "served": "no run is served",
    "previous": "there is no run before the served one",
    "candidate": "there is no candidate to promote",
}


def find(paths: Paths, alias: Alias) -> Path | None:
    """Return the folder of the run of an alias; None where there is none."""
    folder = (paths.artifacts_dir / alias).resolve()
    return folder if folder.is_dir() else None


def get(paths: Paths, alias: Alias) -> Path:
    """Return the folder of the run of an alias; that there is none is an error."""
    folder = find(paths, alias)
    if folder is None:
        raise ArtifactError(
            f"{paths.artifacts_dir / alias}: {MISSING[alias]}", next_command=TRAIN_COMMAND
        )
    return folder


def begin(paths: Paths, run_id: str) -> None:
    """Make the folder of a new run, as the candidate; a candidate from before is deleted."""
    with _changing(paths):
        folder = paths.artifacts_dir / "runs" / run_id
        folder.mkdir(parents=True, exist_ok=True)
        _set_alias(paths, "candidate", folder)


def promote(paths: Paths) -> None:
    """Make the candidate the served run, and what was served the previous one.

    Raises
    ------
    ArtifactError
        There is no candidate, or its training was not finished.
    """
    candidate = get(paths, "candidate")
    if not (candidate / SERVING).is_file():
        raise ArtifactError(
            f"{paths.artifacts_dir / 'candidate'}: this run was not finished: it has no {SERVING}",
            next_command=TRAIN_COMMAND,
        )
    with _changing(paths):
        _link_new_names(paths, candidate)
        served = find(paths, "served")
        if served is not None and served != candidate:
            _set_alias(paths, "previous", served)
        _set_alias(paths, "served", candidate)  # from here on the candidate answers
        (paths.artifacts_dir / "candidate").unlink()


def roll_back(paths: Paths) -> None:
    """Exchange the served run and the previous one; that one is missing is an error."""
    with _changing(paths):
        served, previous = get(paths, "served"), get(paths, "previous")
        _link_new_names(paths, previous)
        _set_alias(paths, "served", previous)
        _set_alias(paths, "previous", served)


def discard_candidate(paths: Paths) -> None:
    """Delete the candidate, if there is one."""
    with _changing(paths):
        (paths.artifacts_dir / "candidate").unlink(missing_ok=True)


def _repair(paths: Paths) -> None:
    """Complete what a kill left undone, and delete the runs that no alias names.

    Between two renames `served` and `previous` may name the same run. The run that belongs in
    `previous` then is the complete one without an alias: at most one, as all others are
    deleted before aliases change.
    """
    served, previous = find(paths, "served"), find(paths, "previous")
    if served is not None and served == previous:
        complete = [folder for folder in _without_alias(paths) if (folder / SERVING).is_file()]
        if complete:
            _set_alias(paths, "previous", max(complete, key=lambda folder: folder.name))
        else:
            (paths.artifacts_dir / "previous").unlink()
    if served is not None:
        _link_all_names(paths, served)
    for left in paths.artifacts_dir.glob(".*.tmp"):
        if left.is_symlink():
            left.unlink()
    for folder in _without_alias(paths):
        (folder / SERVING).unlink(missing_ok=True)  # half deleted is not complete
        manifest.forget(paths.artifacts_dir, folder)
        shutil.rmtree(folder)


@contextmanager
def _changing(paths: Paths) -> Iterator[None]:
    """Repair before and after a change, so that two kills never leave two ways to repair."""
    try:
        _repair(paths)
        yield
        _repair(paths)
    except OSError as e:
        raise unwritable(paths.artifacts_dir / "runs", e) from e


def _without_alias(paths: Paths) -> list[Path]:
    named = {find(paths, alias) for alias in MISSING}
    folders = paths.artifacts_dir.resolve() / "runs"
    return [f for f in sorted(folders.glob("*")) if f.is_dir() and f not in named]


def _link_new_names(paths: Paths, folder: Path) -> None:
    """Link the files of a run that is about to be served and that have no name yet."""
    for name in _names(folder):
        if not os.path.lexists(paths.artifacts_dir / name):
            _link(paths.artifacts_dir / name, Path("served") / name)


def _link_all_names(paths: Paths, served: Path) -> None:
    for name in _names(served):
        target = Path("served") / name
        link = paths.artifacts_dir / name
        if not link.is_symlink() or link.readlink() != target:
            _link(link, target)
    for link in paths.artifacts_dir.iterdir():
        is_name = link.is_symlink() and link.readlink().parts[:1] == ("served",)
        if is_name and not link.exists():
            link.unlink()


def _set_alias(paths: Paths, alias: Alias, folder: Path) -> None:
    _link(paths.artifacts_dir / alias, Path("runs") / folder.name)


def _link(link: Path, target: Path) -> None:
    """Make or replace a link by one rename."""
    temporary = link.with_name(f".{link.name}.{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.replace(link)


def _names(folder: Path) -> list[str]:
    return sorted(f.name for f in folder.iterdir() if f.is_file() and not f.name.startswith("."))
