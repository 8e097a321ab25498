"""Deletes what can be made again: extracted features, and with --all what the stages wrote.

python tools/clear_cache.py              # the extraction cache and the exported networks
python tools/clear_cache.py --all        # results, comparisons, reports, a run not promoted too
python tools/clear_cache.py --all --yes  # the served run and the one before as well
python tools/clear_cache.py --all --dry-run
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from src.artifacts import runs
from src.artifacts.store import ArtifactStore
from src.cache import ExtractionCache
from src.command_line import parser, run, settings
from src.config import Paths
from src.errors import EXIT_FINE

GENERATED = {".csv", ".json", ".html"}  # of streamlit_app/rapport


def main(argv: list[str] | None = None) -> int:
    """Delete and say what was freed; return the exit code."""
    options = parser(__doc__)
    options.add_argument("--all", action="store_true", help="what the stages wrote, too")
    options.add_argument(
        "--yes", action="store_true", help="with --all: the served run and the one before"
    )
    options.add_argument("--dry-run", action="store_true", help="only say what would go")
    return run(_delete, options, argv, kept="what is not deleted yet is as it was")


def _delete(args: argparse.Namespace) -> int:
    paths = settings(args).paths
    with ArtifactStore(paths).writing():  # never under a running training
        _clear(paths, everything=args.all, models=args.yes, dry_run=args.dry_run)
    if args.all and not args.yes:
        print(
            f"kept: {paths.artifacts_dir} (served run and the one before; --yes deletes them too)"
        )
    return EXIT_FINE


def _clear(paths: Paths, *, everything: bool, models: bool, dry_run: bool) -> None:
    cache = ExtractionCache(paths.cache_dir)
    for namespace, size in cache.namespaces():
        print(f"  {namespace:<44} {size / 1e6:>9.1f} MB")
    verb = "would delete" if dry_run else "deleted"
    print(f"{verb} the namespaces above in {paths.cache_dir}")
    if not dry_run:
        cache.purge()
    for path in _to_delete(paths, everything=everything, models=models):
        print(f"{verb} {path} ({_size(path) / 1e6:.1f} MB)")
        if not dry_run:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    if everything and not models:
        _discard_candidate(paths, verb, dry_run=dry_run)


def _to_delete(paths: Paths, *, everything: bool, models: bool) -> list[Path]:
    folders = [paths.networks_dir]
    if everything:
        kept = ArtifactStore(paths).feedback  # what people said can't be made again
        results = [p for p in sorted(paths.results_dir.glob("*")) if p != kept]
        folders += results if kept.exists() else [paths.results_dir]
        folders += [paths.models_dir, paths.reports_dir]
        # The app's own modules lie there too.
        folders += [p for p in sorted(paths.rapport_dir.glob("*")) if p.suffix in GENERATED]
    if everything and models:
        folders.append(paths.artifacts_dir)
    return [folder for folder in folders if folder.exists()]


def _discard_candidate(paths: Paths, verb: str, *, dry_run: bool) -> None:
    candidate = runs.find(paths, "candidate")
    if candidate is not None:
        size = _size(candidate)
        print(f"{verb} {candidate}, which was not promoted ({size / 1e6:.1f} MB)")
        if not dry_run:
            runs.discard_candidate(paths)


def _size(place: Path) -> int:
    files = place.rglob("*") if place.is_dir() else [place]
    return sum(path.stat().st_size for path in files if path.is_file() and not path.is_symlink())


if __name__ == "__main__":
    sys.exit(main())
