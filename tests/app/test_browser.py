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
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from src.config import REPOSITORY, Config
from src.labels import Labels
from tests.app.test_pages import EVERY
from tests.conftest import find_free_port

playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
pytestmark = pytest.mark.slow

# Pet supplies: no class that the product below is taken for.
PETS = 2220
CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
SCREENSHOTS = "APP_SCREENSHOTS"
PAGES = ("", "method", "diagnostics", "predict", "runs", "team")
# Streamlit scrolls inside its main area: a screenshot of the whole page needs a tall window.
WIDE, PHONE = {"width": 1280, "height": 2600}, {"width": 390, "height": 3600}
TIMEOUT_MS = 90_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if not Path(CHROMIUM).exists():
        pytest.skip("no chromium: sudo apt-get install -y chromium")
    with playwright.sync_playwright() as runtime:
        opened = runtime.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def address(finished: Config) -> Iterator[str]:
    """The app on the finished run, with no database near."""
    port = find_free_port()
    env = {
        **os.environ,
        "RAKUTEN_CONFIG": str(finished.paths.workspace / "app.toml"),
        "DATABASE_URL": f"postgres://u:p@127.0.0.1:{find_free_port()}/none",
    }
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
    """One window, with what its console said."""

    page: Any
    errors: list[str]

    def settle(self) -> None:
        """Wait until the script has ended and charts are drawn."""
        self.page.wait_for_timeout(300)
        done = '[data-testid="stApp"][data-test-script-state="notRunning"]'
        self.page.wait_for_selector(done, timeout=TIMEOUT_MS)
        self.page.wait_for_timeout(700)

    def press(self, label: str) -> None:
        self.page.get_by_role("button", name=label, exact=True).first.click(timeout=TIMEOUT_MS)
        self.settle()


Visit = Callable[..., Visitor]


@pytest.fixture
def visit(browser: Any, address: str) -> Iterator[Visit]:  # noqa: ANN401
    opened = []

    def open_page(
        path: str, language: str = "en", size: dict[str, int] = WIDE, scheme: str = "light"
    ) -> Visitor:
        window = browser.new_page(viewport=size, accept_downloads=True, color_scheme=scheme)
        visitor = Visitor(window, [])
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


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("path", PAGES)
def test_every_page_opens_without_an_error(
    visit: Visit, screenshots: Path, path: str, size: dict[str, int]
) -> None:
    visitor = visit(path, "fr", size)
    assert visitor.errors == []
    assert visitor.page.get_by_test_id("stException").count() == 0
    assert "SYNTHÉTIQUE" in visitor.page.content()
    visitor.page.screenshot(path=screenshots / f"{path or 'exploration'}_{size['width']}.png")
    # Nothing reaches over the window's edge.
    body = visitor.page.evaluate("document.documentElement.scrollWidth")
    assert body <= size["width"]


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_every_section_of_the_long_pages(
    visit: Visit, screenshots: Path, size: dict[str, int]
) -> None:
    for path, sections in {
        "": ("Texts", "Gallery", "Words"),
        "diagnostics": ("Confusions", "Classes", "Confidence", "Why", "Labels", "Drift"),
        "runs": ("Compare", "Serve"),
    }.items():
        visitor = visit(path, "en", size)
        for section in sections:
            visitor.page.get_by_role("radio", name=section, exact=True).click(force=True)
            visitor.settle()
            visitor.page.screenshot(path=screenshots / f"{path}_{section}_{size['width']}.png")
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


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("name", "section"), EVERY)
def test_no_page_keeps_anybody_out(visit: Visit, name: str, section: str, scheme: str) -> None:
    """axe-core finds nothing of WCAG 2, levels A and AA, and no heading out of order."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    visitor = visit(f"{name}?section={section}" if section else name, "fr", scheme=scheme)
    if section == "one":
        visitor.press("Un produit au hasard")
        visitor.page.get_by_text("Ce n'est pas la bonne classe").click()
        visitor.settle()
    rules = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}
    options = {"runOnly": rules, "rules": {"heading-order": {"enabled": True}}}
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
