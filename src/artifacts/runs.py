"""One folder a run, and the links that name runs and the files of the served one.

    artifacts/runs/<run_id>/     the files of one run; never changed once it is complete
    artifacts/served             -> runs/...   the champion
    artifacts/previous           -> runs/...   the champion before
    artifacts/candidate          -> runs/...   in training, or not promoted
    artifacts/kinds/<kind>       -> ../runs/...   the last of that kind of model that was promoted
    artifacts/<file>             -> served/<file>, for every file of the served run
    results/<file>               -> ../artifacts/served/results/<file>; reports/ and others likewise
    artifacts/<model's file>     -> kinds/<kind>/<file>, for the models of other kinds

All files of the served run change together, by one rename of one link: a kill at any moment leaves
one whole run served, and no byte of a model is moved. What else a kill leaves undone, the next
writer completes (`_repair`). Every function that writes expects the writer's lock.
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from src.artifacts import manifest
from src.artifacts.manifest import TRAIN_COMMAND
from src.artifacts.names import SERVING, Alias, find_run, public_folders
from src.config import Paths
from src.errors import ArtifactError
from src.files import unwritable

MISSING: dict[Alias, str] = {
    "served": "no run is served",
    "previous": "there is no run before the served one",
    "candidate": "there is no candidate to promote",
}
REPLACED = ".replaced"  # the run that `previous` is about to name, while aliases change


def get(paths: Paths, alias: Alias) -> Path:
    """Return the folder of the run of an alias; that there is none is an error."""
    folder = find_run(paths, alias)
    if folder is None:
        root, command = paths.artifacts_dir, TRAIN_COMMAND
        promoted, problem = _promoted(paths), MISSING[alias]
        if alias == "served" and promoted:
            problem += ", but one was: a copy lost its links (cp -a and tar keep them)"
            command = f"ln -s runs/{promoted[max(promoted)].name} {root / alias}"
        raise ArtifactError(f"{root / alias}: {problem}", next_command=command)
    return folder


def kinds(paths: Paths) -> dict[str, Path]:
    """Return the folder of the last promoted run of each kind of model, the served one's first."""
    links = sorted((paths.artifacts_dir / "kinds").glob("*"))
    found = {link.name: find_run(paths, f"kinds/{link.name}") for link in links}
    served = find_run(paths, "served")
    first = {} if served is None else {_about(served)["kind"]: served}
    others = {kind: run for kind, run in found.items() if run and kind not in first}
    return {kind: run for kind, run in (first | others).items() if kind}


def files_of(run: Path) -> list[Path]:
    """Return every file of a run that is not hidden."""
    return sorted(path for path in run.rglob("[!.]*") if path.is_file())


def linked_names(paths: Paths) -> list[Path]:
    """Return every name, in ``artifacts/``, ``results/`` ..., that is a link to a promoted run."""
    root = str(paths.artifacts_dir.resolve())
    ours = (f"{root}/served/", f"{root}/kinds/")
    folders = public_folders(paths).values()
    found = (link for folder in folders for link in [*folder.glob("*"), *folder.glob("*/*")])
    return [
        link
        for link in found
        if link.is_symlink()
        and os.path.normpath(link.parent.resolve() / link.readlink()).startswith(ours)
    ]


def begin(paths: Paths, run_id: str) -> None:
    """Make the folder of a new run, as the candidate; a candidate from before is deleted.

    Raises
    ------
    ArtifactError
        No link names any of the promoted runs that lie here: they would be deleted.
    """
    if _promoted(paths) and not kinds(paths) and not any(find_run(paths, a) for a in MISSING):
        get(paths, "served")
    with _changing(paths):
        folder = paths.artifacts_dir / "runs" / run_id
        folder.mkdir(parents=True, exist_ok=True)
        _set_alias(paths, "candidate", folder)


def promote(paths: Paths) -> None:
    """Make the candidate the served run, and what was served the previous one.

    No candidate, or one whose training was not finished, is an ArtifactError.
    """
    candidate = get(paths, "candidate")
    if not (candidate / SERVING).is_file():
        raise ArtifactError(
            f"{paths.artifacts_dir / 'candidate'}: this run was not finished: it has no {SERVING}",
            next_command=TRAIN_COMMAND,
        )
    with _changing(paths):
        _serve(paths, candidate)


def roll_back(paths: Paths) -> None:
    """Exchange the served run and the previous one; that one is missing is an error."""
    with _changing(paths):
        get(paths, "served")
        _serve(paths, get(paths, "previous"))


def discard_candidate(paths: Paths) -> None:
    """Delete the candidate, if there is one."""
    with _changing(paths):
        (paths.artifacts_dir / "candidate").unlink(missing_ok=True)


def _serve(paths: Paths, run: Path) -> None:
    """Let a run be served; `_repair` does the rest."""
    served = find_run(paths, "served")
    _link_new_names(paths, run)
    if served is not None and served != run:
        _set_alias(paths, REPLACED, served)
    _set_alias(paths, "served", run)  # from here on it answers


def _repair(paths: Paths) -> None:
    """Complete what a change of aliases or a kill left undone; delete the runs that none names."""
    root = paths.artifacts_dir
    _relink_copies(paths)
    served, replaced = find_run(paths, "served"), find_run(paths, REPLACED)
    if replaced is not None:
        if replaced != served:
            _set_alias(paths, "previous", replaced)
        (root / REPLACED).unlink()
    if served is not None:
        if find_run(paths, "candidate") == served:
            (root / "candidate").unlink()
        kind = _about(served)["kind"]
        if kind and find_run(paths, f"kinds/{kind}") != served:
            _set_alias(paths, f"kinds/{kind}", served)
        _link_names(paths, served)
    for left in [*root.glob(".*.tmp"), *root.glob("kinds/.*.tmp")]:
        if left.is_symlink():
            left.unlink()
    named = {find_run(paths, alias) for alias in MISSING} | set(kinds(paths).values())
    for folder in sorted((root.resolve() / "runs").glob("*")):
        if folder.is_dir() and folder not in named:
            (folder / SERVING).unlink(missing_ok=True)  # half deleted is not complete
            manifest.forget(root, folder)
            shutil.rmtree(folder)


def _relink_copies(paths: Paths) -> None:
    """Make links again of the folders and files that a copy made of them."""
    root = paths.artifacts_dir
    for alias in [*MISSING, *(f"kinds/{link.name}" for link in root.glob("kinds/*"))]:
        copy = root / alias
        if copy.is_symlink() or not copy.exists():
            continue
        run = find_run(paths, alias)
        if copy.is_dir() and (run or not any(copy.iterdir())):
            shutil.rmtree(copy)
        if run:
            _set_alias(paths, alias, run)


@contextmanager
def _changing(paths: Paths) -> Iterator[None]:
    """Repair before and after a change, so that two kills never leave two ways to repair."""
    try:
        _repair(paths)
        yield
        _repair(paths)
    except OSError as e:
        raise unwritable(paths.artifacts_dir / "runs", e) from e


def _promoted(paths: Paths) -> dict[str, Path]:
    """Return the folders of the runs that were promoted once, by the time."""
    promoted = {_about(run)["promoted_at"]: run for run in paths.artifacts_dir.glob("runs/*")}
    promoted.pop(None, None)
    return promoted


def _about(run: Path) -> dict[str, Any]:
    """Return what ``serving.json`` says of a run, unchecked; of a damaged one, nothing."""
    nothing = {"kind": "", "promoted_at": None}
    try:
        return nothing | dict(json.loads((run / SERVING).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return nothing


def _link_new_names(paths: Paths, run: Path) -> None:
    """Link the files of a run that is about to be served and that have no name yet."""
    for link, target in _names(paths, run).items():
        if not os.path.lexists(link):
            _link(link, target)


def _link_names(paths: Paths, served: Path) -> None:
    """Link the names that people know to the files of the served run, and drop all others."""
    wanted = _names(paths, served)
    for link, target in wanted.items():
        if not link.is_symlink() or link.readlink() != target:
            _link(link, target)
    for link in linked_names(paths):
        if link not in wanted:
            link.unlink()


def _names(paths: Paths, served: Path) -> dict[Path, Path]:
    """Return where each name that people know leads, from the folder that it is in."""
    folders = public_folders(paths)
    root, found = folders[""], {}
    for kind, run in kinds(paths).items():
        models = f"model_{kind}_holdout.joblib", f"model_{kind}_final.joblib"
        for name in (*models, f"{kind}_full_pipeline.joblib"):
            if (run / name).is_file():
                found[root / name] = f"kinds/{kind}/{name}"
    for path in files_of(served):
        inside = path.relative_to(served)
        place = inside.parts[0] if len(inside.parts) > 1 else ""
        if place in folders:
            found[folders[place] / inside.relative_to(place)] = f"served/{inside}"
    return {
        link: Path(os.path.relpath(root.resolve() / target, link.parent.resolve()))
        for link, target in found.items()
    }


def _set_alias(paths: Paths, alias: str, folder: Path) -> None:
    up = "../" * alias.count("/")
    _link(paths.artifacts_dir / alias, Path(f"{up}runs", folder.name))


def _link(link: Path, target: Path) -> None:
    """Make or replace a link by one rename."""
    link.parent.mkdir(parents=True, exist_ok=True)
    temporary = link.with_name(f".{link.name}.{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.replace(link)
