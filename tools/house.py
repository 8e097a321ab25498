"""Print how large the code of a checkout is: one script for before and after."""

from __future__ import annotations

import argparse
import ast
import statistics
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
PLACES = ("src", "etl", "scripts", "streamlit_app", "tools")
APART = "tools/demo_shop"
MOST_FILES = 12


def main(argv: list[str] | None = None) -> int:
    """Parse, measure, print; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=HERE, metavar="DIR", help="another checkout")
    root = parser.parse_args(argv).root.resolve()
    if not (root / "src").is_dir():
        sys.stderr.write(f"error: {root} holds no src\nnext: python tools/house.py --help\n")
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


if __name__ == "__main__":
    sys.exit(main())
