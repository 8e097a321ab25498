"""Print how large and how deep the code of a checkout is: one script for before and after."""

from __future__ import annotations

import argparse
import ast
import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
PLACES = ("src", "etl", "scripts", "streamlit_app", "tools")
APART = "tools/demo_shop"
MOST_FILES = 12
# Settings stand beside the road: they are no value that a product becomes.
SETTINGS = ("src.config", "src.config_model", "src.typed_toml")
# Small enough to train in seconds; every kind of branch of the default model takes part.
RUN = ["--config", "config/smoke.toml", "--set", "model.name=late_fusion"]
for _setting in ("enabled=true", "weights=random", "device=cpu", "backbone=efficientnet_lite0"):
    RUN += ["--set", f"features.image.cnn.{_setting}"]
RUN += ["--set", "debug.sample_rows=0", "--set", "images.size=64", "--set"]
# Runs a command and writes the project's classes that took part: those whose methods ran (the first
# argument is one of their objects, or the class itself) and those with an object left at the end.
TRACE = f"""
import gc, runpy, sys, threading
out, root, *sys.argv = sys.argv[1:]
seen = set()
def note(kind):
    if str(getattr(kind, "__module__", "")).split(".")[0] in {PLACES!r}:
        seen.add(kind)
def profile(frame, event, _):
    code = frame.f_code
    if event == "call" and code.co_argcount and code.co_varnames[0] in frame.f_locals:
        first = frame.f_locals[code.co_varnames[0]]
        if not isinstance(first, type):
            note(type(first))
        elif code.co_name == "__new__" or code.co_filename.startswith(root):
            note(first)
threading.setprofile(profile)
sys.setprofile(profile)
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    sys.setprofile(None)
    for thing in gc.get_objects():
        note(type(thing))
    with open(out, "w") as file:
        file.writelines(sorted(f"{{k.__module__}}.{{k.__qualname__}}\\n" for k in seen))
"""


def main(argv: list[str] | None = None) -> int:
    """Parse, measure, print; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=HERE, metavar="DIR", help="another checkout")
    root = parser.parse_args(argv).root.resolve()
    if not (root / "src").is_dir():
        sys.stderr.write(f"error: {root} holds no src\nnext: python tests/house.py --help\n")
        return 2
    print(f"{'':16} files   lines  classes  functions  median lines of one")
    apart = sorted((root / APART).rglob("*.py"))
    everything = []
    for place in PLACES:
        files = [path for path in sorted((root / place).rglob("*.py")) if path not in apart]
        everything += files
        print_row(place, files)
    print_row("together", everything)
    print_row(APART, apart)
    print(f"\nfolders with more than {MOST_FILES} files, beside __init__:")
    rooms = Counter(p.parent.relative_to(root) for p in everything if p.name != "__init__.py")
    print("\n".join(f"  {r} {n}" for r, n in sorted(rooms.items()) if n > MOST_FILES) or "  none")
    keys = re.findall("^[^#=]+=", (root / "config" / "smoke.toml").read_text(), re.MULTILINE)
    print(f"\nkeys written in config/smoke.toml: {len(keys)}")
    runtime, development = requirements(root)
    print(f"requirements: {len(runtime)} of the product, {len(development)} of its development")
    classes = road(root)
    print(f"\nclasses between a row of a CSV and its answer, scripts/predict.py: {len(classes)}")
    print("\n".join(f"  {name}" for name in classes))
    return 0


def print_row(name: str, files: list[Path]) -> None:
    """Print the figures of some files; a function is counted without its docstring."""
    texts = [path.read_text(encoding="utf-8") for path in files]
    nodes = [node for text in texts for node in ast.walk(ast.parse(text))]
    classes = sum(isinstance(node, ast.ClassDef) for node in nodes)
    sizes = list(function_sizes(nodes))
    lines = sum(text.count("\n") for text in texts)
    median = statistics.median(sizes or [0])
    print(f"{name:16} {len(files):5} {lines:7} {classes:8} {len(sizes):10} {median:8g}")


def function_sizes(nodes: list[ast.AST]) -> Iterator[int]:
    """Give the number of lines from the first statement of each function to its last."""
    for node in nodes:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            told = ast.get_docstring(node) is not None and len(node.body) > 1
            yield (node.end_lineno or 0) - node.body[int(told)].lineno + 1


def requirements(root: Path) -> tuple[set[str], set[str]]:
    """Return the names of what is installed, from pyproject.toml or an older requirements.txt."""
    text = (root / "pyproject.toml").read_text()
    lists = dict(re.findall(r"^([\w-]+) = \[\n(.*?)^\]", text, re.M | re.S))
    if "dependencies" in lists:
        extras = ("dependencies", "train", "serve", "app", "demo")
        runtime = "".join(lists.get(extra, "") for extra in extras)
        development = lists.get("dev", "")
    else:
        runtime, development = (root / "requirements.txt").read_text().split("\n# Development", 1)
    names = [set(re.findall(r'^ *"?([A-Za-z][\w-]*)', t, re.M)) for t in (runtime, development)]
    return names[0], names[1] - names[0]


def road(root: Path) -> list[str]:
    """Train a tiny run, answer its test products, and return the classes that took part."""
    with tempfile.TemporaryDirectory() as folder:
        here = [*RUN, f"paths.workspace={folder}"]
        sizes = ["--rows", "300", "--images", "120", "--seed", "5", "--out", f"{folder}/import"]
        call(root, "tools/make_demo_data.py", *sizes)
        call(root, "scripts/train_pipeline.py", *here)
        test, images = f"{folder}/import/X_test_update.csv", f"{folder}/data/images/images"
        answers = ["--images", f"{images}/image_test", "--out", f"{folder}/answers.csv", *here]
        Path(f"{images}/image_test").mkdir(parents=True, exist_ok=True)
        call(root, "-c", TRACE, f"{folder}/road", str(root), "scripts/predict.py", test, *answers)
        names = Path(f"{folder}/road").read_text().split()
    return [name for name in names if not name.startswith(SETTINGS)]


def call(root: Path, *words: str) -> None:
    """Run a command of a checkout with its own code; its talk is shown where it fails."""
    env = os.environ | {"PYTHONPATH": str(root)}
    done = subprocess.run([sys.executable, *words], cwd=root, env=env, capture_output=True)  # noqa: PLW1510, S603
    if done.returncode:
        raise SystemExit(f"error: {' '.join(words)}\n{done.stderr.decode()}\nnext: make test")


if __name__ == "__main__":
    sys.exit(main())
