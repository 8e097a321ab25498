"""Frequent and typical words of the titles, and their cloud."""

from __future__ import annotations

import importlib.util

import pandas as pd
import streamlit as st

from src.palette import ACCENT
from streamlit_app.exploration import aggregates
from streamlit_app.shared import choices, components, loaders
from streamlit_app.shared.context import Context

WORDS_IN_BARS, WORDS_IN_CLOUD = 22, 150
TALL_PX = (800, 840)
WIDE_PX = (1300, 420)


def show(ctx: Context, by_class: pd.DataFrame) -> None:
    """Draw the section."""
    counts = loaders.derive(ctx, aggregates.words)
    code = choices.choose_class(ctx, by_class["code"], key="words_class")
    frequent = counts.frequent(code, WORDS_IN_BARS)
    color = ACCENT if code is None else ctx.color(code)
    left, right = st.columns(2, gap="large")
    with left:
        st.header(ctx.words("app.exploration.words_frequent"), anchor=False)
        frequent["shown"] = [ctx.words.number(n) for n in frequent["titles"]]
        _bars(ctx, frequent, "titles", "app.exploration.words_count", color)
    cloud = counts.frequent(code, WORDS_IN_CLOUD)
    if code is None:
        with right:
            _cloud(ctx, cloud, color, TALL_PX)
        return
    with right:
        st.header(ctx.words("app.exploration.words_typical"), anchor=False)
        typical = counts.typical(code, WORDS_IN_BARS)
        typical["shown"] = [
            ctx.words("app.exploration.words_only_here")
            if alone
            else f"× {ctx.words.number(times, 1 if times < 10 else 0)}"
            for times, alone in zip(typical["times"], typical["alone"], strict=True)
        ]
        _bars(ctx, typical, "times", "app.exploration.words_times", color)
    _cloud(ctx, cloud, color, WIDE_PX)


def _bars(ctx: Context, data: pd.DataFrame, value: str, title: str, color: str) -> None:
    components.note(ctx.words(title))
    columns = data["word"], data[value] / data[value].max(), data["shown"]
    components.bars(((*row, color) for row in zip(*columns, strict=True)), inline=True)


def _cloud(ctx: Context, frequent: pd.DataFrame, color: str, size_px: tuple[int, int]) -> None:
    st.header(ctx.words("app.exploration.words_cloud"), anchor=False)
    if importlib.util.find_spec("wordcloud") is None:
        st.caption(ctx.words("app.exploration.words_no_cloud"))
        return
    weights = tuple(zip(frequent["word"], frequent["titles"].tolist(), strict=True))
    words = ", ".join(frequent["word"].head(WORDS_IN_BARS))
    what = f"{ctx.words('app.exploration.words_cloud')}: {words}"
    components.image(loaders.word_cloud(weights, color, size_px), "image/png", what)
