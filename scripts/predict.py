"""Predict: the likeliest classes of the products in a table, as a CSV.

Exit status: 0 fine, 1 images were given and none belongs to a product, 2 wrong use or input.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from src.command_line import parser, run, settings
from src.config_model import KINDS
from src.errors import EXIT_FINDINGS, EXIT_FINE, FileFault, UsageError
from src.files import write_atomically
from src.i18n import LANGUAGES

if TYPE_CHECKING:
    import pandas as pd

    from src.data.readers import ProductReader
    from src.pipelines.product_model import FullPipeline
    from src.serving.predictor import Prediction, Predictor


def main(argv: list[str] | None = None) -> int:
    """Parse, predict, write; return the exit code."""
    return run(_predict, _parser(), argv, kept="an output file was left as it was before")


def _parser() -> argparse.ArgumentParser:
    options = parser(__doc__, verbose="show timers and shapes")
    options.add_argument(
        "file",
        metavar="FILE",
        help="a table (CSV, .xlsx, .parquet, .gz) with a column designation, and description, "
        "image, productid, imageid where known; - is stdin",
    )
    options.add_argument(
        "--images",
        type=Path,
        metavar="DIR|ZIP",
        help="images under the names of the column image, of an id, or the official ones",
    )
    options.add_argument("--top-k", type=int, default=3, metavar="K", help="candidates a product")
    options.add_argument("--out", type=Path, metavar="F", help="where to write; default: stdout")
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
    if args.images is not None and not args.images.exists():
        raise UsageError(f"--images {args.images}: no such folder")
    cfg = settings(args)
    from src.cluster import connected
    from src.data.readers import ProductReader
    from src.serving.predictor import load_predictor

    with _opened(args.file) as stream, _images(args.images) as places:
        name = "stdin" if args.file == "-" else Path(args.file).resolve()
        reader = ProductReader(stream, name, **places)
        predictor = load_predictor(cfg.paths, args.kind)
        args.top_k = min(args.top_k, len(predictor.pipeline.model.classes_))
        cluster = connected(cfg.compute.backend, cfg.compute.scheduler)
        with cluster, _output(args.out) as out:
            n_review = _write(reader, predictor, out, args)
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


@contextlib.contextmanager
def _images(place: Path | None) -> Iterator[dict[str, Any]]:
    """Return where `ProductReader` looks for images; those of a zip are unpacked meanwhile."""
    if place is None or place.is_dir():
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
def _output(path: Path | None) -> Iterator[IO[str]]:
    """Open the output; a file takes its name only when it is whole."""
    if path is None:
        yield sys.stdout
        sys.stdout.flush()  # before it is said that all was written
        return
    if not path.parent.is_dir():
        raise FileFault.of(path, f"can't be written: {path.parent} is no folder")
    with write_atomically(path, newline="") as out:
        yield out


def _write(
    reader: ProductReader, predictor: Predictor, out: IO[str], args: argparse.Namespace
) -> int:
    """Write the answers; return the number of products to review."""
    from tqdm import tqdm

    from src.cluster import run_tasks
    from src.serving.answers import answers_header, answers_rows, explanation, similar_products
    from src.serving.predictor import Product

    labels, numbers, n_review = predictor.pipeline.labels, itertools.count(1), 0
    out.write(answers_header(reader.header, args.top_k, args.format))
    with tqdm(unit=" products", disable=not sys.stderr.isatty(), leave=False) as bar:
        chunks, asked = itertools.tee(reader.chunks(200 if args.images or args.explain else 4_000))
        tasks = ((chunk.drop(columns="cells"), args.top_k, args.language) for chunk in asked)
        answered = run_tasks(_answer, tasks, shared=[predictor.pipeline])
        for answers, chunk in zip(answered, chunks, strict=True):
            options = (args.top_k, labels, args.language, args.format)
            out.write(answers_rows(chunk["cells"], answers, *options))
            texts = chunk[["designation", "description", "image"]].to_numpy().tolist()
            for (title, text, image), answer, number in zip(texts, answers, numbers, strict=False):
                if args.explain and answer.code is not None:
                    product = Product(title, text, Path(image) if image else None)
                    found, png = explanation(predictor, product, answer.code, args.language)
                    found |= similar_products(predictor, product, args.language)
                    _save_explanation(found, png, args.explain / f"{number:06d}.json")
            n_review += sum(answer.needs_review for answer in answers)
            bar.update(len(answers))
    return n_review


def _answer(
    pipeline: FullPipeline, products: pd.DataFrame, top_k: int, language: str
) -> list[Prediction]:
    from src.serving.predictor import Predictor

    return Predictor(pipeline).predict(products, top_k=top_k, language=language)


def _save_explanation(found: dict[str, Any], png: bytes | None, target: Path) -> None:
    with write_atomically(target) as file:
        json.dump(found, file, ensure_ascii=False, indent=1)
    if png is not None:
        with write_atomically(target.with_suffix(".png"), "wb") as file:
            file.write(png)


if __name__ == "__main__":
    sys.exit(main())
