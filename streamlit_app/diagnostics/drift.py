"""Drift reports over time, and what one of them found."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from src import palette
from streamlit_app.shared import charts, choices, components, loaders
from streamlit_app.shared.context import Context

COMMAND = "python tools/drift_report.py import/X_test_update.csv"
MAX_CLASSES = 12
MAX_EXAMPLES = 6
# A signal beyond this many thresholds fills its bar: one huge one would flatten the others.
MAX_BAR = 4.0


def show(ctx: Context) -> None:
    """Draw the section."""
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
        key="drift_report",
        address="report",
    )
    _report(ctx, reports[name])


def _state(ctx: Context, report: dict[str, Any]) -> str:
    return ctx.words(f"app.drift.{'alert' if report['alert'] else 'calm'}")


def _history(ctx: Context, reports: dict[str, dict[str, Any]]) -> None:
    rows = []
    for name, report in reports.items():
        estimate = report["accuracy"] or {"accuracy": None, "low": None, "high": None}
        shown = None if estimate["accuracy"] is None else ctx.words.percent(estimate["accuracy"])
        rows.append(
            {
                **{key: estimate[key] for key in ("accuracy", "low", "high")},
                "name": name.replace("_", "  ", 1),
                "date": name.partition("_")[0],
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
    titles = {"name": ctx.words("app.drift.report"), "shown": title}
    titles["rows"] = ctx.words("app.word.products")
    chart = charts.timeline(data, colors=colors, value_title=title, titles=titles)
    components.chart(ctx, chart, ctx.words("app.drift.history"))


def _report(ctx: Context, report: dict[str, Any]) -> None:
    alerts = [finding for finding in report["findings"] if finding["alert"]]
    components.run_of(ctx, str(report.get("run_id", "")))
    kind = "review" if report["alert"] else "sure"
    moved = ", ".join(_signal(ctx, finding) for finding in alerts)
    what = ctx.words("app.drift.moved", what=moved) if alerts else ctx.words("app.drift.nothing")
    rate = ctx.words.percent(report["false_alarm_rate"], 0)
    st.html(
        f'<div class="verdict {kind}"><b>{_state(ctx, report)}</b><span>{what} '
        f"{ctx.words('app.drift.rate', rate=rate)}</span></div>"
    )
    figures = [(ctx.words.number(report["rows"]), ctx.words("app.word.products").lower())]
    if report["accuracy"] is not None:
        now = ctx.words.percent(report["accuracy"]["accuracy"])
        figures.append((now, ctx.words("app.drift.accuracy")))
        before = ctx.words.percent(report["reference_accuracy"])
        figures.append((before, ctx.words("app.drift.accuracy_before")))
    components.figures(figures)
    if report["accuracy"] is None:
        components.note(ctx.words("drift_report.no_estimate"))
    left, right = st.columns(2, gap="large")
    with left:
        _findings(ctx, report["findings"])
    with right:
        _mix(ctx, report["class_mix"])
    examples = [example for finding in alerts for example in finding["examples"]][:MAX_EXAMPLES]
    if examples:
        st.markdown(f"**{ctx.words('app.drift.examples')}**")
        components.cards(
            components.card(example["designation"], ctx.chip(example["predicted"]))
            for example in examples
        )


def _signal(ctx: Context, finding: dict[str, Any]) -> str:
    names = ctx.words.section("drift_report.signals")
    return names.get(finding["signal"], finding["signal"])


def _findings(ctx: Context, findings: list[dict[str, Any]]) -> None:
    st.markdown(f"**{ctx.words('app.drift.findings')}**")
    strengths = [f["statistic"] / f["threshold"] if f["threshold"] else 0.0 for f in findings]
    longest = min(max([1.0, *strengths]), MAX_BAR)
    ranked = sorted(zip(strengths, findings, strict=True), key=lambda pair: -pair[0])
    components.bars(
        (
            _signal(ctx, finding),
            strength / longest,
            f"{ctx.words.number(strength, 2)} ×",
            palette.BAD if finding["alert"] else palette.GOOD,
        )
        for strength, finding in ranked
    )
    components.note(ctx.words("app.drift.findings_note"))


def _mix(ctx: Context, mix: list[dict[str, Any]]) -> None:
    data = pd.DataFrame(mix).dropna(subset=["now"])
    if data.empty:
        return
    st.markdown(f"**{ctx.words('app.drift.mix')}**")
    data["change"] = (data["now"] - data["before"]).abs()
    data["name"] = [ctx.label(code) for code in data["code"]]
    columns = {
        "before": (ctx.words("app.drift.before"), palette.NEUTRAL),
        "now": (ctx.words("app.drift.now"), palette.ACCENT),
    }
    components.legend(dict(columns.values()))
    components.chart(
        ctx,
        charts.points(
            data.nlargest(MAX_CLASSES, "change"),
            columns=columns,
            titles=(ctx.words("app.word.class"), ctx.words("app.word.share")),
            show=ctx.words.percent,
        ),
        ctx.words("app.drift.mix"),
    )
