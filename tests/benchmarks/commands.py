"""Whole commands as a user runs them: the load, the answers, the service, the training."""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import numpy as np
import pandas as pd

from src.config import REPOSITORY, Paths, load_config
from src.data.csv_files import X_TRAIN, Y_TRAIN
from src.errors import ProjectError
from tests.benchmarks.figure import Figure, timed

if TYPE_CHECKING:
    from src.serving.predictor import Predictor, Product

LOAD_LIMIT_S = 5.0
# The vocabulary is full (300,000 n-grams a branch) from here on; more rows only take longer.
MOST_ROWS = 20_000
N_IMAGES, BATCH_ROWS = 300, 10_000
PROFILES = tuple(REPOSITORY / "config" / f"{name}.toml" for name in ("config", "quality", "gpu"))
PROFILE_ROWS = 300
TEXT_LIMIT_S, IMAGE_LIMIT_S, LEAST_RATE = 0.005, 0.050, 5_000.0
CLIENTS, SECONDS, HTTP_LIMIT_S = 8, 10.0, 0.25
BODY = {"designation": "Lampe de bureau LED pliable, port USB", "description": "<p>12 W</p>"}
PLAIN = """
import sys
import pandas as pd
from sklearn.metrics import f1_score, log_loss
from sklearn.model_selection import train_test_split
from src.runs.comparison import plain_model

x, y = (pd.read_csv(path, index_col=0, keep_default_na=False) for path in sys.argv[1:])
y = y["prdtypecode"]
train, test, y_train, y_test = train_test_split(x, y, test_size=0.15, stratify=y, random_state=0)
model = plain_model(max_features=300_000).fit(train, y_train)
proba = model.predict_proba(test)
predicted = model.classes_[proba.argmax(axis=1)]
print(f"{f1_score(y_test, predicted, average='weighted'):.4f} {log_loss(y_test, proba):.4f}")
"""


def load(work: Path, rows: int) -> list[Figure]:
    """Load the shop with ``init.sh`` into an embedded server of its own.

    The clock runs over the steps "check and hash" and "load and check"; starting the server and the
    text index are apart.
    """
    env = {**os.environ, "PGPORT": str(_free_port()), "PYTHON": sys.executable}
    env.pop("DATABASE_URL", None)
    command = ["bash", str(REPOSITORY / "init.sh"), "--set", f"paths.workspace={work}"]
    stop = [sys.executable, "-m", "etl.postgres_server", "stop"]
    stop += ["--data", str(work / "data" / "postgres")]
    try:
        first_s, again_s = (_load_seconds(command, env) for _ in range(2))
    finally:
        subprocess.run(stop, env=env, cwd=REPOSITORY, capture_output=True, check=False)  # noqa: S603
    return [
        _under(f"load {rows:,} rows, CSV to checked", first_s, LOAD_LIMIT_S),
        _under("load again, nothing changed", again_s, LOAD_LIMIT_S),
    ]


def _load_seconds(command: list[str], env: dict[str, str]) -> float:
    output = subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout  # noqa: S603
    seconds = 0.0
    for step in ("check and hash", "load and check"):
        found = re.search(rf"-- {step}.*?^ +([\d.]+) s$", output, re.DOTALL | re.MULTILINE)
        if found is None:
            raise ValueError(f"init.sh printed no time for {step!r}: {output}")
        seconds += float(found[1])
    return seconds


def serving(work: Path, rows: int) -> list[Figure]:
    """One product, and batches, through the `Predictor`: warm, on a model of full vocabulary."""
    from src.serving.predictor import load_predictor

    paths = _trained(work / "served", min(rows, MOST_ROWS))
    predictor = load_predictor(paths)
    texts, with_image = _products_of(paths)
    text_s, image_s = _median_s(predictor, texts, 300), _median_s(predictor, with_image, 150)
    batch = (texts * (BATCH_ROWS // len(texts) + 1))[:BATCH_ROWS]
    batch_s = timed(lambda: predictor.predict(batch))[0]
    rate = len(batch) / batch_s
    target = f"{LEAST_RATE:,.0f} rows/s ({rate:,.0f}/s)"
    return [
        _under("predict one text (median)", text_s, TEXT_LIMIT_S),
        _under("predict text + image (median)", image_s, IMAGE_LIMIT_S),
        Figure(f"predict {len(batch):,} texts", batch_s, None, target, rate >= LEAST_RATE),
    ]


def profiles(work: Path, rows: int, files: Sequence[Path] = PROFILES) -> list[Figure]:
    """One product answered with each profile, and the hours that reading `rows` of them takes.

    A profile whose networks can't be had here is skipped, and why is said.
    """
    from src.artifacts.store import ArtifactStore
    from src.serving.predictor import load_predictor

    figures = []
    for file in files:
        try:
            paths = _trained(work / f"served_{file.stem}", PROFILE_ROWS, file)
        except ProjectError as e:
            print(f"skip {file.stem}: {e.message}", file=sys.stderr)
            continue
        store = ArtifactStore(paths)
        scores = store.load(store.metrics("late_fusion", "oof", ".json"))
        hours = sum(expert["ms"] for expert in scores["experts"]) * rows / 3.6e6
        predictor, products = load_predictor(paths), _products_of(paths)
        for what, some in zip(("text", "text + image"), products, strict=True):
            took_s = _median_s(predictor, some, 30)
            target = f"{1e3 * took_s:.1f} ms; {rows:,} products: {hours:.1f} h"
            figures.append(Figure(f"{file.stem}: predict one {what}", took_s, None, target, True))
    return figures


def _trained(workspace: Path, rows: int, file: Path | None = None) -> Paths:
    """Train once, with the settings of a file, in a workspace, and return its folders.

    Few passes of the solver and two folds: coefficients don't change how long an answer takes.
    """
    quick = ["cv.n_folds=2", "model.linear_svc.max_iter=3", "model.logreg.max_iter=20"]
    place = [f"paths.workspace={workspace}", "data.source=csv", "model.name=late_fusion"]
    cfg = load_config(file, [*place, *quick, "outputs.submission=false"])
    if not cfg.paths.artifacts_dir.is_dir():
        from src.labels import load_labels
        from src.pipeline_steps.runner import Options, run_pipeline

        tool = REPOSITORY / "tools" / "make_demo_data.py"
        sizes = ["--rows", str(rows), "--images", str(N_IMAGES), "--seed", "1"]
        command = [sys.executable, str(tool), *sizes, "--out", str(cfg.paths.import_dir)]
        subprocess.run(command, check=True, capture_output=True)  # noqa: S603
        labels = load_labels(cfg.paths.labels_map, cfg.paths.theme_map)
        run_pipeline(cfg, labels, Options(skip_validation=True, register=False))
    return cfg.paths


def _products_of(paths: Paths) -> tuple[list[Product], list[Product]]:
    """Return products the model has not seen: with their text, and with an image beside it."""
    from src.serving.predictor import Product

    x = pd.read_csv(paths.import_dir / "X_test_update.csv", keep_default_na=False)
    texts = [Product(t, d) for t, d in zip(x["designation"], x["description"], strict=True)]
    folder = paths.workspace / "data" / "images" / "images" / "image_train"
    images = [path.read_bytes() for path in sorted(folder.glob("*.jpg"))[:100]]
    with_image = [
        Product(text.designation, text.description, image)
        for text, image in zip(texts, images, strict=False)
    ]
    return texts, with_image


def _median_s(predictor: Predictor, products: Sequence[Product], times: int) -> float:
    """Return the median seconds of one answer, after a few that warm up."""
    asked = itertools.islice(itertools.cycle(products), 10 + times)
    took = [timed(functools.partial(predictor.predict, [product]))[0] for product in asked]
    return float(np.median(took[10:]))


def api(work: Path, rows: int, url: str | None = None) -> list[Figure]:
    """Ask the HTTP service of the model of `serving`, or of `url`, from several clients.

    The clients share the cores with the service: alone it is faster than this.
    """
    if url is None:
        with _serve(_trained(work / "served", min(rows, MOST_ROWS)).workspace) as url:
            return api(work, rows, url)
    until = time.monotonic() + SECONDS
    with ThreadPoolExecutor(CLIENTS) as pool:
        parts = list(pool.map(lambda _: _ask_until(url, until), range(CLIENTS)))
    seconds = [elapsed_s for part in parts for elapsed_s, _ in part]
    failed = sum(status != 200 for part in parts for _, status in part)
    p50, p99 = np.quantile(seconds, [0.5, 0.99]).tolist()
    what, rate = f"HTTP, {CLIENTS} clients, text", len(seconds) / SECONDS
    return [
        Figure(f"{what}: p50", p50, None, f"{rate:.0f} answers/s, {failed} failed", failed == 0),
        Figure(f"{what}: p99", p99, None, f"under {HTTP_LIMIT_S:g} s", p99 < HTTP_LIMIT_S),
    ]


@contextlib.contextmanager
def _serve(workspace: Path) -> Iterator[str]:
    """Run the service of a workspace on a free port; yield its address once it is ready."""
    port = _free_port()
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
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError):
        return False


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


def training(work: Path, rows: int) -> list[Figure]:
    """Train in a process of its own: the plain way, the linear SVM, late fusion."""
    full = rows >= 80_000  # the targets are those of 84,916 rows
    files = [str(work / "import" / name) for name in (X_TRAIN, Y_TRAIN)]
    plain_s, plain_gb, _ = _run([sys.executable, "-c", PLAIN, *files])
    figures = []
    for name, kind, minutes in (
        ("linear_svc, ingest to score", "linear_svc", 6),
        ("late_fusion with its refit", "late_fusion", 15),
    ):
        place = [f"paths.workspace={work / 'workspace'}", f"paths.import_dir={work / 'import'}"]
        command = [sys.executable, str(REPOSITORY / "scripts" / "train_pipeline.py"), "--force"]
        for setting in (*place, "data.source=csv", f"model.name={kind}"):
            command += ["--set", setting]
        elapsed_s, peak_gb, exit_code = _run(command)
        reached = exit_code == 0 and (not full or elapsed_s < 60 * minutes)
        target = f"under {minutes} min; {peak_gb:.1f} GB, plain {plain_gb:.1f} GB"
        figures.append(Figure(f"train {name}", elapsed_s, plain_s, target, reached))
    return figures


def _run(command: list[str]) -> tuple[float, float, int]:
    """Run a command: seconds, peak memory in GB (10^9 bytes), exit code; it talks on stderr."""
    started = time.perf_counter()
    process = os.posix_spawn(
        command[0], command, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, 2, 1)]
    )
    _, status, used = os.wait4(process, 0)
    elapsed_s = time.perf_counter() - started
    return elapsed_s, used.ru_maxrss * 1024 / 1e9, os.waitstatus_to_exitcode(status)


def _under(what: str, ours_s: float, limit_s: float) -> Figure:
    limit, took = (f"{s:g} s" if limit_s > 1 else f"{s * 1e3:.1f} ms" for s in (limit_s, ours_s))
    return Figure(what, ours_s, None, f"under {limit} ({took})", ours_s < limit_s)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
