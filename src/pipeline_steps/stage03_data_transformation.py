"""Stage 3, data transformation: extract once over all rows, split, fit the branches on one side."""

from __future__ import annotations

import dataclasses
import logging
from typing import Any

import pandas as pd

from src.cache import ExtractionCache, Namespace
from src.config import Config
from src.data.splits import split_holdout
from src.errors import ValidationError
from src.features.extracted import Extracted
from src.features.matrix import FeatureMatrix
from src.pipeline_steps.types import Transformed, Validated
from src.pipelines.extraction import Extractor, extract
from src.pipelines.product_model import build_model, union_of
from src.pipelines.registry import build_branches
from src.pipelines.registry_types import Branch

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, eq=False)
class Products:
    """What was extracted, and the branches that it was extracted for.

    Attributes
    ----------
    branches : list of Branch
        Those in use.
    extractors : tuple of Extractor
        Theirs.
    train, test : Extracted
        The products; those of `train` have a column "group".
    """

    branches: list[Branch]
    extractors: tuple[Extractor, ...]
    train: Extracted
    test: Extracted


def extract_products(
    validated: Validated, cfg: Config, cache: ExtractionCache, *, fresh: bool
) -> Products:
    """Extract every product once; parameters as for `run`."""
    branches = _usable(build_branches(cfg), validated)
    extractors = unique_extractors(branches)
    if fresh:
        for extractor in extractors:
            cache.forget(Namespace.of(extractor.name, extractor.settings()))
    items = pd.concat([validated.train.items, validated.test.items], ignore_index=True)
    extracted = extract(items, extractors, cache)
    in_train = items.index.to_numpy() < len(validated.train)
    train = extracted.take(in_train).with_column("group", validated.groups.ids)
    return Products(branches, extractors, train, extracted.take(~in_train))


def run(validated: Validated, cfg: Config, cache: ExtractionCache, *, fresh: bool) -> Transformed:
    """Extract every product, choose the hold-out, fit the branches on the other rows.

    Parameters
    ----------
    validated : Validated
        Stage 2.
    cfg : Config
        Features, fusion, model, data and compute sections are read.
    cache : ExtractionCache
        What was extracted before.
    fresh : bool
        True forgets what these extractors gave before.
    """
    products = extract_products(validated, cfg, cache, fresh=fresh)
    train, branches = validated.train, products.branches
    seed = cfg.compute.seed
    holdout = split_holdout(train.labels, validated.groups.ids, cfg.data.holdout, seed)
    if not holdout.any():
        raise ValidationError(
            f"{len(train)} products and a hold-out share of {cfg.data.holdout:g} leave no row to "
            "score: expected larger classes or a larger share",
            next_command="python scripts/train_pipeline.py --set data.holdout=0.3",
        )
    union = union_of(cfg, branches)
    model = build_model(cfg, branches)
    matrix = union.fit_transform(products.train.take(~holdout), train.labels[~holdout])
    return Transformed(
        train,
        validated.test,
        products.train,
        products.test,
        products.extractors,
        validated.groups.ids,
        holdout,
        union,
        matrix,
        model,
    )


def feature_mapping(matrix: FeatureMatrix) -> dict[str, Any]:
    """Return the JSON values of ``artifacts/feature_mapping.json``: the columns of each block."""
    blocks = [{"branch": b.branch, "start": b.start, "stop": b.stop} for b in matrix.blocks]
    return {"columns": matrix.shape[1], "blocks": blocks}


def _usable(branches: list[Branch], validated: Validated) -> list[Branch]:
    """Leave the image branches out where no product has a picture, and say so."""
    if (validated.train.items["image"] != "").any():
        return branches
    without = [branch for branch in branches if not branch.modality.startswith("image_")]
    if not without:
        raise ValidationError(
            "no product has a picture, and only image branches are switched on "
            f"({', '.join(branch.name for branch in branches)})",
            next_command="python scripts/train_pipeline.py --set fusion.weights.text=1.0",
        )
    if len(without) < len(branches):
        logger.info("no product has a picture: trained on text alone")
    return without


def unique_extractors(branches: list[Branch]) -> tuple[Extractor, ...]:
    """Return the extractors in order of first use; branches of one recipe share theirs."""
    unique: list[Extractor] = []
    for branch in branches:
        unique += [extractor for extractor in branch.extractors if extractor not in unique]
    return tuple(unique)
