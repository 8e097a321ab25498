"""Lists the branches of a configuration: which are on, their weights and what each needs.

    python tools/check_pipeline_branches.py --config config/config.toml [--columns]

With --columns it also reads the columns of each branch from the last run's feature mapping.
"""

import argparse
import sys

from src.command_line import parser, run, settings
from src.config import Config
from src.errors import EXIT_FINE


def main(argv: list[str] | None = None) -> int:
    """Print the table; return the exit code."""
    options = parser(__doc__)
    options.add_argument(
        "--columns", action="store_true", help="show the columns of the last run as well"
    )
    return run(_list, options, argv)


def _list(args: argparse.Namespace) -> int:
    cfg = settings(args)
    for line in table(cfg, _widths(cfg) if args.columns else {}):
        print(line)
    return EXIT_FINE


def table(cfg: Config, widths: dict[str, int]) -> list[str]:
    """Return one line a branch, those off included; `widths` are its columns in the last run."""
    from src.pipelines.registry import branch_weights, build_branches, known_branches
    from src.pipelines.text_pipeline import MODALITY as TEXT

    weights = branch_weights(cfg)
    built = {branch.name: branch for branch in build_branches(cfg)}
    lines = [f"{'branch':<18} {'modality':<13} {'weight':>7}  {'extractor':<16} columns".rstrip()]
    for name, modality in known_branches(cfg):
        if name not in weights:
            lines.append(f"{name:<18} {modality:<13} {'off':>7}")
            continue
        own = built[name].extractor
        extractor = TEXT if own is None else own.name
        width = f"{widths[name]:,}" if name in widths else ""
        lines.append(
            f"{name:<18} {modality:<13} {weights[name]:>7.3g}  {extractor:<16} {width}".rstrip()
        )
    return lines


def _widths(cfg: Config) -> dict[str, int]:
    from src.artifacts.store import ArtifactStore

    store = ArtifactStore(cfg.paths)
    blocks = store.load(store.feature_mapping)["blocks"]
    return {block["branch"]: block["stop"] - block["start"] for block in blocks}


if __name__ == "__main__":
    sys.exit(main())
