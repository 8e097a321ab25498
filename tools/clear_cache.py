"""Deletes what can be made again: extracted features, and with --all what the stages wrote.

python tools/clear_cache.py              # the extraction cache and the exported networks
python tools/clear_cache.py --all        # comparisons, rejected rows, a run not promoted too
python tools/clear_cache.py --all --yes  # every promoted run and its results as well
python tools/clear_cache.py --all --dry-run
"""

import argparse
import shutil
import sys
from pathlib import Path

from src.artifacts import runs
from src.artifacts.names import find_run
from src.artifacts.store import ArtifactStore
from src.cache import ExtractionCache
from src.command_line import parser, run, settings
from src.config import Paths
from src.errors import EXIT_FINE


def main(argv: list[str] | None = None) -> int:
    """Delete and say what was freed; return the exit code."""
    options = parser(__doc__)
    options.add_argument("--all", action="store_true", help="what the stages wrote, too")
    options.add_argument(
        "--yes", action="store_true", help="with --all: every promoted run and its results"
    )
    options.add_argument("--dry-run", action="store_true", help="only say what would go")
    return run(_delete, options, argv, kept="what is not deleted yet is as it was")


def _delete(args: argparse.Namespace) -> int:
    paths = settings(args).paths
    with ArtifactStore(paths).writing():  # never under a running training
        _clear(paths, everything=args.all, models=args.yes, dry_run=args.dry_run)
    if args.all and not args.yes:
        print(
            f"kept: {paths.artifacts_dir} (promoted runs and their results; --yes deletes them too)"
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
    if everything and models and not dry_run:
        for link in runs.linked_names(paths):
            link.unlink()
    for path in _to_delete(paths, everything=everything, models=models):
        print(f"{verb} {path} ({_size(path) / 1e6:.1f} MB)")
        if not dry_run:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    if everything and not models:
        _discard_candidate(paths, verb, dry_run=dry_run)


def _to_delete(paths: Paths, *, everything: bool, models: bool) -> list[Path]:
    folders = [paths.networks_dir]
    if everything:  # neither what people said nor drift reports can be made again
        folders += [paths.models_dir, paths.results_dir / "benchmark.json"]
        folders += [ArtifactStore(paths).rejects]
    if everything and models:
        folders.append(paths.artifacts_dir)
    return [folder for folder in folders if folder.exists()]


def _discard_candidate(paths: Paths, verb: str, *, dry_run: bool) -> None:
    candidate = find_run(paths, "candidate")
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
