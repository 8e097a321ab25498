"""The method page: flow, stages, comparison of the systems, experts, weights of the branches."""

import functools
from collections.abc import Callable

import pandas as pd
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
    _experts(ctx)
    st.header(ctx.words("app.method.branches"), anchor=False)
    _branches(ctx)


def _stages(ctx: Context) -> None:
    cells = (
        f"<div><i>{number}</i><b>{name}</b><span>{text}</span></div>"
        for number, (name, text) in enumerate(ctx.words.section("app.method.stages"), 1)
    )
    st.html(f'<div class="stages">{"".join(cells)}</div>')


def _experts(ctx: Context) -> None:
    """Show what each of several experts adds to the others, and costs."""
    kind = ctx.run.kind if ctx.run else ctx.cfg.model.name
    metrics = loaders.load(ctx.store, ctx.store.metrics(kind, "oof", ".json")) or {}
    table = pd.DataFrame(metrics.get("experts", []))
    if table.empty:
        return
    st.header(ctx.words("app.method.experts"), anchor=False)
    say_loss: Callable[[float], str] = functools.partial(ctx.words.number, digits=3)
    for name, say in (("adds_log_loss", say_loss), ("adds_accuracy", ctx.words.points)):
        table[name] = ["{} ({} - {})".format(*map(say, ends)) for ends in table[name]]
    table["expert"] = [ctx.branch(name)[0] for name in table["expert"]]
    shown = ("expert", "rows", "log_loss", "adds_log_loss", "adds_accuracy", "fit_s", "mb", "ms")
    formats = {"rows": ctx.words.number, "log_loss": say_loss}
    formats |= dict.fromkeys(("fit_s", "mb", "ms"), lambda value: ctx.words.number(value, 1))
    titles = {name: ctx.words(f"app.method.{name}") for name in shown}
    components.table(ctx, table, titles, formats)
    components.note(ctx.words("app.method.experts_note"))


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
