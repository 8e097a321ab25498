"""The validation checks: every one passes on good products and names what is wrong on bad ones."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from src.config_model import Validation
from src.data.duplicates import Groups, find_groups
from src.pipeline_steps.stage02_data_validation import check_products

LIMITS = Validation(min_class_rows=2, max_missing_description=0.5)
CODES = (10, 20)
COLUMNS = ("designation", "description", "image", "image_hash")


def train(n: int = 8) -> pd.DataFrame:
    texts = {name: [f"{name} {i}" for i in range(n)] for name in COLUMNS}
    codes = np.array([10, 20] * (n // 2), np.int64)
    ids = {"productid": range(n), "image_damaged": [False] * n}
    return pd.DataFrame({**ids, **texts, "prdtypecode": codes})


def unlabelled() -> pd.DataFrame:
    return train(2).drop(columns="prdtypecode")


def change(products: pd.DataFrame, column: str, values: dict[int, object]) -> pd.DataFrame:
    products = products.copy()
    for row, value in values.items():
        products.loc[row, column] = value
    return products


def run(products: pd.DataFrame, groups: Groups | None = None) -> dict[str, dict[str, str]]:
    found = groups or find_groups(products)
    return {c["name"]: c for c in check_products(products, unlabelled(), found, CODES, LIMITS)}


def test_good_products_pass() -> None:
    checks = run(train())
    assert len(checks) == 13
    assert {name for name, check in checks.items() if check["status"] != "pass"} == set()


@pytest.mark.parametrize(
    ("products", "expected"),
    [
        (
            change(train(), "productid", {3: 2}),
            ("productid unique", "fail", "0 repeated", "1 repeated"),
        ),
        (
            change(train(), "designation", {0: " \u00a0\u200b", 1: ""}),
            ("designation present", "fail", "0 empty", "2 empty"),
        ),
        (
            train().assign(prdtypecode=np.array([10, 20, 30, 40] * 2)),
            ("codes in the labels map", "fail", "all known", "unknown: 30, 40"),
        ),
        (
            train().assign(prdtypecode=np.full(8, 10)),
            ("classes", "fail", "at least 2", "1"),
        ),
        (
            train().assign(prdtypecode=np.array([10] * 7 + [20])),
            ("class size", "warn", "every class has 2 rows", "smaller: 20"),
        ),
        (
            train().assign(prdtypecode=np.full(8, 10)),
            ("classes present", "warn", "all of the map", "absent: 20"),
        ),
        (
            change(train(), "description", dict.fromkeys(range(6), "\n")),
            ("descriptions", "warn", "at most 50% missing", "75.0% missing"),
        ),
        (
            change(change(train(), "image", {0: ""}), "image_damaged", {1: True}),
            (
                "images",
                "warn",
                "every product has its file",
                "1 of 8 missing, 1 damaged and used",
            ),
        ),
        (
            change(train(), "image_hash", {0: "same", 1: "same"}),
            (
                "labels of duplicates",
                "warn",
                "one label a group",
                "1 groups of duplicates with several labels",
            ),
        ),
        (
            change(train(), "designation", {5: "caf\ufffd"}),
            ("encoding", "warn", "0 damaged titles", "1 titles with a replacement character"),
        ),
    ],
)
def test_bad_products_are_named(products: pd.DataFrame, expected: tuple[str, ...]) -> None:
    assert tuple(run(products)[expected[0]].values()) == expected


def test_no_rows_at_all() -> None:
    empty = train().head(0)
    checks = run(empty)
    assert tuple(checks["training rows"].values()) == ("training rows", "fail", "at least 1", "0")
    assert set(checks) == {
        "training rows",
        "test rows",
        "productid unique",
        "designation present",
    }


def test_duplicates_and_placeholders_are_told() -> None:
    groups = Groups(np.array([0, 0, 1, 2, 3, 4, 5, 6]), ("p.jpg",))
    assert run(train(), groups)["duplicates kept together"]["observed"] == (
        "25.0% of the products have a duplicate; 1 placeholder images passed over"
    )
