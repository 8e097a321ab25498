"""The confusion explorer: a heat map, and behind each cell the products it counts."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from streamlit_app.diagnostics import mistakes
from streamlit_app.diagnostics.mistakes import ELSEWHERE, Groups
from streamlit_app.diagnostics.source import Scored
from streamlit_app.shared import charts, components, loaders
from streamlit_app.shared.context import Context

THEMES, CLASSES = "themes", "classes"
PAGE_PRODUCTS = 12
_TRUE, _PREDICTED, _PAGE = "cell_true", "cell_predicted", "cell_page"


def show(ctx: Context, scored: Scored) -> None:
    """Draw the section."""
    if scored.predictions is None:
        components.empty(ctx, ctx.words("app.diagnostics.no_predictions"))
        return
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    scope = components.choose(
        ctx.words("app.confusions.scope"),
        [THEMES, *ctx.theme_keys(), CLASSES],
        lambda name: _scope_name(ctx, name),
        key="scope",
        place=left,
        on_change=_forget_cell,
    )
    only_wrong = right.toggle(ctx.words("app.confusions.only_wrong"), value=True, key="only_wrong")
    groups = _groups(ctx, scope)
    cells = mistakes.confusion(scored.predictions, groups)
    _choose_worst(cells)
    _heat_map(ctx, cells, groups, only_wrong=only_wrong)
    components.note(ctx.words("app.confusions.note"))
    _cell(ctx, scored.predictions, groups)


def _scope_name(ctx: Context, scope: str) -> str:
    if scope in {THEMES, CLASSES}:
        return ctx.words(f"app.confusions.scope_{scope}")
    return ctx.words("app.confusions.scope_inside", theme=ctx.theme_label(scope))


def _groups(ctx: Context, scope: str) -> Groups:
    themes = dict(ctx.labels.themes)
    if scope == THEMES:
        return mistakes.by_theme(themes, ctx.theme_keys())
    if scope == CLASSES:
        return mistakes.all_classes(themes, ctx.theme_keys())
    return mistakes.inside(scope, themes)


def _name(ctx: Context, group: str) -> str:
    if group == ELSEWHERE:
        return ctx.words("app.confusions.elsewhere")
    return ctx.label(int(group)) if group.isdigit() else ctx.theme_label(group)


def _forget_cell() -> None:
    for key in (_TRUE, _PREDICTED, _PAGE):
        st.session_state.pop(key, None)


def _choose_worst(cells: pd.DataFrame) -> None:
    """Open on the cell with most mistakes, until the visitor chooses one."""
    wrong = cells[~cells["right"]]
    if _TRUE not in st.session_state and len(wrong):
        worst = wrong.loc[wrong["count"].idxmax()]
        st.session_state[_TRUE], st.session_state[_PREDICTED] = worst["true"], worst["predicted"]


def _heat_map(ctx: Context, cells: pd.DataFrame, groups: Groups, *, only_wrong: bool) -> None:
    order = list(dict.fromkeys(groups.values()))
    names = {group: _name(ctx, group) for group in order}
    shown = (cells[~cells["right"]] if only_wrong else cells).assign(
        true_name=lambda table: table["true"].map(names),
        predicted_name=lambda table: table["predicted"].map(names),
        percent=lambda table: [ctx.words.percent(rate) for rate in table["rate"]],
        shown=lambda table: [ctx.words.number(count) for count in table["count"]],
    )
    titles = {
        "true_name": ctx.words("app.confusions.true"),
        "predicted_name": ctx.words("app.confusions.predicted"),
        "shown": ctx.words("app.word.products"),
        "percent": ctx.words("app.confusions.rate"),
    }
    chart = charts.heat_map(shown, order=[names[group] for group in order], titles=titles)
    key = f"heat_map_{len(order)}_{order[0]}"
    st.altair_chart(
        chart, on_select=lambda: _take_click(st.session_state[key]), selection_mode="cell", key=key
    )


def _take_click(event: Any) -> None:  # noqa: ANN401 - Streamlit's own mapping
    """Carry the clicked cell over to the two boxes below the map."""
    chosen = event.selection.get("cell") or []
    if chosen:
        st.session_state[_TRUE] = chosen[0]["true"]
        st.session_state[_PREDICTED] = chosen[0]["predicted"]
        st.session_state[_PAGE] = 1


def _cell(ctx: Context, predictions: pd.DataFrame, groups: Groups) -> None:
    boxes = zip(st.columns(2), ("true", "predicted"), (_TRUE, _PREDICTED), strict=True)
    true, predicted = (
        components.choose(
            ctx.words(f"app.confusions.{what}"),
            list(dict.fromkeys(groups.values())),
            lambda group: _name(ctx, group),
            key=key,
            place=place,
        )
        for place, what, key in boxes
    )
    found = mistakes.behind(predictions, groups, true, predicted)
    st.markdown(f"**{ctx.words('app.confusions.behind', n=ctx.words.number(len(found)))}**")
    if found.empty:
        return
    pages = -(-len(found) // PAGE_PRODUCTS)
    page = 1
    if pages > 1:
        # A smaller cell may have fewer pages than the one looked at before.
        st.session_state[_PAGE] = min(st.session_state.get(_PAGE, 1), pages)
        page = st.number_input(
            ctx.words("app.confusions.page", n=pages), 1, pages, key=_PAGE, width=180
        )
    first = (page - 1) * PAGE_PRODUCTS
    rows = mistakes.with_products(found.iloc[first : first + PAGE_PRODUCTS], loaders.catalogue(ctx))
    components.cards(_product(ctx, row) for row in rows.itertuples())


def _product(ctx: Context, row: Any) -> str:  # noqa: ANN401 - a row of a frame
    said = ctx.words("app.confusions.said", p=ctx.words.percent(row.probability, 0))
    below = f"{ctx.chip(row.predicted)} {said}"
    if row.predicted != row.prdtypecode:
        below += f"<br>{ctx.words('app.confusions.is')} {ctx.chip(row.prdtypecode)}"
    return components.card(
        loaders.thumbnail(row.image), ctx, row.designation, below, row.description
    )
