"""How far its probabilities can be believed, and how much may be decided without a person."""

from __future__ import annotations

import math

import pandas as pd
import streamlit as st

from streamlit_app import charts, components
from streamlit_app.context import Context
from streamlit_app.diagnosis import mistakes
from streamlit_app.diagnosis.source import Scored


def show(ctx: Context, scored: Scored) -> None:
    """Draw the section."""
    scores = scored.scores or {}
    bins, curve = scores.get("reliability"), scores.get("selective")
    if not bins or not curve:
        components.empty(ctx, ctx.say("confidence.missing"))
        return
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader(ctx.say("confidence.reliability"), anchor=False)
        table = pd.DataFrame(bins)
        table["shown"] = [ctx.number(n) for n in table["rows"]]
        table["said"] = [ctx.percent(value) for value in table["confidence"]]
        table["was"] = [ctx.percent(value) for value in table["accuracy"]]
        titles = {"said": ctx.say("confidence.said"), "was": ctx.say("confidence.was")}
        st.altair_chart(
            charts.reliability(table, titles={**titles, "shown": ctx.say("word.products")})
        )
        components.note(ctx.say("confidence.reliability.note", ece=ctx.percent(scores["ece"])))
    with right:
        st.subheader(ctx.say("confidence.selective"), anchor=False)
        _selective(ctx, scored, pd.DataFrame(curve))


def _selective(ctx: Context, scored: Scored, curve: pd.DataFrame) -> None:
    decision = (scored.scores or {}).get("decision") or {}
    chosen = decision.get("threshold")
    threshold = st.slider(
        ctx.say("confidence.threshold"), 0.0, 1.0, float(chosen or 0.5), 0.01, key="threshold",
        format="percent",
    )  # fmt: skip
    share, accuracy = _at(scored, curve, threshold)
    curve = curve.assign(
        at=[ctx.percent(value, 0) for value in curve["threshold"]],
        decided=[ctx.percent(value) for value in curve["coverage"]],
        right=[ctx.percent(value) for value in curve["accuracy"]],
    )
    titles = {
        "at": ctx.say("confidence.threshold"),
        "decided": ctx.say("confidence.decided"),
        "right": ctx.say("confidence.was"),
    }
    st.altair_chart(charts.selective(curve, share, accuracy, titles=titles))
    if math.isnan(accuracy):
        components.note(ctx.say("confidence.nothing"))
        return
    review = ctx.percent(1 - share)
    components.note(
        ctx.say(
            "confidence.selective.note", share=ctx.percent(share), accuracy=ctx.percent(accuracy),
            review=review,
        )
    )  # fmt: skip
    if chosen:
        target = ctx.percent(decision["target_accuracy"])
        components.note(ctx.say("confidence.chosen", threshold=ctx.percent(chosen), target=target))


def _at(scored: Scored, curve: pd.DataFrame, threshold: float) -> tuple[float, float]:
    """Return coverage and accuracy at a threshold, from the rows, or else from the curve."""
    if scored.predictions is not None and "probability" in scored.predictions:
        return mistakes.at_threshold(scored.predictions, threshold)
    nearest = curve.iloc[int((curve["threshold"] - threshold).abs().argmin())]
    return float(nearest["coverage"]), float(nearest["accuracy"])
