"""The comparison of the systems B0 to B5 on the same folds: scores, differences, cost."""

import html
from collections.abc import Hashable
from typing import Any

import pandas as pd
import streamlit as st

from src import palette
from streamlit_app.shared import charts, components, loaders
from streamlit_app.shared.context import Context

COMPARE_COMMAND = "python scripts/train.py --compare-all"
SYSTEM_COLORS = dict(
    zip(
        ("B0", "B1", "B2", "B3", "B4", "B5"),
        (palette.NEUTRAL, palette.NO_THEME_COLOR, *palette.THEME_COLORS[:3], palette.ACCENT),
        strict=True,
    )
)


def show(ctx: Context) -> None:
    """Draw the section."""
    table = loaders.load(ctx.store, ctx.store.comparison)
    st.header(ctx.words("app.method.compare"), anchor=False)
    if table is None:
        components.empty(ctx, ctx.words("app.method.compare_missing"), COMPARE_COMMAND)
        return
    ends = {"low": table["f1_weighted_low"], "high": table["f1_weighted_high"]}
    shown = table.assign(
        **ends,
        value=table["f1_weighted"],
        color=table["system"],
        name=[_system(ctx, *pair) for pair in zip(table["system"], table["kind"], strict=True)],
        shown=[ctx.words.number(score, 3) for score in table["f1_weighted"]],
        interval=[
            f"{ctx.words.number(low, 3)} - {ctx.words.number(high, 3)}"
            for low, high in zip(*ends.values(), strict=True)
        ],
    )
    score = ctx.words("app.method.f1_weighted")
    titles = {"name": ctx.words("app.method.system"), "shown": score}
    titles["interval"] = ctx.words("app.method.interval")
    chart = charts.intervals(shown, colors=SYSTEM_COLORS, titles=titles, value_title=score)
    components.chart(ctx, chart, ctx.words("app.method.compare"))
    rows = ctx.words.number(table["rows"].max())
    components.note(ctx.words("app.method.compare_note", n=rows))
    components.run_of(ctx, table["run_id"].iloc[0] if "run_id" in table else "")
    left, right = st.columns(2, gap="large")
    with left:
        _differences(ctx, shown)
    with right:
        _cost(ctx, shown[~shown["system"].isin(("B0", "B1"))])
    _table(ctx, shown)


def _system(ctx: Context, system: str, kind: object) -> str:
    name = ctx.words(f"app.method.systems.{system}")
    # B0 and B1 have no kind, and late fusion of the configured experts is what B5 is called.
    if not isinstance(kind, str) or kind in {"", "late_fusion"} or system in {"B0", "B1"}:
        return f"{system} {name}"
    return f"{system} {name}, {ctx.kind(kind)}"


def _differences(ctx: Context, shown: pd.DataFrame) -> None:
    rows = shown.dropna(subset=["difference"]).to_dict("records")
    if rows:
        st.html(f'<div class="verdicts">{"".join(_difference(ctx, row) for row in rows)}</div>')


def _difference(ctx: Context, row: dict[Hashable, Any]) -> str:
    """Return HTML that says how far a system is from the one that it is compared with."""
    even = row["difference_low"] <= 0 <= row["difference_high"]
    verdict = "even" if even else "better" if row["difference"] > 0 else "worse"
    difference, low, high = (
        ctx.words.points(row[name]) for name in ("difference", "difference_low", "difference_high")
    )
    code, _, kind = str(row["versus"]).partition(" ")
    text = ctx.words(
        "app.method.difference",
        system=html.escape(row["name"]),
        versus=html.escape(_system(ctx, code, kind)),
        difference=difference,
        low=low,
        high=high,
        verdict=ctx.words(f"app.method.{verdict}"),
    )
    return f'<div class="{verdict}">{text}</div>'


def _table(ctx: Context, shown: pd.DataFrame) -> None:
    scores = ("f1_weighted", "f1_macro", "accuracy", "top3", "log_loss", "ece")
    costs = ("fit_s", "predict_rows_s", "peak_mb")
    columns = {"name": ctx.words("app.method.system")}
    columns |= {name: ctx.words(f"app.method.{name}") for name in (*scores, *costs)}
    columns["f1_weighted"] = ctx.words("app.diagnostics.f1_weighted")
    formats = {name: lambda value: ctx.words.number(value, 3) for name in scores}
    formats |= dict.fromkeys(costs, ctx.words.number)
    components.table(ctx, shown, columns, formats)


def _cost(ctx: Context, shown: pd.DataFrame) -> None:
    st.markdown(f"**{ctx.words('app.method.cost')}**")
    longest = shown["fit_s"].max()
    components.bars(
        (
            html.escape(row["name"]),
            row["fit_s"] / longest,
            f"{ctx.words.number(row['fit_s'], 1)} s<small> F1 {row['shown']}</small>",
            SYSTEM_COLORS[row["system"]],
        )
        for row in shown.to_dict("records")
    )
