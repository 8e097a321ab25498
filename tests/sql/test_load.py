"""What the SQL makes of the files, against csv_files and by hand; a refusal changes nothing."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import json
import shutil
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pandas as pd
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from src.data import csv_files, csv_tables, postgres
from src.data.corrections import Correction, parse_lines
from src.errors import FileFault
from tests.conftest import rejects_of

if TYPE_CHECKING:
    from tests.conftest import Dump, Load, Row, Shop

Tables = tuple[list["Row"], list["Row"], list["Row"]]
pytestmark = pytest.mark.postgres
CODES = (10, 40, 2583)

ids = st.sampled_from(["1", "2", "3", "007", "7", "x", "", "1.0", "-1", "9" * 18, "9" * 19, " 4"])
titles = st.one_of(
    st.sampled_from(
        [
            "",
            " ",
            "\t\v",
            "\n",
            "\u00a0",
            "\u200b\ufeff ",
            "\u00a0!",
            "\\",
            "a;b",
            '"',
            "c\r\nd",
            "\\N",
            "é",
        ]
    ),
    st.text(st.characters(codec="utf-8", exclude_characters="\0\\"), max_size=5),
)
codes = st.sampled_from(["10", "40", "2583", "99", "x", "", "-10", "10.0", "0010"])
products = st.lists(st.tuples(titles, titles, ids, ids), min_size=1, max_size=8)


@st.composite
def shops(draw: st.DrawFn) -> Tables:
    x = [(draw(st.sampled_from([str(i), str(i), str(i), "x", "1"])), *row)
         for i, row in enumerate(draw(products), 2)]  # fmt: skip
    y = [(draw(st.sampled_from([str(i), str(i), str(i), "1"])), draw(codes))
         for i in range(2, 2 + len(x))]  # fmt: skip
    test = [(i, *row) for i, row in enumerate(draw(products))]
    # One sound product: a load without any is refused.
    return [("0", "sound", "", "424242", "1"), *x], [("0", "10"), *y], test


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(rows=shops())
def test_sql_and_csv_files_agree_on_adversarial_rows(
    rows: Tables, shop: Shop, database: str, load: Load
) -> None:
    folder = shop.write(*rows)
    try:
        expected = csv_tables.read_csv_files(folder, CODES)
    except FileFault as fault:
        assert "have no row in" in str(fault)
        done = load(database, folder, rate=1.0)
        assert done.returncode == 3
        assert "joined completely" in done.stderr
        return
    done = load(database, folder, rate=1.0)
    assert done.stderr == ""
    pd.testing.assert_frame_equal(postgres.read_items(database), expected.train)
    pd.testing.assert_frame_equal(postgres.read_test_items(database), expected.test)
    rejected = query(
        database,
        "SELECT file, line, reason, raw FROM project.rejects"
        " JOIN project.dataset_inventory USING (dataset_id) WHERE is_current"
        ' ORDER BY file COLLATE "C", line',
    )
    rejects = rejects_of(folder, expected.faults)
    assert list(map(list, rejected)) == rejects
    printed = list(csv.reader(io.StringIO(done.stdout, newline="")))[1:]
    assert printed == [list(map(str, reject)) for reject in rejects]
    assert postgres.latest_snapshot(database).rejected_rows == expected.rejected_rows


def test_loading_again_changes_no_row(shop: Shop, database: str, load: Load, dump: Dump) -> None:
    folder = shop.write_plain(20)
    load(database, folder)
    before = dump(database)
    physical = query(database, "SELECT xmin::TEXT, ctid::TEXT FROM project.items ORDER BY ctid")
    assert load(database, folder).stderr == ""
    assert dump(database) == before
    again = query(database, "SELECT xmin::TEXT, ctid::TEXT FROM project.items ORDER BY ctid")
    assert again == physical
    # From another workspace it is that one's from then on.
    copy = shutil.copytree(folder, folder.parent / "second" / "import")
    assert load(database, copy).stderr == ""
    [(workspace,)] = query(database, "SELECT workspace FROM project.datasets")
    assert workspace == str(folder.parent / "second")


def query(url: str, text: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(text).fetchall()


def test_one_changed_cell_updates_one_row(shop: Shop, database: str, load: Load) -> None:
    folder = shop.write_plain(20)
    load(database, folder)
    before = dict(query(database, "SELECT productid, i::TEXT FROM project.items i"))
    path = folder / csv_files.X_TRAIN
    path.write_bytes(path.read_bytes().replace("Produit n° 7".encode(), b"Autre produit"))
    load(database, folder)
    after = dict(query(database, "SELECT productid, i::TEXT FROM project.items i"))
    assert {key for key in after if after[key] != before[key]} == {1007}
    assert query(
        database, "SELECT designation, dataset_id FROM project.items WHERE productid = 1007"
    ) == [("Autre produit", 2)]
    former = "SELECT productid, designation, dataset_id, left_dataset_id FROM project.items_history"
    assert query(database, former) == [(1007, "Produit n° 7", 1, 2)]


def test_rows_that_left_move_to_the_history_and_may_come_back(
    shop: Shop, database: str, load: Load
) -> None:
    folder = shop.write_plain(6)
    load(database, folder)
    row = query(database, "SELECT row_hash, description FROM project.items WHERE productid = 1005")
    shop.write_plain(5, n_test=1)
    load(database, folder)
    left = "SELECT part, row_index, productid, prdtypecode, left_dataset_id"
    assert query(database, left + " FROM project.items_history ORDER BY history_id") == [
        ("train", 5, 1005, 2583, 2),
        ("test", 6, 5000, None, 2),
        ("test", 7, 5001, None, 2),
    ]
    kept = "SELECT row_hash, description FROM project.items_history WHERE part = 'train'"
    assert query(database, kept) == row
    shop.write_plain(6)
    load(database, folder)
    assert query(database, "SELECT count(*) FROM project.items") == [(6,)]
    inventory = "SELECT dataset_id, rows, is_current FROM project.dataset_inventory"
    assert query(database, inventory) == [(1, 6, True), (2, 5, False)]


def test_a_few_rejects_are_loaded_around_and_more_refuse_the_load(
    shop: Shop, database: str, load: Load, dump: Dump
) -> None:
    folder = shop.write_plain(30)
    path = folder / csv_files.Y_TRAIN
    sound = path.read_bytes()
    path.write_bytes(sound.replace(b'"4","40"', b'"4","41"'))
    done = load(database, folder, rate=0.04)
    assert done.stdout == (
        'file,line,reason,raw\nY_train_CVw08PX.csv,6,prdtypecode is unknown,"""4"",""41"""\n'
    )
    assert len(postgres.read_items(database)) == 29
    assert checks(database)["rejected training rows"] == "warn"
    before = dump(database)
    path.write_bytes(sound.replace(b'"40"', b'"41"'))
    done = load(database, folder, rate=0.04)
    assert done.returncode == 3
    limit = "at most 1 (validation.max_reject_rate), found 10"
    assert f"rejected training rows: expected {limit}" in done.stderr
    assert done.stdout.count("prdtypecode is unknown") == 10
    assert dump(database) == before


def checks(url: str) -> dict[object, object]:
    return dict(query(url, 'SELECT "check", status FROM project.latest_checks'))


def test_the_labels_map_decides_which_codes_are_known(
    shop: Shop, database: str, load: Load
) -> None:
    folder = shop.write_plain(30)
    load(database, folder)
    done = load(database, folder, codes=(10, 40))
    assert "rejected training rows: expected at most 0" in done.stderr
    assert load(database, folder, codes=(10, 40), rate=0.5).returncode == 0
    assert set(postgres.read_items(database)["prdtypecode"]) == {10, 40}


def test_quite_other_class_shares_refuse_the_load(shop: Shop, database: str, load: Load) -> None:
    x = [(i, f"p {i}", "", i, i) for i in range(1200)]
    load(database, shop.write(x, [(i, 10 if i % 2 else 40) for i in range(1200)]))
    done = load(database, shop.write(x, [(i, 10 if i % 4 else 40) for i in range(1200)]))
    assert (
        "class shares against the snapshot before: expected at most 0.100 moved, found 0.250"
        in (done.stderr)
    )
    done = load(database, shop.write(x, [(i, 10 if i % 20 > 9 else 40) for i in range(1200)]))
    assert done.returncode == 0
    assert checks(database)["class shares against the snapshot before"] == "ok"


def test_the_image_manifest_becomes_assets(
    shop: Shop, database: str, load: Load, dump: Dump
) -> None:
    folder = shop.write_plain(3)
    good = {"path": "a/image_7000_product_1000.jpg", "part": "train", "imageid": 7000,
            "productid": 1000, "bytes": 5, "sha256": "0" * 64, "width": 2, "height": 3,
            "fingerprint": "ff", "same_as": "a/image_7000_product_1000.jpg", "fault": None,
            "mtime_ns": 1, "version": 1}  # fmt: skip
    bad = {**good, "path": 'b/"x\\y".jpg', "imageid": None, "productid": None, "sha256": None,
           "width": None, "height": None, "fingerprint": None,
           "fault": "truncated: 5 of 9"}  # fmt: skip
    manifest = f"[\n{json.dumps(good)},\n{json.dumps(bad)}\n]\n"
    assert load(database, folder, manifest=manifest).stderr == ""
    columns = ["path", "part", "imageid", "productid", "bytes", "sha256", "width", "height",
               "fingerprint", "same_as", "fault"]  # fmt: skip
    chosen = f"SELECT {', '.join(columns)} FROM project.assets ORDER BY path"  # noqa: S608
    stored = query(database, chosen)
    assert stored == [tuple(entry[name] for name in columns) for entry in (good, bad)]
    found = dict(query(database, 'SELECT "check", observed FROM project.latest_checks'))
    assert found["training products with their image"] == "1"
    assert found["unreadable images"] == "1"
    before = dump(database)
    load(database, folder, manifest=manifest)
    assert dump(database) == before
    load(database, folder)
    assert query(database, "SELECT count(*) FROM project.assets") == [(0,)]


def test_views_count_classes_and_the_newest_model_of_each_kind(
    shop: Shop, database: str, load: Load
) -> None:
    load(database, shop.write_plain(7))
    assert query(database, "SELECT * FROM project.class_distribution") == [
        (10, 3, pytest.approx(3 / 7)),
        (40, 2, pytest.approx(2 / 7)),
        (2583, 2, pytest.approx(2 / 7)),
    ]
    data_hash = postgres.latest_snapshot(database).data_hash
    for run in ("r1", "r2"):
        for phase in ("holdout", "final"):
            postgres.write_model(
                database, run_id=run, kind="logreg", phase=phase, data_hash=data_hash, scores={}
            )
    assert query(database, "SELECT run_id, phase, data_hash FROM project.latest_models") == [
        ("r2", "final", data_hash),
        ("r2", "holdout", data_hash),
    ]


def test_corrections_of_a_file_are_loaded_once(shop: Shop, database: str, load: Load) -> None:
    """Beside the image manifest, and without touching what the service wrote itself."""
    image = {"path": "a.jpg", "part": "train", "bytes": 5, "fault": "truncated"}
    folder, manifest = shop.write_plain(6), f"[\n{json.dumps(image)}\n]\n"
    hashed = hashlib.sha256(b"title").hexdigest()
    noon = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)
    hour = timedelta(hours=1)
    content = {"designation": "Mug \\ {", "description": "\U0001f600", "image_sha256": "ab" * 32}
    answer = {"predicted_code": 40, "probability": 0.1, "run_id": "r1"}
    given = [
        Correction(
            prdtypecode=40, created_at=noon + hour, productid=1001, author="Zo\u00e9",
            comment='a "quote" \\ {',
        ),
        Correction(prdtypecode=10, created_at=noon, designation_hash=hashed),
        Correction(prdtypecode=10, created_at=noon + 2 * hour, source="app", **content, **answer),
        Correction(prdtypecode=None, created_at=noon + 3 * hour, **content),
    ]  # fmt: skip
    lines = "".join(correction.to_line() + "\n" for correction in given)
    assert load(database, folder, manifest=manifest, feedback=lines).stderr == ""
    assert postgres.read_feedback(database) == [given[1], given[0], *given[2:]]
    items = "SELECT item_hash, designation, description, image_sha256 FROM project.feedback_items"
    assert query(database, items) == [(given[2].item_hash, *content.values())]
    assert query(database, "SELECT path FROM project.assets") == [("a.jpg",)]
    with psycopg.connect(database) as connection:
        own = "INSERT INTO project.feedback (productid, prdtypecode, created_at) VALUES (7, 10, %s)"
        connection.execute(own, (noon + timedelta(days=1),))
    again = load(database, folder, feedback=lines + lines)
    assert again.stderr == ""
    assert [c.productid for c in postgres.read_feedback(database)] == [
        None, 1001, None, None, 7,
    ]  # fmt: skip


def test_corrections_of_an_earlier_version_stay_and_are_not_loaded_again(
    shop: Shop, database: str, load: Load
) -> None:
    line = (
        '{"author": "Ana", "comment": "", "created_at": "2026-01-01T12:00:00+00:00",'
        ' "designation_hash": "ab", "prdtypecode": 10, "predicted_code": null, "productid": null}'
    )
    known = hashlib.sha256(f"feedback {line}".encode()).hexdigest()
    with psycopg.connect(database) as connection:
        connection.execute("CREATE SCHEMA project")
        connection.execute(
            "CREATE TABLE project.feedback (feedback_id BIGINT GENERATED ALWAYS AS IDENTITY"
            " PRIMARY KEY, productid BIGINT, designation_hash TEXT, prdtypecode BIGINT NOT NULL,"
            " predicted_code BIGINT, author TEXT NOT NULL DEFAULT '', comment TEXT NOT NULL DEFAULT"
            " '', created_at TIMESTAMPTZ NOT NULL DEFAULT now(), content_hash TEXT UNIQUE,"
            " CHECK (productid IS NOT NULL OR designation_hash IS NOT NULL))"
        )
        connection.execute(
            "INSERT INTO project.feedback (designation_hash, prdtypecode, author, created_at,"
            " content_hash) VALUES ('ab', 10, 'Ana', '2026-01-01T12:00:00Z', %s)",
            (known,),
        )
    kept = parse_lines([line.encode()])[0]
    lines = "".join(correction.to_line() + "\n" for correction in kept)
    for _ in range(2):
        done = load(database, shop.write_plain(6), feedback=lines)
        assert (done.returncode, done.stderr) == (0, "")
        assert postgres.read_feedback(database) == kept
    new = dataclasses.replace(kept[0], designation_hash=None, designation="Livre")
    postgres.write_feedback(database, new)
    assert postgres.read_feedback(database) == [*kept, new]
    assert query(database, "SELECT product FROM project.current_feedback ORDER BY 1 DESC") == [
        ("ab",), (new.item_hash,),
    ]  # fmt: skip


def test_a_refused_load_loads_no_correction(shop: Shop, database: str, load: Load) -> None:
    load(database, shop.write_plain(6))
    noon = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)
    line = Correction(prdtypecode=40, created_at=noon, productid=1001).to_line()
    assert load(database, shop.folder, codes=(10, 40), feedback=f"{line}\n").returncode == 3
    assert postgres.read_feedback(database) == []
