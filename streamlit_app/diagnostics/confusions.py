"""The most confused pairs, a heat map of all, and the products behind each."""

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from src.evaluation.confusion import confusion_counts, top_errors
from streamlit_app.diagnostics import mistakes
from streamlit_app.diagnostics.mistakes import ELSEWHERE, Groups
from streamlit_app.diagnostics.source import Scored
from streamlit_app.shared import charts, choices, components, loaders
from streamlit_app.shared.context import Context

THEMES, CLASSES = "themes", "classes"
PAGE_PRODUCTS = 12
_SCOPE, _RANKED = "scope", "ranked_pairs"


def show(ctx: Context, scored: Scored) -> None:
    """Draw the section."""
    if scored.predictions is None:
        components.empty(ctx, ctx.words("app.diagnostics.no_predictions"))
        return
    every = mistakes.all_classes(dict(ctx.labels.themes), ctx.theme_keys())
    left, right = st.columns([8, 5], gap="medium")
    with left:
        y_true, y_pred = scored.predictions[["prdtypecode", "predicted"]].to_numpy().T
        counts = confusion_counts(y_true, y_pred, np.union1d(y_true, y_pred))
        _ranked(ctx, top_errors(counts, ctx.labels))
    with right:
        st.header(ctx.words("app.confusions.map"), anchor=False)
        scope = choices.choose(
            ctx,
            ctx.words("app.confusions.scope"),
            [THEMES, *ctx.theme_keys(), CLASSES],
            lambda name: _scope_name(ctx, name),
            key=_SCOPE,
            address=_SCOPE,
        )
        groups = every if scope == CLASSES else _groups(ctx, scope)
        cells = mistakes.confusion(scored.predictions, groups)
        # The chart is drawn before the boxes that say which cell is chosen, and outlines that cell.
        place = st.container()
    true, predicted = _choose_cell(ctx, scope, groups, cells)
    with place:
        _heat_map(ctx, cells, groups, scope, (true, predicted))
    _products(ctx, mistakes.behind(scored.predictions, groups, true, predicted))


def _ranked(ctx: Context, pairs: pd.DataFrame) -> None:
    st.header(ctx.words("app.confusions.ranked"), anchor=False)
    components.note(ctx.words("app.confusions.ranked_note"))
    columns = {
        "count": ctx.words("app.word.products"),
        "true": ctx.words("app.confusions.true"),
        "predicted": ctx.words("app.confusions.predicted"),
        "rate": ctx.words("app.confusions.rate_short"),
    }
    named = pairs.assign(
        true=[ctx.label(code) for code in pairs["true"]],
        predicted=[ctx.label(code) for code in pairs["predicted"]],
    )
    key = f"{_RANKED}:{ctx.language}"

    def open_pair() -> None:
        if rows := st.session_state[key].selection.rows:
            pair = pairs.iloc[rows[0]]
            choices.put(_SCOPE, CLASSES)
            _put_cell(CLASSES, str(pair["true"]), str(pair["predicted"]))

    components.table(
        ctx, named, columns, {"count": ctx.words.number, "rate": ctx.words.percent},
        height=420, key=key, on_select=open_pair, selection_mode="single-row",
    )  # fmt: skip
    written = pairs.assign(true_label=named["true"], predicted_label=named["predicted"])
    written = written[["true", "true_label", "predicted", "predicted_label", "count", "rate"]]
    what = ctx.words("app.confusions.download")
    components.download(what, written.to_csv(index=False), "confusions.csv")


def _scope_name(ctx: Context, scope: str) -> str:
    if scope in {THEMES, CLASSES}:
        return ctx.words(f"app.confusions.scope_{scope}")
    return ctx.words("app.confusions.scope_inside", theme=ctx.theme_label(scope))


def _groups(ctx: Context, scope: str) -> Groups:
    themes = dict(ctx.labels.themes)
    if scope == THEMES:
        return mistakes.by_theme(themes, ctx.theme_keys())
    return mistakes.inside(scope, themes)


def _name(ctx: Context, group: str) -> str:
    if group == ELSEWHERE:
        return ctx.words("app.confusions.elsewhere")
    return ctx.label(int(group)) if group.isdigit() else ctx.theme_label(group)


def _put_cell(scope: str, true: str, predicted: str) -> None:
    choices.put(f"cell_true_{scope}", true)
    choices.put(f"cell_predicted_{scope}", predicted)


def _choose_cell(ctx: Context, scope: str, groups: Groups, cells: pd.DataFrame) -> tuple[str, str]:
    """Show the two boxes of the cell that is looked at: at first that with most mistakes."""
    wrong = cells[~cells["right"]]
    worst = wrong.loc[wrong["count"].idxmax()] if len(wrong) else {}
    boxes = zip(st.columns(2), ("true", "predicted"), strict=True)
    true, predicted = (
        choices.choose(
            ctx,
            ctx.words(f"app.confusions.{what}"),
            dict.fromkeys(groups.values()),
            lambda group: _name(ctx, group),
            key=f"cell_{what}_{scope}",
            default=worst.get(what),
            address=what,
            place=place,
        )
        for place, what in boxes
    )
    return true, predicted


def _heat_map(
    ctx: Context, cells: pd.DataFrame, groups: Groups, scope: str, chosen: tuple[str, str]
) -> None:
    only_wrong = st.toggle(
        ctx.words("app.confusions.only_wrong"), value=True, key="only_wrong",
        persist_state="session",
    )  # fmt: skip
    order = list(dict.fromkeys(groups.values()))
    shown = (cells[~cells["right"]] if only_wrong else cells).assign(
        true_name=lambda table: [_name(ctx, group) for group in table["true"]],
        predicted_name=lambda table: [_name(ctx, group) for group in table["predicted"]],
        percent=lambda table: [ctx.words.percent(rate) for rate in table["rate"]],
        shown=lambda table: [ctx.words.number(count) for count in table["count"]],
        chosen=lambda table: (table["true"] == chosen[0]) & (table["predicted"] == chosen[1]),
    )
    titles = {
        "true_name": ctx.words("app.confusions.true"),
        "predicted_name": ctx.words("app.confusions.predicted"),
        "shown": ctx.words("app.word.products"),
        "percent": ctx.words("app.confusions.rate"),
    }
    names = {group: _name(ctx, group) for group in order}
    # What screen readers say of a cell: names, where the axes may show codes.
    shown["said"] = ""
    for column, title in titles.items():
        shown["said"] += title + ": " + shown[column] + "; "
    key = f"heat_map_{scope}"

    def open_cell() -> None:
        event: Any = st.session_state[key]
        if cell := event.selection.get("cell"):
            _put_cell(scope, cell[0]["true"], cell[0]["predicted"])

    components.chart(
        ctx, charts.heat_map(shown, names=names, titles=titles), ctx.words("app.confusions.map"),
        on_select=open_cell, selection_mode="cell", key=key,
    )  # fmt: skip
    components.note(ctx.words("app.confusions.note"))


def _products(ctx: Context, found: pd.DataFrame) -> None:
    st.header(ctx.words("app.confusions.behind", n=ctx.words.number(len(found))), anchor=False)
    if found.empty:
        return
    pages = -(-len(found) // PAGE_PRODUCTS)
    page = 1
    if pages > 1:
        # One number a cell: each starts at its first page.
        cell = "_".join(found.iloc[0][["prdtypecode", "predicted"]].astype(str))
        page = st.number_input(
            ctx.words("app.confusions.page", n=pages), 1, pages, key=f"cell_page_{cell}_{pages}",
            width=180,
        )  # fmt: skip
    first = (page - 1) * PAGE_PRODUCTS
    rows = mistakes.with_products(found.iloc[first : first + PAGE_PRODUCTS], loaders.catalogue(ctx))
    components.cards(_product(ctx, row) for row in rows.itertuples())


def _product(ctx: Context, row: Any) -> str:  # noqa: ANN401 - a row of a frame
    said = ctx.words("app.confusions.said", p=ctx.probability(row.probability))
    below = f"{ctx.chip(row.predicted)} {said}"
    if row.predicted != row.prdtypecode:
        below += f"<br>{ctx.words('app.confusions.is')} {ctx.chip(row.prdtypecode)}"
    return components.product(ctx, row, below)
