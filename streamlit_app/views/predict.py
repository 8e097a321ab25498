"""Predict: one product or a file of them, why, and what to do when the answer is wrong."""

from __future__ import annotations

from streamlit_app import components, loaders
from streamlit_app.context import Context
from streamlit_app.prediction import batch, single

SECTIONS = ("one", "file")


def show(ctx: Context) -> None:
    """Draw the page."""
    components.heading(ctx, "predict")
    predictor = loaders.predictor(ctx)
    if predictor is None:
        components.empty(ctx, ctx.say("predict.missing"))
        return
    section = components.section(ctx, "predict", SECTIONS)
    {"one": single.show, "file": batch.show}[section](ctx, predictor)
