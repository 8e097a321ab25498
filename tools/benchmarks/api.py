"""Latency of the HTTP service under several clients, over a real socket.

    python tools/benchmark.py --sections api
    python -m tools.benchmarks.api --url http://127.0.0.1:8000 --seconds 60

The clients share the cores with the service: on two cores, the service alone is faster than this.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from src.command_line import parser, run
from src.config import REPOSITORY
from tools.benchmarks.figure import Figure

if TYPE_CHECKING:
    from collections.abc import Sequence

CLIENTS = 8
SECONDS = 10.0
LIMIT_S = 0.25
BODY = {"designation": "Lampe de bureau LED pliable, port USB", "description": "<p>12 W</p>"}


def measure(work: Path, rows: int) -> list[Figure]:
    """Serve the model of section "serving" and ask it for `SECONDS`."""
    from tools.benchmarks.serving import MOST_ROWS, trained

    paths = trained(work, min(rows, MOST_ROWS))
    with serving(paths.workspace) as url:
        seconds, failed = ask_for(url, SECONDS)
    p50, p99 = quantile(seconds, 0.5), quantile(seconds, 0.99)
    rate = len(seconds) / SECONDS
    what = f"HTTP, {CLIENTS} clients, text"
    return [
        Figure(f"{what}: p50", p50, None, f"{rate:.0f} answers/s, {failed} failed", failed == 0),
        Figure(f"{what}: p99", p99, None, f"under {LIMIT_S:g} s", p99 < LIMIT_S),
    ]


@contextlib.contextmanager
def serving(workspace: Path) -> Iterator[str]:
    """Run the service of a workspace on a free port; yield its address once it is ready."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    script = str(REPOSITORY / "scripts" / "serve_api.py")
    place = ["--set", f"paths.workspace={workspace}", "--port", str(port)]
    nowhere = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nowhere", "API_KEY": ""}
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, script, *place], env={**os.environ, **nowhere}, stderr=subprocess.DEVNULL
    )
    try:
        url = f"http://127.0.0.1:{port}"
        until = time.monotonic() + 120
        while not _is_ready(url):
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError("the service did not become ready")
            time.sleep(0.2)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/ready", timeout=5) as answer:  # noqa: S310
            return answer.status == 200
    except (urllib.error.URLError, ConnectionError):
        return False


def ask_for(url: str, seconds: float, clients: int = CLIENTS) -> tuple[list[float], int]:
    """Ask from several threads; return the seconds of every answer, and how many failed."""
    until = time.monotonic() + seconds
    with ThreadPoolExecutor(clients) as pool:
        parts = list(pool.map(lambda _: _ask_until(url, until), range(clients)))
    times = [elapsed_s for part in parts for elapsed_s, _ in part]
    return times, sum(status != 200 for part in parts for _, status in part)


def _ask_until(url: str, until: float) -> list[tuple[float, int]]:
    address, body, seen = urlsplit(url), json.dumps(BODY).encode(), []
    headers = {"Content-Type": "application/json", "X-API-Key": os.environ.get("API_KEY", "")}
    connection = HTTPConnection(address.hostname or "", address.port, timeout=30)
    while time.monotonic() < until:
        started = time.perf_counter()
        connection.request("POST", "/predict", body, headers)
        answer = connection.getresponse()
        answer.read()
        seen.append((time.perf_counter() - started, answer.status))
    connection.close()
    return seen


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value that `share` of the values do not exceed."""
    return sorted(values)[min(int(share * len(values)), len(values) - 1)]


def main(argv: list[str] | None = None) -> int:
    """Ask a service that is running and print what it took."""
    options = parser(__doc__, config=False)
    options.add_argument("--url", default="http://127.0.0.1:8000")
    options.add_argument("--seconds", type=float, default=SECONDS)
    options.add_argument("--clients", type=int, default=CLIENTS)
    return run(_ask, options, argv, kept="nothing was written")


def _ask(args: argparse.Namespace) -> int:
    seconds, failed = ask_for(args.url, args.seconds, args.clients)
    p50, p99 = (1e3 * quantile(seconds, share) for share in (0.5, 0.99))
    rate = len(seconds) / args.seconds
    print(
        f"{len(seconds):,} answers, {failed} failed, {rate:.0f}/s, {p50:.1f} ms p50, {p99:.1f} p99"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
