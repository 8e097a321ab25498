"""The house rules as a test: who may import whom, a library's one home, sizes, manners.

`violations` reads a tree and returns what breaks a rule, as "file: what"; the tests run it on the
repository, where it must find nothing, and on small trees that each break one rule on purpose.
"""

from __future__ import annotations

import ast
import re
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest

from src.config import REPOSITORY

PLACES = ("src", "etl", "scripts", "tools", "streamlit_app")
SETTINGS = {"src.config", "src.config_model"}
# Left may import right, never back.
ORDER = [
    {"scripts", "tools", "streamlit_app"},
    {"src.pipeline_steps"},
    {"src.serving"},
    {"src.monitoring"},
    {"src.evaluation"},
    {"src.pipelines"},
    {"src.models"},
    {"src.features"},
    {"src.data"},
    {"src.labels"},
    SETTINGS,
    {"src.errors"},
]
FLOOR = {"src.artifacts.store", "src.cache", "src.command_line"}
# What src.artifacts.store is made of; nobody else imports them.
WALLS = {"src.artifacts.manifest", "src.artifacts.runs"}
FLOOR_MAY = {"src.config", "src.errors"}
ANYWHERE = {"src.log", "src.utils"}
ETL_MAY = {"src.config", "src.labels", "src.errors", "src.data", "src.command_line"}
APP_MAY_NOT = {"src.pipeline_steps", "psycopg", "torch"}
HOMES = {
    "tomli": ["src/files.py"],
    "tomllib": ["src/files.py"],
    "psycopg": ["src/data/postgres.py", "etl/"],
    "torch": ["src/features/cnn_"],
    "torchvision": ["src/features/cnn_"],
    "transformers": ["src/features/cnn_"],
    "xgboost": ["src/models/boosted_trees.py", "src/models/classifiers.py"],
    "lightgbm": ["src/models/boosted_trees.py", "src/models/classifiers.py"],
    "shap": ["src/evaluation/shap/blocks.py"],
    "matplotlib": ["src/evaluation/"],
    "nltk": ["src/features/text_"],
    "Stemmer": ["src/features/text_"],
    "streamlit": ["streamlit_app/"],
}
MOST_LINES, MOST_FUNCTION_LINES = 400, 60


def violations(root: Path) -> list[str]:
    """Return every broken rule of a tree, sorted."""
    found = []
    for path in python_files(root):
        name = str(path.relative_to(root))
        text = path.read_text()
        tree = ast.parse(text)
        found += [f"{name}: {what}" for what in (*imports(name, tree), *manners(name, text, tree))]
    return sorted(found)


def python_files(root: Path) -> list[Path]:
    return [path for place in PLACES for path in sorted((root / place).rglob("*.py"))]


def imports(name: str, tree: ast.AST) -> Iterator[str]:
    for module in sorted(set(imported(tree))):
        top = module.split(".")[0]
        if top in HOMES and not any(name.startswith(home) for home in HOMES[top]):
            yield f"imports {top}, whose home is {HOMES[top][0]}"
        if name.startswith("streamlit_app/") and (
            room(module) in APP_MAY_NOT or top in APP_MAY_NOT
        ):
            yield f"the app imports {module}"
        if top in {"src", "etl", "tools", "scripts"} and not may_import(name, module):
            yield f"imports {module} against the order"


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room(module: str) -> str:
    """Return the room of a module: "src.data" for src.data.splits, "tools" for tools.x."""
    parts = module.split(".")
    return ".".join(parts[:2]) if parts[0] == "src" else parts[0]


def may_import(name: str, module: str) -> bool:
    here, there = room(name.removesuffix(".py").replace("/", ".")), room(module)
    if there in {here, "src"} or there in ANYWHERE:
        return here not in ANYWHERE or there == here
    if here in ANYWHERE:
        return False
    if here == "etl":
        return there in ETL_MAY
    if here in FLOOR | WALLS:
        return there in FLOOR_MAY or (there in WALLS and here in WALLS | {"src.artifacts.store"})
    if there in WALLS:
        return False
    if there in FLOOR:
        return level(here) <= level("src.pipelines")
    if there == "etl":
        return here in {"scripts", "tools"}
    return level(here) < level(there) or {here, there} <= SETTINGS


def level(place: str) -> int:
    return next(i for i, rooms in enumerate(ORDER) if place in rooms)


def manners(name: str, text: str, tree: ast.Module) -> Iterator[str]:
    if (lines := text.count("\n")) > MOST_LINES:
        yield f"{lines} lines"
    if not ast.get_docstring(tree):
        yield "no module docstring"
    may_print = name.startswith(("scripts/", "tools/", "etl/"))
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            size = (node.end_lineno or node.lineno) - node.lineno + 1
            if size > MOST_FUNCTION_LINES:
                yield f"{node.name} has {size} lines"
        if isinstance(node, ast.ExceptHandler) and is_broad(node):
            yield f"line {node.lineno}: broad except"
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
            yield f"line {node.lineno}: star import"
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "print" and not may_print:
            yield f"line {node.lineno}: print"
    if re.search(r"\bsys\.path\b", text):
        yield "sys.path"
    if re.search(r"joblib\.(dump|load)\(", text) and name != "src/artifacts/store.py":
        yield "uses joblib.dump or load outside src/artifacts/store.py"


def is_broad(handler: ast.ExceptHandler) -> bool:
    broad = handler.type is None or ast.unparse(handler.type) in {"Exception", "BaseException"}
    silent = all(isinstance(line, ast.Pass) for line in handler.body)
    return broad or silent


def test_the_repository_keeps_the_rules() -> None:
    assert violations(REPOSITORY) == []


def test_functions_and_files_are_short_on_the_whole() -> None:
    functions, files = [], []
    for path in python_files(REPOSITORY):
        text = path.read_text()
        files.append(text.count("\n"))
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                functions.append((node.end_lineno or 0) - body_start(node) + 1)
    assert statistics.median(functions) <= 12
    assert statistics.median(files) <= 180


def body_start(function: ast.FunctionDef) -> int:
    """Return the first line after the docstring: what is told is not what is long."""
    body = function.body
    return body[1 if ast.get_docstring(function) and len(body) > 1 else 0].lineno


BREACHES = {
    "src/data/a.py": (
        '"""D."""\nfrom src.features import matrix\n',
        "imports src.features against the order",
    ),
    "src/models/a.py": (
        '"""D."""\nimport src.pipelines.fusion\n',
        "imports src.pipelines.fusion against the order",
    ),
    "src/features/a.py": (
        '"""D."""\ndef f():\n    from src import cache\n',
        "imports src.cache against the order",
    ),
    "src/cache.py": ('"""D."""\nimport src.labels\n', "imports src.labels against the order"),
    "src/models/b.py": (
        '"""D."""\nfrom src.artifacts.manifest import Run\n',
        "imports src.artifacts.manifest against the order",
    ),
    "src/log.py": ('"""D."""\nimport src.errors\n', "imports src.errors against the order"),
    "etl/a.py": (
        '"""D."""\nimport src.models.classifiers\n',
        "imports src.models.classifiers against",
    ),
    "src/pipelines/a.py": ('"""D."""\nimport torch\n', "imports torch, whose home is"),
    "src/data/b.py": ('"""D."""\nimport streamlit as st\n', "imports streamlit, whose home is"),
    "streamlit_app/a.py": (
        '"""D."""\nfrom src.pipeline_steps import runner\n',
        "the app imports src.pipeline_steps",
    ),
    "src/data/long.py": ('"""D."""\n' + "x = 1\n" * 400, "401 lines"),
    "src/data/f.py": ('"""D."""\ndef f():\n' + "    x = 1\n" * 60, "f has 61 lines"),
    "src/data/c.py": ("x = 1\n", "no module docstring"),
    "src/data/d.py": ('"""D."""\nprint(1)\n', "line 2: print"),
    "src/data/e.py": (
        '"""D."""\ntry:\n    x = 1\nexcept Exception:\n    x = 2\n',
        "line 4: broad except",
    ),
    "src/data/g.py": (
        '"""D."""\ntry:\n    x = 1\nexcept OSError:\n    pass\n',
        "line 4: broad except",
    ),
    "src/data/h.py": ('"""D."""\nfrom os import *\n', "line 2: star import"),
    "tools/a.py": ('"""D."""\nimport sys\nsys.path.insert(0, "x")\n', "sys.path"),
    "src/data/i.py": ('"""D."""\nimport joblib\njoblib.load("x")\n', "uses joblib.dump or load"),
}


@pytest.mark.parametrize("name", BREACHES)
def test_each_breach_is_found(tmp_path: Path, name: str) -> None:
    text, expected = BREACHES[name]
    path = tmp_path / name
    path.parent.mkdir(parents=True)
    path.write_text(text)
    found = violations(tmp_path)
    assert len(found) >= 1
    assert found[0].startswith(f"{name}: {expected}")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("src/pipelines/a.py", '"""D."""\nfrom src.cache import content_key\n'),
        ("src/data/a.py", '"""D."""\nfrom src.utils import profiling\nfrom src.errors import X\n'),
        ("etl/a.py", '"""D."""\nfrom src.data.csv_files import X\nprint(1)\n'),
        ("tools/a.py", '"""D."""\nfrom src.pipeline_steps import runner\nfrom tools import b\n'),
    ],
)
def test_what_is_allowed_is_not_found(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert violations(tmp_path) == []
