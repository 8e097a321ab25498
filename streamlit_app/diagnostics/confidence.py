"""How far its probabilities can be believed, and how much may be decided without a person."""

import math

import pandas as pd
import streamlit as st

from streamlit_app.diagnostics import mistakes
from streamlit_app.diagnostics.source import Scored
from streamlit_app.shared import charts, choices, components
from streamlit_app.shared.context import Context


def show(ctx: Context, scored: Scored) -> None:
    """Draw the section."""
    scores = scored.scores
    bins, curve = scores.get("reliability"), scores.get("selective")
    if not bins or not curve:
        components.empty(ctx, ctx.words("app.confidence.missing"))
        return
    left, right = st.columns(2, gap="large")
    with left:
        _reliability(ctx, pd.DataFrame(bins), scores["ece"])
    with right:
        _selective(ctx, scored, pd.DataFrame(curve))


def _reliability(ctx: Context, bins: pd.DataFrame, ece: float) -> None:
    words = ctx.words
    st.header(words("app.confidence.reliability"), anchor=False)
    bins = bins.assign(
        shown=[words.number(n) for n in bins["rows"]],
        said=[words.percent(value) for value in bins["confidence"]],
        was=[words.percent(value) for value in bins["accuracy"]],
    )
    titles = {
        "said": words("app.confidence.said"),
        "was": words("app.confidence.was"),
        "shown": words("app.word.products"),
    }
    components.chart(
        ctx, charts.reliability(bins, titles=titles), words("app.confidence.reliability")
    )
    components.note(words("app.confidence.reliability_note", ece=words.percent(ece)))


def _selective(ctx: Context, scored: Scored, curve: pd.DataFrame) -> None:
    words = ctx.words
    st.header(words("app.confidence.selective"), anchor=False)
    decision = scored.scores.get("decision") or {}
    chosen = decision.get("threshold")
    threshold = choices.choose(
        ctx,
        words("app.confidence.threshold"),
        sorted({*(step / 100 for step in range(101)), *([chosen] if chosen else [])}),
        words.percent,
        key="threshold",
        default=chosen or 0.5,
        address="threshold",
        widget="select_slider",
    )
    share, accuracy = _at(scored, curve, threshold)
    curve = curve.assign(
        at=[words.percent(value, 0) for value in curve["threshold"]],
        decided=[words.percent(value) for value in curve["coverage"]],
        right=[words.percent(value) for value in curve["accuracy"]],
    )
    titles = {
        "at": words("app.confidence.threshold"),
        "decided": words("app.confidence.decided"),
        "right": words("app.confidence.was"),
    }
    components.chart(
        ctx,
        charts.selective(curve, share, accuracy, titles=titles),
        words("app.confidence.selective"),
    )
    if math.isnan(accuracy):
        components.note(words("app.confidence.nothing"))
        return
    components.note(
        words(
            "app.confidence.selective_note",
            share=words.percent(share),
            accuracy=words.percent(accuracy),
            review=words.percent(1 - share),
        )
    )
    if chosen:
        target = words.percent(decision["target_accuracy"])
        components.note(
            words("app.confidence.chosen", threshold=words.percent(chosen), target=target)
        )


def _at(scored: Scored, curve: pd.DataFrame, threshold: float) -> tuple[float, float]:
    """Return coverage and accuracy at a threshold, from the rows, or else from the curve."""
    if scored.predictions is not None and "probability" in scored.predictions:
        return mistakes.at_threshold(scored.predictions, threshold)
    nearest = curve.iloc[int((curve["threshold"] - threshold).abs().argmin())]
    return float(nearest["coverage"]), float(nearest["accuracy"])
