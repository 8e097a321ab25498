"""Stage 1, data ingestion: products out of PostgreSQL or the CSVs, same rows, same order."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from src.artifacts.store import ArtifactStore
from src.cache import ExtractionCache
from src.config import Config
from src.data import csv_tables, images, postgres
from src.data.corrections import Corrected, correct_labels, read_feedback
from src.data.database_url import database_url
from src.data.dataset import COLUMNS, Dataset, Snapshot
from src.data.splits import stratified_sample
from src.errors import DatabaseError
from src.features.text.language import LANGUAGE_NAMES
from src.pipeline_steps.types import Ingested
from src.pipelines.extraction import extract
from src.pipelines.text_pipeline import LanguageExtractor


def run(cfg: Config, codes: Sequence[int]) -> Ingested:
    """Read the products of ``cfg.data.source``.

    Parameters
    ----------
    cfg : Config
        Paths, images, data and debug sections are read.
    codes : sequence of int
        Codes of the labels map; with the CSVs, rows with another code are left out as the load
        leaves them out.
    """
    if cfg.data.source == "csv":
        tables = csv_tables.read_csv_files(cfg.paths.import_dir, codes)
        snapshot = Snapshot(tables.snapshot.data_hash, tables.snapshot.source)
        labelled, unlabelled, rejected = tables.train, tables.test, tables.rejected_rows
    else:
        url = database_url()
        loaded = postgres.latest_snapshot(url)
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
    train = _dataset(labelled, "train", cfg.images.train_dir, entries, snapshot)
    test = _dataset(unlabelled, "test", cfg.images.test_dir, entries, snapshot)
    train, corrected = _correct(train, cfg, codes)
    train = _sample(train, cfg.debug.sample_rows, cfg.compute.seed)
    return Ingested(train, test, rejected, corrected)


def catalogue(ingested: Ingested, cache: ExtractionCache) -> pd.DataFrame:
    """Return what the app shows of every product: ``artifacts/catalogue.parquet``.

    Returns
    -------
    DataFrame, shape (n_train + n_test, 11)
        row_index, productid, imageid, designation, description, image, prdtypecode (-1 for
        unlabelled products), split, language, has_description, has_image (there is a file).
    """
    parts = []
    for part in (ingested.train, ingested.test):
        codes = np.full(len(part), -1) if part.y is None else part.y
        items = part.items.drop(columns="image_hash")
        parts.append(items.assign(prdtypecode=codes, split=part.split))
    products = pd.concat(parts, ignore_index=True)
    languages = extract(products, [LanguageExtractor()], cache).table["language"].argmax(axis=1)
    return products.assign(
        language=np.array(LANGUAGE_NAMES, dtype=object)[languages],
        has_description=products["description"].str.strip() != "",
        has_image=products["image"] != "",
    )


def _correct(train: Dataset, cfg: Config, codes: Sequence[int]) -> tuple[Dataset, Corrected | None]:
    """Lay people's corrections over the labels, where that is switched on."""
    if not cfg.data.use_corrections:
        return train, None
    unreadable = 0
    if cfg.data.source == "csv":
        corrections, unreadable = read_feedback(ArtifactStore(cfg.paths).feedback)
    else:
        corrections = postgres.read_feedback(database_url())
    y, corrected = correct_labels(train.items, train.labels, corrections, codes)
    corrected = dataclasses.replace(corrected, unreadable=unreadable)
    return dataclasses.replace(train, y=y), corrected


def _dataset(
    frame: pd.DataFrame,
    split: Literal["train", "test"],
    folder: Path,
    entries: dict[str, images.ImageEntry],
    snapshot: Snapshot,
) -> Dataset:
    paths = images.image_paths(frame, images.list_images([folder]))
    of_path = {path: entry.same_as or "" for path, entry in entries.items()}
    items = frame.assign(image=paths, image_hash=[of_path.get(path, "") for path in paths])
    y = frame["prdtypecode"].to_numpy(np.int64) if split == "train" else None
    return Dataset(items[list(COLUMNS)], y, split, snapshot)


def _sample(train: Dataset, rows: int, seed: int) -> Dataset:
    """Take a stratified sample of `rows` products; 0 takes all."""
    return train.take(stratified_sample(train.labels, rows, seed)) if rows else train
