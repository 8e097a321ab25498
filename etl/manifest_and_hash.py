"""Check and hash the three files, list the images: snapshot.json and images_manifest.json.

``snapshot.json`` identifies what was loaded: the combined SHA256 of the files, the hash, size and
rows of each, and whether it is official or a demo shop. It is left alone while it still says the
truth, so that its time is that of the first sight of these files. The image manifest is written
where there are images. A file fault ends with exit status 2 before the database is touched.
"""

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from src.command_line import parser, run, settings
from src.config import Config
from src.data import csv_files
from src.errors import EXIT_FINE, DataError
from src.files import is_url, write_atomically
from src.labels import load_labels

SNAPSHOT_NAME = "snapshot.json"


def write_snapshot(cfg: Config) -> dict[str, Any]:
    """Check and hash the files of the import folder and write ``snapshot.json``.

    It holds data_hash, source, files (name to sha256, bytes, rows) and created_at (UTC, ISO 8601).
    """
    seen = csv_files.take_snapshot(cfg.paths.import_dir)
    path = cfg.paths.workspace / SNAPSHOT_NAME
    before = read_snapshot(path)
    if {**before, **seen} == before and "created_at" in before:
        return before
    snapshot = {**seen, "created_at": datetime.now(timezone.utc).isoformat(timespec="seconds")}
    with write_atomically(path) as file:
        file.write(json.dumps(snapshot, indent=1) + "\n")
    return snapshot


def read_snapshot(path: Path) -> dict[str, Any]:
    """Return what a snapshot file says; nothing where it is missing or torn."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def write_image_manifest(cfg: Config) -> str:
    """Write ``images_manifest.json``, or remove it where no folder is; return a line to print."""
    from src.data import images

    folders = {"train": cfg.images.train_dir, "test": cfg.images.test_dir}
    path = cfg.paths.workspace / images.MANIFEST_NAME
    if not any(is_url(folder) or Path(folder).is_dir() for folder in folders.values()):
        path.unlink(missing_ok=True)
        return f"no images: neither {folders['train']} nor {folders['test']} exists"
    progress = _show_progress if sys.stderr.isatty() else None
    entries = images.scan_images(folders, cfg.paths.workspace, images.read_manifest(path), progress)
    images.write_manifest(path, entries)
    faults = sum(entry.fault is not None for entry in entries)
    copies = sum(entry.same_as not in (None, entry.path) for entry in entries)
    damaged = sum(entry.damaged for entry in entries)
    return (
        f"{len(entries)} images, {faults} of them unreadable, {damaged} damaged and used,"
        f" {copies} repeat another"
    )


def _show_progress(done: int) -> None:
    sys.stderr.write(f"\r  {done} images")


def settings_lines(cfg: Config) -> list[str]:
    """Return what ``init.sh`` needs of the configuration, one value a line."""
    codes = load_labels(cfg.paths.labels_map).codes
    return [
        str(cfg.paths.workspace),
        str(cfg.paths.import_dir),
        str(cfg.paths.results_dir),
        str(cfg.validation.max_reject_rate),
        ",".join(map(str, codes)),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status."""
    options = parser(__doc__)
    options.add_argument(
        "--settings", action="store_true", help="only print the settings that init.sh needs"
    )
    return run(_write, options, arguments, kept=None)


def _write(args: argparse.Namespace) -> int:
    cfg = settings(args)
    try:
        if args.settings:
            sys.stdout.write("\n".join(settings_lines(cfg)) + "\n")
            return EXIT_FINE
        snapshot = write_snapshot(cfg)
        sizes = ", ".join(f"{file['rows']} rows in {n}" for n, file in snapshot["files"].items())
        sys.stdout.write(f"{snapshot['source']} data {snapshot['data_hash'][:12]}: {sizes}\n")
        sys.stdout.write(write_image_manifest(cfg) + "\n")
    except OSError as e:
        folder = Path(e.filename or ".").parent
        problem = f"{e}: the images can't be listed"
        raise DataError(problem, next_command=f"ls -ld {shlex.quote(str(folder))}") from e
    return EXIT_FINE


if __name__ == "__main__":
    raise SystemExit(main())
