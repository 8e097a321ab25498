"""The tool that compares two runs, as a person calls it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tools.compare_runs import main


@pytest.fixture
def runs(tmp_path: Path) -> tuple[str, str]:
    """Predictions of a run, and of one that is worse on class 10 alone."""
    rng = np.random.default_rng(0)
    y = rng.choice([10, 40, 2583], size=600)
    a = np.where(rng.random(600) < 0.9, y, 2583)
    b = np.where((y == 10) & (rng.random(600) < 0.3), 40, a)
    paths = []
    for name, predicted in (("a.csv", a), ("b.csv", b)):
        table = {"productid": range(600), "prdtypecode": y, "predicted": predicted, "fold": -1}
        pd.DataFrame(table).to_csv(tmp_path / name, index=False)
        paths.append(str(tmp_path / name))
    return paths[0], paths[1]


def test_a_loss_is_a_finding_and_a_gain_is_fine(
    runs: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = runs
    assert main([a, b]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    tables = pd.read_csv(a), pd.read_csv(b)
    right = [t["predicted"] == t["prdtypecode"] for t in tables]
    assert lines[0] == (
        f"600 rows: both right {(right[0] & right[1]).sum()}, only A {(right[0] & ~right[1]).sum()}"
    )
    accuracy = next(line for line in lines if line.startswith("accuracy")).split()
    assert [float(value) for value in accuracy[1:3]] == [
        round(float(side.mean()), 4) for side in right
    ]
    assert accuracy[3].endswith("*")
    loss = next(line for line in lines if "Second-hand books" in line)
    assert "*" in loss
    assert main([b, a]) == 0
    assert main([a, a]) == 0


def test_what_is_no_table_of_predictions(
    runs: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    header = "productid,prdtypecode,predicted\n"
    faults = {
        "other.csv": "productid,price\n1,2\n",
        "nothing.csv": "",
        "header.csv": header,
        "hole.csv": f"{header}1,10,\n",
        "words.csv": f"{header}1,books,pools\n",
        "twice.csv": f"{header}1,10,10\n1,10,40\n",
    }
    for name, content in faults.items():
        (tmp_path / name).write_text(content)
    for path in (*(tmp_path / name for name in faults), tmp_path / "missing.csv", tmp_path):
        assert main([runs[0], str(path)]) == 2
        told = capsys.readouterr().err
        assert f"{path}: no table of predictions" in told
        assert told.splitlines()[-1].startswith("next: ")


def test_other_products_can_not_be_compared(
    runs: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = pd.read_csv(runs[1]).assign(productid=range(1000, 1600))
    other.to_csv(tmp_path / "other.csv", index=False)
    assert main([runs[0], str(tmp_path / "other.csv")]) == 2
    assert "have no product in common" in capsys.readouterr().err
