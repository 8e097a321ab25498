"""The log never slows or fails a request, and counts what it could not write."""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Sequence
from functools import partial

import psycopg
import pytest

from src.data import postgres
from src.errors import DatabaseError
from src.monitoring.signals import from_profiles
from src.serving.prediction_log import PredictionLog, Row
from src.serving.predictor import Answered, Predictor, Product
from tests.conftest import Load, Shop, as_app


@pytest.fixture
def answered(predictor: Predictor) -> Answered:
    return predictor.answer([Product("Lampe LED", "12 W", b"no picture"), Product("Livre")])


def test_into_the_database(answered: Answered, database: str, load: Load, shop: Shop) -> None:
    assert load(database, shop.write_plain(6)).returncode == 0
    log = PredictionLog(partial(postgres.write_answers, as_app(database)))
    log.put(answered, [1003, None])
    log.close()
    with psycopg.connect(database) as connection:
        rows = connection.execute(
            "SELECT productid, prdtypecode, probability, needs_review, top_k, run_id"
            " FROM project.predictions ORDER BY prediction_id"
        ).fetchall()
        logged = connection.execute(
            "SELECT profile FROM project.predictions ORDER BY prediction_id"
        ).fetchall()
    predictions, _, _, model = answered
    expected = [
        (
            productid,
            p.code,
            p.probability,
            p.needs_review,
            [{"code": code, "probability": q} for code, _, q in p.top_k],
            p.model,
        )
        for productid, p in zip([1003, None], predictions, strict=True)
    ]
    assert rows == expected
    signals = from_profiles([profile for (profile,) in logged], model.classes_)
    assert signals.numbers["title_length"].tolist() == [9, 5]
    assert signals.flags["missing_description"].tolist() == [False, True]
    assert signals.flags["missing_image"].tolist() == [True, True]
    assert signals.predicted.tolist() == [p.code for p in predictions]
    assert (log.written, log.lost) == (2, 0)


def test_the_queue_holds_no_image(predictor: Predictor) -> None:
    image, gate = b"no picture" * 9, threading.Event()
    answered, held = predictor.answer([Product("Lampe LED", "12 W", image)]), sys.getrefcount(image)
    log = PredictionLog(lambda _: gate.wait() and None)
    for _ in range(3):
        log.put(answered, [None])
    assert sys.getrefcount(image) == held
    del answered
    assert sys.getrefcount(image) < held
    gate.set()
    log.close()
    assert log.written == 3


def test_a_slow_database_costs_log_lines_not_time(answered: Answered) -> None:
    gate, seen = threading.Event(), []

    def slow(rows: Sequence[Row]) -> None:
        gate.wait()
        seen.extend(rows)

    log = PredictionLog(slow, capacity=3)
    for _ in range(20):  # would not return if it waited for the writer
        log.put(answered, [None, None])
    gate.set()
    log.close()
    assert log.written == len(seen)
    assert log.written + log.lost == 40
    assert log.lost >= 2 * (20 - 3 - 4)  # three wait, and as many and one are the writer's


def test_a_database_that_is_down_is_told_once_and_counted(
    answered: Answered, caplog: pytest.LogCaptureFixture
) -> None:
    calls = []

    def down(rows: Sequence[Row]) -> None:
        calls.append(len(rows))
        raise DatabaseError("127.0.0.1:1/x: PostgreSQL can't be reached")

    log = PredictionLog(down)
    with caplog.at_level(logging.WARNING, logger="src.serving"):
        log.put(answered, [None, None])
        until = time.monotonic() + 60
        while not log.lost and time.monotonic() < until:
            time.sleep(0.01)
        log.put(answered, [None, None])
        log.close()
    assert (calls, log.written, log.lost) == ([2], 0, 4)
    (message,) = caplog.messages
    assert "not logged for 60 s: 127.0.0.1:1/x" in message
