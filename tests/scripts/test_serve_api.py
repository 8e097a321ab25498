"""``scripts/serve_api.py``: a real server on loopback, and many clients at once."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from src.config import REPOSITORY, Paths
from src.data.corrections import item_hash

SCRIPT = REPOSITORY / "scripts" / "serve_api.py"
KEY, CSV = {"X-API-Key": "sesame"}, {"content-type": "text/csv"}
CLIENTS, ROUNDS = 8, 5


@pytest.fixture
def address(served_paths: Paths, free_port: int, tmp_path: Path) -> Iterator[str]:
    """The address of a service that asks for the key "sesame"."""
    place = ["--set", f"paths.workspace={served_paths.workspace}", "--port", str(free_port)]
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY), "API_KEY": "sesame"}
    env["DATABASE_URL"] = "postgresql://nobody@127.0.0.1:1/nowhere"
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen([sys.executable, str(SCRIPT), *place], env=env, stderr=log)
    url = f"http://127.0.0.1:{free_port}"
    try:
        wait_until_ready(url, process)
        yield url
        process.send_signal(signal.SIGTERM)
        assert process.wait(300) in (0, -signal.SIGTERM)
    finally:
        process.kill()
        process.wait()
    assert "Traceback" not in (tmp_path / "log").read_text()


def wait_until_ready(
    url: str, process: subprocess.Popen[bytes], limit_s: float = 300, path: str = "/ready"
) -> None:
    until = time.monotonic() + limit_s
    while time.monotonic() < until and process.poll() is None:
        try:
            if httpx.get(f"{url}{path}").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.2)
    raise AssertionError("the service did not become ready")


@pytest.mark.slow
def test_eight_clients_at_once(address: str, served_paths: Paths) -> None:
    folder = served_paths.workspace / "data" / "images" / "images" / "image_train"
    image = next(iter(sorted(folder.glob("*.jpg")))).read_bytes()

    def ask(number: int) -> list[int]:
        statuses = []
        with httpx.Client(base_url=address, headers=KEY, timeout=300) as client:
            for turn in range(ROUNDS):
                title = f"Lampe LED {number} {turn}"
                fields, csv = {"designation": title}, f"designation\n{title}\n"
                for options in (
                    {"url": "/predict", "json": fields},
                    {"url": "/predict", "data": fields, "files": {"image": image}},
                    {"url": "/predict/batch", "content": csv, "headers": CSV},
                ):
                    statuses.append(client.post(**options).status_code)
        return statuses

    with ThreadPoolExecutor(CLIENTS) as pool:
        statuses = [status for seen in pool.map(ask, range(CLIENTS)) for status in seen]
    assert statuses == [200] * 3 * ROUNDS * CLIENTS
    counted = httpx.get(f"{address}/metrics", headers=KEY).text
    assert (
        f'requests_total{{route="/predict/batch",status="200"}} {ROUNDS * CLIENTS:.1f}' in counted
    )


@pytest.mark.slow
def test_the_documentation_tries_a_request_without_another_server(address: str) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium: sudo apt-get install -y chromium")
    with playwright.sync_playwright() as runtime:
        browser = runtime.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(address)
        page.fill("#key", KEY["X-API-Key"])
        page.get_by_text("Classify one product").click()
        page.locator("details[open] button").click()
        page.get_by_text('"probability"').wait_for(timeout=300_000)
        page.get_by_text("Classify one product").click()
        page.get_by_text("Say the class of a product").click()
        page.get_by_label("Query of post /review/{product}").fill("product=123")
        page.locator("details[open] button").click()
        page.get_by_text("not in the queue").wait_for(timeout=300_000)
        assert asked[-1] == f"{address}/review/123"
        assert all(url.startswith(f"{address}/") for url in asked), asked
        described = httpx.get(f"{address}/openapi.json", headers=KEY).json()["paths"].values()
        assert page.locator("details").count() == sum(map(len, described)) > 7
        browser.close()


@pytest.mark.slow
def test_a_client_without_the_key_is_turned_away(address: str) -> None:
    assert httpx.post(f"{address}/predict", json={"designation": "a"}).status_code == 401


def test_it_starts_where_the_database_has_no_address(tmp_path: Path, free_port: int) -> None:
    kept = tmp_path / "data" / "postgres" / "port"
    kept.parent.mkdir(parents=True)
    env = {k: v for k, v in os.environ.items() if k not in ("DATABASE_URL", "PGPORT", "API_KEY")}
    with socket.create_server(("127.0.0.1", 0)) as other, (tmp_path / "log").open("w") as log:
        kept.write_text(f"{other.getsockname()[1]}\n")
        place = ["--set", f"paths.workspace={tmp_path}", "--port", str(free_port)]
        process = subprocess.Popen(
            [sys.executable, str(SCRIPT), *place],
            env={**env, "PYTHONPATH": str(REPOSITORY)}, stderr=log,
        )  # fmt: skip
        try:
            url = f"http://127.0.0.1:{free_port}"
            wait_until_ready(url, process, path="/health")
            given = {"designation": "Livre", "prdtypecode": 10}
            answer = httpx.post(f"{url}/feedback", json=given)
            named = item_hash("Livre", "", "")
            assert answer.json() == {"stored_in": "file", "item_hash": named}
        finally:
            process.kill()
            process.wait()
    said = (tmp_path / "log").read_text()
    feedback = tmp_path / "results" / "feedback.jsonl"
    assert f"answers are not logged, corrections go to {feedback}: the server in" in said
    assert json.loads(feedback.read_text())["prdtypecode"] == 10
