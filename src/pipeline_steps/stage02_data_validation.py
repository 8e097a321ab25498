"""Stage 2, data validation: find duplicates, check products, refuse what can't be trained.

A check is a row of the report: name, status ("pass", "warn"; "fail" stops the run), expected and
observed, for a person to compare.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from src.config_model import Validation
from src.data.csv_files import BLANK
from src.data.duplicates import Groups, find_groups
from src.errors import ValidationError
from src.runs.types import Check, Ingested, Validated


def run(ingested: Ingested, codes: Sequence[int], limits: Validation, *, skip: bool) -> Validated:
    """Check the products; `skip` does not, but finds duplicates all the same: splits need them."""
    catalogue = ingested.catalogue
    groups = find_groups(catalogue)
    checks: list[Check] = []
    if not skip:
        rejected = ingested.rejected_rows
        loaded = _check("rows loaded", not rejected, "0 rejected", f"{rejected:,} rejected", "warn")
        products = check_products(catalogue, ingested.test, groups, codes, limits)
        checks = [loaded, *products]
    return Validated(ingested.train, ingested.test, ingested.snapshot, groups, tuple(checks))


def report(validated: Validated) -> dict[str, object]:
    """Return the JSON values of ``results/validation/report.json``."""
    return {
        "snapshot": dataclasses.asdict(validated.snapshot),
        "train_rows": len(validated.train),
        "test_rows": len(validated.test),
        "duplicate_share": validated.groups.duplicate_share,
        "placeholder_images": list(validated.groups.placeholders),
        "checks": list(validated.checks),
    }


def raise_on_failure(checks: Sequence[Check], report: Path) -> None:
    """Refuse data that failed a check: every one with what was expected and observed."""
    failed = [check for check in checks if check["status"] == "fail"]
    if failed:
        line = "  {name}: expected {expected}, observed {observed}"
        lines = [line.format(**check) for check in failed]
        lines.append(f"  all checks: {report}")
        raise ValidationError(
            "\n".join(["the data is not fit for training:", *lines]), next_command="bash init.sh"
        )


def check_products(
    train: pd.DataFrame,
    test: pd.DataFrame,
    groups: Groups,
    codes: Sequence[int],
    limits: Validation,
) -> list[Check]:
    """Run every check, in the order in which a reader wants them; `groups` are of `train`."""
    repeated = int(train["productid"].duplicated().sum())
    empty = sum(BLANK.fullmatch(title) is not None for title in train["designation"])
    checks = [
        _check("training rows", len(train) > 0, "at least 1", f"{len(train):,}"),
        _check("test rows", len(test) > 0, "at least 1", f"{len(test):,}", "warn"),
        _check("productid unique", not repeated, "0 repeated", f"{repeated:,} repeated"),
        _check("designation present", not empty, "0 empty", f"{empty:,} empty"),
    ]
    if len(train):
        checks += _check_classes(train, codes, limits.min_class_rows)
        checks += _check_content(train, limits.max_missing_description)
        checks += _check_duplicates(train, groups)
    return checks


def _check(name: str, ok: bool, expected: str, observed: str, bad: str = "fail") -> Check:
    status = "pass" if ok else bad
    return {"name": name, "status": status, "expected": expected, "observed": observed}


def _check_classes(train: pd.DataFrame, codes: Sequence[int], min_rows: int) -> list[Check]:
    found, counts = np.unique(train["prdtypecode"], return_counts=True)
    unknown = sorted(set(found.tolist()) - set(codes))
    small = found[counts < min_rows].tolist()
    absent = sorted(set(codes) - set(found.tolist()))
    every = f"every class has {min_rows} rows"
    return [
        _check("codes in the labels map", not unknown, "all known", _some(unknown, "unknown")),
        _check("classes", len(found) >= 2, "at least 2", f"{len(found)}"),
        _check("class size", not small, every, _some(small, "smaller"), "warn"),
        _check("classes present", not absent, "all of the map", _some(absent, "absent"), "warn"),
    ]


def _check_content(train: pd.DataFrame, max_missing_description: float) -> list[Check]:
    missing = float((train["description"].str.strip() == "").mean())
    no_image, cut = int((train["image"] == "").sum()), int(train["image_damaged"].sum())
    damaged = sum("\ufffd" in title for title in train["designation"])
    few, most = missing <= max_missing_description, f"at most {max_missing_description:.0%} missing"
    images = f"{no_image:,} of {len(train):,} missing, {cut:,} damaged and used"
    titles = f"{damaged:,} titles with a replacement character"
    return [
        _check("descriptions", few, most, f"{missing:.1%} missing", "warn"),
        _check("images", no_image == 0, "every product has its file", images, "warn"),
        _check("encoding", damaged == 0, "0 damaged titles", titles, "warn"),
    ]


def _check_duplicates(train: pd.DataFrame, groups: Groups) -> list[Check]:
    shared = f"{groups.duplicate_share:.1%} of the products have a duplicate"
    if groups.placeholders:
        shared += f"; {len(groups.placeholders)} placeholder images passed over"
    pairs = np.unique(np.column_stack([groups.ids, train["prdtypecode"]]), axis=0)
    conflicting = int((np.bincount(pairs[:, 0]) > 1).sum())
    observed = f"{conflicting:,} groups of duplicates with several labels"
    return [
        _check("duplicates kept together", True, "one side of every split", shared),
        _check("labels of duplicates", conflicting == 0, "one label a group", observed, "warn"),
    ]


def _some(codes: Sequence[int], word: str, most: int = 5) -> str:
    if not codes:
        return f"none {word}"
    more = f" and {len(codes) - most} more" if len(codes) > most else ""
    return f"{word}: {', '.join(map(str, codes[:most]))}{more}"
