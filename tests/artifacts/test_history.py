"""The history of runs: a line an event, whole after a kill, told from the folders where lost."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from src.artifacts import history
from src.artifacts.store import ArtifactStore
from src.config import REPOSITORY
from src.runs.promotion import promote, roll_back
from tests.runs.test_promotion import MARGIN, RUN, answers, store_in, write_run


def shown(store: ArtifactStore) -> list[tuple[str, str, str, str]]:
    names = ("event", "run_id", "by", "reason")
    return [tuple(event[name] for name in names) for event in history.read(store.paths)]  # type: ignore[misc]


@pytest.fixture
def lived(tmp_path: Path) -> ArtifactStore:
    """Trained and served; trained worse, refused, forced; rolled back."""
    store = store_in(tmp_path)
    with store.writing():
        write_run(tmp_path, answers(0.8), RUN)
        promote(store, MARGIN, force=False, by="ana")
        write_run(tmp_path, answers(0.5, seed=2), dataclasses.replace(RUN, run_id="run-2"))
        promote(store, MARGIN, force=False, by="ana")
        promote(store, MARGIN, force=True, by="bob", reason="new classes, été")
        roll_back(store, by="bob", reason="complaints")
    return store


def test_every_event_has_when_who_and_why(lived: ArtifactStore) -> None:
    me = history._user()
    assert shown(lived) == [
        ("trained", "run-1", me, ""),
        ("promoted", "run-1", "ana", ""),
        ("trained", "run-2", me, ""),
        ("refused", "run-2", "ana", ""),
        ("promoted", "run-2", "bob", "new classes, été"),
        ("rolled_back", "run-1", "bob", "complaints"),
    ]
    events = history.read(lived.paths)
    assert len(lived.history.read_text().splitlines()) == len(events)
    first, refused, forced = events[0], events[3], events[4]
    about = dataclasses.asdict(lived.served_run())
    del about["promoted_at"]
    assert {name: first[name] for name in about} == about
    assert refused["rule"].startswith("weighted F1 worse: -0.")
    assert (refused["forced"], forced["forced"], forced["rows"]) == (False, True, 2000)
    assert refused["low"] < refused["difference"] < 0
    assert events[5]["at"] == lived.served_run().promoted_at


def test_a_line_that_a_kill_cut_is_passed_over_and_noted_again(lived: ArtifactStore) -> None:
    """Every cut of the file leaves the runs that are there, and which one is served."""
    whole = lived.history.read_bytes()
    expected = history.read(lived.paths)
    lines = whole.splitlines(keepends=True)
    for cut in [0, len(lines[0]) // 2, *range(len(whole) - len(lines[-1]) - 3, len(whole), 7)]:
        lived.history.write_bytes(whole[:cut])
        found = history.read(lived.paths)
        trained = {event["run_id"] for event in found if event["event"] == "trained"}
        assert trained == {"run-1", "run-2"}
        # Who did what was lost is not known.
        kept = {line for line in whole[:cut].splitlines() if line.endswith(b"}")}
        assert all(event["by"] == "" or json.dumps(event, sort_keys=True).encode() in kept
                   for event in found)  # fmt: skip
        last = found[-1]
        assert (last["run_id"], last["at"]) == ("run-1", expected[-1]["at"])
        with lived.writing():
            history.complete(lived.paths)
            history.complete(lived.paths)
        assert history.read(lived.paths) == found
        readable = [line for line in lived.history.read_bytes().splitlines() if line]
        assert len(readable) - len(found) in (0, 1)  # the cut one stays, unread


def test_it_outlives_the_folders(lived: ArtifactStore, tmp_path: Path) -> None:
    before = shown(lived)
    with lived.writing():
        write_run(tmp_path, answers(0.6, seed=3), dataclasses.replace(RUN, run_id="run-3"))
        promote(lived, MARGIN, force=True)
        write_run(tmp_path, answers(0.6, seed=4), dataclasses.replace(RUN, run_id="run-4"))
    assert not ArtifactStore(lived.paths, "run-2").serving.exists()
    assert shown(lived)[: len(before)] == before


KILLED = """
import sys
from pathlib import Path
from src.runs.promotion import promote
from tests.runs.test_promotion import MARGIN, store_in
store = store_in(Path(sys.argv[1]))
print("ready", flush=True)
with store.writing():
    promote(store, MARGIN, force=True, reason="x" * 2000)
"""


@pytest.mark.parametrize("after_s", [0.0, 0.2, 0.4, 0.8])
def test_a_killed_promotion(tmp_path: Path, after_s: float) -> None:
    """Whatever is served after the kill, the history ends with it; the next event is readable."""
    store = store_in(tmp_path)
    write_run(tmp_path, answers(0.8), RUN)
    promote(store, MARGIN, force=False)
    write_run(tmp_path, answers(0.5, seed=2), dataclasses.replace(RUN, run_id="run-2"))
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)],
        env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        try:
            process.wait(after_s)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
    served = store.served_run()
    events = history.read(store.paths)
    promoted = [event for event in events if event["event"] == "promoted"]
    assert (promoted[-1]["run_id"], promoted[-1]["at"]) == (served.run_id, served.promoted_at)
    with store.writing():
        history.note(store.paths, history.REFUSED, "run-9", reason="later")
    assert history.read(store.paths)[-1]["reason"] == "later"
    assert all(json.loads(line) for line in store.history.read_text().splitlines()[-1:])


def test_a_line_of_something_else_is_passed_over(lived: ArtifactStore) -> None:
    expected = history.read(lived.paths)
    with lived.history.open("a") as file:
        file.write('[]\n7\n{"event": "trained"}\nnull\n{"event"')
    assert history.read(lived.paths) == expected


def test_a_line_that_a_hand_wrote_wrong_is_passed_over(lived: ArtifactStore) -> None:
    expected = history.read(lived.paths)
    run, promoted = expected[0], expected[1]
    wrong = [
        {**promoted, "event": "deployed"}, {**promoted, "event": ["promoted"]},
        {**promoted, "at": "yesterday"}, {**promoted, "at": 5}, {**promoted, "reason": {"a": 1}},
        {**promoted, "run_id": ["run-1"]}, {**promoted, "event": "trained"},
        {**run, "f1_weighted": "high"}, {**run, "half_width": None}, {**run, "settings": []},
        {**run, "rows": "many"},
    ]  # fmt: skip
    right = {**promoted, "by": "a hand", "at": "2000-01-01T00:00:00+00:00"}
    lines = [json.dumps(line).encode() for line in (*wrong, right)]
    with lived.history.open("ab") as file:
        file.write(b"\n".join([*lines, b"[" * 100_000, b"\xff\xfe"]))
    assert history.read(lived.paths) == [right, *expected]


def test_before_the_first_run_there_is_none(tmp_path: Path) -> None:
    assert history.read(store_in(tmp_path).paths) == []
