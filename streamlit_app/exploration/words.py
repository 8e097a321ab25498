"""Frequent and typical words of the titles, and their cloud."""

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
        components.note(ctx.words("app.exploration.words_count"))
        _bars(frequent, [ctx.words.number(n) for n in frequent], color)
    cloud = counts.frequent(code, WORDS_IN_CLOUD)
    if code is None:
        with right:
            _cloud(ctx, cloud, color, TALL_PX)
        return
    with right:
        st.header(ctx.words("app.exploration.words_typical"), anchor=False)
        components.note(ctx.words("app.exploration.words_times"))
        typical = counts.typical(code, WORDS_IN_BARS)
        shown = [
            ctx.words("app.exploration.words_only_here")
            if alone
            else f"× {ctx.words.number(times, 1 if times < 10 else 0)}"
            for times, alone in zip(typical["times"], typical["alone"], strict=True)
        ]
        _bars(typical["times"], shown, color)
    _cloud(ctx, cloud, color, WIDE_PX)


def _bars(values: pd.Series, shown: list[str], color: str) -> None:
    bars = zip(values.index, values / values.max(), shown, strict=True)
    components.bars(((*bar, color) for bar in bars), inline=True)


def _cloud(ctx: Context, frequent: pd.Series, color: str, size_px: tuple[int, int]) -> None:
    st.header(ctx.words("app.exploration.words_cloud"), anchor=False)
    if importlib.util.find_spec("wordcloud") is None:
        st.caption(ctx.words("app.exploration.words_no_cloud"))
        return
    weights = tuple((str(word), int(n)) for word, n in frequent.items())
    words = ", ".join(frequent.index[:WORDS_IN_BARS])
    what = f"{ctx.words('app.exploration.words_cloud')}: {words}"
    dark = st.context.theme.type == "dark"
    components.image(loaders.word_cloud(weights, color, size_px, dark=dark), "image/png", what)
