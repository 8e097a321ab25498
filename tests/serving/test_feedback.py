"""Corrections in a real database, and in a file where there is none."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from src.config import REPOSITORY, load_config
from src.data import postgres
from src.data.corrections import Correction, current, image_file, read_feedback
from src.errors import ArtifactError, UsageError
from src.serving.feedback import (
    FeedbackStore,
    agreement,
    append_line,
    as_table,
    pending,
    select,
    withdrawal,
)
from src.serving.predictor import Product
from tests.conftest import Load, Shop, as_app

NO_DATABASE = "postgresql://nobody@127.0.0.1:1/nowhere"
CODES = (10, 40, 2583)
NOON = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)
IMAGE = b"\xff\xd8\xff any bytes"
SWORD = Product("Épée\0", "<p>Bois</p>", IMAGE)


@pytest.fixture
def store(tmp_path: Path) -> FeedbackStore:
    """A store without a database."""
    folder = tmp_path / "data" / "feedback"
    return FeedbackStore(
        tmp_path / "results" / "feedback.jsonl", folder, lambda: NO_DATABASE, CODES
    )


@pytest.fixture
def stored(store: FeedbackStore, database: str, load: Load, shop: Shop) -> FeedbackStore:
    """A store with a loaded database, under the role of the service."""
    assert load(database, shop.write_plain(6)).returncode == 0
    address = as_app(database)
    return dataclasses.replace(store, address=lambda: address)


def said(product: str, code: int | None, author: str = "", hours: int = 0) -> Correction:
    """What somebody said of a product with that title."""
    at = NOON + timedelta(hours=hours)
    return Correction(prdtypecode=code, created_at=at, designation=product, author=author)


def test_a_workspace_has_its_store(tmp_path: Path) -> None:
    paths = load_config(overrides=[f"paths.workspace={tmp_path}"]).paths
    store = FeedbackStore.of(paths, CODES)
    assert store.file == tmp_path / "results" / "feedback.jsonl"
    assert store.images == tmp_path / "data" / "feedback"


def test_into_the_database(stored: FeedbackStore, database: str) -> None:
    answer = {"predicted_code": 10, "probability": 0.25, "run_id": "r1"}
    given = stored.new(40, SWORD, 1003, author="Ana", comment="a toy\0", source="app", **answer)
    assert stored.store(given) == "database"
    image = hashlib.sha256(IMAGE).hexdigest()
    content = hashlib.sha256(json.dumps(["Épée", "<p>Bois</p>", image]).encode()).hexdigest()
    with psycopg.connect(database) as connection:
        row = connection.execute(
            "SELECT productid, product, designation_hash, item_hash, prdtypecode, predicted_code,"
            " probability, run_id, source, author, comment, created_at FROM project.feedback"
        ).fetchall()
        item = connection.execute(
            "SELECT item_hash, designation, description, image_sha256 FROM project.feedback_items"
        ).fetchall()
    assert row == [
        (1003, "1003", None, content, 40, 10, 0.25, "r1", "app", "Ana", "a toy", given.created_at)
    ]
    assert item == [(content, "Épée", "<p>Bois</p>", image)]
    assert (stored.images / image[:2] / image).read_bytes() == IMAGE
    assert not stored.file.exists()
    assert stored.read() == [given]


def test_what_the_table_could_refuse_is_made_to_fit(
    stored: FeedbackStore, store: FeedbackStore, database: str, load: Load, shop: Shop
) -> None:
    """A name that no index holds, a probability that rounding took over 1: on both ways in."""
    rng = np.random.default_rng(0)
    author = "".join(map(chr, rng.integers(0x4E00, 0x9FFF, 3000)))
    for number, where in enumerate((stored, store)):
        product = Product(f"Livre {number}", "x" * 100_000)
        where.store(where.new(10, product, author=author, probability=1 + 1e-15))
    assert load(database, shop.folder, feedback=store.file.read_text()).returncode == 0
    for correction in postgres.read_feedback(database):
        assert (correction.author, correction.probability) == (author[:2000], 1.0)
    assert len(postgres.read_feedback(database)) == 2


def test_into_a_file_that_init_sh_reads(store: FeedbackStore) -> None:
    for number in range(3):
        given = store.new(10, Product(f"Livre {number}"), comment="\ud800 ok")
        assert store.store(given) == "file"
    found, unreadable = read_feedback(store.file)
    assert [correction.designation for correction in found] == ["Livre 0", "Livre 1", "Livre 2"]
    assert {(c.prdtypecode, c.productid, c.comment) for c in found} == {(10, None, "? ok")}
    assert (unreadable, store.read()) == (0, found)
    assert not store.images.exists()


@pytest.mark.parametrize("kind", ["store", "stored"])
def test_a_second_click_is_no_correction_and_undo_keeps_the_history(
    kind: str, request: pytest.FixtureRequest
) -> None:
    store: FeedbackStore = request.getfixturevalue(kind)
    with ThreadPoolExecutor(8) as pool:  # as many clicks at once
        clicks = [store.new(40, SWORD, author="Ana") for _ in range(16)]
        list(pool.map(store.store, clicks))
    (first,) = store.read()
    other, again = store.new(40, SWORD, author="Bo"), store.new(10, SWORD, author="Ana")
    undone = withdrawal(dataclasses.replace(again, created_at=again.created_at))
    for correction in (other, again, undone, withdrawal(undone)):
        store.store(correction)
    assert store.read() == [first, other, again, undone]
    assert current(store.read()) == [other]
    back = store.new(10, SWORD, author="Ana")
    store.store(back)
    assert current(store.read()) == [other, back]


def test_what_was_written_without_the_database_is_read_beside_it_and_loaded_once(
    stored: FeedbackStore, store: FeedbackStore, database: str, load: Load, shop: Shop
) -> None:
    first, second = store.new(40, SWORD, author="Ana"), store.new(10, SWORD, author="Ana")
    assert (stored.store(first), store.store(second)) == ("database", "file")
    assert stored.read() == [first, second]
    # The answer of a commit was lost: the service wrote its row to the file as well.
    append_line(store.file, dataclasses.replace(first, author="Bo"))
    postgres.write_feedback(database, dataclasses.replace(first, author="Bo"))
    every = stored.read()
    assert len(every) == 3
    for _ in range(2):
        done = load(database, shop.folder, feedback=store.file.read_text())
        assert (done.returncode, done.stderr) == (0, "")
        assert sorted(postgres.read_feedback(database), key=str) == sorted(every, key=str)
    assert stored.read() == every


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["Épée", "Jeu", 1001, 1002]),
        st.sampled_from([10, 40, None]),
        st.sampled_from(["", "Ana", "Bo"]),
        st.integers(0, 2),
    ),
    max_size=12,
)


@pytest.mark.postgres
def test_what_a_person_thinks_at_last_counts_through_outages(
    stored: FeedbackStore, database: str, load: Load, shop: Shop
) -> None:
    """Each class counts from when it is said, and nothing is written twice."""
    answers: list[str] = []
    store = dataclasses.replace(stored, address=lambda: answers[-1])
    steps = [(database, 10), (NO_DATABASE, 40), (database, 10), (NO_DATABASE, 40), (database, 40)]
    for address, code in steps:
        answers.append(address)
        given = store.new(code, Product("Livre"), author="Ana")
        assert store.store(given) == ("database" if address == database else "file")
        assert [c.prdtypecode for c in current(store.read())] == [code]
    answers.append(NO_DATABASE)
    store.store(store.new(10, Product("Livre"), author="Ana"))
    assert [c.prdtypecode for c in current(store.read())] == [10]
    for _ in range(2):
        assert load(database, shop.folder, feedback=store.file.read_text()).returncode == 0
        history = [c.prdtypecode for c in postgres.read_feedback(database)]
        assert history == [10, 40, 10, 40, 10]


def test_times_are_utc_and_blanks_make_no_other_correction(
    stored: FeedbackStore, store: FeedbackStore, database: str, load: Load, shop: Shop
) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        name = connection.info.dbname
        connection.execute(f"ALTER DATABASE {name} SET timezone = 'Asia/Tokyo'")
    first = stored.new(40, Product("Livre  ancien"), author=" Ana  Lu\0 ")
    second = store.new(40, Product("Livre ancien"), author="Bob")
    stored.store(first)
    store.store(second)
    assert load(database, shop.folder, feedback=store.file.read_text()).returncode == 0
    found = stored.read()
    assert [c.author for c in found] == ["Ana Lu", "Bob"]
    assert [c.created_at.isoformat() for c in found] == [
        c.created_at.isoformat() for c in (first, second)
    ]
    assert {c.created_at.utcoffset() for c in found} == {timedelta(0)}


def test_the_view_says_what_the_function_says(stored: FeedbackStore, database: str) -> None:
    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(EVENTS)
    def check(events: list[tuple[str | int, int | None, str, int]]) -> None:
        with psycopg.connect(database) as connection:
            connection.execute("TRUNCATE project.feedback, project.feedback_items")
        for product, code, author, hours in events:
            correction = said("Livre" if isinstance(product, int) else product, code, author, hours)
            number = product if isinstance(product, int) else None
            postgres.write_feedback(database, dataclasses.replace(correction, productid=number))
        with psycopg.connect(database) as connection:
            rows = connection.execute(
                "SELECT product, author, prdtypecode, created_at FROM project.current_feedback"
            ).fetchall()
        expected = current(postgres.read_feedback(database))
        assert {(c.product, c.author, c.prdtypecode, c.created_at) for c in expected} == {*rows}
        assert len(rows) == len(expected)

    check()


def test_what_waits_is_what_counts_since_then() -> None:
    events = [
        said("a", 10),
        said("b", 10, hours=1),
        said("c", 10, hours=1),
        said("c", None, hours=2),
    ]
    assert pending(events, NOON) == [events[1]]
    assert pending(events, None) == events[:2]


def test_a_selection_and_its_table() -> None:
    events = [said("a", 10, "Ana"), said("b", 40, "Ana"), said("a", 40, "")]
    assert select(events, author="Ana", prdtypecode=None) == events[:2]
    assert select(events, author="", item_hash=events[0].item_hash) == [events[2]]
    table = as_table(events)
    assert table["item_hash"].tolist() == [event.item_hash for event in events]
    assert table["prdtypecode"].tolist() == [10, 40, 40]
    assert list(as_table([])) == list(table)


@pytest.mark.parametrize("seed", range(4))
def test_agreement_of_two_is_cohens_kappa(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ana, bo = rng.choice(CODES, 40), rng.choice(CODES, 40)
    bo[::2] = ana[::2]
    events = [
        said(f"product {n}", int(code), author)
        for author, codes in (("Ana", ana), ("Bo", bo))
        for n, code in enumerate(codes)
    ]
    alone = [said("nobody else's", 10, "Ana"), said("product 0", 99, "Bo", hours=-1)]
    assert agreement([*events, *alone]) == {
        "products": 40,
        "people": 2,
        "equal": pytest.approx((ana == bo).mean()),
        "kappa": pytest.approx(cohen_kappa_score(ana, bo)),
    }


def test_agreement_of_many_is_fleiss_kappa() -> None:
    """Ten subjects, 14 raters: the worked example of Wikipedia's page on it, kappa .210."""
    counts = [
        (0, 0, 0, 0, 14), (0, 2, 6, 4, 2), (0, 0, 3, 5, 6), (0, 3, 9, 2, 0), (2, 2, 8, 1, 1),
        (7, 7, 0, 0, 0), (3, 2, 6, 3, 0), (2, 5, 3, 2, 2), (6, 5, 2, 1, 0), (0, 2, 2, 3, 7),
    ]  # fmt: skip
    events = [
        said(f"product {subject}", code, f"rater {rater}")
        for subject, row in enumerate(counts)
        for rater, code in enumerate(np.repeat(np.arange(5), row).tolist())
    ]
    found = agreement(events)
    assert (found["products"], found["people"]) == (10, 14)
    assert found["equal"] == pytest.approx(0.378, abs=5e-4)
    assert found["kappa"] == pytest.approx(0.210, abs=5e-4)


def test_agreement_of_nobody() -> None:
    for events in ([], [said("a", 10, "Ana")]):
        found = agreement(events)
        assert (found["products"], found["people"]) == (0, 0)
        assert np.isnan([found["equal"], found["kappa"]]).all()
    same = agreement([said("a", 10, "Ana"), said("a", 10, "Bo")])
    assert same["equal"] == 1.0
    assert np.isnan(same["kappa"])


def test_a_line_that_a_kill_cut_is_ended_first(tmp_path: Path) -> None:
    file, event = tmp_path / "feedback.jsonl", said("a", 10)
    file.write_text('{"cut": ', encoding="utf-8")
    append_line(file, event)
    append_line(file, withdrawal(event))
    first, second, third = file.read_text(encoding="utf-8").splitlines()
    assert (first, second) == ('{"cut": ', event.to_line())
    assert json.loads(third)["prdtypecode"] is None


def test_writers_do_not_mix(tmp_path: Path) -> None:
    file = tmp_path / "feedback.jsonl"
    events = [said(f"{n} {'x' * 5000}", 10) for n in range(80)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda event: append_line(file, event), events))
    found, unreadable = read_feedback(file)
    assert sorted(found, key=lambda c: c.designation) == sorted(events, key=lambda c: c.designation)
    assert unreadable == 0


KILLED = """
import dataclasses, os, signal, sys
from pathlib import Path
from src.serving.feedback import FeedbackStore
from src.serving.predictor import Product

folder, url = Path(sys.argv[1]), sys.argv[2]
store = FeedbackStore(folder / "feedback.jsonl", folder / "images", lambda: url, (10,))
store.store(store.new(10, Product("loads what storing needs")))

def watch(most):
    seen = 0
    def step(frame, event, arguments):
        nonlocal seen
        caller = frame if event.startswith("c_") else frame.f_back
        if caller is not None and "/src/" in caller.f_code.co_filename:
            seen += 1
            if seen > most:
                os.kill(os.getpid(), signal.SIGKILL)
    return step

killed = 0
while True:
    child = os.fork()
    if child == 0:
        # A file each: reading one that grows takes ever more calls.
        store = dataclasses.replace(store, file=folder / f"{killed}.jsonl")
        sys.setprofile(watch(killed))
        store.store(store.new(10, Product(f"product {killed}", "", b"image %d" % killed)))
        sys.setprofile(None)
        os._exit(0)
    if os.waitpid(child, 0)[1] == 0:
        break
    killed += 1
print(killed)
"""


@pytest.mark.parametrize("kind", ["store", "stored"])
def test_a_kill_between_any_two_steps_loses_nothing(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Before and after every call that our code makes: a correction is there whole, or not yet."""
    store: FeedbackStore = request.getfixturevalue(kind)
    store = dataclasses.replace(store, file=tmp_path / "feedback.jsonl", images=tmp_path / "images")
    command = [sys.executable, "-c", KILLED, str(tmp_path), store.address()]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY)
    assert done.stderr == ""
    killed = int(done.stdout)
    assert killed > 50
    kept = 0
    for number in range(killed + 1):
        one = dataclasses.replace(store, file=tmp_path / f"{number}.jsonl")
        title, image = f"product {number}", b"image %d" % number
        stored = select(one.read(), designation=title)
        kept += len(stored)
        for correction in stored:
            assert image_file(one.images, correction.image_sha256).read_bytes() == image
        one.store(one.new(10, Product(title, "", image)))  # again, as a visitor would
        (again,) = select(one.read(), designation=title)
        assert stored in ([], [again])
    assert 2 < kept < killed  # some were killed after the row or line


def test_what_is_no_correction(store: FeedbackStore) -> None:
    with pytest.raises(UsageError, match="prdtypecode 11 is not one of the 3 known codes"):
        store.new(11, SWORD)
    with pytest.raises(UsageError, match="expected a productid, a text or an image"):
        store.new(10, Product(" \n"))
    assert not store.file.exists()
    assert not store.images.exists()


def test_a_folder_that_can_not_be_written(
    store: FeedbackStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Without its image a correction is kept all the same; without its line it is none."""
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where a folder is expected", encoding="utf-8")
    store = dataclasses.replace(store, images=blocked)
    given = store.new(10, Product("Livre", "", IMAGE))
    assert store.store(given) == "file"
    assert store.read() == [given]
    assert given.image_sha256 == ""
    assert "a correction is stored without its image" in caplog.text
    with pytest.raises(ArtifactError, match="can't be written"):
        dataclasses.replace(store, file=blocked / "feedback.jsonl").store(given)
