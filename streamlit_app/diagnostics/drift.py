"""Drift reports over time, and what one of them found."""

from typing import Any

import pandas as pd
import streamlit as st

from src import palette
from src.monitoring.report.page import report_part
from streamlit_app.diagnostics import lot
from streamlit_app.shared import charts, choices, components, loaders
from streamlit_app.shared.context import Context

COMMAND = "python tools/drift_report.py import/X_test_update.csv"


def show(ctx: Context) -> None:
    """Draw the section."""
    if predictor := loaders.predictor(ctx):
        lot.show(ctx, predictor)
    reports = loaders.drift_reports(ctx)
    if not reports:
        components.empty(ctx, ctx.words("app.drift.missing"), COMMAND)
        return
    _history(ctx, reports)
    name = choices.choose(
        ctx,
        ctx.words("app.drift.report"),
        list(reports)[::-1],
        lambda key: f"{_state(ctx, reports[key])}  {key.replace('_', '  ', 1)}",
        key=lot.CHOSEN,
        address="report",
    )
    components.run_of(ctx, str(reports[name].get("run_id", "")))
    st.html(report_part(reports[name], ctx.language))
    with st.container(horizontal=True):
        for path in loaders.drift_files(ctx, name):
            what = ctx.words("app.drift.download", form=path.suffix[1:].upper())
            components.download(what, path.read_bytes(), path.name)


def _state(ctx: Context, report: dict[str, Any]) -> str:
    return ctx.words(f"app.drift.{'alert' if report['alert'] else 'calm'}")


def _history(ctx: Context, reports: dict[str, dict[str, Any]]) -> None:
    rows = []
    for name, report in reports.items():
        at = pd.Timestamp(report.get("created_at") or name.partition("_")[0])
        estimate = report["accuracy"] or {"accuracy": None, "low": None, "high": None}
        shown = None if estimate["accuracy"] is None else ctx.words.percent(estimate["accuracy"])
        rows.append(
            {
                **{key: estimate[key] for key in ("accuracy", "low", "high")},
                "name": name.replace("_", "  ", 1),
                "at": at.tz_localize(None),
                "time": f"{at:%Y-%m-%d %H:%M}",
                "state": _state(ctx, report),
                "rows": ctx.words.number(report["rows"]),
                "shown": shown,
            }
        )
    data = pd.DataFrame(rows).dropna(subset=["accuracy"])
    if data.empty:
        return
    st.header(ctx.words("app.drift.history"), anchor=False)
    colors = {
        ctx.words("app.drift.calm"): palette.GOOD,
        ctx.words("app.drift.alert"): palette.BAD,
    }
    components.legend(colors)
    title = ctx.words("app.drift.accuracy")
    titles = {"name": ctx.words("app.drift.report"), "time": "UTC", "shown": title}
    titles["rows"] = ctx.words("app.word.products")
    chart = charts.timeline(data, colors=colors, value_title=title, titles=titles)
    components.chart(ctx, chart, ctx.words("app.drift.history"))
