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
    current,
    designation_hash,
    parse_lines,
    read_feedback,
)
from src.errors import FileFault

NOON = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)
CODES = (10, 40, 50)
TITLES = ["Livre", "Jeu", "Livre", "Été 😀"]
ITEMS = pd.DataFrame(
    {
        "productid": [1, 2, 3, 4],
        "designation": TITLES,
        "description": ["Poche", "", "", ""],
        "image_sha256": ["", "", "", "ab" * 32],
    }
)
Y = np.array([10, 40, 10, 50])


def about(
    productid: int | None,
    code: int | None,
    hours: int = 0,
    title: str = "",
    author: str = "",
    **content: str,
) -> Correction:
    """A correction; of a title alone earlier versions kept the hash."""
    hashed = None if content or not title else hashlib.sha256(title.encode()).hexdigest()
    return Correction(
        prdtypecode=code,
        created_at=NOON + timedelta(hours=hours),
        productid=productid,
        designation_hash=hashed,
        author=author,
        designation=title if content else "",
        **content,
    )


def test_by_product_or_by_title_and_the_latest_wins() -> None:
    given = [
        about(1, 50, hours=3),
        about(1, 40, hours=1),
        about(None, 40, hours=2, title="Livre"),
        about(2, 40),
        about(4, 10, title="Livre"),  # a productid says more than the title beside it
    ]
    y, added, report = correct_labels(ITEMS, Y, given, CODES)
    assert y.tolist() == [50, 40, 40, 10]
    assert (added, report) == ([], Corrected(changed=3, confirmed=1))
    assert Y.tolist() == [10, 40, 10, 50]


def test_by_content_and_what_is_not_here_becomes_a_row() -> None:
    image = "cd" * 32
    given = [
        about(None, 40, title=" Livre ", description="Poche"),
        about(None, 10, title="Été 😀", description="", image_sha256="ab" * 32),
        about(None, 50, title="Jeu", description=""),  # a title alone: every product that has it
        about(None, 10, hours=1, title="Livre", description="Broché"),
        about(9, 40, hours=2, title="Livre", description="Broché", author="Ana"),
        about(None, 50, title="", description="", image_sha256=image),
        about(77, 10),  # nothing says what that is
    ]
    y, added, report = correct_labels(ITEMS, Y, given, CODES)
    assert y.tolist() == [40, 50, 10, 10]
    assert report == Corrected(changed=3, added=2, unmatched=1)
    hashes = [
        hashlib.sha256(json.dumps(content).encode()).hexdigest()
        for content in (["", "", image], ["Livre", "Broché", ""])
    ]
    numbers = [2**62 + int(digest[:15], 16) for digest in hashes]
    assert max(numbers) < 2**63
    columns = ["row_index", "productid", "imageid", "designation", "description", "image_sha256"]
    rows = [[row[name] for name in (*columns, "prdtypecode")] for row in added]
    assert rows == [
        [numbers[0], numbers[0], -1, "", "", image, 50],
        [numbers[1], numbers[1], -1, "Livre", "Broché", "", 40],
    ]


@pytest.mark.parametrize("titles", [("Lampe  LED\t", "Lampe LED"), ("Lampe LED", " Lampe\nLED")])
def test_blanks_make_no_other_row_of_a_product_of_people(titles: tuple[str, str]) -> None:
    """The database keeps the first of two spellings, a file both: the rows are the same."""
    given = [
        Correction(
            prdtypecode=10, created_at=NOON + timedelta(hours=n), designation=title, author=str(n)
        )
        for n, title in enumerate(titles)
    ]
    (row,) = correct_labels(ITEMS, Y, given, CODES)[1]
    assert row["designation"] == "Lampe LED"


@pytest.mark.parametrize(
    ("votes", "expected"),
    [
        ([("Ana", 10), ("Bo", 40), ("Cy", 40)], 40),
        ([("Ana", 40), ("Bo", 40), ("Cy", 10)], 40),
        ([("Ana", 40), ("Bo", 10)], 10),  # as many: the one that was given last
        ([("Ana", 40), ("Bo", 10), ("Ana", 50)], 50),
        ([("Ana", 10), ("Bo", 40), ("Bo", 10), ("Cy", 40)], 10),
        ([("Ana", 10), ("Ana", None), ("Bo", 40), ("Bo", None)], 50),  # all withdrawn: official
        ([("Ana", 10), ("Ana", 99)], 10),  # a code that the map no longer has
    ],
)
def test_of_several_people_most_count_then_the_latest(
    votes: list[tuple[str, int | None]], expected: int
) -> None:
    given = [about(4, code, hours, author=who) for hours, (who, code) in enumerate(votes)]
    y, _, _ = correct_labels(ITEMS, Y, reversed(given), CODES)
    assert y.tolist() == [10, 40, 10, expected]


def test_what_counts_now() -> None:
    given = [
        about(1, 10, hours=2, author="Ana"),
        about(1, 40, hours=1, author="Ana"),
        about(1, 40, hours=1, author="Bo"),
        about(2, 40, hours=3, author="Bo"),
        about(2, None, hours=4, author="Bo"),
        about(None, 50, title="Jeu", description="a"),
        about(None, 40, title="Jeu ", description=" a"),  # at the same time: the later one
    ]
    assert current(given) == [given[6], given[2], given[0]]
    assert current([]) == []


def test_unknown_codes_are_listed_and_other_products_counted() -> None:
    given = [about(1, 99), about(2, 99), about(3, 7), about(77, 10), about(None, 10, title="?")]
    y, _, report = correct_labels(ITEMS, Y, given, CODES)
    assert y.tolist() == Y.tolist()
    assert report == Corrected(unmatched=2, unknown={99: 2, 7: 1})
    assert str(report) == (
        "0 labels changed by corrections, 2 of other products, "
        "ignored as unknown codes: 7 (1x), 99 (2x)"
    )
    assert str(Corrected(1200, 3, 2, unreadable=1)) == (
        "1,200 labels changed by corrections, 3 confirmed, 2 products added, 1 lines unreadable"
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
    y, _, report = correct_labels(ITEMS, Y, corrections, CODES)
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
            Correction(
                prdtypecode=10, created_at=NOON, productid=1, designation_hash="ab",
                predicted_code=40, author="Zoé", comment="half a pair: ?",
            ),
            Correction(prdtypecode=40, created_at=NOON, designation_hash="ab"),
            Correction(prdtypecode=-1, created_at=NOON, productid=2),
        ],
        0,
    )  # fmt: skip


def test_a_line_is_read_as_it_was_and_that_of_an_earlier_version_stays() -> None:
    first = Correction(prdtypecode=10, created_at=NOON, designation_hash="ab", comment="é")
    assert first.to_line() == (
        '{"author": "", "comment": "\\u00e9", "created_at": "2026-01-01T12:00:00+00:00", '
        '"designation_hash": "ab", "prdtypecode": 10, "predicted_code": null, "productid": null}'
    )
    whole = Correction(
        prdtypecode=None, created_at=NOON, productid=3, predicted_code=40, author="Zoé",
        comment="a\nb", designation="Été 😀", description="<p>", image_sha256="cd" * 32,
        probability=0.1, run_id="r1", source="review",
    )  # fmt: skip
    assert parse_lines([c.to_line().encode() for c in (first, whole)]) == ([first, whole], 0)
    kept = json.loads(whole.to_line())
    content = json.dumps(["Été 😀", "<p>", "cd" * 32]).encode()
    assert kept["item_hash"] == whole.item_hash == hashlib.sha256(content).hexdigest()


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
        {"productid": 1, "prdtypecode": 10},
        {**SOUND, "image_sha256": "../../etc/passwd"},
        {**SOUND, "image_sha256": "ab"},
        {**SOUND, "probability": 1.1},
        {**SOUND, "designation_hash": "x" * 9000},
        {**SOUND, "probability": float("nan")},
    ],
)
def test_a_line_that_holds_no_correction_is_counted(tmp_path: Path, line: object) -> None:
    path = write(tmp_path / "feedback.jsonl", SOUND, line, SOUND)
    corrections, unreadable = read_feedback(path)
    assert (corrections, unreadable) == (
        [Correction(prdtypecode=10, created_at=NOON, productid=1)] * 2,
        1,
    )


def test_no_file_is_no_correction_and_a_folder_is_an_error(tmp_path: Path) -> None:
    assert read_feedback(tmp_path / "none.jsonl") == ([], 0)
    with pytest.raises(FileFault, match=r"can't be read .*\nnext: ls -l"):
        read_feedback(tmp_path)
