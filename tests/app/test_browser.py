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
from src.serving.feedback import designation_hash
from tests.conftest import find_free_port

playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
pytestmark = pytest.mark.slow

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
PAGES = ("", "method", "diagnostics", "predict", "team")
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
    options = ["--server.headless=true", f"--server.port={port}", "--server.address=127.0.0.1"]
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

    def open_page(path: str, language: str = "en", size: dict[str, int] = WIDE) -> Visitor:
        window = browser.new_page(viewport=size, accept_downloads=True)
        visitor = Visitor(window, [])
        window.on("pageerror", lambda error: visitor.errors.append(str(error)))
        window.on("console", lambda message: note(visitor, message))
        opened.append(window)
        window.goto(f"{address}/{path}?lang={language}")
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
    shown = dict(part.split(": ") for part in cell.get_attribute("aria-label").split("; "))
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
    visitor.press("Correct the label")
    thanks = visitor.page.get_by_text("Thank you: the correction is in results/feedback.jsonl")
    thanks.wait_for(timeout=TIMEOUT_MS)
    visitor.page.screenshot(path=screenshots / "predict_answer_1280.png")
    line = (finished.paths.results_dir / "feedback.jsonl").read_text().splitlines()[-1]
    assert json.loads(line)["designation_hash"] == designation_hash(title)
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
    button = visitor.page.get_by_role("button", name="Download the answers (CSV)")
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
