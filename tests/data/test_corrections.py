"""Corrections: what a line must hold, and whose label they change."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.data.corrections import (
    Corrected,
    Correction,
    correct_labels,
    designation_hash,
    read_feedback,
)
from src.errors import FileFault

NOON = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)
CODES = (10, 40, 50)
TITLES = ["Livre", "Jeu", "Livre", "Été 😀"]
ITEMS = pd.DataFrame({"productid": [1, 2, 3, 4], "designation": TITLES})
Y = np.array([10, 40, 10, 50])


def about(productid: int | None, code: int, hours: int = 0, title: str = "") -> Correction:
    hashed = hashlib.sha256(title.encode()).hexdigest() if title else None
    return Correction(code, productid, hashed, NOON + timedelta(hours=hours))


def test_by_product_or_by_title_and_the_latest_wins() -> None:
    given = [
        about(1, 50, hours=3),
        about(1, 40, hours=1),
        about(None, 40, hours=2, title="Livre"),
        about(2, 40),
        about(4, 10, title="Livre"),  # a productid says more than the title beside it
    ]
    y, report = correct_labels(ITEMS, Y, given, CODES)
    assert y.tolist() == [50, 40, 40, 10]
    assert report == Corrected(changed=3, confirmed=1)
    assert Y.tolist() == [10, 40, 10, 50]


def test_unknown_codes_are_listed_and_other_products_counted() -> None:
    given = [about(1, 99), about(2, 99), about(3, 7), about(77, 10), about(None, 10, title="?")]
    y, report = correct_labels(ITEMS, Y, given, CODES)
    assert y.tolist() == Y.tolist()
    assert report == Corrected(unmatched=2, unknown={99: 2, 7: 1})
    assert str(report) == (
        "0 labels changed by corrections, 2 of other products, "
        "ignored as unknown codes: 7 (1x), 99 (2x)"
    )
    assert str(Corrected(1200, 3, unreadable=1)) == (
        "1,200 labels changed by corrections, 3 confirmed, 1 lines unreadable"
    )


@given(
    st.lists(
        st.tuples(
            st.sampled_from([1, 2, 3, 4, 9, None]),
            st.sampled_from([10, 40, 50, 99]),
            st.integers(0, 3),
            st.sampled_from(TITLES),
        )
    )
)
def test_against_a_plain_search(rows: list[tuple[int | None, int, int, str]]) -> None:
    corrections = [about(product, code, hours, title) for product, code, hours, title in rows]
    expected = []
    for productid, title, official in zip(ITEMS.productid, TITLES, Y, strict=True):
        label, best = official, -1
        for product, code, hours, named in rows:
            hit = product == productid if product is not None else named == title
            if hit and code in CODES and hours >= best:
                label, best = code, hours
        expected.append(label)
    y, report = correct_labels(ITEMS, Y, corrections, CODES)
    assert y.tolist() == expected
    assert report.changed == (np.array(expected) != Y).sum()


def test_the_hash_of_a_title_is_that_of_its_utf8() -> None:
    assert designation_hash("Été 😀") == hashlib.sha256("Été 😀".encode()).hexdigest()


def write(path: Path, *rows: object) -> Path:
    lines = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
    path.write_bytes(b"\n".join(lines))
    return path


def test_a_file_is_read_line_by_line(tmp_path: Path) -> None:
    whole = {
        "feedback_id": 3,
        "productid": 1,
        "designation_hash": "ab",
        "prdtypecode": 10,
        "predicted_code": 40,
        "author": "Zoé\0",
        "comment": "half a pair: \ud800",
        "created_at": "2026-01-01T12:00:00Z",
    }
    least = {"designation_hash": "ab", "prdtypecode": 40, "created_at": "2026-01-01T13:00:00+01:00"}
    naive = {"productid": 2, "prdtypecode": -1, "created_at": "2026-01-01 12:00:00"}
    path = write(tmp_path / "feedback.jsonl", whole, b"", least, naive)
    assert read_feedback(path) == (
        [
            Correction(10, 1, "ab", NOON, 40, "Zoé", "half a pair: ?"),
            Correction(40, None, "ab", NOON),
            Correction(-1, 2, None, NOON),
        ],
        0,
    )


SOUND = {"productid": 1, "prdtypecode": 10, "created_at": "2026-01-01T12:00:00+00:00"}


@pytest.mark.parametrize(
    "line",
    [
        b'{"productid": 1, "prdtypecode": 10, "crea',
        b"[1]",
        b"7",
        b"null",
        b"\xff\xfe",
        b"[" * 100_000,
        {**SOUND, "prdtypecode": "10"},
        {**SOUND, "prdtypecode": True},
        {**SOUND, "prdtypecode": 2**63},
        {**SOUND, "productid": 1.5},
        {**SOUND, "productid": None},
        {**SOUND, "created_at": "yesterday"},
        {**SOUND, "created_at": None},
        {**SOUND, "author": 7},
        {"productid": 1, "created_at": SOUND["created_at"]},
    ],
)
def test_a_line_that_holds_no_correction_is_counted(tmp_path: Path, line: object) -> None:
    path = write(tmp_path / "feedback.jsonl", SOUND, line, SOUND)
    corrections, unreadable = read_feedback(path)
    assert (corrections, unreadable) == ([Correction(10, 1, None, NOON)] * 2, 1)


def test_no_file_is_no_correction_and_a_folder_is_an_error(tmp_path: Path) -> None:
    assert read_feedback(tmp_path / "none.jsonl") == ([], 0)
    with pytest.raises(FileFault, match=r"can't be read .*\nnext: ls -l"):
        read_feedback(tmp_path)
