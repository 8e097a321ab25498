"""The review queue: its order, and that nobody shares a product, in a database and without one."""

from __future__ import annotations

import base64
import dataclasses
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import psycopg
import pytest
from fastapi.testclient import TestClient

from src.artifacts.store import ArtifactStore, Run
from src.config import REPOSITORY, Config, Paths, load_config
from src.data import postgres
from src.data.corrections import Correction, image_file, item_hash
from src.serving.api import Services, create_app
from src.serving.feedback import FeedbackStore, withdrawal
from src.serving.prediction_log import PredictionLog
from src.serving.predictor import Predictor, Product
from src.serving.review import (
    ReviewItem,
    ReviewQueue,
    candidates,
    class_values,
    keep_answer,
    pace,
)
from src.serving.served_model import ServedModel
from tests.conftest import Load, Shop, as_app

NO_DATABASE = "postgresql://nobody@127.0.0.1:1/nowhere"
VALUES = {10: 0.5, 40: 0.2, 2583: 0.05}


def catalogue(*rows: tuple[str, int, int, str]) -> pd.DataFrame:
    """Return a catalogue of (split, row_index, productid, designation)."""
    table = pd.DataFrame(rows, columns=["split", "row_index", "productid", "designation"])
    read = table["designation"] != ""
    return table.assign(description="", image="", has_text=read, has_image=False)


def answers(*rows: tuple[int, int, int, float, bool]) -> pd.DataFrame:
    names = ["row_index", "productid", "predicted", "probability", "needs_review"]
    return pd.DataFrame(rows, columns=names)


def issues(*rows: tuple[int, int, int, int, float, float]) -> pd.DataFrame:
    names = ["row_index", "productid", "given", "suggested", "suggested_probability"]
    return pd.DataFrame(rows, columns=[*names, "wrong_probability"])


def test_the_priority_is_what_a_review_is_expected_to_gain() -> None:
    table = catalogue(
        ("train", 0, 100, "Épée LED"),
        ("train", 1, 101, "Livre ancien"),
        ("test", 0, 200, "Lampe"),
        ("test", 1, 201, "<b>LAMPE</b>"),
        ("test", 2, 202, "Piscine"),
        ("test", 3, 203, ""),
        ("test", 4, -1, "Sans id"),
        ("test", 5, 205, "Sûr"),
    )
    said = answers(
        (0, 200, 10, 0.4, True),  # (1 - .4) x .5
        (1, 201, 10, 0.5, True),  # (1 - .5) x .5, and a copy of the first: halved
        (2, 202, 40, 0.6, True),  # (1 - .6) x .2
        (3, 203, 10, 0.1, True),  # nothing to read: nobody can review it
        (4, -1, 999, 0.9, True),  # a class without a recall counts whole: (1 - .9) x 1
        (5, 205, 40, 0.99, False),
    )
    doubtful = issues((0, 100, 40, 2583, 0.8, 0.9), (1, 101, 10, 40, 0.7, 0.7))
    named = [
        {"productid": 205, "designation": "Sûr", "reason": "language"},  # 1 - .99, of class 40
        {"productid": 205, "designation": "Another shop's 205", "reason": "doubt"},
        {"productid": 7, "designation": "A title that was cut…", "reason": "doubt"},
    ]
    found = candidates(table, said, doubtful, VALUES, named)
    outside = item_hash("Another shop's 205", "", "")
    without_id = item_hash("Sans id", "", "")
    expected = [
        (outside, "drift", "doubt", None, None, None, None, 0.5),
        ("200", "answer", "", 200, 10, 0.4, None, 0.3),
        ("101", "label", "", 101, 40, 0.7, 10, 0.14),
        ("201", "answer", "", 201, 10, 0.5, None, 0.125),
        (without_id, "answer", "", None, 999, 0.9, None, 0.1),
        ("202", "answer", "", 202, 40, 0.6, None, 0.08),
        ("100", "label", "", 100, 2583, 0.8, 40, 0.045),
        ("205", "drift", "language", 205, 40, 0.99, None, 0.002),
    ]
    names = ["product", "source", "reason", "productid", "code", "probability", "official_code"]
    values = found[names].astype(object).where(found[names].notna(), None)
    assert values.to_numpy().tolist() == [list(row[:-1]) for row in expected]
    np.testing.assert_allclose(found["priority"], [row[-1] for row in expected], rtol=1e-9)
    assert found["product_group"].tolist()[1:4] == ["lampe", "livre ancien", "lampe"]


def test_nothing_to_review_is_an_empty_queue() -> None:
    table = catalogue(("train", 0, 100, "Livre"))
    found = candidates(table, answers(), issues(), VALUES)
    assert len(found) == 0
    assert found.to_json(orient="records") == "[]"


def test_the_fiftieth_copy_counts_next_to_nothing() -> None:
    table = catalogue(*(("test", n, 300 + n, "Sac à dos") for n in range(50)))
    said = answers(*((n, 300 + n, 10, 0.2, True) for n in range(50)))
    found = candidates(table, said, issues(), VALUES)
    np.testing.assert_allclose(found["priority"], 0.4 / 2.0 ** np.arange(50))
    assert found["product"].tolist() == [str(300 + n) for n in range(50)]


def test_no_title_is_too_long_or_too_odd_for_the_queue() -> None:
    titles = ["é" * 5_000, "zéro\0", "a lot's \0 title, half \ud83d"]
    table = catalogue(*(("test", n, 300 + n, title) for n, title in enumerate(titles[:2])))
    said = answers(*((n, 300 + n, 10, 0.2, True) for n in range(2)))
    named = [{"productid": 7, "designation": titles[2], "reason": "doubt"}]
    found = candidates(table, said, issues(), VALUES, named).set_index("product")
    assert found["product_group"].str.encode("utf-8").str.len().max() <= 800
    item = Correction(prdtypecode=10, created_at=datetime.now(timezone.utc), designation=titles[2])
    assert {"300", "301", item.product} == {*found.index}  # who answers takes it out


def test_the_pace_leaves_pauses_out() -> None:
    start = datetime(2026, 1, 1, tzinfo=timezone.utc)
    moments = [0, 10, 20, 4000, 4012, 4030]  # gaps of 10, 10, a pause, 12 and 18 seconds
    said = [
        Correction(prdtypecode=10, productid=n, created_at=start + timedelta(seconds=moment))
        for n, moment in enumerate(moments)
    ]
    assert pace(said, 10) == pytest.approx(3600 / 11)
    assert pace(said[:1], 10) is None


@pytest.fixture
def cfg(served_paths: Paths, tmp_path: Path) -> Config:
    """The served run, with corrections and reports of the test's own."""
    own = {"results_dir": tmp_path, "feedback_dir": tmp_path / "f", "rapport_dir": tmp_path / "r"}
    base = load_config(REPOSITORY / "config" / "smoke.toml")
    return base.model_copy(update={"paths": served_paths.model_copy(update=own)})


Make = Callable[..., ReviewQueue]


@pytest.fixture(params=["database", "memory"])
def address(request: pytest.FixtureRequest) -> str:
    """Of a loaded database under the role of the service, or of none."""
    if request.param == "memory":
        return NO_DATABASE
    shop: Shop = request.getfixturevalue("shop")
    url: str = request.getfixturevalue("database")
    load: Load = request.getfixturevalue("load")
    done = load(url, shop.write_plain(6))
    assert done.returncode == 0, done.stderr
    return as_app(url)


@pytest.fixture
def corrections(cfg: Config, address: str, predictor: Predictor) -> FeedbackStore:
    codes = predictor.pipeline.model.classes_.tolist()
    store = FeedbackStore.of(cfg.paths, codes)
    return dataclasses.replace(store, address=lambda: address)


@pytest.fixture
def make(cfg: Config, corrections: FeedbackStore) -> Make:
    def make_queue(minutes: int = 10) -> ReviewQueue:
        return ReviewQueue(cfg.paths, corrections, minutes)

    return make_queue


def drain(queue: ReviewQueue, author: str) -> Iterator[ReviewItem]:
    while (item := queue.next(author)) is not None:
        yield item


def test_each_product_is_given_once_the_best_first(make: Make, predictor: Predictor) -> None:
    queue = make()
    given = list(drain(queue, "Ana"))
    assert {item.source for item in given} == {"answer", "label"}
    assert len({item.product for item in given}) == len(given) == given[0].waiting > 10
    priorities = [item.priority for item in given]
    assert priorities == sorted(priorities, reverse=True)
    assert queue.next("Bob") is None
    unsure = [item for item in given if item.source == "answer"]
    asked = [item.content for item in unsure]
    found = predictor.predict(asked)
    np.testing.assert_allclose([i.probability for i in unsure], [a.probability for a in found])
    assert [item.code for item in unsure] == [answer.code for answer in found]


def test_eight_threads_never_share_a_product(make: Make) -> None:
    queue = make()
    with ThreadPoolExecutor(8) as pool:
        shares = list(pool.map(lambda n: list(drain(queue, f"person {n}")), range(8)))
    given = [item.product for share in shares for item in share]
    assert len(set(given)) == len(given) == len(queue._candidates()[2])


def test_what_was_skipped_comes_last_for_who_skipped_it(make: Make) -> None:
    queue = make()
    first = queue.next("Ana")
    assert first is not None
    queue.leave("Ana", first.product, skip=True)
    second = queue.next("Ana")
    assert second is not None
    assert second.product != first.product
    assert queue.next("Bob") == first
    queue.leave("Bob", first.product)
    queue.leave("Ana", second.product, skip=True)
    rest = [item.product for item in drain(queue, "Ana")]
    assert rest[-2:] == [first.product, second.product]


def test_a_lease_is_its_authors_until_it_ends(make: Make) -> None:
    queue = make()
    mine = queue.next("Ana")
    assert mine is not None
    assert queue.next("Ana", mine.product) == mine  # a reload
    others = queue.next("Bob", mine.product)
    assert others is not None
    assert others.product != mine.product
    third = queue.next("Ana", others.product)  # Bob has that one: another
    assert third is not None
    assert third.product not in {mine.product, others.product}


def test_a_product_whose_lease_has_ended_is_free(make: Make) -> None:
    queue = make(minutes=0)
    first = queue.next("Ana")
    assert first is not None
    assert queue.next("Bob") == first


def test_a_correction_takes_a_product_out_and_its_withdrawal_puts_it_back(
    make: Make, corrections: FeedbackStore
) -> None:
    queue = make(minutes=0)
    item = queue.next("Ana")
    assert item is not None
    code = int(corrections.codes[0])
    given = corrections.new(code, item.content, item.productid, author="Bob", source="app")
    corrections.store(given)
    after = queue.next("Ana")
    assert after is not None
    assert after.product != item.product
    assert after.waiting == item.waiting - 1
    again = queue.next("Ana", item.product)  # what was answered can be looked at
    assert again is not None
    assert again.product == item.product
    corrections.store(withdrawal(given))
    assert queue.next("Ana") == item


def test_a_new_report_fills_the_queue_anew(
    make: Make, cfg: Config, corrections: FeedbackStore
) -> None:
    queue = make(minutes=0)
    before = queue.next("Ana")
    assert before is not None
    queue.leave("Ana", before.product, skip=True)
    store = ArtifactStore(cfg.paths).pinned()
    table = store.load(store.catalogue)
    sure = table[
        (table["split"] == "test") & ~table["productid"].astype(str).isin(queue._candidates()[2])
    ]
    row = sure.iloc[0]
    products = [
        {"productid": int(row["productid"]), "designation": row["designation"], "reason": "doubt"}
    ]
    run = Run(str(store.run_id), "0" * 64, True, "0")
    path = store.rapport("2026-01-01_shop.json")
    store.save(path, {"run_id": store.run_id, "products": products}, run=run, stage="monitor")
    found = queue.next("Ana", str(row["productid"]))
    assert found is not None
    assert (found.source, found.reason) == ("drift", "doubt")
    assert found.waiting == before.waiting + 1
    after = queue.next("Ana")
    assert after is not None
    assert after.product != before.product  # who skipped it is still known
    path.unlink()
    gone = queue.next("Ana", str(row["productid"]))
    assert gone is not None
    assert gone.product != str(row["productid"])


def test_who_reads_a_product_keeps_it_when_the_queue_changes(
    make: Make, cfg: Config, corrections: FeedbackStore
) -> None:
    store = ArtifactStore(cfg.paths).pinned()
    named = {"productid": -1, "designation": "Une lampe d'ailleurs", "reason": "doubt"}
    path = store.rapport("2026-01-01_shop.json")
    report = {"run_id": store.run_id, "products": [named]}
    store.save(path, report, run=Run(str(store.run_id), "0" * 64, True, "0"), stage="monitor")
    queue, product = make(), item_hash("Une lampe d'ailleurs", "", "")
    mine = queue.next("Ana", product)
    assert mine is not None
    assert mine.product == product
    path.unlink()  # as a promotion does: another state
    others = queue.next("Bob", product)
    again = queue.next(" Ana ", product)
    assert others is not None
    assert again is not None
    assert (again.product, again.designation) == (product, mine.designation)
    assert others.product != product
    queue.leave("Ana", product)
    assert product not in {item.product for item in drain(queue, "Ana")}


@pytest.mark.postgres
@pytest.mark.parametrize("address", ["database"], indirect=True)
def test_an_outage_gives_nothing_twice(
    cfg: Config, corrections: FeedbackStore, address: str
) -> None:
    answers_at = [address]
    store = dataclasses.replace(corrections, address=lambda: answers_at[-1])
    queue = ReviewQueue(cfg.paths, store, 10)

    def answer(author: str) -> str:
        item = queue.next(author)
        assert item is not None
        code = int(store.codes[0])
        store.store(store.new(code, item.content, item.productid, author=author, source="review"))
        queue.leave(author, item.product)
        return item.product

    reads = queue.next("Ana")
    assert reads is not None
    answered = [answer("Bob")]
    answers_at.append(NO_DATABASE)
    answered += [answer("Bob"), answer("Cy")]
    assert queue.next("Ana", reads.product) == dataclasses.replace(reads, waiting=reads.waiting - 3)
    answers_at.append(address)
    rest = [item.product for item in drain(queue, "Bob")]
    assert len({*answered, *rest, reads.product}) == len(answered) + len(rest) + 1
    assert len(rest) == reads.waiting - 4


LEASE = """
import os, signal, sys
from src.data import postgres
url, author, most = sys.argv[1], sys.argv[2], int(sys.argv[3])
while most and (row := postgres.lease_review(url, sys.argv[4], "[]", author, "", 10)):
    print(row["product"], flush=True)
    most -= 1
os.kill(os.getpid(), signal.SIGKILL)
"""


def lease(url: str, author: str, most: int, state: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", LEASE, url, author, str(most), state]
    return subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)


@pytest.mark.postgres
@pytest.mark.parametrize("address", ["database"], indirect=True)
def test_processes_never_share_a_product_and_a_kill_loses_none(make: Make, address: str) -> None:
    queue = make(minutes=0)
    first = queue.next("Ana")
    assert first is not None
    state = queue._candidates()[0]
    killed = [lease(address, f"process {n}", 4, state) for n in range(4)]
    given = [done.communicate()[0].split() for done in killed]
    assert {done.returncode for done in killed} == {-signal.SIGKILL}
    shared = [product for share in given for product in share]
    assert len(set(shared)) == len(shared) == 16
    rest = [item.product for item in drain(make(), "Ana")]
    assert not set(rest) & set(shared)
    with psycopg.connect(address) as connection:
        connection.execute("UPDATE project.review_items SET leased_until = now() - interval '1 s'")
    again = [item.product for item in drain(make(), "Bob")]
    assert sorted(again) == sorted([*shared, *rest])
    assert len(again) == first.waiting


@pytest.mark.postgres
@pytest.mark.parametrize("address", ["database"], indirect=True)
def test_what_the_service_answered_waits_for_a_person(
    make: Make, corrections: FeedbackStore, address: str, predictor: Predictor,
    products: list[Product],
) -> None:  # fmt: skip
    image = next(Path(str(p.image)).read_bytes() for p in products if p.image is not None)
    known = next(p for p in products if predictor.predict([p])[0].needs_review)
    unsure = Product("Zzyx qwrtp\0", "Vlmpf", image)
    asked = [unsure, unsure, Product("ZZYX qwrtp!", "Autre"), known]
    answered = predictor.answer(asked)
    assert [answer.needs_review for answer in answered[0]] == [True] * 4
    values = {answer.code: 0.25 for answer in answered[0]}
    keep = partial(keep_answer, corrections, lambda: values)
    for kept in (keep, None):
        log = PredictionLog(partial(postgres.write_answers, address), keep=kept)
        log.put(answered, [None] * 4)
        log.close()
        assert (log.written, log.lost) == (4, 0)
    (path,) = (path for path in corrections.images.rglob("*") if path.is_file())
    sha = path.name
    digest = item_hash("Zzyx qwrtp", "Vlmpf", sha)
    with psycopg.connect(address) as connection:
        items = connection.execute(
            "SELECT item_hash, designation, description, image_sha256"
            " FROM project.feedback_items ORDER BY description DESC"
        ).fetchall()
        rows = connection.execute(
            "SELECT source, code, probability, priority, product_group FROM project.review_items"
            " ORDER BY priority DESC"
        ).fetchall()
    other = item_hash("ZZYX qwrtp!", "Autre", "")
    assert items == [(digest, "Zzyx qwrtp", "Vlmpf", sha), (other, "ZZYX qwrtp!", "Autre", "")]
    first, _, second, _ = answered[0]
    expected = [
        ("service", first.code, first.probability, (1 - first.probability) * 0.25, "zzyx qwrtp"),
        (
            "service",
            second.code,
            second.probability,
            (1 - second.probability) * 0.125,
            "zzyx qwrtp",
        ),
    ]
    assert rows == expected
    item = make().next("Ana", digest)
    assert item is not None
    assert (item.source, item.productid, item.content.image) == (
        "service", None, image_file(corrections.images, sha),
    )  # fmt: skip
    assert item.content.image.read_bytes() == image


@pytest.mark.postgres
@pytest.mark.parametrize("address", ["database"], indirect=True)
def test_long_titles_and_a_thousand_copies_lose_no_answer(
    corrections: FeedbackStore, address: str, predictor: Predictor
) -> None:
    letters = np.random.default_rng(0).integers(0x4E00, 0x9FFF, 100_000)
    title = "".join(map(chr, letters))  # what no compression makes fit for an index
    asked = [Product(title), *(Product("Zyxwq", str(number)) for number in range(1_100))]
    answered = predictor.answer(asked)
    assert {answer.needs_review for answer in answered[0]} == {True}
    keep = partial(keep_answer, corrections, dict)
    log = PredictionLog(partial(postgres.write_answers, address), keep=keep)
    log.put(answered, [None] * len(asked))
    log.close(120)
    assert (log.written, log.lost) == (1_101, 0)
    with psycopg.connect(address) as connection:
        (kept, least) = connection.execute(
            "SELECT max(length(designation)), min(priority) FROM project.feedback_items"
            " JOIN project.review_items ON product = item_hash"
        ).fetchone()
    assert kept == 100_000
    assert least > 0


@pytest.fixture
def client(cfg: Config, corrections: FeedbackStore) -> Iterator[TestClient]:
    model, log = ServedModel(cfg.paths), PredictionLog([].extend)
    model.refresh()
    yield TestClient(create_app(Services(model, log, corrections)))
    log.close()


def test_the_service_leases_takes_classes_and_skips(
    client: TestClient, corrections: FeedbackStore
) -> None:
    first, second = (client.get("/review/next?author=Ana").json() for _ in range(2))
    assert first["product"] != second["product"]
    assert first["waiting"] == second["waiting"] > 10
    code = int(corrections.codes[0])
    answered = client.post(f"/review/{first['product']}", json={"author": "Ana", "code": code})
    assert answered.status_code == 200
    (said,) = corrections.read()
    assert (said.productid, said.designation, said.prdtypecode, said.author, said.source) == (
        first["productid"], first["designation"], code, "Ana", "review",
    )  # fmt: skip
    assert (said.predicted_code, said.probability) == (first["code"], first["probability"])
    skip = client.post(f"/review/{second['product']}", json={"author": "Ana", "skip": True})
    assert (skip.status_code, skip.json()) == (200, {"stored_in": ""})
    others = []
    while (done := client.get("/review/next?author=Ana")).status_code == 200:
        others.append(done.json())
    assert done.status_code == 204
    assert others[-1]["product"] == second["product"]
    assert len(others) == others[0]["waiting"] == first["waiting"] - 1
    for item in (first, second, *others):
        image = item["image_base64"]
        if image:
            row = base64.b64decode(image)
            assert row[:2] == b"\xff\xd8"
    assert sum(item["image_base64"] is not None for item in others) > 5


@pytest.mark.parametrize(
    ("path", "body", "status", "says"),
    [
        ("{first}", {"author": "Bob", "code": 10}, 404, "in other hands"),
        ("123", {"author": "Ana", "code": 10}, 404, "not in the queue"),
        ("a%00b", {"author": "Ana", "code": 10}, 404, "not in the queue"),
        ("{first}", {"author": "Ana", "code": -7}, 422, "not one of the"),
        ("{first}", {"author": "Ana"}, 422, "expected a code, or skip"),
        ("{first}", {"author": "Ana", "code": 10, "skip": True}, 422, "expected a code, or skip"),
        ("{first}", {"author": "", "skip": True}, 422, "author"),
        ("{first}", {"author": " \0 ", "skip": True}, 422, "author"),
        ("{first}", {"code": 10}, 422, "author"),
    ],
)
@pytest.mark.parametrize("address", ["memory"], indirect=True)
def test_what_is_wrong_is_said(
    client: TestClient, path: str, body: dict[str, object], status: int, says: str
) -> None:
    first = client.get("/review/next?author=Ana").json()["product"]
    answer = client.post(f"/review/{path.format(first=first)}", json=body)
    assert answer.status_code == status
    assert says in answer.json()["detail"]
    assert client.get("/review/next").status_code == 422


def test_the_value_of_a_class_is_what_is_missed_of_it(served_paths: Paths) -> None:
    store = ArtifactStore(served_paths).pinned()
    oof = store.load(store.out_of_fold("late_fusion"))
    hit = oof["prdtypecode"] == oof["predicted"]
    missed = 1 - hit.groupby(oof["prdtypecode"]).mean()
    expected = missed.clip(lower=0.05).to_dict()
    assert class_values(store, "late_fusion") == pytest.approx(expected)
