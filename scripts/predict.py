"""Predict: the likeliest classes of the products in a CSV, as a CSV."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

from src.command_line import parser, run, settings
from src.errors import EXIT_FINE, FileFault, ProjectError, UsageError
from src.files import write_atomically
from src.i18n import LANGUAGES

if TYPE_CHECKING:
    from src.data.readers import ProductReader
    from src.serving.predictor import Predictor

HELP_COMMAND = "python scripts/predict.py --help"


def main(argv: list[str] | None = None) -> int:
    """Parse, predict, write; return the exit code."""
    return run(_work, _parser(), argv, kept="an output file was left as it was before")


def _work(args: argparse.Namespace) -> int:
    try:
        return _predict(args)
    except ProjectError as e:
        e.next_command = e.next_command or HELP_COMMAND
        raise


def _parser() -> argparse.ArgumentParser:
    options = parser(__doc__, verbose="show timers and shapes")
    options.add_argument(
        "file",
        metavar="FILE.csv",
        help="a column designation, and description, productid, imageid where known; - is stdin",
    )
    options.add_argument(
        "--images", type=Path, metavar="DIR", help="pictures image_IMAGEID_product_PRODUCTID.jpg"
    )
    options.add_argument("--top-k", type=int, default=3, metavar="K", help="candidates a product")
    options.add_argument("--out", type=Path, metavar="F", help="where to write; default: stdout")
    options.add_argument("--language", choices=LANGUAGES, default="en", help="of the labels")
    return options


def _predict(args: argparse.Namespace) -> int:
    if args.top_k < 1:
        problem = f"--top-k {args.top_k}: expected 1 or more"
        raise UsageError(problem, next_command=HELP_COMMAND)
    if args.images is not None and not args.images.is_dir():
        raise UsageError(f"--images {args.images}: no such folder", next_command=HELP_COMMAND)
    cfg = settings(args)
    from src.data.readers import ProductReader
    from src.serving.predictor import load_predictor

    with _opened(args.file) as stream:
        name = "stdin" if args.file == "-" else Path(args.file).resolve()
        reader = ProductReader(stream, name, [args.images] if args.images else [])
        predictor = load_predictor(cfg.paths)
        with _output(args.out) as out:
            n, n_review = _write(reader, predictor, out, args)
    where, served = args.out or "stdout", predictor.pipeline
    synthetic = ", SYNTHETIC: trained on the demo shop" if served.synthetic else ""
    sys.stderr.write(
        f"{n:,} products, {n_review:,} to review (probability under {served.threshold:.3f})"
        f" -> {where}\nrun {served.run_id}, {served.kind}{synthetic}\n"
    )
    return EXIT_FINE


@contextlib.contextmanager
def _opened(file: str) -> Iterator[IO[bytes]]:
    from src.data.readers import open_binary

    if file == "-":
        yield sys.stdin.buffer
        return
    with open_binary(Path(file)) as stream:
        yield stream


@contextlib.contextmanager
def _output(path: Path | None) -> Iterator[IO[str]]:
    """Open the output; a file takes its name only when it is whole."""
    if path is None:
        yield sys.stdout
        return
    if not path.parent.is_dir():
        raise FileFault.of(path, f"can't be written: {path.parent} is no folder")
    try:
        with write_atomically(path, newline="") as out:
            yield out
    except OSError as e:
        raise FileFault.of(path, f"can't be written ({e})", next_command="df -h .") from e


def _write(
    reader: ProductReader, predictor: Predictor, out: IO[str], args: argparse.Namespace
) -> tuple[int, int]:
    """Write the answers; return the number of products and of those to review."""
    from tqdm import tqdm

    from src.serving.answers import answers_header, answers_rows

    top_k = min(args.top_k, len(predictor.pipeline.model.classes_))
    out.write(answers_header(reader.header, top_k))
    n = n_review = 0
    with tqdm(unit=" products", disable=not sys.stderr.isatty(), leave=False) as bar:
        for chunk in reader.chunks(200 if args.images else 4_000):
            answers = predictor.predict(chunk, top_k=top_k, language=args.language)
            out.write(answers_rows(reader.header, chunk["cells"], answers))
            n += len(answers)
            n_review += sum(answer.needs_review for answer in answers)
            bar.update(len(answers))
    return n, n_review


if __name__ == "__main__":
    sys.exit(main())
