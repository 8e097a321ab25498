"""Which run is served: the rule on its own, and the commands around it on a real training."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from src.artifacts import runs
from src.artifacts.store import ArtifactStore, Run, ServedRun
from src.config import REPOSITORY, Config, load_config
from src.errors import ArtifactError
from src.evaluation.paired import score_differences
from src.runs.promotion import decide, finalize, promote, read_decision
from src.runs.types import Scored

RUN = Run("run-1", "d" * 64, synthetic=True, config="c")
RNG = np.random.default_rng(0)
Y = RNG.choice([10, 40, 50], 400)


def holdout(share_right: float, seed: int, rows: np.ndarray | None = None) -> pd.DataFrame:
    """Predictions of which about that share is right."""
    rng = np.random.default_rng(seed)
    wrong = rng.random(len(Y)) > share_right
    predicted = np.where(wrong, rng.choice([10, 40, 50], len(Y)), Y)
    index = np.arange(len(Y)) if rows is None else rows
    return pd.DataFrame(
        {"row_index": index, "prdtypecode": Y, "predicted": predicted, "group": index // 2}
    )


def served(frame: pd.DataFrame, run: Run = RUN) -> ServedRun:
    f1 = f1_score(frame.prdtypecode, frame.predicted, average="weighted")
    return ServedRun("logreg", run.run_id, run.snapshot, f1, 0.03, run.synthetic, None)


def store_in(workspace: Path) -> ArtifactStore:
    return ArtifactStore(load_config(overrides=[f"paths.workspace={workspace}"]).paths)


def scored(frame: pd.DataFrame) -> Scored:
    f1 = f1_score(frame.prdtypecode, frame.predicted, average="weighted")
    details = {"intervals": {"f1_weighted": [f1 - 0.02, f1 + 0.03]}}
    none = pd.DataFrame()
    return Scored("holdout", frame, {"f1_weighted": f1}, details, none, none, none)


def write_run(workspace: Path, frame: pd.DataFrame, run: Run, kind: str = "logreg") -> ServedRun:
    store = store_in(workspace).begin(run)
    store.save(store.full_pipeline(kind), [run.run_id], run=run, stage="train")
    return finalize(store, run, kind, scored(frame), frame["group"].to_numpy())


def test_on_the_same_rows_the_comparison_is_paired() -> None:
    old, new = holdout(0.80, 1), holdout(0.79, 2)
    shuffled = new.sample(frac=1, random_state=0)
    decision = decide(served(new), shuffled, served(old), old)
    pair = {"prdtypecode": Y, "a": old.predicted, "b": new.predicted, "group": new.group}
    expected = score_differences(pd.DataFrame(pair)).loc["f1_weighted"]
    half_width = (expected["high"] - expected["low"]) / 2
    assert (decision.difference, decision.half_width) == (expected["difference"], half_width)
    assert decision.difference == pytest.approx(
        f1_score(Y, new.predicted, average="weighted")
        - f1_score(Y, old.predicted, average="weighted")
    )
    assert decision.paired
    assert decision.promoted == (expected["difference"] >= -half_width)
    assert "paired on 400 rows" in decision.reason


@pytest.mark.parametrize(("share", "promoted"), [(0.8, True), (0.79, True), (0.6, False)])
def test_worse_by_more_than_the_half_width_is_not_promoted(share: float, promoted: bool) -> None:
    old, new = holdout(0.8, 1), holdout(share, 1)
    assert decide(served(new), new, served(old), old).promoted is promoted


def test_other_rows_or_another_snapshot_are_compared_by_their_half_widths() -> None:
    old = holdout(0.8, 1)
    elsewhere = holdout(0.8, 2, rows=np.arange(1000, 1400))
    other = dataclasses.replace(RUN, snapshot="e" * 64)
    for new, run in ((elsewhere, RUN), (holdout(0.8, 2), other)):
        decision = decide(served(new, run), new, served(old), old)
        assert not decision.paired
        assert decision.half_width == pytest.approx((2 * 0.03**2) ** 0.5)
        assert decision.difference == served(new).f1_weighted - served(old).f1_weighted
    for worse, promoted in ((0.042, True), (0.043, False)):
        candidate = dataclasses.replace(served(old), f1_weighted=served(old).f1_weighted - worse)
        assert decide(candidate, elsewhere, served(old), old).promoted is promoted


def test_two_runs_are_scored_on_the_newer_labels() -> None:
    """A person corrected what the old run has wrong: against these labels it falls behind."""
    old = holdout(0.8, 1)
    new = old.assign(prdtypecode=np.where(Y == 10, 40, Y))
    decision = decide(served(new), new, served(old), old)
    assert (decision.difference, decision.promoted) == (0.0, True)


def test_the_demo_shop_and_official_data() -> None:
    good, poor = holdout(0.9, 1), holdout(0.3, 2)
    official = dataclasses.replace(RUN, synthetic=False)
    replaced = decide(served(poor, official), poor, served(good), good)
    refused = decide(served(good), good, served(poor, official), poor)
    assert (replaced.promoted, refused.promoted) == (True, False)
    assert refused.reason == "drawn by the demo shop: it does not replace a run on official data"


def test_serving_json_holds_score_and_half_width(tmp_path: Path) -> None:
    frame = holdout(0.8, 1)
    about = write_run(tmp_path, frame, RUN)
    f1 = f1_score(Y, frame.predicted, average="weighted")
    assert about == ServedRun(
        "logreg", "run-1", "d" * 64, f1, pytest.approx(0.025), True, promoted_at=None
    )
    store = store_in(tmp_path).pinned("candidate")
    assert store.served_run() == about
    pd.testing.assert_frame_equal(store.load(store.holdout), frame)


def test_promotion_force_and_what_is_written_of_it(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    write_run(tmp_path, holdout(0.8, 1), RUN)
    with store.writing():
        first = promote(store, force=False)
    assert (first.promoted, first.reason) == (True, "the first run to be served")
    assert store.served_run().promoted_at is not None
    worse = dataclasses.replace(RUN, run_id="run-2")
    write_run(tmp_path, holdout(0.5, 2), worse, kind="late_fusion")
    decision = promote(store, force=False)
    assert (decision.promoted, decision.forced) == (False, False)
    assert read_decision(store) == decision
    assert (store.served_run().run_id, store.served_run().kind) == ("run-1", "logreg")
    forced = promote(store, force=True)
    assert (forced.promoted, forced.forced) == (True, True)
    assert read_decision(store) == forced
    assert store.served_run().run_id == "run-2"
    assert store.load(store.full_pipeline("late_fusion")) == ["run-2"]
    before = store.pinned("previous")
    assert before.load(before.full_pipeline("logreg")) == ["run-1"]


def test_a_run_without_the_file_that_serving_loads_is_never_served(tmp_path: Path) -> None:
    write_run(tmp_path, holdout(0.8, 1), RUN)
    store = store_in(tmp_path)
    store.pinned("candidate").full_pipeline("logreg").unlink()
    decision = promote(store, force=True)
    assert (decision.promoted, decision.forced, decision.served) == (False, False, None)
    assert decision.reason.startswith("outputs.full_pipeline was off")
    assert runs.find(store.paths, "served") is None


def test_a_candidate_that_was_altered_is_not_promoted(tmp_path: Path) -> None:
    write_run(tmp_path, holdout(0.8, 1), RUN)
    store = store_in(tmp_path)
    store.pinned("candidate").full_pipeline("logreg").write_bytes(b"other")
    with pytest.raises(ArtifactError, match=r"logreg_full_pipeline\.joblib: refused"):
        promote(store, force=True)


def test_a_served_run_that_can_not_be_read_gives_way(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = store_in(tmp_path)
    write_run(tmp_path, holdout(0.8, 1), RUN)
    promote(store, force=False)
    store.holdout.write_text("damaged")
    write_run(tmp_path, holdout(0.3, 2), dataclasses.replace(RUN, run_id="run-2"))
    assert promote(store, force=False).promoted
    assert "the served run can't be read" in caplog.text


def command(name: str, cfg: Config, *options: str) -> subprocess.CompletedProcess[str]:
    smoke = REPOSITORY / "config" / "smoke.toml"
    words = [REPOSITORY / "scripts" / name, "--config", smoke, *options]
    places = {"workspace": cfg.paths.workspace, "import_dir": cfg.paths.import_dir}
    for key, place in places.items():
        words += ["--set", f"paths.{key}={place}"]
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.run(
        [sys.executable, *map(str, words)], env=env, capture_output=True, text=True, check=False
    )


def test_from_a_damaged_run_one_can_go_back(tmp_path: Path) -> None:
    cfg = load_config(overrides=[f"paths.workspace={tmp_path}"])
    store = ArtifactStore(cfg.paths)
    for run_id in ("run-1", "run-2"):
        write_run(tmp_path, holdout(0.8, 1), dataclasses.replace(RUN, run_id=run_id))
        promote(store, force=False)
    store.serving.write_text("{}")
    back = command("rollback.py", cfg)
    assert back.returncode == 0, back.stderr
    was, now = back.stdout.splitlines()
    assert was.startswith("was served  a run that can't be read: ")
    assert now == f"served now  {store.served_run()}"
    assert command("rollback.py", cfg).returncode == 2  # the damaged one stays away
    assert store.served_run().run_id == "run-1"


def typed(line: str) -> str:
    """Return what a line says when it is typed in the repository."""
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    words = ["bash", "-c", line]
    return subprocess.run(words, cwd=REPOSITORY, env=env, stdout=-1, text=True, check=True).stdout


def test_the_commands_on_a_real_training(configure: Callable[..., Config]) -> None:
    """Trained, trained worse, looked at, promoted all the same, gone back."""
    cfg = configure()
    train = ("train_pipeline.py", cfg, "--source", "csv", "--set", "debug.sample_rows=0")
    nothing = command("rollback.py", cfg)
    assert (nothing.returncode, nothing.stdout) == (2, "")
    assert "no run is served" in nothing.stderr
    good = command(*train)
    assert good.returncode == 0, good.stderr
    assert "served now: the first run to be served" in good.stdout
    store = ArtifactStore(cfg.paths)
    first = store.served_run()
    weights = [f"features.text.weights.tfidf_{n}=0" for n in ("word", "char", "char_title")]
    blind = [*weights, "features.text.max_features=1"]
    bad = command(*train, *(word for option in blind for word in ("--set", option)))
    assert bad.returncode == 1, bad.stderr
    assert "not promoted: weighted F1 worse: -0." in bad.stdout
    assert f"served        {first}" in bad.stdout
    assert store.served_run() == first
    inspect, force = (line[16:] for line in bad.stdout.splitlines()[-2:])
    assert typed(inspect).startswith("# Model card: linear_svc\n\n> **SYNTHETIC**")
    again = command("promote.py", cfg)
    assert (again.returncode, again.stderr) == (1, "")
    forced = typed(force)
    second = store.served_run()
    assert forced.splitlines()[1:] == [f"  candidate  {second}", f"  before     {first}"]
    back = command("rollback.py", cfg)
    assert (back.returncode, back.stdout) == (0, f"was served  {second}\nserved now  {first}\n")
    shown = command("rollback.py", cfg, "--show")
    assert shown.stdout == f"before      {second}\nserved now  {first}\n"
    assert store.served_run() == first
