"""Writes the planned pictures, in parallel; every picture has its own seed, so order is free."""

import multiprocessing
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import cv2
from tqdm import tqdm

from src.data.csv_files import SYNTHETIC_MARKER
from tools.demo_shop.draws import stable_seed
from tools.demo_shop.picture import (
    draw_picture,
    encoded,
    perturbed,
    placeholder,
    to_size,
)
from tools.demo_shop.picture_plan import PictureTask

_CHUNK = 32
_PLACEHOLDER_KINDS = 3
_NOT_A_PICTURE = b"<html><body>404 Not Found</body></html>\n"


def picture_bytes(task: PictureTask) -> bytes:
    """Return what a picture file holds.

    Parameters
    ----------
    task : PictureTask
        Its plan; not one whose file is missing.

    Returns
    -------
    bytes
        A JPEG, or what is left of one.
    """
    if task.fault == "empty":
        return b""
    if task.fault == "text":
        return _NOT_A_PICTURE
    if task.fault == "placeholder":
        return encoded(placeholder(stable_seed("placeholder", task.seed % _PLACEHOLDER_KINDS)), 85)
    image, target_kb = draw_picture(task.source_seed, task.code, task.picture, task.title)
    grainy, quality = to_size(task.source_seed, image, target_kb)
    if task.copied:
        grainy = perturbed(task.seed, grainy)
        quality -= task.seed % 5
    data = encoded(grainy, quality)
    return data[: len(data) // 3] if task.fault == "truncated" else data


def _write(job: tuple[Path, PictureTask]) -> int:
    folder, task = job
    if task.fault == "missing":
        return 0
    return (folder / task.file).write_bytes(picture_bytes(task))


def _one_thread() -> None:
    cv2.setNumThreads(1)


def _results(jobs: Sequence[tuple[Path, PictureTask]], workers: int) -> Iterator[int]:
    if workers == 1 or len(jobs) < 2 * _CHUNK:
        yield from map(_write, jobs)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_one_thread) as pool:
        yield from pool.map(_write, jobs, chunksize=_CHUNK)


def _cleared(folder: Path) -> None:
    """Make the folders, mark them as a demo shop's, and remove the pictures of an earlier one."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SYNTHETIC_MARKER).write_text(
        "Pictures drawn by tools/make_demo_data.py.\n", encoding="utf-8"
    )
    for split in ("train", "test"):
        place = folder / "images" / f"image_{split}"
        place.mkdir(parents=True, exist_ok=True)
        for stale in place.glob("image_*.jpg"):
            stale.unlink()


def write_pictures(tasks: Sequence[PictureTask], folder: Path, workers: int = 0) -> int:
    """Draw and write the planned pictures.

    Parameters
    ----------
    tasks : sequence of PictureTask
        The plan.
    folder : Path
        Gets ``images/image_train`` and ``images/image_test``, emptied of an earlier shop's
        pictures, and the marker. The caller has made sure that nothing official lies there.
    workers : int
        Processes; 0 for one a core.

    Returns
    -------
    int
        Bytes written.
    """
    _cleared(folder)
    jobs = [(folder, task) for task in tasks]
    results = _results(jobs, workers or os.cpu_count() or 1)
    bar = tqdm(results, total=len(jobs), desc="pictures", disable=not sys.stderr.isatty())
    return sum(bar)
