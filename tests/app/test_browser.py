"""The app in a real browser: every page, the whole way of a visitor, wide and on a phone.

Screenshots land in the folder that `SCREENSHOTS` names, or else in pytest's own.
"""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import io
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from src.config import REPOSITORY, Config
from src.labels import Labels
from tests.app.test_pages import EVERY
from tests.conftest import find_free_port

playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
pytestmark = pytest.mark.slow

# Pet supplies: no class that the product below is taken for.
PETS = 2220
SCREENSHOTS = "APP_SCREENSHOTS"
PAGES = ("", "method", "diagnostics", "predict", "review", "runs", "team")
# Streamlit scrolls inside its main area: a screenshot of the whole page needs a tall window.
WIDE, PHONE = {"width": 1280, "height": 2600}, {"width": 390, "height": 3600}
TIMEOUT_MS = 300_000
# Streamlit waits 150 ms for more before it tells of a selection. Both timers run in the page, one
# after the other however busy the machine is.
STILL = """limit => new Promise(resolve => {
    const until = Date.now() + limit;
    let timer;
    const wait = () => { clearTimeout(timer); timer = setTimeout(look, 250); };
    const look = () => {
        if (Date.now() < until && document.querySelector('[data-testid*=Skeleton]')) return wait();
        observer.disconnect();
        resolve();
    };
    const observer = new MutationObserver(wait);
    const everything = { subtree: true, childList: true, attributes: true, characterData: true };
    observer.observe(document, everything);
    wait();
})"""


@pytest.fixture(scope="module")
def address(finished: Config) -> Iterator[str]:
    """The app on the finished run, with no database near."""
    nowhere = f"postgres://u:p@127.0.0.1:{find_free_port()}/none"
    with serve(finished.paths.workspace / "app.toml", nowhere) as url:
        yield url


@contextlib.contextmanager
def serve(config: Path, database: str) -> Iterator[str]:
    """Run the app under its settings, and give its address."""
    port = find_free_port()
    env = {**os.environ, "RAKUTEN_CONFIG": str(config), "DATABASE_URL": database}
    command = [sys.executable, "-m", "streamlit", "run", "streamlit_app/config.py"]
    options = ["--server.headless=true", f"--server.port={port}"]
    with subprocess.Popen(
        [*command, *options], cwd=REPOSITORY, env=env, stdout=subprocess.DEVNULL
    ) as server:
        try:
            wait_for(f"http://127.0.0.1:{port}/_stcore/health")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


def wait_for(url: str) -> None:
    until = time.monotonic() + 300
    while time.monotonic() < until:
        with contextlib.suppress(OSError), urllib.request.urlopen(url) as answer:  # noqa: S310
            if answer.status == 200:
                return
        time.sleep(0.2)
    pytest.fail(f"{url} did not answer")


@pytest.fixture(scope="module")
def screenshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = Path(os.environ.get(SCREENSHOTS) or tmp_path_factory.mktemp("screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@dataclasses.dataclass
class Visitor:
    """One window, with what its console said, and whether a run of the script is awaited."""

    page: Any
    errors: list[str]
    awaited: bool = True

    def follow(self, socket: Any) -> None:  # noqa: ANN401
        """Read what the window and the app say to each other of runs of the script."""
        socket.on("framesent", self.sent)
        socket.on("framereceived", self.received)

    def sent(self, frame: bytes) -> None:
        self.awaited |= BackMsg.FromString(frame).HasField("rerun_script")

    def received(self, frame: bytes) -> None:
        message = ForwardMsg.FromString(frame)
        self.awaited |= message.HasField("new_session")
        if message.HasField("script_finished"):
            # Another run follows at once where this one gave way to it.
            self.awaited = message.script_finished == ForwardMsg.FINISHED_EARLY_FOR_RERUN

    def load(self) -> None:
        self.awaited = True

    def settle(self) -> None:
        """Wait until the script has ended and nothing moves any more: charts are drawn."""
        until = time.monotonic() + TIMEOUT_MS / 1000
        self.page.evaluate(STILL, TIMEOUT_MS)
        while self.awaited:
            assert time.monotonic() < until, "the script of the page does not end"
            self.page.evaluate(STILL, TIMEOUT_MS)

    def press(self, label: str) -> None:
        self.page.get_by_role("button", name=label, exact=True).first.click(timeout=TIMEOUT_MS)
        self.settle()


Visit = Callable[..., Visitor]
BACKGROUND = "getComputedStyle(document.querySelector('.stApp')).backgroundColor"  # rgb(r, g, b)


@pytest.fixture
def visit(browser: Any, address: str) -> Iterator[Visit]:  # noqa: ANN401
    with visits(browser, address) as opening:
        yield opening


@contextlib.contextmanager
def visits(browser: Any, address: str) -> Iterator[Visit]:  # noqa: ANN401
    """Give what opens windows on an app; they are closed afterwards."""
    opened = []

    def open_page(path: str, language: str = "en", size: dict[str, int] = WIDE) -> Visitor:
        window = browser.new_page(viewport=size, accept_downloads=True)
        visitor = Visitor(window, [])
        window.on("domcontentloaded", lambda _: visitor.load())
        window.on("websocket", visitor.follow)
        window.on("pageerror", lambda error: visitor.errors.append(str(error)))
        window.on("console", lambda message: note(visitor, message))
        opened.append(window)
        window.goto(f"{address}/{path}{'&' if '?' in path else '?'}lang={language}")
        window.wait_for_selector("h1", timeout=TIMEOUT_MS)
        visitor.settle()
        return visitor

    yield open_page
    for window in opened:
        window.close()


def note(visitor: Visitor, message: Any) -> None:  # noqa: ANN401
    """Keep an error of the console; Streamlit itself looks for its server below a page's path."""
    if message.type == "error" and "/_stcore/" not in message.location.get("url", ""):
        visitor.errors.append(message.text)


def test_it_listens_on_127_0_0_1_alone(address: str) -> None:
    """Whoever opens it can correct labels: no other address of this machine answers."""
    port = int(address.rpartition(":")[2])
    socket.create_connection(("127.0.0.1", port), timeout=10).close()
    with pytest.raises(OSError):  # noqa: PT011  (refused, or no such address)
        socket.create_connection(("127.0.0.2", port), timeout=10)


def check_sound(visitor: Visitor, width: int) -> None:
    """No error, the shop is called what it is, and nothing reaches over the window's edge."""
    assert visitor.errors == []
    assert visitor.page.get_by_test_id("stException").count() == 0
    assert "SYNTHÉTIQUE" in visitor.page.content()
    assert visitor.page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("path", PAGES)
def test_every_page_opens_on_a_phone(visit: Visit, screenshots: Path, path: str) -> None:
    visitor = visit(path, "fr", PHONE)
    check_sound(visitor, PHONE["width"])
    visitor.page.screenshot(path=screenshots / f"{path or 'exploration'}_{PHONE['width']}.png")


def test_every_section_of_the_long_pages_on_a_phone(visit: Visit, screenshots: Path) -> None:
    for path, sections in {
        "": ("Texts", "Gallery", "Words"),
        "diagnostics": ("Confusions", "Classes", "Confidence", "Why", "Labels", "Drift"),
        "runs": ("Compare", "Serve"),
    }.items():
        visitor = visit(path, "en", PHONE)
        for section in sections:
            visitor.page.get_by_role("radio", name=section, exact=True).click(force=True)
            visitor.settle()
            visitor.page.screenshot(path=screenshots / f"{path}_{section}_{PHONE['width']}.png")
        assert visitor.errors == []
        assert visitor.page.get_by_test_id("stException").count() == 0


def test_a_click_on_a_cell_shows_its_products(visit: Visit, screenshots: Path) -> None:
    visitor = visit("diagnostics")
    visitor.page.get_by_role("radio", name="Confusions", exact=True).click(force=True)
    visitor.settle()
    cell = visitor.page.locator('[aria-roledescription="rect mark"]').nth(1)
    # Vega says what a mark shows: "Labelled: Books and press; Predicted: ...; Products: 3; ...".
    shown = dict(
        part.split(": ") for part in cell.get_attribute("aria-label").rstrip("; ").split("; ")
    )
    cell.click()
    visitor.settle()
    boxes = visitor.page.get_by_test_id("stSelectbox")
    chosen = [boxes.nth(i).locator("input").input_value() for i in (1, 2)]
    assert chosen == [shown["Labelled"], shown["Predicted"]]
    behind = f"Products behind this cell, the surest first: {shown['Products']}"
    assert visitor.page.get_by_text(behind).count() == 1
    visitor.page.screenshot(path=screenshots / "diagnostics_cell_1280.png")
    assert visitor.errors == []


def test_a_product_is_written_predicted_explained_and_corrected(
    visit: Visit, screenshots: Path, finished: Config, labels: Labels
) -> None:
    visitor = visit("predict")
    title = "Piscine gonflable ronde 3 m avec pompe"
    visitor.page.get_by_label("Title").fill(title)
    visitor.press("Predict")
    answer = visitor.page.locator(".verdict").inner_text()
    assert "review" in answer
    assert labels.label(2583) in visitor.page.locator(".bar").first.inner_text()
    assert visitor.page.locator(".marked mark").count() >= 3
    visitor.page.get_by_text("Not the right class?").click()
    visitor.settle()
    box = visitor.page.get_by_label("The right class")
    box.click()
    box.press_sequentially(str(PETS))
    visitor.page.get_by_role("option", name=f"({PETS})").click()
    visitor.settle()
    assert box.input_value() == f"{labels.label(PETS)} ({PETS})"
    visitor.page.get_by_role("radio", name="Français", exact=True).click(force=True)
    visitor.settle()
    assert visitor.page.get_by_label("La bonne classe").input_value() == (
        f"{labels.label(PETS, 'fr')} ({PETS})"
    )
    visitor.press("Corriger l'étiquette")
    thanks = visitor.page.get_by_text("la correction est dans results/feedback.jsonl")
    thanks.wait_for(timeout=TIMEOUT_MS)
    visitor.page.screenshot(path=screenshots / "predict_answer_1280.png")
    line = (finished.paths.results_dir / "feedback.jsonl").read_text().splitlines()[-1]
    assert json.loads(line)["designation"] == title
    assert json.loads(line)["prdtypecode"] == PETS
    visitor.press("Annuler")
    visitor.page.get_by_text("La correction est annulée.").wait_for(timeout=TIMEOUT_MS)
    line = (finished.paths.results_dir / "feedback.jsonl").read_text().splitlines()[-1]
    assert json.loads(line)["prdtypecode"] is None
    assert visitor.errors == []


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_an_image_is_uploaded(
    visit: Visit, screenshots: Path, finished: Config, size: dict[str, int]
) -> None:
    image = max(finished.images.train_dir.iterdir(), key=lambda path: path.stat().st_size)
    visitor = visit("predict", "fr", size)
    visitor.page.locator("input[type=file]").set_input_files(image)
    visitor.settle()
    visitor.press("Prédire")
    visitor.page.locator(".verdict").wait_for(timeout=TIMEOUT_MS)
    assert visitor.page.get_by_text("Seule l'image a été lue.").count() == 1
    visitor.settle()
    visitor.page.screenshot(path=screenshots / f"predict_image_{size['width']}.png")
    assert visitor.errors == []


def test_a_csv_of_a_thousand_rows_is_scored_and_downloaded(
    visit: Visit, screenshots: Path, tmp_path: Path
) -> None:
    table = tmp_path / "shop.csv"
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["designation", "description", "productid"])
        writer.writerows([f"Livre numéro {i}, tome {i % 7}", "", i] for i in range(1_000))
    visitor = visit("predict")
    visitor.page.get_by_role("radio", name="A file", exact=True).click(force=True)
    visitor.settle()
    visitor.page.locator("input[type=file]").first.set_input_files(table)
    visitor.settle()
    visitor.press("Score the file")
    button = visitor.page.get_by_role("button", name="Download the answers")
    button.wait_for(timeout=TIMEOUT_MS)
    visitor.settle()
    visitor.page.screenshot(path=screenshots / "predict_file_1280.png")
    with visitor.page.expect_download() as download:
        button.click()
    text = Path(download.value.path()).read_text(encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["productid"] for row in rows] == [str(i) for i in range(1_000)]
    assert all(0 < float(row["probability"]) <= 1 for row in rows)
    assert visitor.errors == []


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_a_lot_is_compared_and_its_report_downloaded(
    visit: Visit, screenshots: Path, finished: Config, tmp_path: Path, size: dict[str, int]
) -> None:
    lot = tmp_path / f"bakery {size['width']}.csv"
    goods = ["baguette tradition", "brioche nanterre", "pain de seigle"]
    lot.write_text("\n".join(["designation", *goods * 20]), encoding="utf-8")
    visitor = visit("diagnostics?section=drift", "fr", size)
    visitor.page.get_by_text("Comparer un lot").click()
    visitor.settle()
    visitor.page.locator("input[type=file]").first.set_input_files(lot)
    visitor.settle()
    visitor.press("Comparer")
    visitor.page.get_by_text("Ce lot a changé").first.wait_for(timeout=TIMEOUT_MS)
    visitor.settle()
    visitor.page.screenshot(path=screenshots / f"diagnostics_lot_{size['width']}.png")
    with visitor.page.expect_download() as download:
        visitor.page.get_by_role("button", name="Télécharger (JSON)").click()
    report = json.loads(Path(download.value.path()).read_text(encoding="utf-8"))
    assert (report["name"], report["rows"]) == (f"bakery-{size['width']}", 60)
    shown = visitor.page.locator(".drift").inner_text()
    moved = [finding for finding in report["findings"] if finding["alert"]]
    assert shown.count("Un lot sans changement s'écarterait autant") == len(moved) > 0
    assert visitor.page.locator(".drift .drawn i").first.bounding_box()["height"] == 9
    body = visitor.page.evaluate("document.documentElement.scrollWidth")
    assert body <= size["width"]
    assert visitor.errors == []


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_a_file_is_worked_through(
    visit: Visit,
    screenshots: Path,
    finished: Config,
    labels: Labels,
    tmp_path: Path,
    size: dict[str, int],
) -> None:
    """Two images in a zip, a class given in a row by the keyboard, taken back, and downloads."""
    pictures = sorted(finished.images.train_dir.iterdir(), key=lambda p: -p.stat().st_size)[:2]
    table, zipped = tmp_path / "shop.csv", tmp_path / "shop.zip"
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["designation", "image"])
        titles = [f"Objet {size['width']} numéro {i}" for i in range(150)]
        names = [f"{i}.jpg" if i < len(pictures) else "" for i in range(150)]
        writer.writerows(zip(titles, names, strict=True))
    with zipfile.ZipFile(zipped, "w") as archive:
        for i, picture in enumerate(pictures):
            archive.write(picture, f"{i}.jpg")
    visitor = visit("predict?section=file", "en", size)
    for place, file in enumerate((table, zipped)):
        visitor.page.locator("input[type=file]").nth(place).set_input_files(file)
        visitor.settle()
    visitor.press("Score the file")
    grid = visitor.page.get_by_test_id("stDataFrame")
    grid.wait_for(timeout=TIMEOUT_MS)
    visitor.settle()
    visitor.page.screenshot(path=screenshots / f"predict_work_{size['width']}.png")
    give(visitor, grid, row=1, code=PETS)
    kept = [json.loads(line) for line in file_of(finished).read_text().splitlines()]
    assert (kept[-1]["designation"], kept[-1]["prdtypecode"]) == (titles[1], PETS)
    assert kept[-1]["source"] == "batch"
    assert (finished.paths.feedback_dir / kept[-1]["image_sha256"][:2]).is_dir()
    give(visitor, grid, row=0, code=10)
    with visitor.page.expect_download() as download:
        visitor.page.get_by_role("button", name="Download the answers").click()
    with Path(download.value.path()).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["corrected_code"] for row in rows] == ["10", str(PETS), *[""] * 148]
    visitor.press("Undo")
    lines = [json.loads(line) for line in file_of(finished).read_text().splitlines()]
    assert [line["prdtypecode"] for line in lines[len(kept) :]] == [10, None]
    assert lines[-1]["designation"] == titles[0]
    visitor.page.get_by_role("radio", name="To review", exact=True).click(force=True)
    visitor.settle()
    assert visitor.page.get_by_text("Corrected in this file: 1.").count() == 1
    visitor.page.screenshot(path=screenshots / f"predict_corrected_{size['width']}.png")
    assert visitor.errors == []


def file_of(cfg: Config) -> Path:
    return cfg.paths.results_dir / "feedback.jsonl"


def give(visitor: Visitor, grid: Any, row: int, code: int) -> None:  # noqa: ANN401
    """Give a row of the work list a class, by the keyboard: in its fourth column."""
    grid.click(position={"x": 100, "y": 36 + 64 // 2})
    for key in [*["ArrowDown"] * row, "Home", *["ArrowRight"] * 3, "Enter"]:
        visitor.page.keyboard.press(key)
    visitor.settle()
    visitor.page.keyboard.type(f"({code})")
    visitor.settle()
    visitor.page.keyboard.press("Enter")
    visitor.settle()


def test_the_language_is_switched_and_stays(visit: Visit) -> None:
    visitor = visit("", "en")
    assert visitor.page.get_by_text("labelled products").first.is_visible()
    visitor.page.get_by_role("radio", name="Français", exact=True).click(force=True)
    visitor.settle()
    assert visitor.page.get_by_text("produits étiquetés").first.is_visible()
    visitor.page.get_by_role("link", name="Équipe").click()
    visitor.page.get_by_role("heading", name="Équipe").wait_for(timeout=TIMEOUT_MS)
    visitor.settle()
    assert "lang=fr" in visitor.page.url
    assert visitor.errors == []


@pytest.mark.parametrize(("name", "section"), EVERY)
def test_every_section_opens_and_keeps_nobody_out(
    visit: Visit, screenshots: Path, name: str, section: str
) -> None:
    """axe-core finds nothing of WCAG 2, levels A and AA, and no heading out of order."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    visitor = visit(f"{name}?section={section}" if section else name, "fr")
    check_sound(visitor, WIDE["width"])
    visitor.page.screenshot(path=screenshots / f"{name}_{section}_{WIDE['width']}.png")
    if section == "queue":
        visitor.page.get_by_label("Votre nom").fill("Ana")
        visitor.page.keyboard.press("Enter")
        visitor.settle()
        visitor.page.keyboard.press("s")
        visitor.settle()
    if section == "one":
        visitor.press("Un produit au hasard")
        visitor.page.get_by_text("Ce n'est pas la bonne classe").click()
        visitor.settle()
    rules = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}
    options = {"runOnly": rules, "rules": {"heading-order": {"enabled": True}}}
    for scheme, darkest in (("light", 200), ("dark", 0)):
        visitor.page.emulate_media(color_scheme=scheme)
        visitor.settle()
        red = int(visitor.page.evaluate(BACKGROUND).partition("(")[2].partition(",")[0])
        assert darkest <= red <= darkest + 55
        found = axe.run(visitor.page, options=options).response
        assert len(found["passes"]) > 10
        assert [(fault["id"], fault["nodes"][0]["html"]) for fault in found["violations"]] == []
    assert visitor.page.evaluate("document.documentElement.lang") == "fr"


def test_names_take_a_third_of_a_phone_at_most(visit: Visit) -> None:
    for section in ("scores", "confusions", "classes"):
        visitor = visit(f"diagnostics?section={section}", "fr", PHONE)
        chart = visitor.page.locator(".role-axis-label").first
        chart.wait_for(timeout=TIMEOUT_MS)
        widths = visitor.page.locator(".role-axis-label text").evaluate_all(
            "texts => texts.map(text => text.getBoundingClientRect().width)"
        )
        assert 0 < max(widths) <= PHONE["width"] / 3


def test_a_view_has_an_address(visit: Visit) -> None:
    """The first page has one too, and a cell of the confusions opens by its own."""
    visitor = visit("")
    assert "/exploration?" in visitor.page.url
    visitor = visit("exploration?section=words&class=2583", "fr")
    assert "class=2583" in visitor.page.url
    assert visitor.page.get_by_label("Classe").input_value().endswith("(2583)")
    assert visitor.errors == []


def test_what_was_uploaded_and_scored_outlives_leaving_the_page(
    visit: Visit, tmp_path: Path
) -> None:
    table = tmp_path / "shop.csv"
    table.write_text("designation;prix\nPiscine ronde 3 m;1,50\n", encoding="cp1252")
    visitor = visit("predict?section=file", "fr")
    visitor.page.locator("input[type=file]").first.set_input_files(table)
    visitor.settle()
    visitor.press("Classer le fichier")
    download = visitor.page.get_by_role("button", name="Télécharger les réponses")
    download.wait_for(timeout=TIMEOUT_MS)
    read_as = "Lu ainsi\u00a0: champs séparés par des points-virgules."
    assert visitor.page.get_by_text(read_as, exact=True).count() == 1
    visitor.page.get_by_role("link", name="Équipe").click()
    visitor.settle()
    visitor.page.get_by_role("link", name="Prédire").click()
    visitor.settle()
    download.wait_for(timeout=TIMEOUT_MS)
    assert visitor.page.get_by_role("button", name="Retirer shop.csv").count() == 1
    assert visitor.errors == []
