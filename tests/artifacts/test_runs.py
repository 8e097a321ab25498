"""Runs that take each other's place: whole at any moment, also after a kill at any moment."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from src.artifacts import runs
from src.artifacts.names import find_run
from src.artifacts.store import ArtifactStore, Run, ServedRun
from src.config import load_config
from src.errors import ArtifactError

KINDS = {"run-1": "linear_svc", "run-2": "late_fusion", "run-3": "logreg"}
KINDS |= {"run-4": "logreg", "run-5": "logreg"}


def store_in(workspace: Path) -> ArtifactStore:
    return ArtifactStore(load_config(overrides=[f"paths.workspace={workspace}"]).paths)


def values(run_id: str) -> dict[str, object]:
    return {
        "kind": KINDS[run_id], "run_id": run_id, "snapshot": "d" * 64, "f1_weighted": 0.8,
        "half_width": 0.01, "synthetic": True, "promoted_at": None, "rows": 900, "sample": False,
    }  # fmt: skip


def write_run(workspace: Path, run_id: str) -> ArtifactStore:
    """A complete run of two files and serving.json, the candidate."""
    run = Run(run_id, "d" * 64, synthetic=True, config="c")
    store = store_in(workspace).begin(run)
    store.save(store.full_pipeline(KINDS[run_id]), [run_id], run=run, stage="train")
    store.save(store.model_card, run_id, run=run, stage="train")
    store.save(store.label_issues, pd.DataFrame({"run": [run_id]}), run=run, stage="evaluate")
    figure = store.figure(KINDS[run_id], "holdout", "confusion_en")
    store.save(figure, run_id.encode(), run=run, stage="evaluate")
    store.save(store.baseline("b4_diagnostics.csv"), pd.DataFrame({"run": [run_id]}), run=run,
               stage="evaluate")  # fmt: skip
    store.save(store.demo_images / "image_1_product_2.jpg", b"\xff", run=run, stage="train")
    store.save(store.serving, values(run_id), run=run, stage="promote")
    return store


def serve(workspace: Path, *run_ids: str) -> ArtifactStore:
    for run_id in run_ids:
        runs.promote(write_run(workspace, run_id).paths)
    return store_in(workspace)


def run_in(store: ArtifactStore) -> str:
    """Return the run that every file of a store names; every file is checked by its sha256."""
    served = store.served_run()
    store.verify()
    assert store.load(store.full_pipeline(served.kind)) == [served.run_id]
    assert store.load(store.model_card) == served.run_id
    assert store.load(store.label_issues)["run"].tolist() == [served.run_id]
    return served.run_id


def aliases(store: ArtifactStore) -> dict[str, str]:
    found = [alias for alias in ("served", "previous", "candidate") if find_run(store.paths, alias)]
    return {alias: run_in(store.pinned(alias)) for alias in found}


def test_a_run_is_served_when_it_is_promoted_and_not_before(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    with pytest.raises(ArtifactError, match=r"served: no run is served\nnext: python"):
        store.served_run()
    with pytest.raises(ArtifactError, match="served: no run is served"):
        store.pinned()
    runs.promote(write_run(tmp_path, "run-1").paths)
    assert store.served_run() == ServedRun(**values("run-1"))
    write_run(tmp_path, "run-2")
    assert (run_in(store), aliases(store)) == (
        "run-1",
        {"served": "run-1", "candidate": "run-2"},
    )
    runs.promote(store.paths)
    assert (run_in(store), aliases(store)) == ("run-2", {"served": "run-2", "previous": "run-1"})


def test_plain_names_are_those_of_the_served_run_alone(tmp_path: Path) -> None:
    store = serve(tmp_path, "run-1", "run-2")
    assert store.full_pipeline("late_fusion").is_file()
    assert not store.full_pipeline("linear_svc").is_symlink()
    previous = store.paths.artifacts_dir / "previous" / "linear_svc_full_pipeline.joblib"
    assert store.load(previous) == ["run-1"]
    hidden = [path.name for path in store.paths.artifacts_dir.iterdir() if path.suffix == ".tmp"]
    assert hidden == []


def test_two_runs_are_kept_and_the_manifest_lists_no_other(tmp_path: Path) -> None:
    store = serve(tmp_path, "run-3", "run-4", "run-5")
    assert aliases(store) == {"served": "run-5", "previous": "run-4"}
    folders = sorted(path.name for path in (store.paths.artifacts_dir / "runs").iterdir())
    assert folders == ["run-4", "run-5"]
    listed = {name.split("/")[1] for name in json.loads(store.manifest.read_text())}
    assert listed == {"run-4", "run-5"}


def test_one_run_of_every_promoted_kind_is_kept_and_can_be_loaded(tmp_path: Path) -> None:
    store = serve(tmp_path, "run-1", "run-2", "run-3", "run-4", "run-5")
    assert list(runs.kinds(store.paths)) == ["logreg", "late_fusion", "linear_svc"]
    for kind, run_id in (("logreg", "run-5"), ("late_fusion", "run-2"), ("linear_svc", "run-1")):
        assert run_in(store.pinned(kind=kind)) == run_id
        plain = store.paths.artifacts_dir / f"{kind}_full_pipeline.joblib"
        assert store.load(plain) == [run_id]
    assert aliases(store) == {"served": "run-5", "previous": "run-4"}
    with pytest.raises(
        ArtifactError, match=r"no run of kind 'xgboost' .* logreg, late_fusion, lin"
    ):
        store.pinned(kind="xgboost")
    runs.roll_back(store.paths)
    assert run_in(store.pinned(kind="logreg")) == "run-4"


def test_results_figures_and_demo_images_are_of_the_served_run(tmp_path: Path) -> None:
    """Before and after a refused run, a promotion and a rollback; what is not a run's own stays."""
    own = tmp_path / "results" / "feedback.jsonl"
    own.parent.mkdir()
    own.write_text("said")

    def shown() -> set[str]:
        files = [tmp_path / "results/label_issues.csv", *tmp_path.glob("reports/figures/*"),
                 tmp_path / "streamlit_app/rapport/b4_diagnostics.csv"]  # fmt: skip
        pictures = sorted(tmp_path.glob("streamlit_app/demo_images/*"))
        assert [path.read_bytes() for path in pictures] == [b"\xff"]
        return {path.read_text().split()[-1] for path in files}

    store = serve(tmp_path, "run-1")
    assert shown() == {"run-1"}
    write_run(tmp_path, "run-2")  # refused
    assert shown() == {"run-1"}
    runs.promote(store.paths)
    assert shown() == {"run-2"}
    runs.roll_back(store.paths)
    assert shown() == {"run-1"}
    assert own.read_text() == "said"
    assert len(list((tmp_path / "reports/figures").iterdir())) == 1


def test_a_file_that_the_served_run_did_not_write_has_no_name(tmp_path: Path) -> None:
    new = write_run(tmp_path, "run-1")
    run = Run("run-1", "d" * 64, synthetic=True, config="c")
    new.save(new.shap_summary, pd.DataFrame({"a": [1]}), run=run, stage="evaluate")
    runs.promote(new.paths)
    name = tmp_path / "results" / "shap" / "shap_summary.csv"
    assert name.read_text() == "a\n1\n"
    serve(tmp_path, "run-2")
    assert not name.is_symlink()


def by_cp(source: Path, target: Path) -> None:
    subprocess.run(["cp", "-rL", source, target], check=True)


def by_archive(source: Path, target: Path) -> None:
    """As shutil does it: what a link to a folder leads to is left out, the folder is empty."""
    shutil.unpack_archive(shutil.make_archive(f"{target}-packed", "zip", source), target)


def by_text(source: Path, target: Path) -> None:
    """As some archives and file systems keep links: a small file that holds where they lead."""
    shutil.copytree(source, target, symlinks=True)
    for link in [path for path in target.rglob("*") if path.is_symlink()]:
        leads = link.readlink()
        link.unlink()
        link.write_text(f"{leads}\n")


@pytest.mark.parametrize("copy", [by_cp, by_archive, by_text])
def test_a_copy_without_links_serves_and_gets_them_again(
    tmp_path: Path, copy: Callable[[Path, Path], None]
) -> None:
    store = serve(tmp_path / "a", "run-1", "run-2")
    (tmp_path / "b").mkdir()
    copy(store.paths.artifacts_dir, tmp_path / "b" / "artifacts")
    copied = store_in(tmp_path / "b")
    assert run_in(copied.pinned()) == run_in(copied) == "run-2"
    serve(tmp_path / "b", "run-3")
    assert aliases(copied) == {"served": "run-3", "previous": "run-2"}
    assert (copied.paths.artifacts_dir / "served").is_symlink()


def test_a_copy_that_left_the_links_out_says_how_to_make_them(tmp_path: Path) -> None:
    store = serve(tmp_path / "a", "run-1", "run-2")
    store.pinned("served").serve_from_now()
    runs.roll_back(store.paths)
    back = store.pinned("served").serve_from_now()  # run-2 was promoted last, run-1 is served
    assert (back.run_id, store.served_run()) == ("run-1", back)
    for link in [path for path in (tmp_path / "a").rglob("*") if path.is_symlink()]:
        link.unlink()
    with pytest.raises(ArtifactError, match="a copy lost its links") as caught:
        store.pinned()
    with pytest.raises(ArtifactError, match="a copy lost its links"):
        write_run(tmp_path / "a", "run-3")  # a training would delete what no link names
    subprocess.run(["bash", "-c", str(caught.value.next_command)], check=True)
    assert run_in(store_in(tmp_path / "a").pinned()) == "run-1"
    serve(tmp_path / "a", "run-2")
    assert aliases(store_in(tmp_path / "a")) == {"served": "run-2", "previous": "run-1"}


def test_a_second_rollback_is_where_one_began(tmp_path: Path) -> None:
    store = serve(tmp_path, "run-1", "run-2")
    before = {path: path.readlink() for path in store.paths.artifacts_dir.iterdir()
              if path.is_symlink()}  # fmt: skip
    runs.roll_back(store.paths)
    assert (run_in(store), aliases(store)) == ("run-1", {"served": "run-1", "previous": "run-2"})
    assert not store.full_pipeline("late_fusion").is_symlink()
    runs.roll_back(store.paths)
    assert before == {path: path.readlink() for path in store.paths.artifacts_dir.iterdir()
                      if path.is_symlink()}  # fmt: skip


def test_without_a_run_before_there_is_nothing_to_go_back_to(tmp_path: Path) -> None:
    store = serve(tmp_path, "run-1")
    with pytest.raises(ArtifactError, match="previous: there is no run before the served one"):
        runs.roll_back(store.paths)
    with pytest.raises(ArtifactError, match="candidate: there is no candidate to promote"):
        runs.promote(store.paths)


def test_a_run_that_was_not_finished_is_not_promoted(tmp_path: Path) -> None:
    store = serve(tmp_path, "run-1")
    write_run(tmp_path, "run-2").serving.unlink()
    with pytest.raises(ArtifactError, match=r"not finished: it has no serving\.json"):
        runs.promote(store.paths)
    with pytest.raises(ArtifactError, match=r"serving\.json: this run was not finished"):
        store.pinned("candidate").served_run()
    assert run_in(store) == "run-1"


def test_discarding_the_candidate_leaves_the_served_run(tmp_path: Path) -> None:
    store = serve(tmp_path, "run-1", "run-2")
    write_run(tmp_path, "run-3")
    runs.discard_candidate(store.paths)
    runs.discard_candidate(store.paths)
    assert aliases(store) == {"served": "run-2", "previous": "run-1"}


@pytest.mark.parametrize("action", ["promote", "roll_back"])
def test_what_a_kill_left_is_gone_before_runs_change_places(
    tmp_path: Path, action: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a second kill, in between, would find two runs that may be the one before."""
    store = serve(tmp_path, "run-1", "run-2")
    folder = store.paths.artifacts_dir / "runs"
    left = shutil.copytree(folder / "run-2", folder / "run-9")
    if action == "promote":
        write_run(tmp_path, "run-3")
        shutil.copytree(folder / "run-2", left)
    done: list[bool] = []
    monkeypatch.setattr(runs, "_link_new_names", lambda *_: done.append(left.exists()))
    getattr(runs, action)(store.paths)
    assert done == [False]


def test_an_altered_file_of_a_run_is_found(tmp_path: Path) -> None:
    store = serve(tmp_path, "run-1", "run-2")
    card = store.paths.artifacts_dir / "previous" / "MODEL_CARD.md"
    card.write_text("another")
    store.pinned("served").verify()
    with pytest.raises(ArtifactError, match=r"MODEL_CARD\.md: refused: its sha256 starts with"):
        store.pinned("previous").verify()


def test_a_pinned_store_stays_with_its_run(tmp_path: Path) -> None:
    store = serve(tmp_path, "run-1")
    pinned = store.pinned()
    serve(tmp_path, "run-2")
    assert (run_in(pinned), run_in(store)) == ("run-1", "run-2")


def test_saving_under_a_plain_name_writes_into_the_served_run(tmp_path: Path) -> None:
    store = serve(tmp_path, "run-1")
    store.save(store.model_card, "run-1", run=Run("run-1", "d", True, "c"), stage="train")
    assert store.model_card.resolve() == store.pinned().model_card
    assert run_in(store.pinned()) == "run-1"


def test_a_link_does_not_lend_a_file_another_name(tmp_path: Path) -> None:
    store = serve(tmp_path, "run-1")
    other = store.paths.artifacts_dir / "logreg_full_pipeline.joblib"
    other.symlink_to(store.full_pipeline("linear_svc").resolve())
    with pytest.raises(ArtifactError, match="the manifest lists nothing"):
        store.load(other)


def test_files_from_before_there_were_runs_give_way(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    run = Run("old", "d", synthetic=True, config="c")
    old = store.paths.artifacts_dir / "linear_svc_full_pipeline.joblib"
    store.save(old, ["old"], run=run, stage="train")
    serve(tmp_path, "run-1")
    assert run_in(store) == "run-1"


def test_signed_runs_change_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARTIFACT_KEY", "one")
    store = serve(tmp_path, "run-1", "run-2")
    runs.roll_back(store.paths)
    assert run_in(store) == "run-1"
    monkeypatch.setenv("ARTIFACT_KEY", "two")
    with pytest.raises(ArtifactError, match="with another key's signature"):
        store.served_run()


def test_a_folder_in_the_way_is_named(tmp_path: Path) -> None:
    store = write_run(tmp_path, "run-1")
    (store.paths.artifacts_dir / "served" / "x").mkdir(parents=True)
    with pytest.raises(ArtifactError, match=r"runs: can't be written .*\nnext: df -h"):
        runs.promote(store.paths)


# For n = 1, 2, ...: a process that counts the calls that change the disk, and is killed by SIGKILL
# just before the n-th of them, in a copy of the workspace; until one comes to its end.
KILLED = """
import itertools, os, shutil, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_runs import runs, store_in, write_run
folder, action = Path(sys.argv[2]), sys.argv[3]
CHANGES = {"os.rename", "os.symlink", "os.remove", "os.mkdir", "os.rmdir"}

def act(workspace, moment):
    changes = itertools.count(1)
    def hook(event, arguments):
        if event in CHANGES and next(changes) == moment:
            os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(hook)
    with store_in(workspace).writing():
        if action == "train":
            runs.promote(write_run(workspace, "run-3").paths)
        else:
            runs.roll_back(store_in(workspace).paths)
    os._exit(0)

for moment in itertools.count(1):
    workspace = folder / f"killed-{moment}"
    shutil.copytree(folder / "origin", workspace, symlinks=True)
    child = os.fork()
    if not child:
        act(workspace, moment)
    status = os.waitpid(child, 0)[1]
    assert status in (0, signal.SIGKILL), status
    if status == 0:
        break
"""


@pytest.mark.parametrize(
    ("action", "fewest"), [pytest.param("train", 40, marks=pytest.mark.slow), ("roll back", 8)]
)
def test_sigkill_before_any_change_of_the_disk_leaves_whole_runs(
    tmp_path: Path, action: str, fewest: int
) -> None:
    """Served loads at once; the next writer finds two runs in their places and can go on."""
    serve(tmp_path / "origin", "run-1", "run-2")
    words = [str(Path(__file__).parent), str(tmp_path), action]
    subprocess.run([sys.executable, "-c", KILLED, *words], check=True)
    workspaces, seen = sorted(tmp_path.glob("killed-*")), set()
    assert len(workspaces) > fewest
    for workspace in workspaces:
        store = store_in(workspace)
        served = run_in(store)
        seen.add(served)
        assert run_in(store.pinned()) == served
        runs.discard_candidate(store.paths)
        before = {"run-3": "run-2", "run-2": "run-1", "run-1": "run-2"}[served]
        assert aliases(store) == {"served": served, "previous": before}
        runs.roll_back(store.paths)
        assert aliases(store) == {"served": before, "previous": served}
    assert seen == {"run-2", "run-3" if action == "train" else "run-1"}
