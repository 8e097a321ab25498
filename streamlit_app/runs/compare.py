"""Two runs on the products that both answered unseen: scores, settings, classes, products."""

from typing import Any

import pandas as pd
import streamlit as st

from src.artifacts.store import ArtifactStore
from streamlit_app.diagnostics import mistakes
from streamlit_app.shared import choices, components, loaders
from streamlit_app.shared.context import Context

# The newest first: what each is compared with comes after it.
KEPT = ("candidate", "served", "previous", "kept")
CHANGES = ("fixed", "broken", "other")
PAGE_PRODUCTS, MAX_CLASSES = 12, 12
SCORES = ("f1_weighted", "f1_macro", "accuracy")


def show(ctx: Context, table: pd.DataFrame) -> None:
    """Draw the section; `table` is that of the runs."""
    kept = table[table["role"].isin(KEPT)]
    kept = kept.sort_values("role", key=lambda roles: roles.map(KEPT.index), kind="stable")
    if len(kept) < 2:
        components.empty(ctx, ctx.words("app.runs.one"))
        return
    roles = [f" ({ctx.words(f'app.runs.role_{role}')})" for role in kept["role"]]
    names = (kept["name"] + roles).to_dict()
    before, after = (
        choices.choose(
            ctx, ctx.words(f"app.runs.{which}"), names, names.__getitem__, key=f"runs_{which}",
            default=default, address=which, place=place,
        )
        for which, default, place in zip(
            ("before", "after"), kept.index[[1, 0]], st.columns(2), strict=True
        )
    )  # fmt: skip
    pair, scores, classes, changed = loaders.compared(ctx, before, after)
    if before == after or pair.empty:
        st.info(ctx.words("app.runs.nothing_to_compare"))
        return
    note = ctx.words("app.runs.paired", n=ctx.words.number(len(pair)))
    if corrections := int(kept.loc[after, "corrections"]):
        note += " " + ctx.words("app.runs.corrected", n=ctx.words.number(corrections))
    components.note(note)
    scores = scores.loc[list(SCORES)]
    scores["name"] = [ctx.words(f"app.diagnostics.{name}") for name in SCORES]
    _differences(ctx, scores, ctx.words("app.runs.score"))
    _settings(ctx, kept.loc[before, "settings"], kept.loc[after, "settings"])
    moved = classes[classes["difference"] != 0].head(MAX_CLASSES)
    if len(moved):
        st.header(ctx.words("app.runs.classes"), anchor=False)
        components.note(ctx.words("app.runs.classes_note"))
        moved = moved.assign(name=[ctx.named(code) for code in moved["prdtypecode"]])
        _differences(ctx, moved, ctx.words("app.word.class"))
    _products(ctx, after, changed)


def _differences(ctx: Context, rows: pd.DataFrame, what: str) -> None:
    """Show before, after, their difference in points with its interval, and if that is sure."""
    sure = (rows["low"] > 0) | (rows["high"] < 0)
    ends = rows[["low", "high"]].map(ctx.words.points)
    verdicts = {True: ctx.words("app.runs.sure"), False: ctx.words("app.runs.unsure")}
    shown = rows.assign(interval=ends["low"] + " … " + ends["high"], verdict=sure.map(verdicts))
    shown = shown.rename(columns={"a": "before", "b": "after", "support": "products_"})
    columns = {"name": what, "products_": ctx.words("app.word.products")}
    names = ("before", "after", "difference", "interval", "verdict")
    columns |= {name: ctx.words(f"app.runs.{name}") for name in names}
    formats = {name: lambda value: ctx.words.number(value, 3) for name in names[:2]}
    formats |= {"difference": ctx.words.points, "products_": ctx.words.number}
    components.table(ctx, shown, columns, formats)


def _settings(ctx: Context, before: dict[str, Any], after: dict[str, Any]) -> None:
    """Show the settings in which two runs differ."""
    keys = [key for key in sorted({*before, *after}) if before.get(key) != after.get(key)]
    if not keys:
        components.note(ctx.words("app.runs.same_settings"))
        return
    default = ctx.words("app.runs.default")
    rows = [(key, *(str(run.get(key, default)) for run in (before, after))) for key in keys]
    names = [ctx.words(f"app.runs.{name}") for name in ("setting", "before", "after")]
    st.dataframe(pd.DataFrame(rows, columns=names), hide_index=True)


def _products(ctx: Context, after: str, changed: pd.DataFrame) -> None:
    """Show products whose answer changed, as the chosen change says."""
    st.header(ctx.words("app.runs.products", n=ctx.words.number(len(changed))), anchor=False)
    counts = {change: int((changed["change"] == change).sum()) for change in CHANGES}
    chosen = choices.choose(
        ctx,
        ctx.words("app.runs.change"),
        CHANGES,
        lambda change: f"{ctx.words(f'app.runs.{change}')} ({ctx.words.number(counts[change])})",
        key="runs_change",
        address="change",
        widget="segmented_control",
        required=True,
    )
    some = changed[changed["change"] == chosen].head(PAGE_PRODUCTS)
    catalogue = loaders.load(ctx.store, ArtifactStore(ctx.cfg.paths, after).catalogue)
    rows = mistakes.with_products(some, catalogue)
    components.cards(_product(ctx, row) for row in rows.itertuples())
    what = ctx.words("app.runs.download")
    components.download(what, changed.to_csv(index=False), "changed_answers.csv")


def _product(ctx: Context, row: Any) -> str:  # noqa: ANN401 - a row of a frame
    answers = {"labelled": row.prdtypecode, "before": row.a, "after": row.b}
    parts = [f"{ctx.words(f'app.runs.{n}')}<br>{ctx.chip(code)}" for n, code in answers.items()]
    return components.product(ctx, row, "<br>".join(parts))
