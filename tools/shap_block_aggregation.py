"""Adds SHAP values up by block of features, prints the table and can draw it.

    python tools/shap_block_aggregation.py --shap_values results/shap/shap_values.npz
        [--mapping artifacts/feature_mapping.json] [--output results/shap/blocks.png] [--verbose]

Reads what training wrote (contributions by block already), or any .npz with an array "shap_values"
of shape (rows, columns) or (rows, columns, classes), whose columns are those of the mapping; an
array "classes" names the classes. A .npy is such an array alone.
"""

from __future__ import annotations

import argparse
import json
import sys
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from src.artifacts.store import ArtifactStore
from src.command_line import parser, run, settings
from src.errors import EXIT_FINE, FileFault
from src.files import write_atomically
from src.labels import load_labels

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

BAR = 24
# What numpy lets through of a file that is cut, overwritten or something else.
UNREADABLE = (
    OSError, ValueError, EOFError, AttributeError, TypeError,
    tokenize.TokenError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    """Print the table; return the exit code."""
    options = parser(__doc__, verbose="one table a class as well")
    options.add_argument("--shap_values", type=Path, required=True, metavar="FILE")
    options.add_argument(
        "--mapping", type=Path, metavar="FILE.json", help="default: the last run's feature mapping"
    )
    options.add_argument("--output", type=Path, metavar="FILE.png", help="draw it as well")
    return run(_aggregate, options, argv)


def _aggregate(args: argparse.Namespace) -> int:
    cfg = settings(args)
    mapping = args.mapping or ArtifactStore(cfg.paths).feature_mapping
    summary = aggregate(args.shap_values, mapping)
    found = load_labels(cfg.paths.labels_map)
    labels = {str(code): found.label(code) for code in found.codes}
    synthetic = bool(_read_arrays(args.shap_values).get("synthetic", False))
    if synthetic:
        print("SYNTHETIC: products that the demo shop drew")
    if args.output:
        _draw(summary, labels, args.output, synthetic=synthetic)
    for line in table(summary, labels, verbose=args.verbose):
        print(line)
    return EXIT_FINE


def aggregate(shap_values: Path, mapping: Path) -> pd.DataFrame:
    """Return the summary (see `summarise`) of a file of SHAP values.

    A file that is not what it should be, or not of this mapping, is a FileFault.
    """
    import numpy as np

    from src.evaluation.shap.blocks import summarise

    blocks = _read_mapping(mapping)
    arrays = _read_arrays(shap_values)
    values = arrays["shap_values"]
    if "blocks" in arrays:
        names = [str(name) for name in arrays["blocks"]]
        unknown = [name for name in names if name not in {name for name, _, _ in blocks}]
        if unknown or values.ndim != 3 or values.shape[1] != len(names):
            problem = f"shape {values.shape}, blocks {', '.join(names)}"
            raise FileFault.of(shap_values, f"{problem}: not those of {mapping}")
    else:
        if values.ndim not in (2, 3) or values.shape[1] != blocks[-1][2]:
            expected = f"(rows, {blocks[-1][2]}) or (rows, {blocks[-1][2]}, classes)"
            raise FileFault.of(
                shap_values, f"shape {values.shape}, expected {expected} as in {mapping}"
            )
        values = values[:, :, None] if values.ndim == 2 else values
        names = [name for name, _, _ in blocks]
        parts = [values[:, start:stop].sum(axis=1) for _, start, stop in blocks]
        values = np.stack(parts, axis=1)
    if not values.size:
        raise FileFault.of(shap_values, "no rows or no classes")
    if not np.isfinite(values).all():
        raise FileFault.of(shap_values, "values that are no finite numbers")
    classes = arrays.get("classes", np.arange(values.shape[2]))
    if len(classes) != values.shape[2]:
        raise FileFault.of(shap_values, f"{len(classes)} classes for {values.shape[2]} margins")
    return summarise(values.astype(np.float64), names, classes.tolist())


def table(summary: pd.DataFrame, labels: dict[str, str], *, verbose: bool) -> list[str]:
    """Return lines of at most 80 columns: all classes, and each class if `verbose`."""
    from src.evaluation.shap.blocks import ALL_CLASSES

    lines = []
    for name, part in summary.groupby("class", sort=False):
        if name != ALL_CLASSES and not verbose:
            continue
        title = "all classes" if name == ALL_CLASSES else f"{name} {labels.get(str(name), '')}"
        lines += ["", f"{title[:30]:<30} {'mean size':>11} {'share':>8}"]
        for row in part.sort_values("mean_abs", ascending=False).itertuples(index=False):
            bar = "#" * round(BAR * float(row.share))
            line = f"  {row.block[:28]:<28} {row.mean_abs:>11.4g} {row.share:>8.1%}  {bar}"
            lines.append(line.rstrip())
    return lines[1:]


def _draw(summary: pd.DataFrame, labels: dict[str, str], output: Path, *, synthetic: bool) -> None:
    from src.evaluation.shap.figure import draw_blocks

    png = draw_blocks(summary, labels, synthetic=synthetic)
    with write_atomically(output, "wb") as file:
        file.write(png)


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    import numpy as np

    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):  # .npy: one array without a name
            arrays = {"shap_values": loaded}
        else:
            with loaded:
                arrays = {name: loaded[name] for name in loaded.files}
    except UNREADABLE as e:
        raise FileFault.of(path, f"not readable as .npz or .npy ({e})") from e
    if "shap_values" not in arrays or arrays["shap_values"].dtype.kind not in "fiu":
        listed = ", ".join(arrays) or "nothing"
        raise FileFault.of(path, f"holds {listed}; expected numbers named shap_values")
    return arrays


def _read_mapping(path: Path) -> list[tuple[str, int, int]]:
    try:
        mapping = json.loads(path.read_text(encoding="utf-8"))
        blocks = [(str(b["branch"]), int(b["start"]), int(b["stop"])) for b in mapping["blocks"]]
    except (OSError, ValueError, TypeError, KeyError) as e:
        raise FileFault.of(path, f"not a feature mapping ({type(e).__name__}: {e})") from e
    edges = [0, *(stop for _, _, stop in blocks)]
    if not blocks or any(start != edge for (_, start, _), edge in zip(blocks, edges, strict=False)):
        raise FileFault.of(path, "its blocks do not follow one another from column 0")
    return blocks


if __name__ == "__main__":
    sys.exit(main())
