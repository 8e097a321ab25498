"""The comparison of a batch with its baseline, from files as pipeline and tool write them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from src.config import REPOSITORY
from src.monitoring.labelled_drift import difference_interval

COMPARE = REPOSITORY / "streamlit_app" / "rapport" / "compare.py"
CODES = [10, 40, 2583]
KNOWN = np.array([[180, 15, 5], [30, 260, 10], [4, 6, 490]])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The baseline's files, as training writes them."""
    support = KNOWN.sum(axis=1)
    diagnostics = pd.DataFrame(
        {
            "prdtypecode": CODES,
            "label": ["Used books", "Imported video games and much more besides", "Pools"],
            "precision": KNOWN.diagonal() / KNOWN.sum(axis=0),
            "recall": KNOWN.diagonal() / support,
            "f1": 2 * KNOWN.diagonal() / (support + KNOWN.sum(axis=0)),
            "support": support,
            "top_confusions": ["", "", ""],
        }
    )
    diagnostics.to_csv(tmp_path / "b4_diagnostics.csv", index=False)
    pairs = [(40, 10, 30), (10, 40, 15)]
    confusions = [
        {"true": t, "predicted": p, "count": n, "rate": n / support[CODES.index(t)]}
        for t, p, n in pairs
    ]
    pd.DataFrame(confusions).to_csv(tmp_path / "b4_top_confusions.csv", index=False)
    return tmp_path


def write_batch(folder: Path, counts: np.ndarray) -> None:
    """A drift report with labels, in both formats, cut down to what is read."""
    support = counts.sum(axis=1)
    classes = [
        {"code": c, "correct": int(counts[i, i]), "support": int(support[i])}
        for i, c in enumerate(CODES)
    ]
    report = {"labels": {"classes": classes, "confusion": counts.tolist()}}
    (folder / "batch.json").write_text(json.dumps(report))
    rows = pd.DataFrame({"part": "class", "name": CODES, "support": support})
    rows["now"] = counts.diagonal() / np.where(support == 0, np.nan, support)
    signal = pd.DataFrame({"part": ["signal"], "name": ["language"], "now": [0.2]})
    pd.concat([signal, rows]).to_csv(folder / "batch.csv", index=False)


def compare(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(COMPARE), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("suffix", [".json", ".csv"])
def test_a_class_that_fell_is_first_and_exit_1(folder: Path, suffix: str) -> None:
    write_batch(folder, np.array([[36, 3, 1], [40, 50, 0], [0, 1, 49]]))
    done = compare(f"batch{suffix}", "--folder", folder)
    assert (done.returncode, done.stderr) == (1, "")
    lines = done.stdout.splitlines()
    assert lines[0] == f"batch{suffix} against b4"
    assert lines[1] == "accuracy 0.750 on 180 rows, baseline 0.930 on 1,000"
    expected = (40 * 180 / 200 + 90 * 260 / 300 + 50 * 490 / 500) / 180
    assert lines[2].startswith(f"expected on these classes {expected:.3f}, shift -0.")
    assert lines[2].endswith(" FELL")
    low, high = difference_interval((50, 90), (260, 300), 0.01 / 3)
    assert lines[4] == (
        f"40    Imported video games and m{90:>7}  0.867  0.556  -0.311"
        f"  {low:+.2f} {high:+.2f} FELL"
    )
    assert [line.split()[0] for line in lines[4:7]] == ["40", "10", "2583"]
    assert max(map(len, lines)) <= 80
    if suffix == ".json":
        assert lines[9].split()[-3:] == ["40", "0.100", "0.444"]
        assert lines[9].startswith("Imported video games and > Used books")


def test_an_unchanged_batch_is_fine_and_a_missing_class_is_no_fault(folder: Path) -> None:
    write_batch(folder, np.array([[18, 2, 0], [3, 26, 1], [0, 0, 0]]))
    done = compare(folder / "batch.json", "--folder", folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[6].split() == ["2583", "Pools", "0", "–"]


def test_all_classes_a_little_worse_is_a_finding(folder: Path) -> None:
    write_batch(folder, np.array([[52, 8, 4], [12, 46, 2], [0, 4, 56]]))
    done = compare("batch.json", "--folder", folder)
    assert done.returncode == 1
    assert [line for line in done.stdout.splitlines() if line.endswith("FELL")] == [
        done.stdout.splitlines()[2]
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"labels": null}', "no labels in this report: expected one made with --labels"),
        ("[]", "not readable as a drift report"),
        ("{", "not readable as a drift report"),
        ('{"labels": {"rows": 3}}', "not readable as a drift report"),
        (
            '{"labels": {"classes": [{"code": 10, "correct": 1, "support": 2}],'
            ' "confusion": [[1, 1]]}}',
            "not readable as a drift report",
        ),
        (
            '{"labels": {"classes": [{"code": 1, "correct": 1, "support": 2}],'
            ' "confusion": [[1]]}}',
            "another model's report",
        ),
    ],
)
def test_a_report_at_fault_is_exit_2(folder: Path, content: str, message: str) -> None:
    (folder / "bad.json").write_text(content)
    done = compare("bad.json", "--folder", folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert done.stderr.splitlines()[-1].startswith("next: ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["batch.csv", "b4_diagnostics.csv", "b4_top_confusions.csv"])
def test_a_table_of_something_else_is_exit_2(folder: Path, name: str) -> None:
    write_batch(folder, KNOWN)
    (folder / name).write_text("price,colour\n1,2\n")
    done = compare("batch.csv" if name == "batch.csv" else "batch.json", "--folder", folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{name}: not readable as CSV" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_baseline_points_to_training(folder: Path) -> None:
    write_batch(folder, KNOWN)
    done = compare("batch.json", "--baseline", "b2", "--folder", folder)
    assert done.returncode == 2
    assert "b2_diagnostics.csv: no such file" in done.stderr
    assert "scripts/train_pipeline.py" in done.stderr.splitlines()[-1]


def test_help() -> None:
    done = compare("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "--baseline" in done.stdout
