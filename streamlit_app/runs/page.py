"""The runs page: what was trained, promoted and rolled back, and which run answers."""

import html
from typing import Any

import pandas as pd
import streamlit as st

from src import palette
from src.artifacts import history, runs
from src.artifacts.names import find_run
from src.artifacts.store import ArtifactStore
from streamlit_app.runs import compare
from streamlit_app.shared import charts, choices, components, loaders
from streamlit_app.shared.context import Context

ROLES = {
    "served": palette.ACCENT,
    "candidate": palette.THEME_COLORS[0],
    "previous": palette.THEME_COLORS[2],
    "kept": palette.THEME_COLORS[6],
    "gone": palette.NO_THEME_COLOR,
}
_DONE = "runs_done"
MAX_DRAWN = 40


def show(ctx: Context) -> None:
    """Draw the page."""
    components.heading(ctx, "runs")
    events = history.read(ctx.cfg.paths)
    table = trained(ctx, events)
    if table.empty:
        components.empty(ctx, ctx.words("app.runs.missing"))
        return
    section = choices.section(ctx, "runs", ("history", "compare", "serve"))
    if section == "history":
        _history(ctx, table)
        _events(ctx, events)
    elif section == "compare":
        compare.show(ctx, table)
    else:
        _serve(ctx, table, len(events))


def trained(ctx: Context, events: list[history.Event]) -> pd.DataFrame:
    """Return one row a finished run, the newest first, with its role and texts to show.

    The index is the run; value, low and high are the weighted F1 of the hold-out.
    """
    paths = ctx.cfg.paths
    roles = {folder.name: "kept" for folder in runs.kinds(paths).values()}
    for role in ("previous", "candidate", "served"):
        if folder := find_run(paths, role):
            roles[folder.name] = role
    rows = {
        event["run_id"]: {**event, **_shown(ctx, event), "role": roles.get(event["run_id"], "gone")}
        for event in reversed(events)
        if event["event"] == history.TRAINED
    }
    return pd.DataFrame(list(rows.values()), index=pd.Index(rows, name="run_id"))


def _shown(ctx: Context, event: history.Event) -> dict[str, Any]:
    value, half = event["f1_weighted"], event["half_width"]
    low, high = value - half, value + half
    settings = ", ".join(f"{key} = {value}" for key, value in event["settings"].items())
    return {
        "name": f"{ctx.time(event['at'], seconds=True)} {ctx.kind(event['kind'])}",
        "value": value,
        "low": low,
        "high": high,
        "shown": ctx.words.number(value, 3),
        "interval": f"{ctx.words.number(low, 3)} - {ctx.words.number(high, 3)}",
        "changed": settings or ctx.words("app.runs.defaults"),
        "data": event["snapshot"][:12],
    }


def _history(ctx: Context, table: pd.DataFrame) -> None:
    st.header(ctx.words("app.runs.scores"), anchor=False)
    names = {role: ctx.words(f"app.runs.role_{role}") for role in ROLES}
    colors = {names[role]: color for role, color in ROLES.items() if role in set(table["role"])}
    components.legend(colors)
    shown = table.assign(color=table["role"].map(names))
    score = ctx.words("app.diagnostics.f1_weighted")
    titles = {"name": ctx.words("app.runs.run"), "color": ctx.words("app.runs.role")}
    titles |= {"shown": score, "interval": ctx.words("app.method.interval")}
    drawn = shown.head(MAX_DRAWN)
    least = max(0.0, float(drawn["low"].min()) - 0.05)
    chart = charts.intervals(drawn, colors=colors, titles=titles, value_title=score, least=least)
    components.chart(ctx, chart, ctx.words("app.runs.scores"))
    components.note(ctx.words("app.runs.scores_note"))
    more = ("rows", "corrections", "changed", "data", "run_id")
    columns = titles | {name: ctx.words(f"app.runs.{name}") for name in more}
    components.table(ctx, shown, columns, dict.fromkeys(more[:2], ctx.words.number))


def _events(ctx: Context, events: list[history.Event]) -> None:
    st.header(ctx.words("app.runs.events"), anchor=False)
    names = ("at", "event", "run_id", "by", "reason", "rule")
    table = pd.DataFrame(events[::-1]).reindex(columns=names).fillna("")
    table["at"] = [ctx.time(at, seconds=True) for at in table["at"]]
    table["event"] = [ctx.words(f"app.runs.event_{event}") for event in table["event"]]
    components.table(ctx, table, {name: ctx.words(f"app.runs.{name}") for name in names}, {})


def _serve(ctx: Context, table: pd.DataFrame, number: int) -> None:
    """Show which run is what, and the form that changes it; a new `number` of events empties it."""
    st.header(ctx.words("app.runs.change_served"), anchor=False)
    by_role = dict(zip(table["role"].tolist(), table.index.tolist(), strict=True))
    for role in ("served", "candidate", "previous"):
        name = table.loc[by_role[role], "name"] if role in by_role else ctx.words("app.runs.none")
        components.note(f"<b>{ctx.words(f'app.runs.role_{role}')}</b> {name}")
    if "candidate" in by_role:
        store = ArtifactStore(ctx.cfg.paths, by_role["candidate"])
        rule = (loaders.load(store, store.promotion) or {"reason": ""})["reason"]
        components.note(ctx.words("app.runs.rule_says", rule=html.escape(rule)))
    if done := st.session_state.pop(_DONE, None):
        st.success(done)
    reason = st.text_input(
        ctx.words("app.runs.reason_why"), key=f"runs_reason_{number}", max_chars=500
    ).strip()
    by = st.text_input(
        ctx.words("app.predict.correct_author"), key="correct_author", max_chars=80,
        persist_state="session",
    ).strip()  # fmt: skip
    sure = st.checkbox(ctx.words("app.runs.confirm"), key=f"runs_confirm_{number}")
    ready = components.may_write(ctx) and sure and reason != ""
    places = st.columns(2)
    for place, action, role in zip(
        places, ("promote", "roll_back"), ("candidate", "previous"), strict=True
    ):
        disabled = not ready or role not in by_role
        if place.button(ctx.words(f"app.runs.{action}"), disabled=disabled, width="stretch"):
            _change(ctx, action, number, by=by, reason=reason)
    if not ready:
        components.note(ctx.words("app.runs.not_ready"))


def _change(ctx: Context, action: str, number: int, *, by: str, reason: str) -> None:
    """Promote the candidate, whatever the rule says, or roll back; say what is served now.

    Where more than a `number` of events are noted another was faster, and nothing is changed.
    """
    from src.runs.promotion import promote, roll_back, tell_served

    with ctx.store.writing():
        as_seen = len(history.read(ctx.cfg.paths)) == number
        if as_seen and action == "promote":
            promote(ctx.store, ctx.cfg.promotion.margin, force=True, by=by, reason=reason)
        elif as_seen:
            roll_back(ctx.store, by=by, reason=reason)
        run_id = ctx.store.served_run().run_id
    tell_served(ctx.cfg, run_id)
    st.session_state[_DONE] = ctx.words("app.runs.now_served", run=run_id)
    st.rerun()
