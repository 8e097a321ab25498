"""What stage 2 checks before anything is trained: each check is a row of the report."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd

from src.config_model import Validation
from src.data.duplicates import Groups

Status = Literal["pass", "warn", "fail"]


@dataclasses.dataclass(frozen=True)
class Check:
    """One check of the data: expected and observed, for a person to compare; "fail" stops."""

    name: str
    status: Status
    expected: str
    observed: str


def check_products(
    train: pd.DataFrame,
    test: pd.DataFrame,
    groups: Groups,
    codes: Sequence[int],
    limits: Validation,
) -> list[Check]:
    """Run every check, in the order in which a reader wants them.

    Parameters
    ----------
    train, test : DataFrame
        Labelled and unlabelled products.
    groups : Groups
        Duplicates of `train`.
    codes : sequence of int
        Codes that the labels map knows.
    """
    repeated = int(train["productid"].duplicated().sum())
    empty = int((train["designation"].str.strip() == "").sum())
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


def _check(name: str, ok: bool, expected: str, observed: str, bad: Status = "fail") -> Check:
    return Check(name, "pass" if ok else bad, expected, observed)


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
    no_image = int((train["image"] == "").sum())
    damaged = sum("\ufffd" in title for title in train["designation"])
    return [
        _check(
            "descriptions",
            missing <= max_missing_description,
            f"at most {max_missing_description:.0%} missing",
            f"{missing:.1%} missing",
            "warn",
        ),
        _check(
            "pictures",
            no_image == 0,
            "every product has its file",
            f"{no_image:,} of {len(train):,} missing",
            "warn",
        ),
        _check(
            "encoding",
            damaged == 0,
            "0 damaged titles",
            f"{damaged:,} titles with a replacement character",
            "warn",
        ),
    ]


def _check_duplicates(train: pd.DataFrame, groups: Groups) -> list[Check]:
    shared = f"{groups.duplicate_share:.1%} of the products have a duplicate"
    if groups.placeholders:
        shared += f"; {len(groups.placeholders)} placeholder pictures passed over"
    pairs = np.unique(np.column_stack([groups.ids, train["prdtypecode"]]), axis=0)
    conflicting = int((np.bincount(pairs[:, 0]) > 1).sum())
    observed = f"{conflicting:,} groups of duplicates with several labels"
    return [
        Check("duplicates kept together", "pass", "one side of every split", shared),
        _check("labels of duplicates", conflicting == 0, "one label a group", observed, "warn"),
    ]


def _some(codes: Sequence[int], word: str, most: int = 5) -> str:
    if not codes:
        return f"none {word}"
    more = f" and {len(codes) - most} more" if len(codes) > most else ""
    return f"{word}: {', '.join(map(str, codes[:most]))}{more}"
