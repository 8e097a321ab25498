"""Labels that are probably wrong: confident disagreements of models that had not seen the row."""

from typing import Any

import pandas as pd
import streamlit as st

from src.evaluation.label_issues import expected_precisions
from streamlit_app.diagnostics import mistakes
from streamlit_app.shared import choices, components, loaders
from streamlit_app.shared.context import Context

PAGE_PRODUCTS = 12


def show(ctx: Context) -> None:
    """Draw the section."""
    table = loaders.load(ctx.store, ctx.store.label_issues)
    if table is None:
        components.empty(ctx, ctx.words("app.issues.missing"))
        return
    st.header(ctx.words("app.issues.title", n=ctx.words.number(len(table))), anchor=False)
    components.note(ctx.words("app.issues.note"))
    components.run_of(ctx, loaders.run_id(ctx.store, ctx.store.label_issues))
    if table.empty:
        return
    _precision(ctx, table)
    code = choices.choose_class(
        ctx, set(table["given"]), key="issues_class", label="app.issues.given"
    )
    chosen = table if code is None else table[table["given"] == code]
    shown = st.session_state.get("issues_shown", PAGE_PRODUCTS)
    rows = mistakes.with_products(chosen.head(shown), loaders.catalogue(ctx))
    components.cards(_product(ctx, row) for row in rows.itertuples())
    left, right = st.columns(2)
    if len(chosen) > shown and left.button(
        ctx.words("app.issues.more"), icon=":material/expand_more:"
    ):
        st.session_state["issues_shown"] = shown + PAGE_PRODUCTS
        st.rerun()
    with right:
        what = ctx.words("app.issues.download")
        components.download(what, chosen.to_csv(index=False), "label_issues.csv")


def _precision(ctx: Context, table: pd.DataFrame) -> None:
    """Say how many of the labels are expected to be wrong, as far as the list says so."""
    if "expected_precision" not in table:
        return
    components.figures(
        (ctx.words.percent(share, 0), ctx.words("app.issues.expected", n=ctx.words.number(rows)))
        for rows, share in expected_precisions(table).items()
    )


def _product(ctx: Context, row: Any) -> str:  # noqa: ANN401 - a row of a frame
    labelled = ctx.words("app.issues.labelled", p=ctx.probability(row.given_probability))
    rather = ctx.words("app.issues.suggested", p=ctx.probability(row.suggested_probability))
    review = f"review?lang={ctx.language}&item={row.productid}"
    product = ctx.words("app.issues.product", id=row.productid)
    below = (
        f"{labelled}<br>{ctx.chip(row.given)}<br>{rather}<br>{ctx.chip(row.suggested)}"
        f'<br><a href="{review}" target="_self">{product}</a>'
    )
    return components.product(ctx, row, below)
