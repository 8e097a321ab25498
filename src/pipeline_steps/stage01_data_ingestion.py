"""Stage 1, data ingestion: products out of PostgreSQL or the CSVs, same rows, same order."""

import dataclasses
import logging
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from src.artifacts.store import ArtifactStore
from src.config import Config
from src.data import csv_tables, images, postgres
from src.data.corrections import Corrected, correct_labels, image_file, read_feedback
from src.data.csv_files import ITEM_COLUMNS, Snapshot
from src.data.database_url import database_url
from src.data.splits import stratified_sample
from src.errors import DatabaseError
from src.runs.types import Ingested

logger = logging.getLogger(__name__)


def run(cfg: Config, codes: Sequence[int]) -> Ingested:
    """Read the products of ``cfg.data.source``.

    With the CSVs, rows with a code that is not in `codes` are left out as the load leaves them out.
    """
    if cfg.data.source == "csv":
        most = cfg.validation.max_reject_rate
        tables = csv_tables.read_csv_files(cfg.paths.import_dir, codes, most)
        snapshot, rejected = tables.snapshot, tables.rejected_rows
        labelled, unlabelled = tables.train, tables.test
    else:
        url = database_url(cfg.paths.workspace)
        loaded = postgres.latest_snapshot(url)
        logger.info("products of %s, snapshot %s", postgres.shown(url), loaded.data_hash[:12])
        snapshot = Snapshot(loaded.data_hash, loaded.source)
        labelled, unlabelled = postgres.read_items(url), postgres.read_test_items(url)
        rejected = loaded.rejected_rows
        if postgres.latest_snapshot(url) != loaded:
            raise DatabaseError(
                "the tables were loaded anew while they were read: rows of two snapshots",
                next_command="python scripts/train_pipeline.py",
            )
    folders = {"train": cfg.images.train_dir, "test": cfg.images.test_dir}
    entries = images.current_entries(folders, cfg.paths.workspace)
    train, test = labelled[[*ITEM_COLUMNS, "prdtypecode"]], unlabelled[list(ITEM_COLUMNS)]
    train = _with_images(train, images.image_paths(train, cfg.images.train_dir), entries)
    test = _with_images(test, images.image_paths(test, cfg.images.test_dir), entries)
    train, corrected = _correct(train, cfg, codes, entries)
    labelled_rows = len(train)
    if cfg.debug.sample_rows:
        y = train["prdtypecode"].to_numpy(dtype=np.int64)
        rows = stratified_sample(y, cfg.debug.sample_rows, cfg.compute.seed)
        train = train.iloc[rows].reset_index(drop=True)
    return Ingested(train, test, snapshot, rejected, corrected, len(train) < labelled_rows)


def _correct(
    train: pd.DataFrame,
    cfg: Config,
    codes: Sequence[int],
    entries: Mapping[str, images.ImageEntry],
) -> tuple[pd.DataFrame, Corrected | None]:
    """Lay people's corrections over the labels and append their products, where that is on.

    The image of such a product whose file is not here is missing.
    """
    if not cfg.data.use_corrections:
        return train, None
    unreadable = 0
    if cfg.data.source == "csv":
        corrections, unreadable = read_feedback(ArtifactStore(cfg.paths).feedback)
    else:
        corrections = postgres.read_feedback(database_url(cfg.paths.workspace))
    labels = train["prdtypecode"].to_numpy(dtype=np.int64)
    y, added, corrected = correct_labels(train, labels, corrections, codes)
    added = added if cfg.data.feedback_weight else []
    corrected = dataclasses.replace(corrected, added=len(added), unreadable=unreadable)
    train = train.assign(prdtypecode=y, official_code=labels)
    if added:
        products = pd.DataFrame(added)
        files = [image_file(cfg.paths.feedback_dir, digest) for digest in products["image_sha256"]]
        paths = [str(path) if path.is_file() else "" for path in files]
        read = images.entries_beside([path for path in paths if path], entries.values())
        more = _with_images(products, paths, read).assign(official_code=products["prdtypecode"])
        both = [train.assign(from_people=False), more.assign(from_people=True)]
        train = pd.concat(both, ignore_index=True)
    return train, corrected


def _with_images(
    products: pd.DataFrame, paths: Sequence[str], entries: Mapping[str, images.ImageEntry]
) -> pd.DataFrame:
    """Add where each product's image lies, its SHA256, a value that equal images share, damage."""
    of_products = [entries.get(path) for path in paths]
    return products.assign(
        image=pd.Series(paths, dtype=object, index=products.index),
        image_sha256=[(entry.sha256 or "") if entry else "" for entry in of_products],
        image_hash=[(entry.same_as or "") if entry else "" for entry in of_products],
        image_damaged=[entry is not None and entry.damaged for entry in of_products],
    ).reset_index(drop=True)
