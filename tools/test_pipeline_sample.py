"""Runs the five stages on a stratified sample, with the timers shown.

    python tools/test_pipeline_sample.py --sample-size 2000 --profile-features

Everything is written to a folder of its own, which is deleted at the end: the models of the last
real run stay as they are. The score says little; the seconds and shapes say where time goes.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from src.command_line import parser, run, settings
from src.config import Config
from src.errors import EXIT_FINE
from src.labels import load_labels
from src.log import set_up_logging

OUTPUTS = (
    "artifacts_dir",
    "results_dir",
    "models_dir",
    "reports_dir",
    "rapport_dir",
    "demo_dir",
    "demo_images_dir",
)


def main(argv: list[str] | None = None) -> int:
    """Run the sample; return the exit code."""
    options = parser(__doc__, source=True)
    options.add_argument("--sample-size", type=int, default=2000, metavar="N", help="rows (2000)")
    options.add_argument(
        "--profile-features",
        action="store_true",
        help="extract anew and show seconds, rows/s, shape, density and MB of every branch",
    )
    options.add_argument("--with-cv", action="store_true", help="cross-validate the sample too")
    return run(_try, options, argv, kept="nothing was kept")


def _try(args: argparse.Namespace) -> int:
    set_up_logging(verbose=args.profile_features)
    with tempfile.TemporaryDirectory(prefix="sample-") as folder:
        _run_sample(args, Path(folder))
    return EXIT_FINE


def _run_sample(args: argparse.Namespace, folder: Path) -> None:
    cfg = _configure(args, folder)
    labels = load_labels(cfg.paths.labels_map, cfg.paths.theme_map)
    from src.pipeline_steps.runner import Options, run_pipeline

    options = Options(register=False, cv=args.with_cv)
    _, evaluated = run_pipeline(cfg, labels, options)
    held, outside = evaluated.scored[:2]
    rows = len(held.predictions)
    print(f"weighted F1 {held.scores['f1_weighted']:.3f} on {rows} held-out rows of the sample")
    if args.with_cv:
        score, rows = outside.scores["f1_weighted"], len(outside.predictions)
        print(f"weighted F1 {score:.3f} on {rows} rows, each left out of a fold")


def _configure(args: argparse.Namespace, folder: Path) -> Config:
    places = [f"paths.{name}={folder / name}" for name in OUTPUTS]
    if args.profile_features:  # a warm cache would hide what extraction costs
        places.append(f"paths.cache_dir={folder / 'cache'}")
    return settings(args, *places, f"debug.sample_rows={args.sample_size}")


if __name__ == "__main__":
    sys.exit(main())
