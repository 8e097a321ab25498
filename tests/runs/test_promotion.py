"""Which run is served: the rule on its own, and the commands around it on a real training."""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from src.artifacts.names import find_run
from src.artifacts.store import ArtifactStore, Run, ServedRun
from src.config import REPOSITORY, Config, load_config
from src.errors import ArtifactError
from src.evaluation.paired import score_differences
from src.runs.promotion import Decision, decide, finalize, promote, read_decision
from src.runs.types import Scored

RUN = Run("run-1", "d" * 64, synthetic=True, config="c")
CODES = np.array([10, 40, 50, 60, 1140, 2583])
MARGIN = 0.01
N = 2000


def answers(share_right: float, seed: int = 0, n: int = N, first: int = 0) -> pd.DataFrame:
    """Unseen answers of which about that share is right; the labels are always the same."""
    true = np.random.default_rng(99).choice(CODES, n)
    rng = np.random.default_rng(seed)
    predicted = np.where(rng.random(n) > share_right, rng.choice(CODES, n), true)
    product = np.arange(first, first + n)
    return pd.DataFrame(
        {"productid": product, "prdtypecode": true, "predicted": predicted, "group": product // 2}
    )


def changed(frame: pd.DataFrame, share: float, right: float, seed: int) -> pd.DataFrame:
    """Another run's answers: a share of the rows is answered anew, that part of them rightly."""
    rng = np.random.default_rng(seed)
    anew = rng.random(len(frame)) < share
    wrong = CODES[(np.searchsorted(CODES, frame.prdtypecode) + 1) % len(CODES)]
    fresh = np.where(rng.random(len(frame)) < right, frame.prdtypecode, wrong)
    return frame.assign(predicted=np.where(anew, fresh, frame.predicted))


def about(frame: pd.DataFrame, run: Run = RUN, *, sample: bool = False) -> ServedRun:
    f1 = f1_score(frame.prdtypecode, frame.predicted, average="weighted")
    return ServedRun(
        "logreg", run.run_id, run.snapshot, f1, 0.03, run.synthetic, None, len(frame), sample
    )


def decided(new: pd.DataFrame, old: pd.DataFrame, *, sample: bool = False) -> Decision:
    return decide(about(new, sample=sample), new, about(old), old, MARGIN)


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
    both = (scored(frame.head(300)), scored(frame.drop(columns="group")))
    return finalize(store, run, kind, both, frame["group"].to_numpy(), sample=False)


def test_the_comparison_is_paired_on_the_products_of_both() -> None:
    old, new = answers(0.80), answers(0.84, seed=1, n=N + 500).iloc[500:]
    decision = decided(new.sample(frac=1, random_state=0), old)
    both = old.merge(new, on=["productid", "group"], suffixes=("_old", ""))
    pair = both.rename(columns={"predicted_old": "a", "predicted": "b"})
    expected = score_differences(pair).loc["f1_weighted"]
    assert decision.rows == len(both) == N - 500
    assert decision.difference == pytest.approx(expected["difference"], abs=1e-12)
    assert decision.low == pytest.approx(expected["low"], abs=0.004)
    assert decision.promoted
    assert "paired on 1,500 rows" in decision.reason


def test_rows_that_are_added_and_labels_that_are_corrected_leave_the_pair() -> None:
    """A person corrected what the old run has wrong: against these labels it falls behind."""
    old = answers(0.8)
    corrected = old.assign(prdtypecode=np.where(old.index < 20, 60, old.prdtypecode))
    more = pd.concat([corrected, answers(0.8, n=500, first=N)])
    decision = decided(more, old)
    assert (decision.rows, decision.difference, decision.promoted) == (N, 0.0, True)


def test_what_is_not_sure_waits_and_says_how_many_rows_would_decide_it() -> None:
    old = answers(0.8, n=600)
    decision = decided(changed(old, 0.2, 0.84, seed=3), old)
    assert not decision.promoted
    told = re.search(r"some ([\d,]+) rows would decide it", decision.reason)
    assert told, decision.reason
    many = int(told[1].replace(",", ""))
    assert 600 < many < 20_000
    big = answers(0.8, n=2 * many)
    assert decided(changed(big, 0.2, 0.84, seed=3), big).promoted


def test_a_worse_run_is_kept_as_candidate() -> None:
    """A run of .76 on a third of the rows took the place of one of .79 on all, unpaired."""
    old = answers(0.79, n=3000)
    third = changed(old, 0.2, 0.6, seed=1).head(1600)
    decision = decided(third, old)
    assert (decision.promoted, decision.rows) == (False, 1600)
    assert decision.reason.startswith("weighted F1 worse: -0.0")


def test_a_sample_is_never_promoted() -> None:
    good, poor = answers(0.9), answers(0.3, seed=1)
    refused = decided(good, poor, sample=True)
    first = decide(about(good, sample=True), good, None, None, MARGIN)
    assert not refused.promoted
    assert not first.promoted
    assert first.reason == "trained on a sample of 2,000 rows; a run on all would decide it"


def test_another_catalogue_is_never_promoted() -> None:
    decision = decided(answers(0.9, first=5 * N), answers(0.3))
    assert not decision.promoted
    assert decision.reason.startswith("another catalogue: 0 of the served run's 2,000 products")
    part = decided(answers(0.9, n=900), answers(0.3))
    assert not part.promoted
    assert part.reason.startswith("another catalogue: 900 of the served run's 2,000 products")


def test_too_few_rows_are_never_promoted_and_give_way_to_enough() -> None:
    """A run of 40 rows, scored 1.0 on one, was served and then refused every full run."""
    few = answers(1.0, n=40)
    refused = decided(answers(1.0, n=60), few)
    assert not refused.promoted
    assert refused.reason == "too few rows to tell: 40 in both; 301 or more would decide it"
    assert not decided(few, answers(0.3)).promoted
    full = decided(answers(0.7), few)
    assert full.promoted
    assert full.reason == "the served run's 40 rows are too few to tell what it is worth"


@pytest.mark.slow
def test_200_pairs_of_runs() -> None:
    """Equal ones are promoted or wait; of those three points worse at most 1 of 100 is promoted."""
    equal, worse = [], []
    for seed in range(200):
        old = answers(0.8, seed=seed, n=1500)
        share = float((old.prdtypecode == old.predicted).mean())
        same = decided(changed(old, 0.1, share, seed=1000 + seed), old)
        assert same.promoted or "rows would decide it" in same.reason or same.difference < -MARGIN
        equal.append(same.promoted)
        lower = changed(old, 0.1, share - 0.3, seed=2000 + seed)  # 0.1 x 0.3: three points
        worse.append(decided(lower, old).promoted)
    assert sum(worse) <= 2
    assert 20 <= sum(equal) <= 180


def test_the_demo_shop_and_official_data() -> None:
    good, poor = answers(0.9), answers(0.3, seed=2)
    official = dataclasses.replace(RUN, synthetic=False)
    replaced = decide(about(poor, official), poor, about(good), good, MARGIN)
    refused = decide(about(good), good, about(poor, official), poor, MARGIN)
    assert (replaced.promoted, refused.promoted) == (True, False)
    assert refused.reason == "drawn by the demo shop: it does not replace a run on official data"


def test_serving_json_holds_score_and_half_width(tmp_path: Path) -> None:
    frame = answers(0.8)
    told = write_run(tmp_path, frame, RUN)
    first = frame.head(300)
    f1 = f1_score(first.prdtypecode, first.predicted, average="weighted")
    assert told == ServedRun(
        "logreg", "run-1", "d" * 64, f1, pytest.approx(0.025), True, None, N, sample=False
    )
    store = store_in(tmp_path).pinned("candidate")
    assert store.served_run() == told
    pd.testing.assert_frame_equal(store.load(store.unseen), frame)


def test_promotion_force_and_what_is_written_of_it(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    write_run(tmp_path, answers(0.8), RUN)
    with store.writing():
        first = promote(store, MARGIN, force=False)
    assert (first.promoted, first.reason) == (True, "the first run to be served")
    assert store.served_run().promoted_at is not None
    worse = dataclasses.replace(RUN, run_id="run-2")
    write_run(tmp_path, answers(0.5, seed=2), worse, kind="late_fusion")
    decision = promote(store, MARGIN, force=False)
    assert (decision.promoted, decision.forced) == (False, False)
    assert read_decision(store.pinned("candidate")) == decision
    assert read_decision(store) == first
    assert (store.served_run().run_id, store.served_run().kind) == ("run-1", "logreg")
    forced = promote(store, MARGIN, force=True)
    assert (forced.promoted, forced.forced) == (True, True)
    assert read_decision(store) == forced
    assert store.served_run().run_id == "run-2"
    assert store.load(store.full_pipeline("late_fusion")) == ["run-2"]
    before = store.pinned("previous")
    assert before.load(before.full_pipeline("logreg")) == ["run-1"]


def test_a_run_without_the_file_that_serving_loads_is_never_served(tmp_path: Path) -> None:
    write_run(tmp_path, answers(0.8), RUN)
    store = store_in(tmp_path)
    store.pinned("candidate").full_pipeline("logreg").unlink()
    decision = promote(store, MARGIN, force=True)
    assert (decision.promoted, decision.forced, decision.served) == (False, False, None)
    assert decision.reason.startswith("outputs.full_pipeline was off")
    assert find_run(store.paths, "served") is None


def test_a_candidate_that_was_altered_is_not_promoted(tmp_path: Path) -> None:
    write_run(tmp_path, answers(0.8), RUN)
    store = store_in(tmp_path)
    store.pinned("candidate").full_pipeline("logreg").write_bytes(b"other")
    with pytest.raises(ArtifactError, match=r"logreg_full_pipeline\.joblib: refused"):
        promote(store, MARGIN, force=True)


def test_a_served_run_that_can_not_be_read_gives_way(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = store_in(tmp_path)
    write_run(tmp_path, answers(0.8), RUN)
    promote(store, MARGIN, force=False)
    store.unseen.write_text("damaged")
    write_run(tmp_path, answers(0.3, seed=2), dataclasses.replace(RUN, run_id="run-2"))
    assert promote(store, MARGIN, force=False).promoted
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
        write_run(tmp_path, answers(0.8), dataclasses.replace(RUN, run_id=run_id))
        promote(store, MARGIN, force=False)
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


@pytest.mark.slow
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
    assert forced.startswith("served now (forced): weighted F1 worse: -0.")
    assert forced.splitlines()[-2:] == [f"  candidate  {second}", f"  before     {first}"]
    back = command("rollback.py", cfg)
    assert (back.returncode, back.stdout) == (0, f"was served  {second}\nserved now  {first}\n")
    shown = command("rollback.py", cfg, "--show")
    assert shown.stdout == f"before      {second}\nserved now  {first}\n"
    again_since = store.served_run().promoted_at
    assert store.served_run() == dataclasses.replace(first, promoted_at=again_since)
    assert again_since > first.promoted_at
