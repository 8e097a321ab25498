"""What several tests need: a real PostgreSQL, a fresh database, a tiny shop, a copy of the tree."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import json
import logging
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from etl import postgres_server
from src.config import REPOSITORY, Paths, load_config
from src.data import csv_files, postgres
from src.data.database_url import APP_USER
from src.errors import DatabaseError
from src.labels import load_labels
from src.log import LOGGER_NAME

# A suite that a shell started in the background inherits SIGINT as ignored, and so would every
# command that a test interrupts. A handler is not inherited: they get the default.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Deadlines by the wall clock fail on a busy machine, whatever the code does.
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")

Row = Sequence[object]
CODES = (10, 40, 2583)
# A late fusion on texts and images, trained in seconds: what `served_paths` is made with.
SERVED_SETTINGS = (
    "model.name=late_fusion", "debug.sample_rows=0", "images.size=64",
    "features.image.cnn.enabled=true", "features.image.cnn.weights=random",
    "features.image.cnn.device=cpu", "features.image.cnn.backbone=efficientnet_lite0",
)  # fmt: skip
HEADER = ("", "designation", "description", "productid", "imageid")


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    with logging_kept():
        yield


@contextlib.contextmanager
def logging_kept() -> Iterator[None]:
    """Undo what a command's `set_up_logging` did: caplog of the next test must see messages."""
    logger = logging.getLogger(LOGGER_NAME)
    before = (logger.handlers[:], logger.level, logger.propagate)
    yield
    logger.handlers[:], logger.propagate = before[0], before[2]
    logger.setLevel(before[1])


@pytest.fixture
def free_port() -> int:
    """A TCP port that nobody listens on."""
    return find_free_port()


def find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


ServeFolder = Callable[[Path], str]


@pytest.fixture(scope="module")
def serve_folder() -> Iterator[ServeFolder]:
    """Serve a folder over HTTP, in a process of its own; return its address."""
    started = []

    def serve(folder: Path) -> str:
        command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1"]
        process = subprocess.Popen(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        started.append(process)
        assert process.stdout
        port = process.stdout.readline().split(" port ")[1].split()[0]
        return f"http://127.0.0.1:{port}"

    yield serve
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def server() -> Iterator[postgres_server.Server]:
    """One embedded server a worker, in a folder that the user nobody reaches: tests run as root."""
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    folder.chmod(0o755)
    made = postgres_server.Server(folder / "server", find_free_port(), "test")
    try:
        postgres_server.start(made)
    except DatabaseError as e:
        pytest.skip(f"no PostgreSQL: {e}")
    yield made
    postgres_server.stop(made)
    shutil.rmtree(folder)


@pytest.fixture
def database(server: postgres_server.Server) -> Iterator[str]:
    """The address of an empty database."""
    psycopg = pytest.importorskip("psycopg")
    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server.url(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield server.url().removesuffix("rakuten") + name
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def as_app(url: str) -> str:
    """The address of a loaded database as service and app have it: under their own role."""
    postgres.let_in(url, APP_USER, "s3same")
    return f"postgres://{APP_USER}:s3same@{url.partition('@')[2]}"


@dataclasses.dataclass(frozen=True)
class Shop:
    """A folder of the three files, written from rows."""

    folder: Path

    def write(self, x: Sequence[Row], y: Sequence[Row], test: Sequence[Row] = ()) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        tables = {
            csv_files.X_TRAIN: (HEADER, x),
            csv_files.Y_TRAIN: (("", "prdtypecode"), y),
            csv_files.X_TEST: (HEADER, test),
        }
        for name, (header, rows) in tables.items():
            with (self.folder / name).open("w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerows([header])
                # Quoted throughout: what COPY would take for NULL and what it would not both occur.
                csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(rows)
        return self.folder

    def write_plain(self, n: int, n_test: int = 2) -> Path:
        """Write n sound products; every third one has no description."""
        x = [
            (i, f"Produit n° {i}", "" if i % 3 == 0 else f"<p>Détails\n{i}</p>", 1000 + i, 7000 + i)
            for i in range(n)
        ]
        y = [(i, CODES[i % 3]) for i in range(n)]
        test = [(n + i, f"Test {i}", "", 5000 + i, 9000 + i) for i in range(n_test)]
        return self.write(x, y, test)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path / "import")


Load = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def load() -> Load:
    """Run sql/00 to 29 on a folder as init.sh does; return the finished psql."""
    return run_load


def run_load(
    url: str,
    folder: Path,
    *,
    codes: Sequence[int] = CODES,
    rate: float = 0.0,
    manifest: str = "",
    feedback: str = "",
) -> subprocess.CompletedProcess[str]:
    snapshot = csv_files.take_snapshot(folder)
    variables = {
        "ON_ERROR_STOP": "1",
        "snapshot": json.dumps({**snapshot, "created_at": "2024-01-01T00:00:00+00:00"}),
        "codes": ",".join(map(str, codes)),
        "max_reject_rate": str(rate),
        "accept_new_shares": "false",
        "workspace": str(folder.parent),
    }
    command = [str(postgres_server.binaries() / "psql"), "-X", "-q", "--single-transaction"]
    for name, value in variables.items():
        command += ["-v", f"{name}={value}"]
    for file in sorted((REPOSITORY / "sql").glob("[012]*.sql")):
        command += ["-f", str(file)]
    files = {"images_manifest.json": manifest, "feedback.jsonl": feedback}
    lines = "".join(
        f"{name}\x01{line}\n" for name, text in files.items() for line in text.splitlines()
    )
    with tempfile.TemporaryDirectory() as work:
        (Path(work) / "import").symlink_to(folder)
        done = subprocess.run(
            [*command, url], cwd=work, input=lines.encode(), capture_output=True, check=False
        )
    # Decoded here: text mode would turn the \r\n inside fields into \n.
    return subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
    )


def rejects_of(folder: Path, faults: Mapping[str, np.ndarray]) -> list[list[object]]:
    """Return file, line, reasons and raw text of each row at fault, as ``project.rejects`` does."""
    found: list[list[object]] = []
    for name in sorted(faults):
        file = csv_files.read_official(folder / name)
        for line, row, reasons in zip(file.lines, file.rows, faults[name], strict=True):
            raw = ",".join('"{}"'.format(field.replace('"', '""')) for field in row)
            found += [[name, line, reasons, raw]] if reasons else []
    return found


Dump = Callable[[str], dict[str, str]]


@pytest.fixture
def dump() -> Dump:
    """Every table of the schema as ordered ``COPY ... TO STDOUT`` text."""
    return dump_tables


def dump_tables(url: str) -> dict[str, str]:
    psycopg = pytest.importorskip("psycopg")
    with psycopg.connect(url) as connection:
        names = connection.execute(
            "SELECT relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace"
            " WHERE nspname = 'project' AND relkind = 'r' ORDER BY relname"
        ).fetchall()
        tables = {}
        for (name,) in names:
            query = f"COPY (SELECT * FROM project.{name} t ORDER BY t::TEXT) TO STDOUT"  # noqa: S608
            with connection.cursor().copy(query) as copy:
                tables[name] = b"".join(bytes(block) for block in copy).decode()
    return tables


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of what init.sh needs, to run in without touching the repository."""
    copy = tmp_path / "tree"
    for name in ("etl", "sql", "src", "config", "tools"):
        shutil.copytree(
            REPOSITORY / name, copy / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    for name in ("init.sh", ".env.example", "docker-compose.yml"):
        shutil.copy(REPOSITORY / name, copy / name)
    return copy


@pytest.fixture(scope="session")
def demo_shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The three CSVs of a shop of 800 products."""
    folder = tmp_path_factory.mktemp("shop") / "import"
    tool = REPOSITORY / "tools" / "make_demo_data.py"
    command = [sys.executable, tool, "--rows", "800", "--seed", "3", "--out", folder]
    subprocess.run([str(word) for word in command], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="session")
def served_paths(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    """A workspace in which the pipeline trained a late fusion on 300 products with pictures.

    The network is a small one with random weights.
    """
    from src.pipeline_steps.runner import Options, run_pipeline

    workspace = tmp_path_factory.mktemp("served")
    tool = REPOSITORY / "tools" / "make_demo_data.py"
    sizes = ["--rows", "300", "--images", "120", "--seed", "5"]
    command = [sys.executable, tool, *sizes, "--out", workspace / "import"]
    subprocess.run([str(word) for word in command], check=True, capture_output=True)
    place = f"paths.workspace={workspace}"
    cfg = load_config(REPOSITORY / "config" / "smoke.toml", [*SERVED_SETTINGS, place])
    run_pipeline(cfg, load_labels(cfg.paths.labels_map, cfg.paths.theme_map), Options())
    return cfg.paths


@pytest.fixture(scope="session")
def encoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of two layers with random weights and a tokenizer, as save_pretrained leaves them."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
    from transformers import BertConfig, BertModel

    folder = tmp_path_factory.mktemp("encoder")
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))  # noqa: S106 - no password
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    words = ["query: Piscine gonflable BLEUE pour enfants, lot de 4 livres & romans anciens"]
    tokenizer.train_from_iterator(
        words,
        trainers.WordPieceTrainer(vocab_size=120, special_tokens=special, show_progress=False),
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B [SEP]",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    config = BertConfig(
        vocab_size=120, hidden_size=24, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=64,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        BertModel(config).save_pretrained(folder)
    return folder
