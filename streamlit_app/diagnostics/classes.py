"""Class by class: where the model is weak, and text alone beside text and image."""

from collections.abc import Callable

import pandas as pd
import streamlit as st

from src import palette
from streamlit_app.diagnostics.source import Scored
from streamlit_app.shared import charts, components, loaders
from streamlit_app.shared.context import Context

COMPARE_COMMAND = "python scripts/train.py --compare-all"


def show(ctx: Context, scored: Scored) -> None:
    """Draw the section."""
    if scored.by_class is None:
        components.empty(ctx, ctx.words("app.diagnostics.no_classes"))
    else:
        _by_class(ctx, scored.by_class)
    _baselines(ctx)


def _by_class(ctx: Context, table: pd.DataFrame) -> None:
    st.header(ctx.words("app.classes.title"), anchor=False)
    named = table.assign(
        name=[ctx.label(code) for code in table["prdtypecode"]],
        color=[ctx.theme(code) for code in table["prdtypecode"]],
        shown=[ctx.words.number(f1, 2) for f1 in table["f1"]],
        rows=[ctx.words.number(n) for n in table["support"]],
        value=table["f1"],
        low=table.get("f1_low", table["f1"]),
        high=table.get("f1_high", table["f1"]),
    ).sort_values("f1")
    colors = ctx.theme_colors()
    components.legend(colors)
    titles = {"name": ctx.words("app.word.class"), "prdtypecode": ctx.words("app.word.code")}
    titles |= {"shown": "F1", "rows": ctx.words("app.word.products")}
    least = max(0.0, named["f1"].min() - 0.1)
    chart = charts.intervals(named, colors=colors, titles=titles, value_title="F1", least=least)
    components.chart(ctx, chart, ctx.words("app.classes.title"))
    with st.expander(ctx.words("app.exploration.table")):
        columns = {
            "name": ctx.words("app.word.class"),
            "prdtypecode": ctx.words("app.word.code"),
            "color": ctx.words("app.word.theme"),
            "f1": "F1",
            "precision": ctx.words("app.classes.precision"),
            "recall": ctx.words("app.classes.recall"),
            "support": ctx.words("app.word.products"),
        }
        formats: dict[str, Callable[[float], str]] = {
            "prdtypecode": str,
            "f1": lambda value: ctx.words.number(value, 3),
            "support": ctx.words.number,
            **dict.fromkeys(("precision", "recall"), ctx.words.percent),
        }
        components.table(ctx, named, columns, formats, height=420)


def _baselines(ctx: Context) -> None:
    st.header(ctx.words("app.classes.baselines"), anchor=False)
    text, fused = (
        loaders.load(ctx.store, ctx.store.baseline(f"{name}_diagnostics.csv"))
        for name in ("b2", "b4")
    )
    if text is None or fused is None:
        components.empty(ctx, ctx.words("app.classes.no_baselines"), COMPARE_COMMAND)
        return
    both = text[["prdtypecode", "f1"]].merge(
        fused[["prdtypecode", "f1"]], on="prdtypecode", suffixes=("_text", "_both")
    )
    both["gain"] = both["f1_both"] - both["f1_text"]
    both["name"] = [ctx.label(code) for code in both["prdtypecode"]]
    columns = {
        "f1_text": (ctx.words("app.classes.text_alone"), palette.TEXT_COLOR),
        "f1_both": (ctx.words("app.classes.both"), palette.IMAGE_COLOR),
    }
    components.legend(dict(columns.values()))
    components.chart(
        ctx,
        charts.points(
            both.sort_values("gain", ascending=False),
            columns=columns,
            titles=(ctx.words("app.word.class"), "F1"),
            show=lambda value: ctx.words.number(value, 2),
            axis=".2f",
        ),
        ctx.words("app.classes.baselines"),
    )
    better, worse = int((both["gain"] > 0).sum()), int((both["gain"] < 0).sum())
    components.note(ctx.words("app.classes.baselines_note", better=better, worse=worse))
