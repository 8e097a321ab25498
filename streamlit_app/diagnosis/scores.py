"""Scores with their intervals, over all rows and by slice."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from streamlit_app import charts, components, theme
from streamlit_app.context import Context
from streamlit_app.diagnosis.source import Scored

# Scores that are shares are told in per cent of rows; F1 as a number, as the challenge does.
SHARES = ("accuracy", "top3", "theme_accuracy")
SHOWN = ("f1_weighted", "f1_macro", *SHARES, "log_loss", "ece")


def show(ctx: Context, scored: Scored) -> None:
    """Draw the section."""
    scores = scored.scores or {}
    components.figures(
        (_value(ctx, name, scores[name]), _told(ctx, name, scores))
        for name in SHOWN
        if name in scores
    )
    rows = ctx.number(scores.get("rows", 0))
    components.note(ctx.say(f"diagnostics.split.{scored.split}", n=rows))
    slices: dict[str, dict[str, Any]] = scores.get("slices", {})
    if not slices:
        return
    st.subheader(ctx.say("diagnostics.slices"), anchor=False)
    left, right = st.columns(2)
    by = components.choose(
        ctx.say("diagnostics.slices.by"),
        list(slices),
        lambda name: ctx.say(f"diagnostics.slice.{name}"),
        key="slice_by",
        place=left,
    )
    score = components.choose(
        ctx.say("diagnostics.slices.score"),
        ("accuracy", "f1_weighted"),
        lambda name: ctx.say(f"diagnostics.{name}"),
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
                "key": key,
                "name": f"{_slice_name(ctx, by, key)} ({ctx.number(scores['rows'])})",
                "value": scores[score],
                "low": low,
                "high": high,
                "shown": _value(ctx, score, scores[score]),
                "rows": ctx.number(scores["rows"]),
                "interval": f"{_value(ctx, score, low)} - {_value(ctx, score, high)}",
            }
        )
    data = pd.DataFrame(rows).sort_values("value", ascending=False)
    colors = dict.fromkeys(data["key"], theme.ACCENT)
    if by == "theme":
        colors = {key: ctx.theme_colors()[ctx.theme_label(key)] for key in data["key"]}
    title = ctx.say(f"diagnostics.{score}")
    least = max(0.0, min(data["low"].min(), 0.9) - 0.05)
    st.altair_chart(
        charts.intervals(
            data, name="name", value="value", low="low", high="high", color="key", colors=colors,
            value_title=title, least=least, axis="%" if score in SHARES else ".2f",
            titles={
                "name": ctx.say(f"diagnostics.slice.{by}"), "shown": title,
                "interval": ctx.say("method.interval"), "rows": ctx.say("word.products"),
            },
        )
    )  # fmt: skip


def _slice_name(ctx: Context, by: str, key: str) -> str:
    if by == "theme":
        return ctx.theme_label(key)
    return ctx.say(f"language.{key}" if by == "language" else f"diagnostics.{by}.{key.lower()}")


def _value(ctx: Context, name: str, value: float) -> str:
    return ctx.percent(value) if name in SHARES else ctx.number(value, 3)


def _told(ctx: Context, name: str, scores: dict[str, Any]) -> str:
    what = ctx.say(f"diagnostics.{name}")
    interval = scores.get("intervals", {}).get(name)
    if not interval:
        return what
    low, high = (_value(ctx, name, value) for value in interval)
    return f"{what}<br><small>{low} - {high}</small>"
