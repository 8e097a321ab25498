"""Mistakes, counted between themes, inside a theme or between all classes."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

ELSEWHERE = "~"
# Group of each code, a theme, a code as text or `ELSEWHERE`; in the order of the axes.
Groups = dict[int, str]


def by_theme(themes: Mapping[int, str], theme_order: list[str]) -> Groups:
    """Put classes together by theme."""
    return {code: themes[code] for code in _ordered(themes, theme_order)}


def inside(theme: str, themes: Mapping[int, str]) -> Groups:
    """Keep the classes of a theme apart and put all others, which come last, together."""
    codes = sorted(themes, key=lambda code: themes[code] != theme)
    return {code: str(code) if themes[code] == theme else ELSEWHERE for code in codes}


def all_classes(themes: Mapping[int, str], theme_order: list[str]) -> Groups:
    """Keep every class apart, ordered by theme."""
    return {code: str(code) for code in _ordered(themes, theme_order)}


def _ordered(themes: Mapping[int, str], theme_order: list[str]) -> list[int]:
    return sorted(themes, key=lambda code: (theme_order.index(themes[code]), code))


def confusion(predictions: pd.DataFrame, groups: Groups) -> pd.DataFrame:
    """Return counts and rates of every pair of groups that occurs.

    Columns: true, predicted (groups), count, rate (of the true group's rows), right (bool). Rows
    whose true group is `ELSEWHERE` are left out when they were also predicted elsewhere.
    """
    pairs = pd.DataFrame(
        {
            name: predictions[column].map(groups)
            for name, column in (("true", "prdtypecode"), ("predicted", "predicted"))
        }
    )
    counts = pairs.groupby(["true", "predicted"]).size().rename("count").reset_index()
    totals = counts.groupby("true")["count"].transform("sum")
    counts["rate"] = counts["count"] / totals
    counts["right"] = counts["true"] == counts["predicted"]
    return counts[(counts["true"] != ELSEWHERE) | ~counts["right"]].reset_index(drop=True)


def behind(predictions: pd.DataFrame, groups: Groups, true: str, predicted: str) -> pd.DataFrame:
    """Return the predictions of one cell, the surest first."""
    here = (predictions["prdtypecode"].map(groups) == true) & (
        predictions["predicted"].map(groups) == predicted
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
