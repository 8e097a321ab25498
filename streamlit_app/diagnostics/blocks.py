"""What each block of columns gives to the margins, over all classes and for one."""

import pandas as pd
import streamlit as st

from src import palette
from streamlit_app.shared import choices, components, loaders
from streamlit_app.shared.context import Context

ALL = "all"


def show(ctx: Context) -> None:
    """Draw the section."""
    summary = loaders.load(ctx.store, ctx.store.shap_summary)
    if summary is None:
        components.empty(ctx, ctx.words("app.blocks.missing"))
        return
    st.header(ctx.words("app.blocks.title"), anchor=False)
    components.run_of(ctx, loaders.run_id(ctx.store, ctx.store.shap_summary))
    code = choices.choose_class(ctx, ctx.labels.codes, key="blocks_class")
    chosen = summary[summary["class"].astype(str) == (ALL if code is None else str(code))]
    if chosen.empty:
        st.info(ctx.words("app.blocks.unknown"))
        return
    chosen = chosen.sort_values("share", ascending=False)
    components.bars(_bar(ctx, row, chosen["share"].max()) for row in chosen.itertuples())
    components.note(ctx.words("app.blocks.note"))


def _bar(ctx: Context, row: pd.Series, largest: float) -> tuple[str, float, str, str]:
    title, text = ctx.branch(row.block)
    color = palette.IMAGE_COLOR if row.block.startswith("image") else palette.TEXT_COLOR
    label = f"<b>{title}</b> <small>{text}</small>"
    return label, row.share / largest, ctx.words.percent(row.share), color
