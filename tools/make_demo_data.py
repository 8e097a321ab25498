"""Draws a demo shop in the challenge's format, for machines without the official data.

    python tools/make_demo_data.py --rows 20000 --images 3000 --seed 1 --out import

The files are those that ``init.sh`` loads; a SYNTHETIC marker lies beside them.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from src.command_line import parser, run
from src.data.csv_files import FILES, SYNTHETIC_MARKER, drawn_hashes
from src.errors import EXIT_FINE, UsageError
from src.files import sha256

if TYPE_CHECKING:
    from tools.demo_shop.picture_plan import PictureTask

_ELSEWHERE = "python tools/make_demo_data.py --rows 3000 --out data/demo/import"


def _parser() -> argparse.ArgumentParser:
    options = parser(__doc__, config=False)
    options.add_argument("--rows", type=int, default=20_000, help="labelled products (20000)")
    options.add_argument("--images", type=int, default=0, help="products with an image (0)")
    options.add_argument("--seed", type=int, default=0, help="same seed, same bytes (0)")
    options.add_argument("--out", type=Path, default=Path("import"), help="folder of the CSV files")
    options.add_argument(
        "--images-out", type=Path, help="folder of images/ (data/images beside the --out folder)"
    )
    options.add_argument("--jobs", type=int, default=0, help="drawing processes (0: one a core)")
    options.add_argument(
        "--describe", action="store_true", help="print the shop's figures beside the real ones"
    )
    return options


def refuse_official(out: Path, images: Path) -> None:
    """Refuse a CSV of an official name that is not as the marker lists it, and unmarked images."""
    found = [name for name in FILES if (out / name).exists()]
    listed = drawn_hashes(out)
    foreign = [
        name
        for name in found
        if listed is None or (listed and listed.get(name) != sha256(out / name))
    ]
    if foreign:
        raise UsageError(
            f"{out} holds {', '.join(foreign)}, which no {SYNTHETIC_MARKER} marker lists: that may "
            "be the official catalogue, and a demo shop is never drawn over it; expected an empty"
            " folder",
            next_command=_ELSEWHERE,
        )
    image = next(images.glob("images/image_*/*.jpg"), None)
    if image is not None and not (images / SYNTHETIC_MARKER).exists():
        raise UsageError(
            f"{images} holds {image.name} and no {SYNTHETIC_MARKER} marker: those are the "
            "official images, and a demo shop is never drawn among them; expected an empty"
            " folder",
            next_command=_ELSEWHERE,
        )


def draw(args: argparse.Namespace) -> int:
    """Draw the shop that the arguments ask for; return the exit code."""
    if args.rows < 1 or args.images < 0 or args.seed < 0:
        raise UsageError(
            f"--rows {args.rows} --images {args.images} --seed {args.seed}: expected at least one "
            "row and no negative number",
            next_command=_ELSEWHERE,
        )
    folder = args.images_out or args.out.parent / "data" / "images"
    refuse_official(args.out, folder)
    from tools.demo_shop.catalogue import draw_catalogue, list_files, write_catalogue
    from tools.demo_shop.picture_files import write_pictures
    from tools.demo_shop.picture_plan import plan_pictures

    catalogue = draw_catalogue(args.rows, args.seed)
    write_catalogue(catalogue, args.out)
    print(f"{args.out}: {len(catalogue.train)} training and {len(catalogue.test)} test products")
    tasks = plan_pictures(catalogue, args.images)
    if tasks:
        written = write_pictures(tasks, folder, args.jobs)
        print(f"{folder}: {len(tasks)} images, {written / 1e6:.1f} MB")
    list_files(args.out)
    if args.describe:
        _describe(args.out, folder, tasks)
    return EXIT_FINE


def _describe(out: Path, folder: Path, tasks: Sequence[PictureTask]) -> None:
    from tools.demo_shop.describe import class_figures, image_figures, table, text_figures

    figures = text_figures(out) + class_figures(out)
    print(table(figures + (image_figures(out, folder, tasks) if tasks else [])))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tool; return its exit code."""
    return run(draw, _parser(), argv, kept="the shop is not complete, and may be drawn over")


if __name__ == "__main__":
    raise SystemExit(main())
