"""How many products each class or theme has, and the table of all classes."""

import html
from collections.abc import Callable

import pandas as pd
import streamlit as st

from streamlit_app.shared import choices, components
from streamlit_app.shared.context import Context


def show(ctx: Context, by_class: pd.DataFrame) -> None:
    """Draw the section."""
    words = ctx.words
    by = choices.choose(
        ctx,
        words("app.exploration.by"),
        ("class", "theme"),
        lambda name: words(f"app.word.{name}"),
        key="exploration_by",
        address="by",
        widget="segmented_control",
        required=True,
    )
    named = by_class.assign(
        name=[ctx.label(code) for code in by_class["code"]],
        theme=[ctx.theme(code) for code in by_class["code"]],
    )
    st.header(words(f"app.exploration.title_{by}"), anchor=False)
    if by == "class":
        components.class_bars(ctx, zip(by_class["code"], by_class["products"], strict=True))
    else:
        _by_theme(ctx, named)
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


def _by_theme(ctx: Context, named: pd.DataFrame) -> None:
    counts = named.groupby("theme")["products"].sum().sort_values(ascending=False)
    colors, most = ctx.theme_colors(), counts.max()
    components.bars(
        (html.escape(theme), n / most, ctx.words.number(n), colors[theme])
        for theme, n in zip(counts.index.tolist(), counts.tolist(), strict=True)
    )


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
    words = ctx.words
    formats: dict[str, Callable[[float], str]] = {
        "code": str,
        "products": words.number,
        "title_length": words.number,
        **dict.fromkeys(("share", "no_description", "no_image"), words.percent),
    }
    components.table(ctx, named, columns, formats, height=480)
