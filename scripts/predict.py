"""Predict: the likeliest classes of the products in a table, as a CSV or a folder of Parquet.

Every core of this machine: --set compute.backend=dask.

Exit status: 0 fine, 1 images were given and none belongs to a product, 2 wrong use or input.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from src.command_line import parser, run, settings
from src.config_model import KINDS
from src.errors import EXIT_FINDINGS, EXIT_FINE, FileFault, UsageError
from src.files import SUFFIX, place_of, unwritable, write_atomically
from src.i18n import LANGUAGES

if TYPE_CHECKING:
    import pandas as pd

    from src.data.readers import ProductReader
    from src.pipelines.product_model import FullPipeline
    from src.serving.predictor import Predictor

PARQUET = "parquet"
_PART = re.compile(r"part-[0-9]+\.parquet")


def main(argv: list[str] | None = None) -> int:
    """Parse, predict, write; return the exit code."""
    return run(_predict, _parser(), argv, kept="an output file was left as it was before")


def _parser() -> argparse.ArgumentParser:
    options = parser(__doc__, verbose="show timers and shapes")
    options.add_argument(
        "file",
        metavar="FILE",
        help="a table (CSV, .xlsx, .parquet, .gz) with a column designation, and description, "
        "image, productid, imageid where known, or a folder of its parts; - is stdin",
    )
    options.add_argument(
        "--images",
        type=place_of,
        metavar="DIR|ZIP|URL",
        help="images under the names of the column image, of an id, or the official ones",
    )
    options.add_argument("--top-k", type=int, default=3, metavar="K", help="candidates a product")
    options.add_argument(
        "--out",
        metavar="F",
        help="where to write; DIR/ or F.parquet is a folder of Parquet files, of some thousand "
        "products each; default: stdout",
    )
    options.add_argument("--language", choices=LANGUAGES, default="en", help="of the labels")
    options.add_argument(
        "--format", choices=("csv", "excel"), default="csv", help="excel: semicolons and a BOM"
    )
    options.add_argument("--kind", choices=KINDS, help="another kind of model than the served one")
    options.add_argument(
        "--explain", type=Path, metavar="DIR", help="write why, DIR/000001.json and .png a product"
    )
    return options


def _predict(args: argparse.Namespace) -> int:
    if args.top_k < 1:
        raise UsageError(f"--top-k {args.top_k}: expected 1 or more")
    if isinstance(args.images, Path) and not args.images.exists():
        raise UsageError(f"--images {args.images}: no such folder")
    cfg = settings(args)
    from src.cluster import connected
    from src.data.readers import ProductReader
    from src.serving.predictor import load_predictor

    if args.out and (args.out.endswith(("/", ".parquet")) or Path(args.out).is_dir()):
        args.format = PARQUET
        for given in filter(None, (args.file, args.explain)):
            if Path(given).resolve().is_relative_to(Path(args.out).resolve()):
                raise UsageError(f"--out {args.out}: is replaced; expected no {given} in it")
    file, *more = _parts(args.file)
    with _opened(file) as stream, _images(args.images) as places:
        name = "stdin" if file == "-" else Path(file).resolve()
        reader = ProductReader(stream, name, more=[Path(part) for part in more], **places)
        if args.format == PARQUET and len({*reader.header}) < len(reader.header):
            raise FileFault.of(name, "two columns have one name, which Parquet does not take")
        predictor = load_predictor(cfg.paths, args.kind)
        args.top_k = min(args.top_k, len(predictor.pipeline.model.classes_))
        cluster = connected(cfg.compute.backend, cfg.compute.scheduler)
        # The cluster inside: its own errors are no fault of the file that is being written.
        with _output(args.out, args.format) as put, cluster:
            n_review = _write(reader, predictor, put, args)
    where, served = args.out or "stdout", predictor.pipeline
    synthetic = ", SYNTHETIC: trained on the demo shop" if served.synthetic else ""
    talk = [reader.assumed("en"), reader.images_line("en"), _renamed(reader.header, args.top_k)]
    talk += [
        f"{reader.rows:,} products, {n_review:,} to review (probability under "
        f"{served.threshold:.3f}, or review_reason) -> {where}",
        f"run {served.run_id}, {served.kind}{synthetic}",
    ]
    sys.stderr.write("".join(f"{line}\n" for line in talk if line))
    return EXIT_FINDINGS if reader.none_matched else EXIT_FINE


def _parts(file: str) -> list[str]:
    """Return the files of a folder of parts of a table; the file itself where it is one."""
    if not Path(file).is_dir():
        return [file]
    found = sorted(p for p in Path(file).iterdir() if p.is_file() and p.name[0] not in "._")
    if not found:
        raise FileFault.of(Path(file).resolve(), "expected parts of a table, found no file")
    return [str(path) for path in found]


@contextlib.contextmanager
def _images(place: Path | str | None) -> Iterator[dict[str, Any]]:
    """Return where `ProductReader` looks for images; those of a zip are unpacked meanwhile."""
    if not isinstance(place, Path) or place.is_dir():
        yield {"folders": [place] if place else []}
        return
    from src.serving.uploads import unpack_images

    with _opened(str(place)) as stream, tempfile.TemporaryDirectory() as folder:
        files, skipped = unpack_images(stream.read(), Path(folder))
        if skipped:
            sys.stderr.write(f"{place}: {skipped:,} files are no images or can't be read\n")
        yield {"images": files}


def _renamed(columns: Sequence[str], top_k: int) -> str:
    """Say which of the input's columns come back under another name."""
    from src.serving.answers import own_columns

    names = zip(columns, own_columns(columns, top_k), strict=True)
    renamed = ", ".join(f"{old} -> {new}" for old, new in names if old != new)
    return f"columns of the input that are named as ours: {renamed}" if renamed else ""


@contextlib.contextmanager
def _opened(file: str) -> Iterator[IO[bytes]]:
    from src.data.readers import open_binary

    if file == "-":
        if sys.stdin is None:
            raise UsageError("stdin is closed: expected a table")
        yield sys.stdin.buffer
        return
    with open_binary(Path(file)) as stream:
        yield stream


@contextlib.contextmanager
def _output(name: str | None, form: str) -> Iterator[Callable[[Any], object]]:
    """Return what writes a piece of the output; this takes its name only when it is whole."""
    if name is None:
        yield sys.stdout.write
        sys.stdout.flush()  # before it is said that all was written
        return
    path = Path(os.path.realpath(name) if form == PARQUET else name)
    if not path.parent.is_dir():
        raise FileFault.of(path, f"can't be written: {path.parent} is no folder")
    if form == PARQUET:
        with _folder_of_parts(path) as put:
            yield put
    else:
        with write_atomically(path, newline="") as out:
            yield out.write


@contextlib.contextmanager
def _folder_of_parts(path: Path) -> Iterator[Callable[[bytes], None]]:
    """Return what writes the next part; those that were in the folder before go at the end."""
    _check_replaceable(path)
    try:
        with tempfile.TemporaryDirectory(SUFFIX, ".", path.parent) as folder:
            new, numbers = Path(folder, "new"), itertools.count()
            new.mkdir()

            def put(content: bytes) -> None:
                with write_atomically(new / f"part-{next(numbers):05d}.parquet", "wb") as part:
                    part.write(content)

            yield put
            _check_replaceable(path)
            if path.exists():
                path.rename(Path(folder, "before"))
            new.rename(path)
    except OSError as e:
        raise unwritable(path, e) from e


def _check_replaceable(path: Path) -> None:
    """Refuse a folder of answers with anything else in it, and one that has a disk of its own."""
    if path.exists() and not (
        path.is_dir() and all(_PART.fullmatch(p.name) and p.is_file() for p in path.iterdir())
    ):
        raise FileFault.of(path, "can't be written: something else than parts of answers is there")
    if path.is_mount():
        raise FileFault.of(path, "can't be replaced: a disk is mounted here; name a folder below")


def _write(
    reader: ProductReader,
    predictor: Predictor,
    put: Callable[[Any], object],
    args: argparse.Namespace,
) -> int:
    """Write the answers; return the number of products to review."""
    from tqdm import tqdm

    from src.cluster import run_tasks
    from src.serving.answers import answers_header, explanation, similar_products
    from src.serving.predictor import Product

    numbers, n_review = itertools.count(1), 0
    options = (reader.header, args.top_k, args.language, args.format)
    if args.format != PARQUET:
        put(answers_header(reader.header, args.top_k, args.format))
    with tqdm(unit=" products", disable=not sys.stderr.isatty(), leave=False) as bar:
        chunks, asked = itertools.tee(reader.chunks(200 if args.images or args.explain else 4_000))
        tasks = ((chunk,) for chunk in asked)
        answered = run_tasks(_answer, tasks, shared=[predictor.pipeline, *options])
        for (content, codes, to_review), chunk in zip(answered, chunks, strict=True):
            put(content)
            texts = chunk[["designation", "description", "image"]].to_numpy().tolist()
            for (title, text, image), code, number in zip(texts, codes, numbers, strict=False):
                if args.explain and code is not None:
                    product = Product(title, text, place_of(image) if image else None)
                    found, png = explanation(predictor, product, code, args.language)
                    found |= similar_products(predictor, product, args.language)
                    _save_explanation(found, png, args.explain / f"{number:06d}.json")
            n_review += to_review
            bar.update(len(codes))
    return n_review


def _answer(
    pipeline: FullPipeline,
    header: Sequence[str],
    top_k: int,
    language: str,
    form: str,
    products: pd.DataFrame,
) -> tuple[str | bytes, list[int | None], int]:
    """Return the answers as they are written, their codes, and how many are to review."""
    from src.serving.answers import answers_parquet, answers_rows
    from src.serving.predictor import Predictor

    answers = Predictor(pipeline).predict(products, top_k=top_k, language=language)
    given = (products["cells"], answers, top_k, pipeline.labels, language)
    content = answers_parquet(header, *given) if form == PARQUET else answers_rows(*given, form)
    return content, [a.code for a in answers], sum(a.needs_review for a in answers)


def _save_explanation(found: dict[str, Any], png: bytes | None, target: Path) -> None:
    with write_atomically(target) as file:
        json.dump(found, file, ensure_ascii=False, indent=1)
    if png is not None:
        with write_atomically(target.with_suffix(".png"), "wb") as file:
            file.write(png)


if __name__ == "__main__":
    sys.exit(main())
