"""How many products each class or theme has, and the table of all classes."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from streamlit_app.shared import charts, components
from streamlit_app.shared.context import Context


def show(ctx: Context, by_class: pd.DataFrame) -> None:
    """Draw the section."""
    words = ctx.words
    by = st.segmented_control(
        words("app.exploration.by"),
        ("class", "theme"),
        format_func=lambda name: words(f"app.word.{name}"),
        default="class",
        key="exploration_by",
        required=True,
    )
    named = by_class.assign(
        name=[ctx.label(code) for code in by_class["code"]],
        theme=[ctx.theme(code) for code in by_class["code"]],
    )
    shown = named if by == "class" else _by_theme(named)
    shown = shown.assign(
        shown=[words.number(n) for n in shown["products"]],
        percent=[words.percent(share) for share in shown["share"]],
    )
    st.subheader(words(f"app.exploration.title_{by}"), anchor=False)
    titles = {"name": words(f"app.word.{by}"), "theme": words("app.word.theme")}
    titles |= {"code": words("app.word.code")} if by == "class" else {}
    titles |= {"shown": words("app.word.products"), "percent": words("app.word.share")}
    colors = ctx.theme_colors()
    components.legend(colors)
    st.altair_chart(
        charts.bars(
            shown, name="name", value="products", shown="shown", color="theme", colors=colors,
            titles=titles,
        )
    )  # fmt: skip
    big, small = named.iloc[0], named.iloc[-1]
    ratio = words.number(big["products"] / small["products"])
    components.note(
        words(
            "app.exploration.classes_note",
            big=ctx.chip(big["code"]), small=ctx.chip(small["code"]), ratio=ratio,
        )
    )  # fmt: skip
    with st.expander(words("app.exploration.table")):
        _table(ctx, named)


def _by_theme(named: pd.DataFrame) -> pd.DataFrame:
    summed = named.groupby("theme", as_index=False)[["products", "share"]].sum()
    return summed.assign(name=summed["theme"]).sort_values("products", ascending=False)


def _table(ctx: Context, named: pd.DataFrame) -> None:
    columns = {
        "name": ctx.words("app.word.class"),
        "code": ctx.words("app.word.code"),
        "theme": ctx.words("app.word.theme"),
        "products": ctx.words("app.word.products"),
        "share": ctx.words("app.word.share"),
        "no_description": ctx.words("app.exploration.no_description"),
        "no_image": ctx.words("app.exploration.no_image"),
        "title_length": ctx.words("app.exploration.title_length"),
    }
    config = {
        columns[name]: st.column_config.NumberColumn(format="percent")
        for name in ("share", "no_description", "no_image")
    }
    config[columns["code"]] = st.column_config.NumberColumn(format="%d")
    shown = named[list(columns)].rename(columns=columns)
    st.dataframe(shown, hide_index=True, column_config=config, height=480)
