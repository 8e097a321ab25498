"""Method: how the answer comes about, and what each piece of it is worth."""

from __future__ import annotations

import html
from collections.abc import Hashable
from typing import Any

import pandas as pd
import streamlit as st

from src.pipelines.registry import branch_weights, known_branches
from streamlit_app import charts, components, loaders, theme
from streamlit_app.context import Context

MINUS = "\u2212"
COMPARE_COMMAND = "python scripts/train.py --compare-all"
SYSTEM_COLORS = dict(
    zip(
        ("B0", "B1", "B2", "B3", "B4", "B5"),
        (theme.NEUTRAL, theme.NO_THEME_COLOR, *theme.THEME_COLORS[:3], theme.ACCENT),
        strict=True,
    )
)


def show(ctx: Context) -> None:
    """Draw the page."""
    components.heading(ctx, "method")
    st.subheader(ctx.say("method.flow"), anchor=False)
    picture = loaders.flow_picture(ctx.language)
    st.html(f'<div class="flow"><img src="{picture}" alt="{ctx.say("method.flow")}"></div>')
    st.subheader(ctx.say("method.stages"), anchor=False)
    _stages(ctx)
    st.subheader(ctx.say("method.compare"), anchor=False)
    table = loaders.load(ctx.store, ctx.store.comparison)
    if table is None:
        components.empty(ctx, ctx.say("method.compare.missing"), COMPARE_COMMAND)
    else:
        _comparison(ctx, table)
    st.subheader(ctx.say("method.branches"), anchor=False)
    _branches(ctx)


def _stages(ctx: Context) -> None:
    cells = []
    for number in range(1, 6):
        name, text = ctx.say(f"method.stage.{number}").split("|")
        cells.append(f"<div><i>{number}</i><b>{name}</b><span>{text}</span></div>")
    st.html(f'<div class="stages">{"".join(cells)}</div>')


def _comparison(ctx: Context, table: pd.DataFrame) -> None:
    shown = table.assign(
        name=[_system(ctx, *pair) for pair in zip(table["system"], table["kind"], strict=True)],
        shown=[ctx.number(score, 3) for score in table["f1_weighted"]],
        interval=[
            f"{ctx.number(low, 3)} - {ctx.number(high, 3)}"
            for low, high in zip(table["f1_weighted_low"], table["f1_weighted_high"], strict=True)
        ],
    )
    score = ctx.say("method.f1_weighted")
    titles = {"name": ctx.say("method.system"), "shown": score}
    titles["interval"] = ctx.say("method.interval")
    st.altair_chart(
        charts.intervals(
            shown, name="name", value="f1_weighted", low="f1_weighted_low",
            high="f1_weighted_high", color="system", colors=SYSTEM_COLORS, titles=titles,
            value_title=score,
        )
    )  # fmt: skip
    components.note(ctx.say("method.compare.note"))
    left, right = st.columns(2, gap="large")
    with left:
        _differences(ctx, shown)
    with right:
        _cost(ctx, shown[~shown["system"].isin(("B0", "B1"))])
    _table(ctx, shown)


def _system(ctx: Context, system: str, kind: object) -> str:
    name = ctx.say(f"method.system.{system}")
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
        f"{'+' if row[name] > 0 else MINUS}{ctx.number(abs(100 * row[name]), 1)}"
        for name in ("difference", "difference_low", "difference_high")
    )
    code, _, kind = str(row["versus"]).partition(" ")
    text = ctx.say(
        "method.difference",
        system=html.escape(row["name"]),
        versus=html.escape(_system(ctx, code, kind)),
        difference=difference,
        low=low,
        high=high,
        verdict=ctx.say(f"method.{verdict}"),
    )
    return f'<div class="{verdict}">{text}</div>'


def _table(ctx: Context, shown: pd.DataFrame) -> None:
    scores = ("f1_weighted", "f1_macro", "accuracy", "top3", "log_loss", "ece")
    costs = ("fit_s", "predict_rows_s", "peak_mb")
    columns = {"name": ctx.say("method.system")}
    columns |= {name: ctx.say(f"method.{name}") for name in (*scores, *costs)}
    config = {columns[name]: st.column_config.NumberColumn(format="%.3f") for name in scores}
    config |= {columns[name]: st.column_config.NumberColumn(format="%.0f") for name in costs}
    frame = shown[[name for name in columns if name in shown]].rename(columns=columns)
    st.dataframe(frame, hide_index=True, column_config=config)


def _cost(ctx: Context, shown: pd.DataFrame) -> None:
    st.markdown(f"**{ctx.say('method.cost')}**")
    titles = {"name": ctx.say("method.system"), "shown": ctx.say("method.f1_weighted")}
    data = shown.assign(seconds=[f"{ctx.number(value, 1)} s" for value in shown["fit_s"]])
    st.altair_chart(
        charts.scatter(
            data, x="fit_s", y="f1_weighted", color="system", colors=SYSTEM_COLORS, label="system",
            axes=(ctx.say("method.cost.x"), ctx.say("method.f1_weighted")),
            titles={**titles, "seconds": ctx.say("method.fit_s")},
        )
    )  # fmt: skip


def _branches(ctx: Context) -> None:
    weights = branch_weights(ctx.cfg)
    mapping = loaders.load(ctx.store, ctx.store.feature_mapping) or {"blocks": []}
    widths = {block["branch"]: block["stop"] - block["start"] for block in mapping["blocks"]}
    heaviest = max(weights.values())
    rows = []
    for name, modality in known_branches():
        if name not in weights:
            continue
        title, text = ctx.branch(name)
        columns = ctx.say("method.columns", n=ctx.number(widths[name])) if name in widths else ""
        label = f"<b>{title}</b> <small>{text}</small>"
        value = f"{ctx.number(weights[name], 2)}<small> {columns}</small>"
        color = theme.THEME_COLORS[0 if modality == "text" else 2]
        rows.append(components.bar(label, weights[name] / heaviest, value, color))
    components.note(ctx.say("method.branches.note"))
    st.html("".join(rows))
