"""Class by class: where the model is weak, and text alone beside text and picture."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from streamlit_app import charts, components, loaders, theme
from streamlit_app.context import Context
from streamlit_app.diagnosis.source import Scored

COMPARE_COMMAND = "python scripts/train.py --compare-all"
SORTS = ("f1", "support")


def show(ctx: Context, scored: Scored) -> None:
    """Draw the section."""
    if scored.by_class is None:
        components.empty(ctx, ctx.say("diagnostics.no_classes"))
    else:
        _by_class(ctx, scored.by_class)
    _baselines(ctx)


def _by_class(ctx: Context, table: pd.DataFrame) -> None:
    st.subheader(ctx.say("classes.title"), anchor=False)
    named = table.assign(
        name=[ctx.label(code) for code in table["prdtypecode"]],
        theme=[ctx.theme(code) for code in table["prdtypecode"]],
        shown=[ctx.number(f1, 2) for f1 in table["f1"]],
        rows=[ctx.number(n) for n in table["support"]],
    ).sort_values("f1")
    ends = (
        {"low": "f1_low", "high": "f1_high"} if "f1_low" in named else {"low": "f1", "high": "f1"}
    )
    colors = ctx.theme_colors()
    components.legend(colors)
    titles = {"name": ctx.say("word.class"), "prdtypecode": ctx.say("word.code")}
    titles |= {"shown": "F1", "rows": ctx.say("word.products")}
    st.altair_chart(
        charts.intervals(
            named, name="name", value="f1", color="theme", colors=colors, titles=titles,
            value_title="F1", least=max(0.0, named["f1"].min() - 0.1), **ends,
        )
    )  # fmt: skip
    with st.expander(ctx.say("exploration.table")):
        columns = {
            "name": ctx.say("word.class"),
            "prdtypecode": ctx.say("word.code"),
            "theme": ctx.say("word.theme"),
            "f1": "F1",
            "precision": ctx.say("classes.precision"),
            "recall": ctx.say("classes.recall"),
            "support": ctx.say("word.products"),
        }
        config = {columns[n]: st.column_config.NumberColumn(format="%.3f") for n in ("f1",)}
        config |= {
            columns[name]: st.column_config.NumberColumn(format="percent")
            for name in ("precision", "recall")
        }
        config[columns["prdtypecode"]] = st.column_config.NumberColumn(format="%d")
        frame = named[list(columns)].rename(columns=columns)
        st.dataframe(frame, hide_index=True, column_config=config, height=420)


def _baselines(ctx: Context) -> None:
    st.subheader(ctx.say("classes.baselines"), anchor=False)
    text, fused = (
        loaders.load(ctx.store, ctx.store.rapport(f"{name}_diagnostics.csv"))
        for name in ("b2", "b4")
    )
    if text is None or fused is None:
        components.empty(ctx, ctx.say("classes.no_baselines"), COMPARE_COMMAND)
        return
    both = text[["prdtypecode", "f1"]].merge(fused[["prdtypecode", "f1"]], on="prdtypecode")
    both["gain"] = both["f1_y"] - both["f1_x"]
    both = both.sort_values("gain", ascending=False)
    series = {
        ctx.say("classes.text_alone"): theme.THEME_COLORS[0],
        ctx.say("classes.both"): theme.THEME_COLORS[2],
    }
    names = [ctx.label(code) for code in both["prdtypecode"]]
    parts = [
        pd.DataFrame({"name": names, "what": what, "value": both[column]})
        for what, column in zip(series, ("f1_x", "f1_y"), strict=True)
    ]
    data = pd.concat(parts, ignore_index=True)
    data["shown"] = [ctx.number(value, 2) for value in data["value"]]
    components.legend(series)
    st.altair_chart(
        charts.points(
            data, name="name", series="what", colors=series, order=names, axis=".2f",
            titles={"name": ctx.say("word.class"), "what": " ", "shown": "F1"},
        )
    )  # fmt: skip
    better, worse = int((both["gain"] > 0).sum()), int((both["gain"] < 0).sum())
    components.note(ctx.say("classes.baselines.note", better=better, worse=worse))
    _top_confusions(ctx)


def _top_confusions(ctx: Context) -> None:
    tables = {
        what: loaders.load(ctx.store, ctx.store.rapport(f"{name}_top_confusions.csv"))
        for what, name in (("text_alone", "b2"), ("both", "b4"))
    }
    columns = st.columns(2, gap="large")
    for column, (what, table) in zip(columns, tables.items(), strict=True):
        if table is None or table.empty:
            continue
        rows = [
            components.bar(
                f"{ctx.chip(row.true)} → {ctx.chip(row.predicted)}", row.rate / table["rate"].max(),
                ctx.percent(row.rate), theme.BAD,
            )
            for row in table.sort_values("rate", ascending=False).head(8).itertuples()
        ]  # fmt: skip
        with column:
            st.markdown(f"**{ctx.say('classes.top', what=ctx.say(f'classes.{what}'))}**")
            st.html("".join(rows))
