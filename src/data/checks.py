"""What stage 2 checks before anything is trained: each check is a row of the report."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd

from src.data.duplicates import Groups

Status = Literal["pass", "warn", "fail"]


@dataclasses.dataclass(frozen=True)
class Check:
    """One check of the data.

    Attributes
    ----------
    name : str
        What was checked.
    status : {"pass", "warn", "fail"}
        "fail" stops the run.
    expected, observed : str
        For a person to compare.
    """

    name: str
    status: Status
    expected: str
    observed: str


@dataclasses.dataclass(frozen=True)
class Limits:
    """Where checks draw the line; the meaning of each is in config.toml."""

    min_class_rows: int
    max_missing_description: float


def check_products(
    train: pd.DataFrame, test: pd.DataFrame, groups: Groups, codes: Sequence[int], limits: Limits
) -> list[Check]:
    """Run every check.

    Parameters
    ----------
    train, test : pd.DataFrame
        Labelled and unlabelled products.
    groups : Groups
        Duplicates of `train`.
    codes : sequence of int
        Codes that the labels map knows.
    limits : Limits
        Thresholds.

    Returns
    -------
    list of Check
        In the order in which a reader wants them.
    """
    checks = [_rows(train), _test_rows(test), _unique_ids(train), _titles(train)]
    if len(train):
        checks += [_codes(train, codes), _classes(train), _small_classes(train, limits)]
        checks += [_absent_classes(train, codes), _descriptions(train, limits)]
        checks += [_images(train), _duplicates(groups), _conflicts(train, groups), _encoding(train)]
    return checks


def _check(name: str, ok: bool, expected: str, observed: str, bad: Status = "fail") -> Check:
    return Check(name, "pass" if ok else bad, expected, observed)


def _rows(train: pd.DataFrame) -> Check:
    return _check("training rows", len(train) > 0, "at least 1", f"{len(train):,}")


def _test_rows(test: pd.DataFrame) -> Check:
    return _check("test rows", len(test) > 0, "at least 1", f"{len(test):,}", "warn")


def _unique_ids(train: pd.DataFrame) -> Check:
    repeated = int(train["productid"].duplicated().sum())
    return _check("productid unique", not repeated, "0 repeated", f"{repeated:,} repeated")


def _titles(train: pd.DataFrame) -> Check:
    empty = int((train["designation"].str.strip() == "").sum())
    return _check("designation present", not empty, "0 empty", f"{empty:,} empty")


def _codes(train: pd.DataFrame, codes: Sequence[int]) -> Check:
    unknown = sorted(set(np.unique(train["prdtypecode"]).tolist()) - set(codes))
    return _check("codes in the labels map", not unknown, "all known", _some(unknown, "unknown"))


def _classes(train: pd.DataFrame) -> Check:
    n_classes = len(np.unique(train["prdtypecode"]))
    return _check("classes", n_classes >= 2, "at least 2", f"{n_classes}")


def _small_classes(train: pd.DataFrame, limits: Limits) -> Check:
    codes, counts = np.unique(train["prdtypecode"], return_counts=True)
    small = codes[counts < limits.min_class_rows].tolist()
    expected = f"every class has {limits.min_class_rows} rows"
    return _check("class size", not small, expected, _some(small, "smaller"), "warn")


def _absent_classes(train: pd.DataFrame, codes: Sequence[int]) -> Check:
    absent = sorted(set(codes) - set(np.unique(train["prdtypecode"]).tolist()))
    return _check("classes present", not absent, "all of the map", _some(absent, "absent"), "warn")


def _descriptions(train: pd.DataFrame, limits: Limits) -> Check:
    missing = float((train["description"].str.strip() == "").mean())
    ok = missing <= limits.max_missing_description
    expected = f"at most {limits.max_missing_description:.0%} missing"
    return _check("descriptions", ok, expected, f"{missing:.1%} missing", "warn")


def _images(train: pd.DataFrame) -> Check:
    missing = int((train["image"] == "").sum())
    observed = f"{missing:,} of {len(train):,} missing"
    return _check("pictures", missing == 0, "every product has its file", observed, "warn")


def _duplicates(groups: Groups) -> Check:
    observed = f"{groups.duplicate_share:.1%} of the products have a duplicate"
    if groups.placeholders:
        observed += f"; {len(groups.placeholders)} placeholder pictures passed over"
    return Check("duplicates kept together", "pass", "one side of every split", observed)


def _conflicts(train: pd.DataFrame, groups: Groups) -> Check:
    pairs = np.unique(np.column_stack([groups.ids, train["prdtypecode"]]), axis=0)
    conflicting = int((np.bincount(pairs[:, 0]) > 1).sum())
    observed = f"{conflicting:,} groups of duplicates with several labels"
    return _check("labels of duplicates", conflicting == 0, "one label a group", observed, "warn")


def _encoding(train: pd.DataFrame) -> Check:
    damaged = sum("�" in title for title in train["designation"])
    observed = f"{damaged:,} titles with a replacement character"
    return _check("encoding", damaged == 0, "0 damaged titles", observed, "warn")


def _some(codes: Sequence[int], word: str, most: int = 5) -> str:
    if not codes:
        return f"none {word}"
    more = f" and {len(codes) - most} more" if len(codes) > most else ""
    return f"{word}: {', '.join(map(str, codes[:most]))}{more}"
