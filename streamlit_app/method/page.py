"""The method page: flow, stages, comparison of the systems, weights of the branches."""

from __future__ import annotations

import streamlit as st

from src.palette import IMAGE_COLOR, TEXT_COLOR
from src.pipelines.registry import branch_weights, known_branches
from streamlit_app.method import comparison
from streamlit_app.shared import components, loaders
from streamlit_app.shared.context import Context


def show(ctx: Context) -> None:
    """Draw the page."""
    components.heading(ctx, "method")
    st.header(ctx.words("app.method.flow"), anchor=False)
    name = "mermaid-flow.svg" if ctx.language == "en" else f"mermaid-flow.{ctx.language}.svg"
    with st.container(key="flow"):
        drawing = (loaders.APP / name).read_bytes()
        components.image(drawing, "image/svg+xml", ctx.words("app.method.flow"))
    st.header(ctx.words("app.method.stages_title"), anchor=False)
    _stages(ctx)
    comparison.show(ctx)
    st.header(ctx.words("app.method.branches"), anchor=False)
    _branches(ctx)


def _stages(ctx: Context) -> None:
    cells = (
        f"<div><i>{number}</i><b>{name}</b><span>{text}</span></div>"
        for number, (name, text) in enumerate(ctx.words.section("app.method.stages"), 1)
    )
    st.html(f'<div class="stages">{"".join(cells)}</div>')


def _branches(ctx: Context) -> None:
    weights = branch_weights(ctx.cfg)
    mapping = loaders.load(ctx.store, ctx.store.feature_mapping) or {"blocks": []}
    widths = {block["branch"]: block["stop"] - block["start"] for block in mapping["blocks"]}
    heaviest = max(weights.values())
    rows = []
    for name, modality in known_branches(ctx.cfg):
        if name not in weights:
            continue
        title, text = ctx.branch(name)
        columns = (
            ctx.words(
                f"app.method.column{'s' if widths[name] != 1 else ''}",
                n=ctx.words.number(widths[name]),
            )
            if name in widths
            else ""
        )
        label = f"<b>{title}</b> <small>{text}</small>"
        value = f"{ctx.words.number(weights[name], 2)}<small> {columns}</small>"
        color = TEXT_COLOR if modality == "text" else IMAGE_COLOR
        rows.append((label, weights[name] / heaviest, value, color))
    components.note(ctx.words("app.method.branches_note"))
    components.bars(rows)
