"""Mistakes, counted between themes, inside a theme or between all classes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import pandas as pd

ELSEWHERE = "~"


@dataclasses.dataclass(frozen=True)
class Grouping:
    """How classes are put together on both axes of the confusion explorer.

    Attributes
    ----------
    group_of : mapping of int to str
        Group of each code: a theme, a code as text, or `ELSEWHERE`.
    order : tuple of str
        The groups as the axes show them.
    """

    group_of: Mapping[int, str]
    order: tuple[str, ...]


def by_theme(themes: Mapping[int, str], order: list[str]) -> Grouping:
    """Put classes together by theme."""
    return Grouping(dict(themes), tuple(order))


def inside(theme: str, themes: Mapping[int, str]) -> Grouping:
    """Keep the classes of a theme apart and put all others together."""
    own = [code for code in themes if themes[code] == theme]
    group_of = {code: str(code) if code in own else ELSEWHERE for code in themes}
    others = () if len(own) == len(themes) else (ELSEWHERE,)
    return Grouping(group_of, (*map(str, own), *others))


def all_classes(themes: Mapping[int, str], theme_order: list[str]) -> Grouping:
    """Keep every class apart, ordered by theme."""
    codes = sorted(themes, key=lambda code: (theme_order.index(themes[code]), code))
    return Grouping({code: str(code) for code in codes}, tuple(map(str, codes)))


def confusion(predictions: pd.DataFrame, grouping: Grouping) -> pd.DataFrame:
    """Return counts and rates of every pair of groups that occurs.

    Returns
    -------
    DataFrame
        true, predicted (groups), count, rate (of the true group's rows), right (bool). Rows whose
        true group is `ELSEWHERE` are left out when they were also predicted elsewhere.
    """
    pairs = pd.DataFrame(
        {
            name: predictions[column].map(dict(grouping.group_of))
            for name, column in (("true", "prdtypecode"), ("predicted", "predicted"))
        }
    )
    counts = pairs.groupby(["true", "predicted"]).size().rename("count").reset_index()
    totals = counts.groupby("true")["count"].transform("sum")
    counts["rate"] = counts["count"] / totals
    counts["right"] = counts["true"] == counts["predicted"]
    return counts[(counts["true"] != ELSEWHERE) | ~counts["right"]].reset_index(drop=True)


def behind(
    predictions: pd.DataFrame, grouping: Grouping, true: str, predicted: str
) -> pd.DataFrame:
    """Return the predictions of one cell, the surest first."""
    group_of = dict(grouping.group_of)
    here = (predictions["prdtypecode"].map(group_of) == true) & (
        predictions["predicted"].map(group_of) == predicted
    )
    return predictions[here].sort_values("probability", ascending=False)


def with_products(predictions: pd.DataFrame, catalogue: pd.DataFrame | None) -> pd.DataFrame:
    """Add title, description and image to some predictions; empty where there is no catalogue."""
    columns = ["designation", "description", "image"]
    if catalogue is None:
        return predictions.assign(**dict.fromkeys(columns, ""))
    products = catalogue.loc[catalogue["split"] == "train", ["productid", *columns]]
    found = products[products["productid"].isin(predictions["productid"])]
    merged = predictions.merge(found, on="productid", how="left")
    return merged.fillna(dict.fromkeys(columns, ""))


def at_threshold(predictions: pd.DataFrame, threshold: float) -> tuple[float, float]:
    """Return the share of rows at or above a probability, and how many of these are right.

    The second is NaN where there is none.
    """
    accepted = predictions["probability"].to_numpy() >= threshold
    right = (predictions["prdtypecode"] == predictions["predicted"]).to_numpy()
    share = float(accepted.mean()) if len(accepted) else 0.0
    return share, float(right[accepted].mean()) if accepted.any() else float(np.nan)
