"""Scores with their intervals, over all rows and by slice."""

from typing import Any

import pandas as pd
import streamlit as st

from src import palette
from streamlit_app.diagnostics.source import Scored
from streamlit_app.shared import charts, choices, components
from streamlit_app.shared.context import Context

# Scores that are shares are shown in per cent of rows; F1 as a number, as the challenge does.
SHARES = ("accuracy", "top3", "theme_accuracy")
SHOWN = ("f1_weighted", "f1_macro", *SHARES, "log_loss", "ece")


def show(ctx: Context, scored: Scored) -> None:
    """Draw the section."""
    scores = scored.scores
    components.figures(
        (_value(ctx, name, scores[name]), _described(ctx, name, scores))
        for name in SHOWN
        if name in scores
    )
    components.note(ctx.words("app.diagnostics.interval_below"))
    slices: dict[str, dict[str, Any]] = scores.get("slices", {})
    if not slices:
        return
    st.header(ctx.words("app.diagnostics.slices"), anchor=False)
    left, right = st.columns(2)
    by = choices.choose(
        ctx,
        ctx.words("app.diagnostics.slices_by"),
        list(slices),
        lambda name: ctx.words(f"app.diagnostics.slice_{name}"),
        key="slice_by",
        address="by",
        place=left,
    )
    score = choices.choose(
        ctx,
        ctx.words("app.diagnostics.slices_score"),
        ("accuracy", "f1_weighted"),
        lambda name: ctx.words(f"app.diagnostics.{name}"),
        key="slice_score",
        place=right,
    )
    _slice(ctx, by, slices[by], score)


def _slice(ctx: Context, by: str, slices: dict[str, Any], score: str) -> None:
    rows = []
    for key, scores in slices.items():
        low, high = scores.get("intervals", {}).get(score, (scores[score], scores[score]))
        rows.append(
            {
                "color": key,
                "name": f"{_slice_name(ctx, by, key)} ({ctx.words.number(scores['rows'])})",
                "value": scores[score],
                "low": low,
                "high": high,
                "shown": _value(ctx, score, scores[score]),
                "rows": ctx.words.number(scores["rows"]),
                "interval": f"{_value(ctx, score, low)} - {_value(ctx, score, high)}",
            }
        )
    data = pd.DataFrame(rows).sort_values("value", ascending=False)
    colors = dict.fromkeys(data["color"], palette.ACCENT)
    if by == "theme":
        colors = {key: ctx.theme_colors()[ctx.theme_label(key)] for key in data["color"]}
    title = ctx.words(f"app.diagnostics.{score}")
    least = max(0.0, min(data["low"].min(), 0.9) - 0.05)
    components.chart(ctx,
        charts.intervals(
            data, colors=colors, value_title=title, least=least,
            axis="%" if score in SHARES else ".2f",
            titles={
                "name": ctx.words(f"app.diagnostics.slice_{by}"),
                "shown": title,
                "interval": ctx.words("app.method.interval"),
                "rows": ctx.words("app.word.products"),
            },
        ), ctx.words("app.diagnostics.slices"))  # fmt: skip


def _slice_name(ctx: Context, by: str, key: str) -> str:
    if by == "theme":
        return ctx.theme_label(key)
    return ctx.words(
        f"app.languages.{key}" if by == "language" else f"app.diagnostics.{by}_{key.lower()}"
    )


def _value(ctx: Context, name: str, value: float) -> str:
    return ctx.words.percent(value) if name in SHARES else ctx.words.number(value, 3)


def _described(ctx: Context, name: str, scores: dict[str, Any]) -> str:
    what = ctx.words(f"app.diagnostics.{name}")
    interval = scores.get("intervals", {}).get(name)
    if not interval:
        return what
    low, high = (_value(ctx, name, value) for value in interval)
    return f"{what}<br><small>{low} - {high}</small>"
