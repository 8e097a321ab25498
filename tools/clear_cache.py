"""Deletes what can be made again: extracted features, and with --all what the stages wrote.

python tools/clear_cache.py              # the extraction cache and the exported networks
python tools/clear_cache.py --all        # results and reports too
python tools/clear_cache.py --all --yes  # the trained models as well
python tools/clear_cache.py --all --dry-run
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from src.artifacts import ArtifactStore
from src.cache import ExtractionCache
from src.command_line import report
from src.config import Paths, load_config
from src.errors import EXIT_FINE, ProjectError


def main(argv: list[str] | None = None) -> int:
    """Delete and say what was freed; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--all", action="store_true", help="what the stages wrote, too")
    parser.add_argument("--yes", action="store_true", help="with --all: the trained models as well")
    parser.add_argument("--dry-run", action="store_true", help="only say what would go")
    parser.add_argument("--config", type=Path, metavar="FILE", help="default: config/config.toml")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides")
    args = parser.parse_args(argv)
    try:
        paths = load_config(args.config, args.overrides).paths
        with ArtifactStore(paths).writing():  # never under a running training
            _clear(paths, everything=args.all, models=args.yes, dry_run=args.dry_run)
    except ProjectError as e:
        return report(e)
    if args.all and not args.yes:
        print(f"kept: {paths.artifacts_dir} (the trained models; --yes deletes them too)")
    return EXIT_FINE


def _clear(paths: Paths, *, everything: bool, models: bool, dry_run: bool) -> None:
    cache = ExtractionCache(paths.cache_dir)
    for namespace, size in cache.namespaces():
        print(f"  {namespace:<44} {size / 1e6:>9.1f} MB")
    folders = [paths.networks_dir]
    if everything:
        folders.append(paths.results_dir)
    if everything and models:
        folders.append(paths.artifacts_dir)
    verb = "would delete" if dry_run else "deleted"
    print(f"{verb} the namespaces above in {paths.cache_dir}")
    if not dry_run:
        cache.purge()
    for folder in folders:
        print(f"{verb} {folder} ({_size(folder) / 1e6:.1f} MB)")
        if not dry_run and folder.is_dir():
            shutil.rmtree(folder)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    sys.exit(main())
