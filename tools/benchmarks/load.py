"""From CSV to checked items."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

from src.config import REPOSITORY
from tools.benchmarks.figure import Figure

LIMIT_S = 5.0


def measure(work: Path, rows: int) -> list[Figure]:
    """Load the shop in ``work/import`` with ``init.sh`` into an embedded server of its own.

    The clock runs over the steps "check and hash" and "load and check"; starting the server and the
    text index are apart.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    env = {**os.environ, "PGPORT": str(port), "PYTHON": sys.executable}
    env.pop("DATABASE_URL", None)
    command = ["bash", str(REPOSITORY / "init.sh"), "--set", f"paths.workspace={work}"]
    try:
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)  # noqa: S603
        ours_s = _seconds(done.stdout, "check and hash") + _seconds(done.stdout, "load and check")
        again = subprocess.run(command, env=env, capture_output=True, text=True, check=True)  # noqa: S603
    finally:
        _stop(work, env)
    again_s = _seconds(again.stdout, "check and hash") + _seconds(again.stdout, "load and check")
    target = f"under {LIMIT_S:g} s"
    return [
        Figure(f"load {rows:,} rows, CSV to checked", ours_s, None, target, ours_s < LIMIT_S),
        Figure("load again, nothing changed", again_s, None, target, again_s < LIMIT_S),
    ]


def _seconds(output: str, step: str) -> float:
    found = re.search(rf"-- {step}.*?^ +([\d.]+) s$", output, re.DOTALL | re.MULTILINE)
    if found is None:
        raise ValueError(f"init.sh printed no time for {step!r}: {output}")
    return float(found[1])


def _stop(work: Path, env: dict[str, str]) -> None:
    command = [sys.executable, "-m", "etl.postgres_server", "stop"]
    data = ["--data", str(work / "data" / "postgres")]
    subprocess.run([*command, *data], env=env, cwd=REPOSITORY, capture_output=True, check=False)  # noqa: S603
