"""Draws the flow diagram of the README and the app from its Mermaid source, without a browser.

    python tools/draw_flow.py

Reads ``streamlit_app/assets/mermaid-flow.{en,fr}.mmd``, writes ``mermaid-flow.svg`` and
``mermaid-flow.fr.svg`` into ``streamlit_app/``. Of Mermaid it knows what these sources use:
``flowchart LR``, one ``subgraph`` a column, ``id["text"]``, ``id[("text")]``, ``id(["text"])`` and
``a -->|text| b``.
"""

from __future__ import annotations

import argparse
import dataclasses
import html
import re
from collections.abc import Sequence
from pathlib import Path

from src.command_line import parser, run
from src.config import REPOSITORY
from src.errors import EXIT_FINE, UsageError

APP = REPOSITORY / "streamlit_app"
COLORS = ("#3d5a98", "#7a4fb5", "#8c5a3c", "#e08a00", "#1f8a70")
COLUMN_PX, GAP_PX, NODE_PX, ROW_PX, TOP_PX, MARGIN_PX = 168, 56, 50, 74, 62, 16

_SUBGRAPH = re.compile(r'subgraph \w+\["(?P<title>[^"]+)"\]')
_NODE = re.compile(r'(?P<id>\w+)(?P<open>\[\(|\(\[|\[)"(?P<text>[^"]+)"(?:\)\]|\]\)|\])')
_EDGE = re.compile(r"(?P<start>\w+) -->(?:\|(?P<text>[^|]+)\|)? (?P<end>\w+)")


@dataclasses.dataclass(frozen=True)
class Node:
    """A box: its lines of text, its shape ("[", "[(" or "(["), and its place."""

    lines: tuple[str, ...]
    shape: str
    column: int
    row: int


@dataclasses.dataclass(frozen=True)
class Flow:
    """A parsed source: titles of the columns, boxes by id, and arrows (start, end, text)."""

    columns: tuple[str, ...]
    nodes: dict[str, Node]
    edges: tuple[tuple[str, str, str], ...]


def parse(source: str) -> Flow:
    """Read a Mermaid source; a line of another form, or to an unknown box, is a `UsageError`."""
    columns: list[str] = []
    nodes: dict[str, Node] = {}
    edges: list[tuple[str, str, str]] = []
    rows = 0
    for number, raw in enumerate(source.splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("%%") or line in {"flowchart LR", "end"}:
            continue
        if found := _SUBGRAPH.fullmatch(line):
            columns.append(found["title"])
            rows = 0
        elif found := _NODE.fullmatch(line):
            lines = tuple(found["text"].split("<br/>"))
            nodes[found["id"]] = Node(lines, found["open"], len(columns) - 1, rows)
            rows += 1
        elif (found := _EDGE.fullmatch(line)) and {found["start"], found["end"]} <= set(nodes):
            edges.append((found["start"], found["end"], found["text"] or ""))
        else:
            raise UsageError(
                f"line {number}: {line!r} is no subgraph, box, or arrow between known boxes",
                next_command="python tools/draw_flow.py --help",
            )
    return Flow(tuple(columns), nodes, tuple(edges))


def draw(flow: Flow) -> str:
    """Return the flow as SVG: columns from left to right, boxes from top to bottom."""
    most = max(node.row for node in flow.nodes.values()) + 1
    width = 2 * MARGIN_PX + len(flow.columns) * (COLUMN_PX + GAP_PX) - GAP_PX
    height = TOP_PX + most * ROW_PX + MARGIN_PX
    heights = [
        max((node.row for node in flow.nodes.values() if node.column == i), default=0) + 1
        for i in range(len(flow.columns))
    ]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        'font-family="Source Sans Pro, Segoe UI, Helvetica, Arial, sans-serif">',
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8z" fill="#6b6f78"/></marker></defs>',
    ]
    parts += [_column(i, title, height) for i, title in enumerate(flow.columns)]
    offsets = [(most - rows) * ROW_PX / 2 for rows in heights]
    parts += [_arrow(flow.nodes[a], flow.nodes[b], text, offsets) for a, b, text in flow.edges]
    parts += [_box(node, offsets[node.column]) for node in flow.nodes.values()]
    return "\n".join([*parts, "</svg>", ""])


def _left(column: int) -> float:
    return MARGIN_PX + column * (COLUMN_PX + GAP_PX)


def _top(node: Node, offset: float) -> float:
    return TOP_PX + offset + node.row * ROW_PX + (ROW_PX - NODE_PX) / 2


def _column(column: int, title: str, height: float) -> str:
    color, left = COLORS[column % len(COLORS)], _left(column) - 10
    return (
        f'<rect x="{left}" y="{MARGIN_PX}" width="{COLUMN_PX + 20}" '
        f'height="{height - 2 * MARGIN_PX}" rx="12" fill="{color}" fill-opacity="0.07"/>'
        f'<text x="{left + 14}" y="{MARGIN_PX + 27}" font-size="16" font-weight="700" '
        f'fill="{color}">{html.escape(title)}</text>'
    )


def _box(node: Node, offset: float) -> str:
    color, left, top = COLORS[node.column % len(COLORS)], _left(node.column), _top(node, offset)
    radius = {"[": 8, "([": NODE_PX / 2, "[(": 8}[node.shape]
    box = (
        f'<rect x="{left}" y="{top}" width="{COLUMN_PX}" height="{NODE_PX}" rx="{radius}" '
        f'fill="#ffffff" stroke="{color}" stroke-width="1.6"/>'
    )
    if node.shape == "[(":  # a database: the lid of a cylinder
        box += (
            f'<path d="M{left} {top + 5}q{COLUMN_PX / 2} 9 {COLUMN_PX} 0" fill="none" '
            f'stroke="{color}" stroke-width="1.2"/>'
        )
    middle = top + NODE_PX / 2 + 5 - 9 * (len(node.lines) - 1) + (4 if node.shape == "[(" else 0)
    for i, line in enumerate(node.lines):
        style = 'font-size="14.5" font-weight="600" fill="#22252b"'
        style = 'font-size="12.5" fill="#6b6f78"' if i else style
        box += (
            f'<text x="{left + COLUMN_PX / 2}" y="{middle + 17 * i}" text-anchor="middle" {style}>'
            f"{html.escape(line)}</text>"
        )
    return box


def _arrow(start: Node, end: Node, text: str, offsets: Sequence[float]) -> str:
    style = 'fill="none" stroke="#6b6f78" stroke-width="1.4" marker-end="url(#head)"'
    top, bottom = _top(start, offsets[start.column]), _top(end, offsets[end.column])
    if start.column != end.column:
        x1, x2 = _left(start.column) + COLUMN_PX, _left(end.column) - 2
        y1, y2, bend = top + NODE_PX / 2, bottom + NODE_PX / 2, (x2 - x1) / 2
        return f'<path d="M{x1} {y1}C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}" {style}/>'
    middle = _left(start.column) + COLUMN_PX / 2
    word = f'<text x="{middle + 8}" y="{top + NODE_PX + 17}" font-size="12" fill="#6b6f78">'
    return (
        f'<path d="M{middle} {top + NODE_PX}V{bottom - 2}" {style}/>'
        f"{word}{html.escape(text)}</text>"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool; return its exit code."""
    options = parser(__doc__, config=False)
    options.add_argument("--out", type=Path, default=APP, help="folder of the SVG files")
    return run(_draw, options, argv)


def _draw(args: argparse.Namespace) -> int:
    for language, name in (("en", "mermaid-flow.svg"), ("fr", "mermaid-flow.fr.svg")):
        source = APP / "assets" / f"mermaid-flow.{language}.mmd"
        (args.out / name).write_text(draw(parse(source.read_text("utf-8"))), "utf-8")
        print(args.out / name)
    return EXIT_FINE


if __name__ == "__main__":
    raise SystemExit(main())
