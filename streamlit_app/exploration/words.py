"""Frequent and typical words of the titles, and their cloud."""

from __future__ import annotations

import importlib.util

import pandas as pd
import streamlit as st

from src.palette import ACCENT
from streamlit_app.exploration import aggregates
from streamlit_app.shared import components, loaders
from streamlit_app.shared.context import Context

WORDS_IN_BARS, WORDS_IN_CLOUD = 22, 150
TALL_PX = (800, 840)
WIDE_PX = (1300, 420)


def show(ctx: Context, by_class: pd.DataFrame) -> None:
    """Draw the section."""
    counts = loaders.derive(ctx, aggregates.words)
    code = components.choose_class(ctx, by_class["code"], key="words_class")
    frequent = counts.frequent(code, WORDS_IN_BARS)
    color = ACCENT if code is None else ctx.color(code)
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader(ctx.words("app.exploration.words_frequent"), anchor=False)
        frequent["shown"] = [ctx.words.number(n) for n in frequent["titles"]]
        _bars(ctx, frequent, "titles", "app.exploration.words_count", color)
    cloud = counts.frequent(code, WORDS_IN_CLOUD)
    if code is None:
        with right:
            _cloud(ctx, cloud, color, TALL_PX)
        return
    with right:
        st.subheader(ctx.words("app.exploration.words_typical"), anchor=False)
        typical = counts.typical(code, WORDS_IN_BARS)
        typical["shown"] = [f"× {ctx.words.number(times)}" for times in typical["times"]]
        _bars(ctx, typical, "times", "app.exploration.words_times", color)
    _cloud(ctx, cloud, color, WIDE_PX)


def _bars(ctx: Context, data: pd.DataFrame, value: str, title: str, color: str) -> None:
    components.note(ctx.words(title))
    columns = data["word"], data[value] / data[value].max(), data["shown"]
    components.bars((*row, color) for row in zip(*columns, strict=True))


def _cloud(ctx: Context, frequent: pd.DataFrame, color: str, size_px: tuple[int, int]) -> None:
    st.subheader(ctx.words("app.exploration.words_cloud"), anchor=False)
    if importlib.util.find_spec("wordcloud") is None:
        st.caption(ctx.words("app.exploration.words_no_cloud"))
        return
    weights = tuple(zip(frequent["word"], frequent["titles"].tolist(), strict=True))
    st.image(loaders.word_cloud(weights, color, size_px), width="stretch")
