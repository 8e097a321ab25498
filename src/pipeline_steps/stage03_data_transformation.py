"""Stage 3, data transformation: the product table, made once, and the hold-out.

What learns from many products is fitted in stage 4, on training rows alone.
"""

import dataclasses
import logging
from collections.abc import Sequence

import numpy as np
import pandas as pd

from src.cache import ExtractionCache, Namespace
from src.config import Config
from src.data.duplicates import find_groups
from src.data.splits import stable_holdout
from src.errors import ValidationError
from src.features.networks.runtime import NetworkFeaturizer
from src.pipelines.branches import Branch
from src.pipelines.product_model import build_model
from src.pipelines.registry import build_branches, extractors_of
from src.pipelines.table import extract_table
from src.pipelines.text_pipeline import MODALITY
from src.runs.types import Transformed, Validated, from_people

logger = logging.getLogger(__name__)

# Products on which a network in bf16 or int8 is compared with itself in fp32: seconds for CLIP.
AGREEMENT_ROWS = 16

CATALOGUE_COLUMNS = [
    "row_index", "productid", "imageid", "designation", "description", "image", "prdtypecode",
    "split", "language", "has_text", "has_description", "has_image", "title_length",
]  # fmt: skip


def run(validated: Validated, cfg: Config, cache: ExtractionCache, *, fresh: bool) -> Transformed:
    """Extract every product once and choose the hold-out.

    `fresh` forgets what these extractors gave before.

    Raises
    ------
    ValidationError
        No branch has anything to read, or no row is left to score.
    """
    branches = _usable(build_branches(cfg), validated)
    extractors = extractors_of(cfg, branches)
    if fresh:
        for extractor in extractors:
            cache.forget(Namespace.of(extractor.name, extractor.settings()))
    own, holdout = _split(validated, cfg)
    n_train = len(own)
    products = pd.concat([validated.train.loc[own.index], validated.test], ignore_index=True)
    table = extract_table(products, extractors, cache)
    train = table.iloc[:n_train].assign(**{str(name): own[name].to_numpy() for name in own})
    return Transformed(
        train=train,
        test=table.iloc[n_train:].drop(columns=[*own], errors="ignore").reset_index(drop=True),
        snapshot=validated.snapshot,
        branches=tuple(branches),
        extractors=extractors,
        holdout=holdout,
        model=build_model(cfg, branches),
    )


def _split(validated: Validated, cfg: Config) -> tuple[pd.DataFrame, np.ndarray]:
    """Return the columns that stage 3 adds to the training products, and which are held out: bool.

    Products of people move none of the catalogue: a duplicate of one that is held out is held out
    with it, unscored, or left out where no other product teaches its class.
    """
    train, share = validated.train, cfg.data.holdout
    codes, ids = train["prdtypecode"].to_numpy(np.int64), train["productid"].to_numpy()
    added = from_people(train)
    scored = ~added | cfg.data.score_feedback
    groups = find_groups(train).ids if added.any() else validated.groups.ids
    own_groups = groups if scored.all() else validated.groups.ids
    holdout = np.zeros(len(train), dtype=bool)
    holdout[scored] = stable_holdout(
        codes[scored], own_groups, ids[scored], share, cfg.compute.seed
    )
    if not holdout.any():
        raise ValidationError(
            f"{len(train)} products and a hold-out share of {share:g} leave no row to score: "
            "expected larger classes or a larger share",
            next_command="python scripts/train_pipeline.py --set data.holdout=0.3",
        )
    holdout |= ~scored & np.isin(groups, groups[holdout])
    taught = np.isin(codes, codes[~holdout])
    times = np.where(added, cfg.data.feedback_weight, 1)
    columns = {"prdtypecode": codes, "group": groups, "from_people": ~scored, "times": times}
    return pd.DataFrame(columns, index=train.index)[taught], holdout[taught]


def catalogue(transformed: Transformed) -> pd.DataFrame:
    """Return ``artifacts/catalogue.parquet``: `CATALOGUE_COLUMNS` of the table, train and test.

    The prdtypecode is -1 and the split "test" for unlabelled products.
    """
    train = transformed.of_catalogue().train.assign(split="train")
    test = transformed.test.assign(split="test", prdtypecode=-1)
    parts = [part[CATALOGUE_COLUMNS] for part in (train, test)]
    return pd.concat(parts, ignore_index=True).astype({"prdtypecode": np.int64})


def agreements(transformed: Transformed) -> list[str]:
    """Return how close the embeddings of each network below fp32 are to those of fp32."""
    found = []
    for branch in transformed.branches:
        extractor = branch.extractor
        rows = transformed.train[transformed.train[f"has_{branch.modality}"]]
        if extractor is None or not isinstance(extractor.featurizer, NetworkFeaturizer):
            continue
        if (precision := extractor.featurizer.used_precision) == "fp32" or rows.empty:
            continue
        rows = rows.iloc[:: max(1, len(rows) // AGREEMENT_ROWS)][:AGREEMENT_ROWS]
        fp32 = dataclasses.replace(extractor.featurizer, precision="fp32")
        exact = dataclasses.replace(extractor, featurizer=fp32)
        values, others = (each.extract(rows)[branch.name] for each in (extractor, exact))
        cosine = (values * others).sum(axis=1).mean()  # their lengths are 1
        found.append(f"{branch.name} in {precision}: cosine {cosine:.4f}")
    return found


def _usable(branches: Sequence[Branch], validated: Validated) -> list[Branch]:
    """Leave the image branches out where no product of the catalogue has an image, and say so."""
    if ((validated.train["image"] != "") & ~from_people(validated.train)).any():
        return list(branches)
    without = [branch for branch in branches if branch.modality == MODALITY]
    if not without:
        raise ValidationError(
            "no product has an image, and only image branches are switched on "
            f"({', '.join(branch.name for branch in branches)})",
            next_command="python scripts/train_pipeline.py --set fusion.weights.text=1.0",
        )
    if len(without) < len(branches):
        logger.info("no product has an image: trained on text alone")
    return without
