"""The review page in a browser: by keyboard alone, by two people, with a database and without."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlparse

import pandas as pd
import pytest

from src.artifacts.store import ArtifactStore
from src.config import Config, load_config
from src.data.corrections import current, image_file, read_feedback
from src.labels import Labels
from src.serving.feedback import FeedbackStore
from src.serving.predictor import Product
from tests.app.finished_run import write_config
from tests.app.test_browser import TIMEOUT_MS, Visitor, serve, visits
from tests.conftest import Load, Shop, find_free_port

playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
psycopg = pytest.importorskip("psycopg")
pytestmark = pytest.mark.slow


@dataclasses.dataclass
class Place:
    """An app on the finished run, with corrections of its own."""

    cfg: Config
    address: str
    database: str  # "" without one

    def store(self, labels: Labels) -> FeedbackStore:
        given = FeedbackStore.of(self.cfg.paths, labels.codes)
        return dataclasses.replace(
            given, address=lambda: self.database or "postgres://127.0.0.1:1/x"
        )


@pytest.fixture(params=[pytest.param("database", marks=pytest.mark.postgres), "file"])
def place(request: pytest.FixtureRequest, finished: Config, tmp_path: Path) -> Iterator[Place]:
    url = ""
    if request.param == "database":
        url = request.getfixturevalue("database")
        load: Load = request.getfixturevalue("load")
        shop: Shop = request.getfixturevalue("shop")
        assert load(url, shop.write_plain(6)).returncode == 0
    config = write_config(tmp_path, finished.paths.workspace)
    with config.open("a") as file:
        file.write(
            f'results_dir = "{tmp_path / "results"}"\nfeedback_dir = "{tmp_path / "kept"}"\n'
        )
    nowhere = f"postgres://u:p@127.0.0.1:{find_free_port()}/none"
    with serve(config, url or nowhere) as address:
        yield Place(load_config(config), address, url)


def shown(visitor: Visitor) -> str:
    """Return which product is on the screen."""
    return parse_qs(urlparse(visitor.page.url).query).get("item", [""])[0]


def press(visitor: Visitor, key: str) -> str:
    """Press a key and return the product that comes then."""
    before = shown(visitor)
    visitor.page.keyboard.press(key)
    visitor.page.wait_for_function(
        "before => !location.search.includes(`item=${before}`)", arg=before, timeout=TIMEOUT_MS
    )
    visitor.settle()
    return shown(visitor)


def test_thirty_products_by_keyboard_alone_and_half_of_them_without_a_database(
    browser: Any,  # noqa: ANN401
    place: Place,
    labels: Labels,
    shop: Shop,
    request: pytest.FixtureRequest,
) -> None:
    rest = 17 if place.database else 2
    total = 13 + rest
    with visits(browser, place.address) as visit:
        ana, bob = visit("review?author=Ana"), visit("review?author=Bob", "fr")
        seen: dict[str, list[str]] = {"Ana": [shown(ana)], "Bob": [shown(bob)]}
        for number in range(12):
            seen["Ana"].append(press(ana, str(number % 5 + 1)))
            if number < 3:
                seen["Bob"].append(press(bob, "1"))
        assert not set(seen["Ana"]) & set(seen["Bob"])
        ana.page.reload()
        ana.settle()
        assert shown(ana) == seen["Ana"][-1]
        assert press(ana, "u") == seen["Ana"][11]  # the last answer is taken back ...
        seen["Ana"][12] = press(ana, "5")  # ... and given anew
        skipped = shown(ana)
        after = press(ana, "ArrowRight")
        assert press(ana, "ArrowLeft") == skipped
        press(ana, "ArrowRight")
        assert shown(ana) == after
        ana.page.keyboard.press("s")
        ana.page.locator(".st-key-review_search_box input:focus").wait_for(timeout=TIMEOUT_MS)
        ana.page.keyboard.type("2220")
        ana.page.get_by_role("option", name="(2220)").wait_for(timeout=TIMEOUT_MS)
        searched = shown(ana)
        press(ana, "Enter")
        for number in range(rest):
            press(ana, str(number % 5 + 1))
        assert ana.page.get_by_text(f"Ana: {total} reviewed").count() == 1
        assert ana.errors == bob.errors == []
    said = current(place.store(labels).read())
    mine = {c.product: c for c in said if c.author == "Ana"}
    assert len(mine) == total
    assert len([c for c in said if c.author == "Bob"]) == 3
    assert mine[searched].prdtypecode == 2220
    assert skipped not in mine
    check_content(place, mine)
    if place.database:
        with psycopg.connect(place.database) as connection:
            (rows,) = connection.execute(
                "SELECT count(*) FROM project.current_feedback JOIN project.feedback_items"
                " USING (item_hash) WHERE source = 'review' AND designation || image_sha256 <> ''"
            ).fetchone()
        assert rows == 33
        assert not (place.cfg.paths.results_dir / "feedback.jsonl").exists()
    else:
        check_loaded_once(place, request, shop, total + 3)


def check_content(place: Place, mine: dict[str, Any]) -> None:
    """Each correction holds its product's texts, and its image byte by byte."""
    store = ArtifactStore(place.cfg.paths).pinned()
    table: pd.DataFrame = store.load(store.catalogue).set_index("productid")
    images = 0
    for product, correction in mine.items():
        if not product.isdigit():  # a drift report names it by its title alone
            assert (product, correction.image_sha256) == (correction.item_hash, "")
            continue
        row = table.loc[int(product)]
        texts = correction.designation, correction.description
        assert texts == (row["designation"], row["description"])
        assert bool(correction.image_sha256) == bool(row["image"])
        if row["image"]:
            kept = image_file(place.cfg.paths.feedback_dir, correction.image_sha256)
            assert kept.read_bytes() == Path(row["image"]).read_bytes()
            images += 1
    assert images > len(mine) // 6


def check_loaded_once(
    place: Place, request: pytest.FixtureRequest, shop: Shop, expected: int
) -> None:
    """The file's lines are in the database after a load, and no more of them after another."""
    file = place.cfg.paths.results_dir / "feedback.jsonl"
    lines = file.read_text(encoding="utf-8")
    assert {json.loads(line)["source"] for line in lines.splitlines()} == {"review"}
    url, load = request.getfixturevalue("database"), request.getfixturevalue("load")
    folder = shop.write_plain(6)
    for _ in range(2):
        assert load(url, folder, feedback=lines).returncode == 0
        with psycopg.connect(url) as connection:
            count, current_count = connection.execute(
                "SELECT (SELECT count(*) FROM project.feedback),"
                " (SELECT count(*) FROM project.current_feedback)"
            ).fetchone()
        assert count == len(read_feedback(file)[0]) == len(lines.splitlines())
        assert current_count == expected


def test_a_doubtful_label_opens_in_the_review(browser: Any, place: Place) -> None:  # noqa: ANN401
    with visits(browser, place.address) as visit:
        visitor = visit("diagnostics?section=issues")
        link = visitor.page.get_by_role("link", name="review product").nth(2)
        wanted = (link.text_content() or "").rpartition(" ")[2]
        link.click()
        visitor.page.get_by_label("Your name").fill("Ana")
        visitor.page.keyboard.press("Enter")
        visitor.page.wait_for_url(f"**item={wanted}*", timeout=TIMEOUT_MS)
        visitor.settle()
        assert visitor.page.get_by_text("The label is probably wrong").count() == 1
        store = ArtifactStore(place.cfg.paths).pinned()
        doubtful = store.load(store.label_issues).set_index("productid").loc[int(wanted)]
        keys = visitor.page.locator(f"[class*=st-key-review_{wanted}] button").all_inner_texts()[:2]
        assert (
            f"({doubtful['suggested']}) · {100 * doubtful['suggested_probability']:.1f}%" in keys[0]
        )
        assert f"({doubtful['given']})" in keys[1]
        visitor.press("I am not Ana")
        visitor.page.get_by_label("Your name").fill("Bob")
        visitor.page.keyboard.press("Enter")
        visitor.page.get_by_text("is in other hands").wait_for(timeout=TIMEOUT_MS)
        visitor.page.get_by_text("Bob: 0 reviewed").wait_for(timeout=TIMEOUT_MS)
        visitor.settle()
        assert shown(visitor) not in {"", wanted}  # Ana still has that one
        assert visitor.errors == []


@pytest.mark.parametrize("place", ["file"], indirect=True)
def test_who_made_a_correction_takes_it_back_in_the_list(
    browser: Any,  # noqa: ANN401
    place: Place,
    labels: Labels,
) -> None:
    store = place.store(labels)
    for author, code in (("Ana", 10), ("Ana", 2583), ("Bob", 10)):
        product = Product(f"Livre {author} {code}")
        store.store(store.new(code, product, author=author, source="app"))
    with visits(browser, place.address) as visit:
        visitor = visit("review?section=corrections&author=Ana")
        undo = visitor.page.get_by_role("button", name="Undo", exact=True)
        table = visitor.page.get_by_test_id("stDataFrame")
        for y, possible in ((52, False), (87, True)):  # Bob's row, the latest, then Ana's
            table.click(position={"x": 18, "y": y})
            visitor.settle()
            assert undo.is_enabled() == possible
        undo.click()
        visitor.settle()
        with visitor.page.expect_download() as download:
            visitor.page.get_by_role("button", name="Download the list").click()
        written = pd.read_csv(download.value.path())
        assert visitor.errors == []
    assert sorted(written["designation"]) == ["Livre Ana 10", "Livre Bob 10"]
    assert [c.designation for c in current(store.read())] == ["Livre Ana 10", "Livre Bob 10"]
    assert len(store.read()) == 4
