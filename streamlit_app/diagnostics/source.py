"""Which predictions the diagnostics speak of: out-of-fold rows where there are some."""

import dataclasses
from typing import Any

import pandas as pd

from streamlit_app.shared import loaders
from streamlit_app.shared.context import Context


@dataclasses.dataclass(frozen=True, eq=False)
class Scored:
    """Scores of one split ("oof" or "holdout") of the served run.

    One row a class, one row a product; None where the file is missing.
    """

    split: str
    scores: dict[str, Any]
    by_class: pd.DataFrame | None
    predictions: pd.DataFrame | None


def scored(ctx: Context) -> Scored | None:
    """Return the widest scored split of the served run: every labelled row, or the hold-out.

    None before the first evaluation.
    """
    if ctx.run is None:
        return None
    store, kind = ctx.store, ctx.run.kind
    for split, path in (
        ("oof", store.out_of_fold(kind)),
        ("holdout", store.predictions(kind, "holdout")),
    ):
        scores = loaders.load(store, store.metrics(kind, split, ".json"))
        if scores is not None:
            by_class = loaders.load(store, store.metrics(kind, split, "_per_class.csv"))
            return Scored(split, scores, by_class, loaders.load(store, path))
    return None
