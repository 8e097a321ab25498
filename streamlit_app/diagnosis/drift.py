"""Drift reports over time, and what one of them found."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from src.i18n import translator
from streamlit_app import charts, components, loaders, theme
from streamlit_app.context import Context

COMMAND = "python tools/drift_report.py import/X_test_update.csv"
MOST_CLASSES = 12
EXAMPLES = 6
# A signal beyond this many thresholds fills its bar: one huge one would flatten the others.
LONGEST_BAR = 4.0


def show(ctx: Context) -> None:
    """Draw the section."""
    reports = loaders.drift_reports(ctx)
    if not reports:
        components.empty(ctx, ctx.say("drift.missing"), COMMAND)
        return
    _history(ctx, reports)
    name = components.choose(
        ctx.say("drift.report"),
        list(reports)[::-1],
        lambda key: f"{_state(ctx, reports[key])}  {key.replace('_', '  ', 1)}",
        key="drift_report",
    )
    _report(ctx, reports[name])


def _state(ctx: Context, report: dict[str, Any]) -> str:
    return ctx.say("drift.alert") if report["alert"] else ctx.say("drift.calm")


def _history(ctx: Context, reports: dict[str, dict[str, Any]]) -> None:
    rows = []
    for name, report in reports.items():
        guess = report["accuracy"] or {"accuracy": None, "low": None, "high": None}
        told = None if guess["accuracy"] is None else ctx.percent(guess["accuracy"])
        rows.append(
            {
                **{key: guess[key] for key in ("accuracy", "low", "high")},
                "name": name.replace("_", "  ", 1),
                "state": _state(ctx, report),
                "rows": ctx.number(report["rows"]),
                "shown": told,
            }
        )
    data = pd.DataFrame(rows).dropna(subset=["accuracy"])
    if data.empty:
        return
    st.subheader(ctx.say("drift.history"), anchor=False)
    colors = {ctx.say("drift.calm"): theme.GOOD, ctx.say("drift.alert"): theme.BAD}
    components.legend(colors)
    title = ctx.say("drift.accuracy")
    st.altair_chart(
        charts.intervals(
            data, name="name", value="accuracy", low="low", high="high", color="state",
            colors=colors, value_title=title, axis="%",
            least=max(0.0, float(data["low"].min()) - 0.05),
            titles={"name": ctx.say("drift.report"), "shown": title,
                    "rows": ctx.say("word.products")},
        )
    )  # fmt: skip


def _report(ctx: Context, report: dict[str, Any]) -> None:
    alerts = [finding for finding in report["findings"] if finding["alert"]]
    kind = "review" if report["alert"] else "sure"
    moved = ", ".join(_signal(ctx, finding) for finding in alerts)
    what = ctx.say("drift.moved", what=moved) if alerts else ctx.say("drift.nothing")
    rate = ctx.percent(report["false_alarm_rate"], 0)
    st.html(
        f'<div class="verdict {kind}"><b>{_state(ctx, report)}</b><span>{what} '
        f"{ctx.say('drift.rate', rate=rate)}</span></div>"
    )
    figures = [(ctx.number(report["rows"]), ctx.say("word.products").lower())]
    if report["accuracy"] is not None:
        figures.append((ctx.percent(report["accuracy"]["accuracy"]), ctx.say("drift.accuracy")))
        before = ctx.percent(report["reference_accuracy"])
        figures.append((before, ctx.say("drift.accuracy.before")))
    components.figures(figures)
    left, right = st.columns(2, gap="large")
    with left:
        _findings(ctx, report["findings"])
    with right:
        _mix(ctx, report["class_mix"])
    examples = [example for finding in alerts for example in finding["examples"]][:EXAMPLES]
    if examples:
        st.markdown(f"**{ctx.say('drift.examples')}**")
        components.cards(
            components.card("", ctx, example["designation"], ctx.chip(example["predicted"]))
            for example in examples
        )


def _signal(ctx: Context, finding: dict[str, Any]) -> str:
    names = translator(ctx.language).section("drift_report.signals")
    return names.get(finding["signal"], finding["signal"])


def _findings(ctx: Context, findings: list[dict[str, Any]]) -> None:
    st.markdown(f"**{ctx.say('drift.findings')}**")
    strengths = [f["statistic"] / f["threshold"] if f["threshold"] else 0.0 for f in findings]
    longest = min(max([1.0, *strengths]), LONGEST_BAR)
    ranked = sorted(zip(strengths, findings, strict=True), key=lambda pair: -pair[0])
    bars = [
        components.bar(
            _signal(ctx, finding),
            strength / longest,
            f"{ctx.number(strength, 2)} ×",
            theme.BAD if finding["alert"] else theme.GOOD,
        )
        for strength, finding in ranked
    ]
    st.html("".join(bars))
    components.note(ctx.say("drift.findings.note"))


def _mix(ctx: Context, mix: list[dict[str, Any]]) -> None:
    data = pd.DataFrame(mix).dropna(subset=["now"])
    if data.empty:
        return
    st.markdown(f"**{ctx.say('drift.mix')}**")
    data["change"] = (data["now"] - data["before"]).abs()
    data = data.nlargest(MOST_CLASSES, "change")
    names = [ctx.label(code) for code in data["code"]]
    series = {
        ctx.say("drift.before"): theme.NEUTRAL,
        ctx.say("drift.now"): theme.ACCENT,
    }
    parts = [
        pd.DataFrame({"name": names, "what": what, "value": data[column].to_numpy()})
        for what, column in zip(series, ("before", "now"), strict=True)
    ]
    both = pd.concat(parts, ignore_index=True)
    both["shown"] = [ctx.percent(value) for value in both["value"]]
    components.legend(series)
    titles = {"name": ctx.say("word.class"), "what": " ", "shown": ctx.say("word.share")}
    st.altair_chart(
        charts.points(both, name="name", series="what", colors=series, order=names, titles=titles)
    )
