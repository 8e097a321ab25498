"""What `pip install` brings: no requirement too many, none missing, and all files in the wheel."""

from __future__ import annotations

import ast
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from src.config import REPOSITORY, Paths
from src.files import read_toml

PROJECT = read_toml(REPOSITORY / "pyproject.toml")["project"]
EXTRAS = {
    extra: [Requirement(line) for line in lines]
    for extra, lines in {"": PROJECT["dependencies"], **PROJECT["optional-dependencies"]}.items()
}
PLACES = ("src", "etl", "scripts", "tools", "streamlit_app")
CODE = {path: path.read_text() for place in PLACES for path in (REPOSITORY / place).rglob("*.py")}
# Imported under another name than the one they are installed by.
IMPORTED_AS = {
    "scikit-learn": "sklearn", "xgboost-cpu": "xgboost", "pystemmer": "Stemmer", "pillow": "PIL",
    "opencv-python-headless": "cv2", "mlflow-skinny": "mlflow",
}  # fmt: skip
# Imported by another one: FastAPI reads forms with it.
USED_BY = {"python-multipart": "fastapi"}
# Parts of onnx and jinja2; and what only Python 3.10 needs.
COME_WITH = {"google", "markupsafe", "tomli"}


def name_of(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


RUNTIME = {name_of(r.name) for extra, lines in EXTRAS.items() if extra != "dev" for r in lines}


@pytest.mark.parametrize("name", sorted(RUNTIME))
def test_every_runtime_requirement_is_imported_by_product_code(name: str) -> None:
    name = USED_BY.get(name, name)
    word = IMPORTED_AS.get(name, name.replace("-", "_"))
    pattern = re.compile(rf"import {word}\b|from {word}\b|[\"'}}]{word}[\"']", re.IGNORECASE)
    assert any(pattern.search(text) for text in CODE.values())


def test_every_import_of_product_code_is_a_requirement() -> None:
    homes = importlib.metadata.packages_distributions()
    imported = {module.split(".")[0] for text in CODE.values() for module in modules_in(text)}
    missing = {
        module
        for module in imported - set(sys.stdlib_module_names) - set(PLACES)
        if module not in COME_WITH
        and not RUNTIME & {name_of(home) for home in homes.get(module, ())}
    }
    assert missing == set()


def modules_in(text: str) -> list[str]:
    nodes = list(ast.walk(ast.parse(text)))
    plain = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    given = [node for node in nodes if isinstance(node, ast.ImportFrom)]
    return plain + [node.module for node in given if node.module and not node.level]


def test_everything_is_installed_in_tested_versions() -> None:
    lines = (REPOSITORY / "requirements.txt").read_text().splitlines()
    extras = ",".join(extra for extra in EXTRAS if extra)
    assert [line for line in lines if not line.startswith("#")] == [
        "-c constraints.txt",
        f"-e .[{extras}]",
    ]
    text = (REPOSITORY / "constraints.txt").read_text()
    pins = [Requirement(line) for line in text.splitlines() if not line.startswith("#")]
    tested = {name_of(pin.name): next(iter(pin.specifier)).version for pin in pins}
    for requirement in (r for lines in EXTRAS.values() for r in lines):
        here = requirement.marker is None or requirement.marker.evaluate()
        if here and requirement.name != "setuptools":  # pip leaves it out of what it lists
            assert requirement.specifier.contains(tested[name_of(requirement.name)])


def closure(requirements: list[Requirement]) -> set[str]:
    """Return the distributions that pip installs for some requirements, as here installed."""
    found: set[tuple[str, str]] = set()
    waiting = [(name_of(r.name), extra) for r in requirements for extra in ("", *r.extras)]
    while waiting:
        name, extra = one = waiting.pop()
        if one in found:
            continue
        found.add(one)
        for line in importlib.metadata.requires(name) or ():
            r = Requirement(line)
            if r.marker is None or r.marker.evaluate({"extra": extra}):
                waiting += [(name_of(r.name), more) for more in ("", *r.extras)]
    return {name for name, _ in found}


# Runs a script in an environment that holds some distributions only.
WITHOUT = """
import json, runpy, sys
blocked = set(json.loads(sys.argv.pop(1)))
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            raise ModuleNotFoundError(name + " is not installed", name=name)
sys.meta_path.insert(0, Blocked())
import importlib.util
find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name, *a: None if name in blocked else find_spec(name, *a)
sys.argv.pop(0)
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_serving_needs_no_more_than_it_says(served_paths: Paths, tmp_path: Path) -> None:
    held = closure([r for extra in ("", "serve") for r in installed(extra)])
    assert not held & {"torch", "streamlit", "matplotlib", "numba", "onnx", "transformers"}
    homes = importlib.metadata.packages_distributions()
    blocked = [
        module for module, owners in homes.items()
        if not {name_of(owner) for owner in owners} & held and module not in PLACES
    ]  # fmt: skip
    assert {"torch", "streamlit", "schemathesis", "sqlfluff"} <= set(blocked)
    products = tmp_path / "products.csv"
    images = served_paths.workspace / "data" / "images" / "images" / "image_train"
    _, image_id, _, product_id = sorted(images.glob("*.jpg"))[0].stem.split("_")
    products.write_text(f"designation,productid,imageid\nLampe LED,{product_id},{image_id}\n")
    options = [str(products), "--images", str(images), "--set"]
    script = str(REPOSITORY / "scripts" / "predict.py")
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, json.dumps(blocked), script, *options,
         f"paths.workspace={served_paths.workspace}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1].endswith("true")  # used_image
    modules = "import scripts.serve_api, src.serving.api, uvicorn"
    (tmp_path / "serve.py").write_text(f"{modules}\nscripts.serve_api.main(['--help'])\n")
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, json.dumps(blocked), str(tmp_path / "serve.py")],
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout[:6]) == (0, "usage:"), done.stderr


def installed(extra: str) -> list[Requirement]:
    return [r for r in EXTRAS[extra] if r.marker is None or r.marker.evaluate()]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder "site-packages" with what the wheel holds, built from a tree that was used."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in (*PLACES, "config", "sql", "tests"):
        shutil.copytree(
            REPOSITORY / name, folder / "tree" / name,
            ignore=shutil.ignore_patterns("__pycache__", "demo_images"),
        )  # fmt: skip
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, folder / "tree")
    for name in ("rapport/run.json", "demo_images/a.json"):
        path = folder / "tree" / "streamlit_app" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("{}")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--wheel-dir", folder, folder / "tree"], check=True)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as archive:
        archive.extractall(folder / "site-packages")
    return folder / "site-packages"


def test_the_wheel_holds_what_the_code_reads_and_nothing_that_a_run_wrote(wheel: Path) -> None:
    expected = {
        str(path.relative_to(REPOSITORY))
        for place in (*PLACES, "config", "sql")
        for path in (REPOSITORY / place).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    ours = ("streamlit_app/rapport/", "streamlit_app/demo_images/")
    expected = {name for name in expected if name.endswith(".py") or not name.startswith(ours)}
    held = {str(path.relative_to(wheel)) for path in wheel.rglob("*") if path.is_file()}
    assert {name for name in held if ".dist-info/" not in name} == expected


def test_a_wheel_answers_where_the_user_stands(
    wheel: Path, served_paths: Paths, tmp_path: Path
) -> None:
    products = tmp_path / "products.csv"
    products.write_text("designation\nLampe LED\n")
    command = [sys.executable, "-m", "scripts.predict", str(products)]
    env = os.environ | {"PYTHONPATH": str(wheel)}
    there = subprocess.run(
        command, cwd=served_paths.workspace, env=env, capture_output=True, text=True, check=False
    )
    assert (there.returncode, there.stdout[:23]) == (0, "designation,prdtypecode"), there.stderr
    nowhere = subprocess.run(
        command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert nowhere.returncode == 2
    assert nowhere.stderr.splitlines()[-1].endswith(" -m scripts.train_pipeline")


def test_one_script_is_what_ci_runs() -> None:
    workflow = yaml.safe_load((REPOSITORY / ".github" / "workflows" / "ci.yml").read_text())
    steps = workflow["jobs"]["test"]["steps"]
    assert [step["run"] for step in steps if "run" in step] == [".ci/run"]
    script = (REPOSITORY / ".ci" / "run").read_text()
    assert re.findall(r"^  make ([\w-]+)$", script, re.MULTILINE) == [
        "lint", "audit", "test", "test-faults"
    ]  # fmt: skip
    assert "lint-imports" in (REPOSITORY / "Makefile").read_text()
