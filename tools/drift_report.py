"""Compares a lot of products with what the model learned from, and says what changed.

    python tools/drift_report.py BATCH.csv [--labels Y.csv] [--lot NAME] [--images DIR]
    python tools/drift_report.py --from-log --since 24h

Writes {date}_{lot}.json, .csv and .html where the app looks for them, and a row in
project.drift_reports; sends an alert where [monitoring.alert] says. Without --images nothing is
judged about images. Exit code: 0 fine, 1 alert (a service that answered nothing, too), 2 wrong
input.
"""

from __future__ import annotations

import argparse
import re
import sys
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.command_line import parser, run, settings
from src.config import Config
from src.errors import EXIT_FINDINGS, EXIT_FINE, DatabaseError, UsageError
from src.files import place_of

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from src.monitoring.reference import Reference
    from src.monitoring.signals import Signals
    from src.pipelines.product_model import FullPipeline

HELP = "python tools/drift_report.py --help"
_SINCE = re.compile(r"([0-9]{1,5})([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


def main(argv: list[str] | None = None) -> int:
    """Write the report of one lot; return the exit code."""
    return run(_run, _parser(), argv)


def _parser() -> argparse.ArgumentParser:
    options = parser(__doc__)
    options.add_argument("batch", nargs="?", type=Path, metavar="BATCH.csv", help="products")
    options.add_argument("--labels", type=Path, metavar="F", help="their codes, where known")
    options.add_argument("--lot", metavar="NAME", help="default: the file's name, or log")
    images = "their images; else not judged"
    options.add_argument("--images", type=place_of, metavar="DIR|URL", help=images)
    options.add_argument("--from-log", action="store_true", help="what the service answered")
    options.add_argument("--since", default="24h", metavar="24h", help="how far back: 90m, 24h, 7d")
    options.add_argument("--out", type=Path, metavar="DIR", help="default: paths.rapport_dir")
    return options


def _run(args: argparse.Namespace) -> int:
    if (args.batch is None) != args.from_log:
        raise UsageError("expected either BATCH.csv or --from-log", next_command=HELP)
    if args.from_log and args.labels:
        raise UsageError("--labels goes with BATCH.csv, not with --from-log", next_command=HELP)
    if isinstance(args.images, Path) and not args.images.is_dir():
        raise UsageError(f"--images {args.images}: no such folder", next_command=HELP)
    cfg = settings(args)
    if args.out:
        paths = cfg.paths.model_copy(update={"rapport_dir": args.out.resolve()})
        cfg = cfg.model_copy(update={"paths": paths})
    from src.artifacts.store import ArtifactStore
    from src.cluster import connected
    from src.monitoring.reference import from_json
    from src.monitoring.report.lot import compare_lot, record_report, report_lot, write_report
    from src.serving.predictor import load_predictor

    store = ArtifactStore(cfg.paths).pinned()
    if args.from_log:
        reference = from_json(store.load(store.reference_profile))
        signals, items = _from_log(_since(args.since), cfg, reference)
        if not len(signals):
            return _report_silence(cfg, reference.about.run_id, args.since)
        report = report_lot(
            cfg, store, reference, signals, items,
            name=args.lot or "log", source=f"log, last {args.since}",
        )  # fmt: skip
    else:
        pipeline = load_predictor(cfg.paths).pipeline
        with connected(cfg.compute.backend, cfg.compute.scheduler):
            report = compare_lot(
                cfg,
                store,
                pipeline,
                partial(_answer, pipeline),
                (args.batch, args.labels),
                name=args.lot or "",
                folders=[args.images] if args.images else [],
                say=partial(print, file=sys.stderr),
            )
    lines = [*_summary(report), str(write_report(cfg, store, report))]
    try:
        record_report(cfg, report)
    except DatabaseError as e:  # the files stand whatever the database says
        print(f"not recorded in the database: {e.message}", file=sys.stderr)
    verdict = "ALERT" if report["alert"] else "fine"
    about = f"{report['rows']:,} products, lot {report['name']}"
    print(f"{verdict}  {about}", *lines, sep="\n  ")
    if not report["alert"]:
        return EXIT_FINE
    _send(cfg, f"drift: {about}", lines, {key: report[key] for key in ("name", "date", "run_id")})
    return EXIT_FINDINGS


def _answer(
    pipeline: FullPipeline, products: pd.DataFrame
) -> tuple[None, pd.DataFrame, np.ndarray, None]:
    """Return product table and probabilities of n products, some thousand of them a task."""
    import numpy as np
    import pandas as pd

    from src.cluster import run_tasks
    from src.serving.predictor import CHUNK_ROWS

    starts = range(0, len(products), CHUNK_ROWS)
    chunks = ((products.iloc[start : start + CHUNK_ROWS],) for start in starts)
    tables, proba = zip(*run_tasks(_answer_chunk, chunks, shared=[pipeline]), strict=True)
    return None, pd.concat(tables, ignore_index=True), np.concatenate(proba), None


def _answer_chunk(
    pipeline: FullPipeline, products: pd.DataFrame
) -> tuple[pd.DataFrame, np.ndarray]:
    from src.serving.predictor import Predictor

    return Predictor(pipeline).answer(products)[1:3]


def _report_silence(cfg: Config, run_id: str, since: str) -> int:
    problem = f"the service fell silent: no answer of run {run_id} in the last {since}"
    print(f"ALERT  {problem}")
    _send(cfg, problem, ["tools/drift_report.py --from-log"], {"run_id": run_id})
    return EXIT_FINDINGS


def _send(cfg: Config, subject: str, lines: list[str], facts: dict[str, Any]) -> None:
    from src.data.database_url import read_settings
    from src.monitoring.alert import send_alert

    alert, settings = cfg.monitoring.alert, read_settings()
    for problem in send_alert(alert, settings, subject, "\n".join(lines), facts):
        print(f"warning: the alert was not sent: {problem}", file=sys.stderr)


def _since(text: str) -> datetime:
    """Return the time that is `text` (90m, 24h, 7d) ago."""
    match = _SINCE.fullmatch(text)
    if match is None:
        raise UsageError(f"--since {text}: expected a number and m, h or d", next_command=HELP)
    return datetime.now(timezone.utc) - timedelta(**{_UNITS[match[2]]: int(match[1])})


def _from_log(since: datetime, cfg: Config, reference: Reference) -> tuple[Signals, pd.DataFrame]:
    import pandas as pd

    from src.data import postgres
    from src.data.database_url import database_url
    from src.monitoring.signals import from_profiles

    url = database_url(cfg.paths.workspace)
    answers = postgres.read_profiles(url, since)
    print(f"{len(answers)} answers from {postgres.shown(url)}", file=sys.stderr)
    own = answers[answers["run_id"] == reference.about.run_id].reset_index(drop=True)
    if len(own) < len(answers):
        print(f"{len(answers) - len(own)} answers of other runs left out", file=sys.stderr)
    items = pd.DataFrame({"productid": own["productid"], "designation": [""] * len(own)})
    return from_profiles(own["profile"].tolist(), reference.classes), items


def _summary(report: dict[str, Any]) -> list[str]:
    """Return what the command line and an alert say of a report."""
    lines = []
    told = report["labels"]
    moved = [finding["signal"] for finding in report["findings"] if finding["alert"]]
    fell = [str(c["code"]) for c in told["classes"] if c["change"] == "fell"] if told else []
    if report["synthetic"]:
        lines.append("SYNTHETIC: the model learned from the demo shop")
    if not report["images_given"]:
        lines.append("images not given (--images): not judged")
    if moved:
        lines.append(f"moved: {', '.join(moved)}")
    if fell:
        lines.append(f"recognised worse: {', '.join(fell)}")
    if report["in_training"]:
        lines.append(f"in training, so too sure: {report['in_training']:,} products")
    estimate = report["accuracy"]
    known = f"{estimate['accuracy']:.3f}" if estimate else "nothing to go by without the images"
    lines.append(f"accuracy, estimated: {known}")
    if told:
        lines.append(f"accuracy, measured: {told['accuracy']:.3f} on {told['rows']:,} labels")
        if told["fell"]:
            lines.append(f"below what its classes let expect: {told['change']['expected']:.3f}")
    return lines


if __name__ == "__main__":
    sys.exit(main())
