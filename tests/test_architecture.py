"""The house rules of pyproject.toml (import-linter, ruff): each is in force, and finds a breach."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from src.config import REPOSITORY
from src.files import read_toml

PROJECT = read_toml(REPOSITORY / "pyproject.toml")
CONTRACTS = [contract["name"] for contract in PROJECT["tool"]["importlinter"]["contracts"]]
# A line that breaks each contract, and the module that it is added to.
BREACHES = {
    "commands and app above src": ("src/labels.py", "import tools.clear_cache"),
    "the rooms of src": ("src/data/splits.py", "import src.features.cnn_features"),
    "no circles, not between two files either": ("src/errors.py", "import src.labels"),
    "loading data needs no model": ("etl/manifest_and_hash.py", "import src.models.classifiers"),
    "the app neither trains nor asks the database": (
        "streamlit_app/member.py",
        "import src.pipeline_steps.runner",
    ),
    "artifacts have one door": ("src/models/classifiers.py", "import src.artifacts.manifest"),
    "home of the networks' libraries": ("src/pipelines/text_pipeline.py", "import torch"),
    "home of boosted trees": ("src/data/images.py", "import lightgbm"),
    "home of tokenizers": ("src/serving/predictor.py", "import tokenizers"),
    "home of PostgreSQL": ("streamlit_app/member.py", "import psycopg"),
    "home of stemming and stop words": ("src/labels.py", "import nltk"),
    "home of drawing": ("src/monitoring/drift.py", "import matplotlib"),
    "home of HTTP": ("streamlit_app/member.py", "import fastapi"),
    "home of the app's library": ("src/serving/predictor.py", "import streamlit"),
    "home of TOML": ("src/labels.py", "import tomllib"),
    "home of other storage": ("src/data/images.py", "import fsspec"),
    "home of Dask": ("src/runs/saving.py", "import distributed"),
    "home of joblib": ("src/labels.py", "import joblib"),
    "home of templates": ("src/serving/predictor.py", "import jinja2"),
    "home of MLflow": ("src/runs/saving.py", "import mlflow"),
}


def lint_imports(root: Path) -> dict[str, str]:
    """Return "KEPT" or "BROKEN" by the name of a contract, as `make lint` says it."""
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"],
        cwd=root, env=os.environ | {"PYTHONPATH": str(root), "COLUMNS": "200"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    found = dict(re.findall(r"^(.+) (KEPT|BROKEN)$", done.stdout, re.MULTILINE))
    assert sorted(found) == sorted(CONTRACTS), done.stdout
    assert done.returncode == int("BROKEN" in found.values())
    return found


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The code and its contracts, to be changed."""
    for place in ("src", "etl", "scripts", "tools", "streamlit_app"):
        shutil.copytree(
            REPOSITORY / place, tmp_path / place, ignore=shutil.ignore_patterns("__pycache__")
        )
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_contracts_are_kept(copy: Path) -> None:
    assert lint_imports(copy) == dict.fromkeys(CONTRACTS, "KEPT")


def test_a_breach_of_each_contract_is_found(copy: Path) -> None:
    for name, line in BREACHES.values():
        path = copy / name
        path.write_text(f"{path.read_text()}\n\ndef _breach() -> None:\n    {line}\n")
    assert lint_imports(copy) == dict.fromkeys(BREACHES, "BROKEN")


def test_a_room_without_a_place_in_the_order_is_found(copy: Path) -> None:
    (copy / "src" / "attic.py").write_text('"""D."""\n')
    assert lint_imports(copy)["the rooms of src"] == "BROKEN"


@pytest.mark.parametrize(
    ("name", "text", "rule"),
    [
        ("src/data/a.py", "x = 1\n", "D100"),
        ("src/data/a.py", '"""D."""\nprint(1)\n', "T201"),
        ("src/data/a.py", '"""D."""\nfrom os import *\n', "F403"),
        ("src/data/a.py", '"""D."""\ntry:\n    x = 1\nexcept Exception:\n    x = 2\n', "BLE001"),
        ("src/data/a.py", '"""D."""\ntry:\n    x = 1\nexcept OSError:\n    pass\n', "S110"),
        ("tools/a.py", '"""D."""\nimport sys\nsys.path.insert(0, "x")\n', "TID251"),
        ("src/data/a.py", '"""D."""\ndef f() -> None:\n' + "    x = 1\n" * 41, "PLR0915"),
        ("src/data/a.py", '"""D."""\ndef f(x: int) -> None:\n' + "    if x: x = 1\n" * 10, "C901"),
    ],
)
def test_bad_manners_are_found(name: str, text: str, rule: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--output-format=concise",
         "--stdin-filename", name],
        cwd=REPOSITORY, input=text, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert f" {rule} " in done.stdout
