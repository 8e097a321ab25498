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
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.command_line import parser, run, settings
from src.config import Config
from src.errors import EXIT_FINDINGS, EXIT_FINE, DatabaseError, UsageError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from src.artifacts.store import ArtifactStore
    from src.monitoring.reference import Reference
    from src.monitoring.report.build import BatchInfo
    from src.monitoring.signals import Signals

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
    options.add_argument("--images", type=Path, metavar="DIR", help="their images; else not judged")
    options.add_argument("--from-log", action="store_true", help="what the service answered")
    options.add_argument("--since", default="24h", metavar="24h", help="how far back: 90m, 24h, 7d")
    options.add_argument("--out", type=Path, metavar="DIR", help="default: paths.rapport_dir")
    return options


def _run(args: argparse.Namespace) -> int:
    if (args.batch is None) != args.from_log:
        raise UsageError("expected either BATCH.csv or --from-log", next_command=HELP)
    if args.from_log and args.labels:
        raise UsageError("--labels goes with BATCH.csv, not with --from-log", next_command=HELP)
    if args.images and not args.images.is_dir():
        raise UsageError(f"--images {args.images}: no such folder", next_command=HELP)
    cfg = settings(args)
    if args.out:
        paths = cfg.paths.model_copy(update={"rapport_dir": args.out.resolve()})
        cfg = cfg.model_copy(update={"paths": paths})
    from src.artifacts.store import ArtifactStore
    from src.monitoring.reference import from_json, without_images
    from src.monitoring.report.build import BatchInfo

    store = ArtifactStore(cfg.paths).pinned()
    content = store.load(store.reference_profile)
    images_given = args.from_log or args.images is not None  # the log says what each answer had
    reference = from_json(content) if images_given else without_images(content)
    y, in_training = None, 0
    if args.from_log:
        signals, items = _from_log(_since(args.since), cfg, reference)
        if not len(signals):
            return _report_silence(cfg, reference.about.run_id, args.since)
    else:
        if args.labels and not reference.judges_answers:
            problem = "--labels: the model reads images, too; expected them by --images"
            raise UsageError(problem, next_command=HELP)
        signals, items, y, in_training = _from_csv(args, store, reference)
    info = BatchInfo(
        name=_safe(args.lot or ("log" if args.from_log else args.batch.stem)),
        date=datetime.now(timezone.utc).date().isoformat(),
        source=f"log, last {args.since}" if args.from_log else args.batch.name,
        false_alarm_rate=cfg.monitoring.false_alarm_rate,
        resamples=cfg.monitoring.resamples,
        in_training=in_training,
        images_given=images_given,
    )
    report = _report(cfg, info, reference, signals, items, y)
    page = _write(cfg, store, report)
    lines = [*_summary(report), str(page)]
    verdict = "ALERT" if report["alert"] else "fine"
    about = f"{report['rows']:,} products, lot {report['name']}"
    print(f"{verdict}  {about}", *lines, sep="\n  ")
    if not report["alert"]:
        return EXIT_FINE
    _send(cfg, f"drift: {about}", lines, {key: report[key] for key in ("name", "date", "run_id")})
    return EXIT_FINDINGS


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


def _safe(name: str) -> str:
    """Return a lot's name as it may be part of a file's name."""
    return re.sub(r"[^\w.-]+", "-", name).strip("-.")[:60] or "lot"


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


def _from_csv(
    args: argparse.Namespace, store: ArtifactStore, reference: Reference
) -> tuple[Signals, pd.DataFrame, np.ndarray | None, int]:
    """Return signals, texts and labels of products, and how many of them were in training."""
    import numpy as np

    from src.data.readers import read_labels, read_products
    from src.monitoring.signals import SignalReader
    from src.pipelines.product_keys import product_keys

    said: list[str] = []
    items = read_products(args.batch, [args.images] if args.images else [], say=said.append)
    y = read_labels(args.labels, items, reference.classes) if args.labels else None
    if args.images and (items["image"] == "").all():
        raise UsageError(" ".join(said), next_command=HELP)
    for line in said:
        print(line, file=sys.stderr)
    pipeline = store.load(store.full_pipeline(reference.about.kind))
    table = pipeline.table(items)
    if reference.judges_answers:  # as in the log, a product that can't be read has no answer
        read = pipeline.readable(table)
        if not read.any():
            raise UsageError(
                f"{args.batch}: no product has what the model reads", next_command=HELP
            )
        if not read.all():
            print(f"{(~read).sum()} products with nothing to read left out", file=sys.stderr)
        items, table = (rows[read].reset_index(drop=True) for rows in (items, table))
        y = y if y is None else y[read]
    proba = pipeline.model.predict_proba(table)
    in_training = int(np.isin(product_keys(table), pipeline.training_keys).sum())
    signals = SignalReader.of(pipeline.model).read(table, proba)
    return signals, items, y, in_training


def _report(
    cfg: Config,
    info: BatchInfo,
    reference: Reference,
    signals: Signals,
    items: pd.DataFrame,
    y: np.ndarray | None,
) -> dict[str, Any]:
    from src.labels import load_labels
    from src.monitoring.drift import calibrate, compare, estimate_accuracy
    from src.monitoring.report.build import build_report
    from src.monitoring.report.labels import with_labels

    labels = load_labels(cfg.paths.labels_map, cfg.paths.theme_map)
    thresholds = calibrate(
        reference,
        len(signals),
        false_alarm_rate=info.false_alarm_rate,
        resamples=info.resamples,
        seed=cfg.compute.seed,
    )
    findings = compare(reference, signals, thresholds)
    accuracy = estimate_accuracy(reference, signals)
    report = build_report(info, reference, signals, findings, accuracy, items, labels)
    return report if y is None else with_labels(report, reference, signals, y, labels)


def _write(cfg: Config, store: ArtifactStore, report: dict[str, Any]) -> Path:
    """Write the three files and the row; return the place of the page."""
    from src.artifacts.store import Run
    from src.monitoring.report.build import report_table
    from src.monitoring.report.page import report_html

    run = Run(report["run_id"], report["data_hash"], report["synthetic"], cfg.digest())
    name = f"{report['date']}_{report['name']}"
    files = {".json": report, ".csv": report_table(report), ".html": report_html(report)}
    with store.writing():
        for suffix, value in files.items():
            store.save(store.rapport(name + suffix), value, run=run, stage="monitor")
    if cfg.data.source == "postgres":
        _record(report, cfg)
    return store.rapport(name + ".html")


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


def _record(report: dict[str, Any], cfg: Config) -> None:
    """Add the row of project.drift_reports; the files stand whatever the database says."""
    from src.data import postgres
    from src.data.database_url import database_url

    try:
        columns = {name: report[name] for name in ("run_id", "rows", "alert", "findings")}
        row = {**columns, "lot": report["name"], "report_date": report["date"]}
        postgres.write_rows(database_url(cfg.paths.workspace), "drift_reports", [row])
    except DatabaseError as e:
        print(f"not recorded in the database: {e.message}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
