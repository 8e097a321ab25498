"""Too much of everything: long files, broken images by the thousand, a service that runs for long.

Memory is compared with itself at a smaller size: no figure of how much a machine has.
"""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from http.client import HTTPConnection, RemoteDisconnected
from pathlib import Path

import httpx
import pytest

from src.config import REPOSITORY, Paths
from src.data import csv_files
from tests.test_faults_database import service

pytestmark = pytest.mark.faults

NOWHERE = "postgresql://nobody@127.0.0.1:1/nowhere"
# Runs a command and writes the most memory that it had, in kB.
MEASURED = """
import runpy, sys
out, *sys.argv = sys.argv[1:]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    with open("/proc/self/status") as status, open(out, "w") as file:
        file.write(next(line.split()[1] for line in status if line.startswith("VmHWM")))
"""
WORDS = "Lampe LED salon rouge métal jardin enfant coussin piscine gonflable table livre roman "


def peak_kb(folder: Path, script: str, *words: str) -> int:
    """The most memory that a command of the project needed."""
    out = folder / "peak"
    command = [sys.executable, "-c", MEASURED, str(out), str(REPOSITORY / script), *words]
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY), "DATABASE_URL": NOWHERE}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return int(out.read_text())


def write_shop(folder: Path, megabytes: int) -> Path:
    """The three official files; a tenth of the rows, quoted and with line ends, are in each."""
    folder.mkdir()
    body = '"' + (WORDS * 7)[:560] + '\n""fin"""'
    rows = megabytes * 1_000_000 // 640
    for name, header in csv_files.FILES.items():
        with (folder / name).open("w", encoding="utf-8", newline="") as file:
            file.write(",".join(("", *header)) + "\n")
            few = rows if name == csv_files.X_TRAIN else rows // 10
            for row in range(few):
                cells = "10" if len(header) == 1 else f"Titre {row},{body},{row},{row}"
                file.write(f"{row},{cells}\n")
    return folder


def test_a_file_of_half_a_gigabyte_is_checked_and_hashed_in_the_memory_of_a_small_one(
    tmp_path: Path,
) -> None:
    peaks = []
    for megabytes in (50, 500):
        workspace = tmp_path / str(megabytes)
        workspace.mkdir()
        folder = write_shop(workspace / "import", megabytes)
        assert (folder / csv_files.X_TRAIN).stat().st_size > megabytes * 900_000
        place = ["--set", f"paths.workspace={workspace}"]
        peaks.append(peak_kb(tmp_path, "etl/manifest_and_hash.py", *place))
        (folder / csv_files.X_TRAIN).unlink()
    assert peaks[1] - peaks[0] < 40_000  # 16 bytes a row, and what the allocator keeps


def write_table(path: Path, rows: int) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["designation", "description"])
        writer.writerows([f"Lampe {row}", WORDS * 3] for row in range(rows))
    return path


def test_answers_to_a_table_take_the_memory_of_a_few_rows(
    served_paths: Paths, tmp_path: Path
) -> None:
    peaks = []
    for rows in (5_000, 80_000):
        table, out = write_table(tmp_path / "t.csv", rows), tmp_path / "out.csv"
        place = ["--set", f"paths.workspace={served_paths.workspace}"]
        words = [str(table), "--out", str(out), *place]
        peaks.append(peak_kb(tmp_path, "scripts/predict.py", *words))
        with out.open(encoding="utf-8") as file:
            assert sum(1 for _ in file) == rows + 1
    # The allocator fills up during the first 200,000 rows; the answers alone would take more.
    assert peaks[1] - peaks[0] < 100_000


def memory_kb(pid: int, line: str) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(row.split()[1] for row in status.splitlines() if row.startswith(line)))


def test_a_service_keeps_its_memory_through_requests_and_tables(
    served_paths: Paths, tmp_path: Path
) -> None:
    """Each request with a text of its own, each tenth with an image, or wrong."""
    folder = served_paths.workspace / "data" / "images" / "images" / "image_train"
    image = next(iter(sorted(folder.glob("*.jpg")))).read_bytes()
    with service(served_paths, NOWHERE, tmp_path / "results") as (client, pid):

        def ask(first: int, last: int) -> None:
            for number in range(first, last):
                fields = {"designation": f"{WORDS} {number}"}
                files = {"image": image} if number % 10 == 0 else None
                options = {"json": fields} if files is None else {"data": fields, "files": files}
                assert client.post("/predict", **options).status_code == 200
                if number % 10 == 1:
                    assert client.post("/predict", json={"top_k": "many"}).status_code == 422

        ask(0, 500)
        before = memory_kb(pid, "VmRSS")
        ask(500, 500 + int(os.environ.get("REQUESTS", "2000")))
        assert memory_kb(pid, "VmRSS") < 1.05 * before
        peaks = []
        for rows in (2_500, 2_500, 10_000):  # the first warms up
            table = write_table(tmp_path / "t.csv", rows).read_bytes()
            Path(f"/proc/{pid}/clear_refs").write_text("5")  # the peak begins anew
            answer = client.post(
                "/predict/batch", content=table, headers={"content-type": "text/csv"}
            )
            assert answer.text.count("\n") == rows + 1
            peaks.append(memory_kb(pid, "VmHWM"))
        assert peaks[2] < 1.05 * peaks[1]


def is_refused(url: httpx.URL, target: str, headers: dict[str, str]) -> bool:
    """Whether a request's head is refused, or the line is closed while it is being sent."""
    connection = HTTPConnection(url.host, url.port, timeout=30)
    try:
        connection.request("GET", target, headers=headers)
        return connection.getresponse().status in (400, 414, 431)
    except (ConnectionError, RemoteDisconnected):
        return True
    finally:
        connection.close()


def test_every_part_of_a_request_has_a_limit(served_paths: Paths, tmp_path: Path) -> None:
    with service(served_paths, NOWHERE, tmp_path / "results") as (client, _):
        assert is_refused(client.base_url, "/health", {"X-Long": "a" * 1_000_000})
        assert is_refused(client.base_url, f"/health?q={'a' * 1_000_000}", {})
        refused = {
            "/predict": [{"designation": "a" * 1_000_001}, {"designation": "a", "top_k": 101}],
            "/feedback": [{"prdtypecode": 10, "designation": "a", "author": "a" * 2_001},
                          {"prdtypecode": 10, "designation": "a", "comment": "a" * 2_001}],
        }  # fmt: skip
        for path, bodies in refused.items():
            for body in bodies:
                assert client.post(path, json=body).status_code == 422
        assert client.get("/feedback", params={"size": 10_001}).status_code == 422
        form = {"designation": "a", **{f"field{n}": "a" for n in range(20)}}
        many = client.post("/predict", data=form, files={"image": b"a"})
        assert many.status_code in (400, 422)
        assert client.post("/predict", json={"designation": "Lampe"}).status_code == 200


def test_ten_thousand_broken_images_are_counted_and_every_product_answered(
    served_paths: Paths, tmp_path: Path
) -> None:
    folder = tmp_path / "data" / "images" / "images" / "image_test"
    folder.mkdir(parents=True)
    sound = next(iter(sorted((served_paths.workspace / "data/images").rglob("*.jpg")))).read_bytes()
    table = tmp_path / "t.csv"
    with table.open("w", encoding="utf-8") as file:
        file.write("designation,productid,imageid\n")
        for number in range(10_000):
            kinds = (
                b"", b"\xff\xd8\xff", sound[: 100 + number % 400], b"\x89PNG\r\n\x1a\n..",
                bytes([number % 256]) * 50, sound[:300] + b"\0" * 300,
            )  # fmt: skip
            (folder / f"image_{number}_product_{number}.jpg").write_bytes(kinds[number % 6])
            file.write(f"Lampe LED {number},{number},{number}\n")
    (tmp_path / "import").symlink_to(served_paths.import_dir)
    peak_kb(tmp_path, "etl/manifest_and_hash.py", "--set", f"paths.workspace={tmp_path}")
    manifest = (tmp_path / "images_manifest.json").read_text()
    assert manifest.count('"fault"') == 10_000
    place = ["--set", f"paths.workspace={served_paths.workspace}"]
    out = tmp_path / "out.csv"
    words = [str(table), "--images", str(folder), "--out", str(out), *place]
    peak_kb(tmp_path, "scripts/predict.py", *words)
    with out.open(encoding="utf-8", newline="") as read:
        rows = list(csv.DictReader(read))
    assert len(rows) == 10_000
    assert {row["used_image"] for row in rows} == {"false"}
    assert all(row["prdtypecode"] for row in rows)
