"""What each block of columns gives to the margins, over all classes and for one."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from streamlit_app import components, loaders, theme
from streamlit_app.context import Context

ALL = "all"


def show(ctx: Context) -> None:
    """Draw the section."""
    summary = loaders.load(ctx.store, ctx.store.shap_summary)
    if summary is None:
        components.empty(ctx, ctx.say("blocks.missing"))
        return
    st.subheader(ctx.say("blocks.title"), anchor=False)
    code = components.choose_class(ctx, ctx.labels.codes, key="blocks_class")
    chosen = summary[summary["class"].astype(str) == (ALL if code is None else str(code))]
    if chosen.empty:
        st.info(ctx.say("blocks.unknown"))
        return
    chosen = chosen.sort_values("share", ascending=False)
    st.html("".join(_bar(ctx, row, chosen["share"].max()) for row in chosen.itertuples()))
    components.note(ctx.say("blocks.note"))


def _bar(ctx: Context, row: pd.Series, largest: float) -> str:
    title, text = ctx.branch(row.block)
    color = theme.THEME_COLORS[2 if row.block.startswith("image") else 0]
    label = f"<b>{title}</b> <small>{text}</small>"
    return components.bar(label, row.share / largest, ctx.percent(row.share), color)
