"""Predict: the likeliest classes of the products in a CSV, as a CSV."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from src.command_line import parser, run, settings
from src.errors import EXIT_FINE, FileFault, UsageError
from src.labels import LANGUAGES

if TYPE_CHECKING:
    from src.serving.csv_products import ProductReader
    from src.serving.predictor import Predictor

HELP_COMMAND = "python scripts/predict.py --help"


def main(argv: list[str] | None = None) -> int:
    """Parse, predict, write; return the exit code."""
    return run(_predict, _parser(), argv, kept="an output file was left as it was before")


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
    with _opened(args.file) as stream:
        from src.serving.csv_products import ProductReader
        from src.serving.predictor import load_predictor

        name = "stdin" if args.file == "-" else str(Path(args.file).resolve())
        reader = ProductReader(stream, name, args.images)
        predictor = load_predictor(cfg.paths)
        top_k = min(args.top_k, len(predictor.classes))
        with _output(args.out) as out:
            n, n_review = _write(reader, predictor, out, top_k, args.language)
    where = args.out or "stdout"
    synthetic = ", SYNTHETIC: trained on the demo shop" if predictor.synthetic else ""
    sys.stderr.write(
        f"{n:,} products, {n_review:,} to review (probability under {predictor.threshold:.3f})"
        f" -> {where}\nrun {predictor.run_id}, {predictor.kind}{synthetic}\n"
    )
    return EXIT_FINE


@contextlib.contextmanager
def _opened(file: str) -> Iterator[TextIO]:
    if file == "-":
        sys.stdin.reconfigure(encoding="utf-8", newline="")  # type: ignore[union-attr]
        yield sys.stdin
        return
    try:
        stream = Path(file).open(encoding="utf-8", newline="")  # noqa: SIM115  entered below
    except (OSError, ValueError) as e:
        problem = "no such file" if isinstance(e, FileNotFoundError) else str(e)
        raise FileFault(f"{file}: {problem}", next_command=HELP_COMMAND) from e
    with stream:
        yield stream


@contextlib.contextmanager
def _output(path: Path | None) -> Iterator[TextIO]:
    """Open the output; a file takes its name only when it is whole."""
    if path is None:
        yield sys.stdout
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8", newline="") as out:
            yield out
        temporary.replace(path)
    except OSError as e:
        raise FileFault(f"{path}: can't be written ({e})", next_command="df -h .") from e
    finally:
        temporary.unlink(missing_ok=True)


def _write(
    reader: ProductReader, predictor: Predictor, out: TextIO, top_k: int, language: str
) -> tuple[int, int]:
    """Write the answers; return the number of products and of those to review."""
    from tqdm import tqdm

    from src.serving.csv_products import answer_header, answer_row, to_csv

    out.write(to_csv([answer_header(reader.kept_columns, top_k)]))
    n = n_review = 0
    with tqdm(unit=" products", disable=not sys.stderr.isatty(), leave=False) as bar:
        for chunk in reader.chunks(rows=4_000 if reader.images is None else 200):
            answers = predictor.predict(chunk.products, top_k=top_k, language=language)
            rows = map(answer_row, chunk.kept, answers)
            out.write(to_csv(list(rows)))
            n += len(answers)
            n_review += sum(answer.needs_review for answer in answers)
            bar.update(len(answers))
    return n, n_review


if __name__ == "__main__":
    sys.exit(main())
