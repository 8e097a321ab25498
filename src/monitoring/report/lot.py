"""The report of one lot of products, for the command and for the app's upload."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from src.artifacts.store import ArtifactStore, Run
from src.config import Config
from src.data.images import Folder
from src.data.readers import Upload, file_name, read_labels, read_products
from src.errors import FileFault
from src.i18n import Said, translator
from src.labels import load_labels
from src.monitoring.drift import calibrate, compare, estimate_accuracy
from src.monitoring.reference import Reference, from_json, without_images
from src.monitoring.report.build import BatchInfo, build_report, report_table
from src.monitoring.report.labels import with_labels
from src.monitoring.report.page import report_html
from src.monitoring.signals import SignalReader, Signals
from src.pipelines.product_keys import product_keys
from src.pipelines.product_model import FullPipeline

Answer = Callable[[pd.DataFrame], tuple[object, pd.DataFrame, np.ndarray, object]]
"""`Predictor.answer`."""


def compare_lot(
    cfg: Config,
    store: ArtifactStore,
    pipeline: FullPipeline,
    answer: Answer,
    files: tuple[Path | Upload, Path | Upload | None],
    *,
    name: str = "",
    folders: Sequence[Folder] = (),
    images: Mapping[str, str] | None = None,
    say: Callable[[str], object],
    language: str = "en",
) -> dict[str, Any]:
    """Return the report of the products of a file, and of their codes in another or None.

    Images are as a `ProductReader` takes them; without any nothing is judged about them. As in the
    log, products that can't be read have no answer: they are left out. `say` is told so, and what
    `read_products` says. Files that are at fault, or do not fit each other, are a FileFault.
    """
    (table_file, codes), images_given = files, bool(folders) or images is not None
    content = store.load(store.reference_profile)
    reference = from_json(content) if images_given else without_images(content)
    if codes is not None and not reference.judges_answers:
        raise FileFault.of(file_name(codes), Said("reader.faults.labels_need_images"))
    items = read_products(table_file, folders, say, images, language)
    if images_given and (items["image"] == "").all():
        raise FileFault.of(file_name(table_file), Said("reader.faults.no_image_found"))
    y = None if codes is None else read_labels(codes, items, reference.classes)
    _, table, proba, _ = answer(items)
    if reference.judges_answers:
        read = pipeline.readable(table)
        if not read.any():
            raise FileFault.of(file_name(table_file), Said("reader.faults.nothing_read"))
        if not read.all():
            left_out = translator(language).number(int((~read).sum()))
            say(translator(language)("reader.left_out", n=left_out))
        items, table = (rows[read].reset_index(drop=True) for rows in (items, table))
        proba, y = proba[read], y if y is None else y[read]
    signals = SignalReader.of(pipeline.model).read(table, proba)
    in_training = int(np.isin(product_keys(table), pipeline.training_keys).sum())
    source = Path(file_name(table_file))
    return report_lot(
        cfg, store, reference, signals, items, y, name=name or source.stem, source=source.name,
        in_training=in_training, images_given=images_given,
    )  # fmt: skip


def report_lot(
    cfg: Config,
    store: ArtifactStore,
    reference: Reference,
    signals: Signals,
    items: pd.DataFrame,
    y: np.ndarray | None = None,
    *,
    name: str,
    source: str,
    in_training: int = 0,
    images_given: bool = True,
) -> dict[str, Any]:
    """Compare a lot with the reference; `y` are its codes where they are known.

    The rest is as in `BatchInfo`; the name becomes one that a file may have.
    """
    labels = load_labels(cfg.paths.labels_map, cfg.paths.theme_map)
    limits, now = cfg.monitoring, datetime.now(timezone.utc)
    rate, resamples = limits.false_alarm_rate, limits.resamples
    thresholds = calibrate(
        reference,
        len(signals),
        false_alarm_rate=rate,
        resamples=resamples,
        seed=cfg.compute.seed,
    )
    findings = compare(reference, signals, thresholds)
    accuracy, known = estimate_accuracy(reference, signals), _reference_items(store, reference)
    name = re.sub(r"[^\w.-]+", "-", name).strip("-.")[:60] or "lot"
    times = now.date().isoformat(), now.isoformat(timespec="seconds")
    info = BatchInfo(name, *times, source, rate, resamples, in_training, images_given)
    report = build_report(info, reference, signals, findings, accuracy, items, labels, known)
    return report if y is None else with_labels(report, reference, signals, y, labels)


def _reference_items(store: ArtifactStore, reference: Reference) -> pd.DataFrame | None:
    """Return productid and designation of the reference's products, as far as the run says them."""
    ids = reference.productids
    if ids is None or not store.catalogue.is_file():
        return None
    catalogue = store.load(store.catalogue).query("split == 'train'").drop_duplicates("productid")
    titles = catalogue.set_index("productid")["designation"].reindex(ids).fillna("")
    return titles.rename_axis("productid").reset_index()


def write_report(cfg: Config, store: ArtifactStore, report: dict[str, Any]) -> Path:
    """Write JSON, table and page where the app looks for them; return the place of the page."""
    run = Run(report["run_id"], report["data_hash"], report["synthetic"], cfg.digest())
    name = f"{report['date']}_{report['name']}"
    files = {".json": report, ".csv": report_table(report), ".html": report_html(report)}
    with store.writing():
        for suffix, value in files.items():
            store.save(store.rapport(name + suffix), value, run=run, stage="monitor")
    return store.rapport(name + ".html")


def record_report(cfg: Config, report: dict[str, Any]) -> None:
    """Add the row of project.drift_reports where products come from the database."""
    from src.data import postgres
    from src.data.database_url import database_url

    if cfg.data.source == "postgres":
        columns = {name: report[name] for name in ("run_id", "rows", "alert", "findings")}
        row = {**columns, "lot": report["name"], "report_date": report["date"]}
        postgres.write_rows(database_url(cfg.paths.workspace), "drift_reports", [row])
