"""Altair charts of the pages: frames in, charts out; colors from `src.palette`.

`localized` gives axes the numbers of the language; tooltips show text columns that the `Translator`
formatted.
"""

import json
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

import altair as alt
import pandas as pd

from src import palette
from src.i18n import NARROW_SPACE

C = TypeVar("C", alt.Chart, alt.LayerChart)

LINE_CHARACTERS = 21
ROW_PX = 40


def stacked(
    data: pd.DataFrame,
    *,
    order: Sequence[str],
    parts: Mapping[str, str],
    titles: Mapping[str, str],
) -> alt.Chart:
    """Return bars of length one, cut into parts: columns name, part, share."""
    ranked = data.assign(rank=data["part"].map({key: i for i, key in enumerate(parts)}))
    chart = (
        alt.Chart(ranked)
        .mark_bar()
        .encode(
            y=alt.Y("name", sort=list(order), title=None, axis=_names(_same(order))),
            x=alt.X("share", stack="zero", title=None, axis=alt.Axis(format="%", tickCount=4)),
            color=_color("part", parts),
            order=alt.Order("rank"),
            tooltip=[alt.Tooltip(column, title=title) for column, title in titles.items()],
        )
    )
    return _sized(chart, len(order), extra=40)


def points(
    data: pd.DataFrame,
    *,
    columns: Mapping[str, tuple[str, str]],
    titles: tuple[str, str],
    show: Callable[[float], str],
    axis: str = "%",
    order: Sequence[str] | None = None,
) -> alt.LayerChart:
    """Return one line a name with a point for each of some columns: what is how much.

    The points of a name are joined by a grey line. `columns` gives what each column is called and
    its color, `axis` the d3 format of the values, `order` the names from top to bottom.
    """
    named = data.rename(columns={column: what for column, (what, _) in columns.items()})
    colors = dict(columns.values())
    long = named.melt("name", list(colors), "what", "value")
    long["shown"] = [show(value) for value in long["value"]]
    order = data["name"].tolist() if order is None else list(order)
    y = alt.Y("name", sort=order, title=None, axis=_names(_same(order), grid=True))
    x = alt.X("value", title=None, axis=alt.Axis(format=axis, tickCount=5))
    x = x.scale(zero=axis == "%", padding=10)
    base = alt.Chart(long)
    line = base.mark_line(color=palette.NEUTRAL, strokeWidth=2).encode(y=y, x=x, detail="name")
    tooltip = zip(("name", "what", "shown"), (titles[0], " ", titles[1]), strict=True)
    dots = base.mark_point(filled=True, size=70, opacity=1).encode(
        y=y,
        x=x,
        color=_color("what", colors),
        tooltip=[alt.Tooltip(column, title=title) for column, title in tooltip],
    )
    return _sized(line + dots, len(order), extra=40)


def intervals(
    data: pd.DataFrame,
    *,
    colors: Mapping[str, str],
    titles: Mapping[str, str],
    value_title: str,
    least: float = 0.0,
    axis: str = ".2f",
) -> alt.LayerChart:
    """Return one row a name: a point at the value, a line over its interval, the value as text.

    Columns name, value, low, high, shown (the text), color (a key of `colors`). The axis goes from
    `least` to 1, with room for the text of a value of 1.
    """
    order = data["name"].tolist()
    y = alt.Y("name", sort=order, title=None, axis=_names(_same(order)))
    scale = alt.Scale(domain=(least, 1 + 0.04 * (1 - least)), clamp=True, nice=False)
    x = alt.X("value", title=value_title, scale=scale).axis(format=axis, tickCount=6)
    base = alt.Chart(data).encode(y=y)
    hue = _color("color", colors)
    line = base.mark_rule(strokeWidth=3, opacity=0.5).encode(
        x=alt.X("low", scale=scale, title=value_title), x2="high", color=hue
    )
    tooltip = [alt.Tooltip(column, title=title) for column, title in titles.items()]
    dot = base.mark_point(filled=True, size=90, opacity=1).encode(x=x, color=hue, tooltip=tooltip)
    text = base.mark_text(dy=-11, fontSize=11).encode(x=x, text="shown")
    return _sized(line + dot + text, len(data), extra=75)


def timeline(
    data: pd.DataFrame,
    *,
    colors: Mapping[str, str],
    value_title: str,
    titles: Mapping[str, str],
) -> alt.LayerChart:
    """Return one point a row at its time, with its interval.

    Columns at (a time), accuracy, low, high, state (a key of `colors`). The axis is one of whole
    days, spaced as time is; points that would lie on each other are moved apart, to the right.
    """
    data = data.sort_values("at")
    days = data["at"].dt.normalize()
    ends = [days.iloc[0], days.iloc[-1] + pd.Timedelta(days=1)]
    gap, places = (ends[1] - ends[0]) / max(40, len(data)), list[pd.Timestamp]()
    for at in data["at"]:
        places.append(max(at, places[-1] + gap) if places else at)
    ends[1] = max(ends[1], places[-1])
    moments = [
        alt.DateTime(year=d.year, month=d.month, date=d.day, hours=d.hour, minutes=d.minute)
        for d in (*ends, *days.unique())
    ]
    scale = alt.Scale(domain=(max(0.0, float(data["low"].min()) - 0.05), 1.0), clamp=True)
    base = alt.Chart(data.assign(place=places)).encode(
        x=alt.X("place:T", title=None, scale=alt.Scale(domain=moments[:2])).axis(
            format="%Y-%m-%d", values=moments[2:], labelOverlap=True
        ),
        color=_color("state", colors),
    )
    tooltip = [alt.Tooltip(column, title=title) for column, title in titles.items()]
    rule = base.mark_rule(strokeWidth=3, opacity=0.5).encode(y=alt.Y("low", scale=scale), y2="high")
    dot = base.mark_point(filled=True, size=110, opacity=1).encode(
        y=alt.Y("accuracy", title=value_title, scale=scale).axis(format="%", tickCount=5),
        tooltip=tooltip,
    )
    return (rule + dot).properties(height=260)


def heat_map(
    data: pd.DataFrame, *, names: Mapping[str, str], titles: Mapping[str, str]
) -> alt.LayerChart:
    """Return cells of (true, predicted) that can be clicked; color and figure are the column count.

    `names` gives the name of each group in the order of the axes: codes stand there instead where
    there are many. The cell that the column chosen marks is outlined. A click gives the columns
    true and predicted of the cell, under the name "cell".
    """
    groups = list(names)
    # No room for names on both axes: the tooltips say them.
    crowded = len(groups) > 12
    shown = {group: group for group in groups} if crowded else names
    cell = alt.selection_point(name="cell", fields=["true", "predicted"], empty=False)
    base = alt.Chart(data).encode(
        y=alt.Y("true", title=titles["true_name"], axis=_names(shown)).scale(domain=groups),
        x=alt.X("predicted", title=titles["predicted_name"]).scale(domain=groups).axis(
            _names(shown, angle=-90)
        ),
    )  # fmt: skip
    most = float(data["count"].max()) if len(data) else 1.0
    color = alt.Color("count", title=titles["shown"]).scale(scheme="orangered", domain=(0, most))
    rect = (
        base.mark_rect(cursor="pointer")
        .encode(
            color=color.legend(orient="top", gradientLength=150, tickCount=3),
            tooltip=[alt.Tooltip(column, title=title) for column, title in titles.items()],
            description=alt.Description("said"),
        )
        .add_params(cell)
    )
    outline = (
        base.transform_filter(alt.datum.chosen)
        .mark_rect(filled=False, strokeWidth=3, cursor="pointer")
        .encode(stroke=alt.value(palette.TEXT_COLOR))
    )
    size = 18 if crowded else 40
    if crowded:
        return (rect + outline).properties(height=len(groups) * size + 150)
    dark = alt.condition(alt.datum.count > 0.6 * most, alt.value("white"), alt.value(palette.INK))
    text = base.mark_text(fontSize=11).encode(text="shown", color=dark)
    return (rect + text + outline).properties(height=len(groups) * size + 200)


def reliability(data: pd.DataFrame, *, titles: Mapping[str, str]) -> alt.LayerChart:
    """Return right answers against stated probability; the size of a point is its rows."""
    ends = pd.DataFrame({"x": [0.0, 1.0], "y": [0.0, 1.0]})
    diagonal = (
        alt.Chart(ends)
        .mark_line(strokeDash=[5, 4], color=palette.NO_THEME_COLOR)
        .encode(x="x", y="y")
    )
    unit = alt.Scale(domain=(0, 1))
    percent = alt.Axis(format="%", tickCount=5)
    base = alt.Chart(data).encode(
        x=alt.X("confidence", title=titles["said"], scale=unit, axis=percent),
        y=alt.Y("accuracy", title=titles["was"], scale=unit, axis=percent),
    )
    line = base.mark_line(color=palette.ACCENT, opacity=0.5)
    dots = base.mark_point(filled=True, color=palette.ACCENT, opacity=1).encode(
        size=alt.Size("rows", legend=None, scale=alt.Scale(range=(40, 420))),
        tooltip=[alt.Tooltip(column, title=title) for column, title in titles.items()],
    )
    return (diagonal + line + dots).properties(height=360)


def selective(
    data: pd.DataFrame, share: float, accuracy: float, *, titles: Mapping[str, str]
) -> alt.LayerChart:
    """Return right answers against the share that is decided, with a point at (share, accuracy)."""
    low = float(data["accuracy"].min())
    x = alt.X("coverage", title=titles["decided"], scale=alt.Scale(domain=(0, 1)))
    y = alt.Y("accuracy", title=titles["right"], scale=alt.Scale(domain=(low - 0.02, 1)))
    tooltip = [alt.Tooltip(column, title=title) for column, title in titles.items()]
    line = (
        alt.Chart(data)
        .mark_line(color=palette.GOOD, point=alt.OverlayMarkDef(size=25, color=palette.GOOD))
        .encode(
            x=x.axis(format="%", tickCount=5), y=y.axis(format="%", tickCount=5), tooltip=tooltip
        )
    )
    here = pd.DataFrame({"coverage": [share], "accuracy": [accuracy]}).dropna()
    dot = alt.Chart(here).mark_point(filled=True, size=190, color=palette.ACCENT, opacity=1)
    return (line + dot.encode(x="coverage", y="accuracy")).properties(height=280)


def histogram(
    data: pd.DataFrame,
    *,
    colors: Mapping[str, str],
    titles: tuple[str, str],
    tooltip: Mapping[str, str],
) -> alt.Chart:
    """Return overlaid steps of columns field, low, high, share on a logarithmic axis."""
    x_title, y_title = titles
    return (
        alt.Chart(data)
        .mark_bar(opacity=0.75)
        .encode(
            x=alt.X("low", bin="binned", title=x_title)
            .scale(type="log", nice=False)
            .axis(values=[10, 30, 100, 300, 1000, 3000, 10000], format=",d"),
            x2="high",
            y=alt.Y("share", stack=None, title=y_title, axis=alt.Axis(format="%", tickCount=4)),
            color=_color("field", colors),
            tooltip=[alt.Tooltip(column, title=title) for column, title in tooltip.items()],
        )
        .properties(height=300)
    )


def localized(
    chart: alt.Chart | alt.LayerChart, language: str, *, dark: bool
) -> alt.Chart | alt.LayerChart:
    """Return the chart with the language's own numbers on its axes, readable on a dark screen."""
    number = alt.NumberLocale(
        decimal=",", thousands=NARROW_SPACE, grouping=[3], currency=["", " €"],
        percent=f"{NARROW_SPACE}%",
    )  # fmt: skip
    locale = alt.Locale(number=number) if language == "fr" else alt.Undefined
    ink = palette.PAPER if dark else palette.INK
    return chart.configure(locale=locale, text=alt.MarkConfig(color=ink))


def _names(names: Mapping[str, str], *, grid: bool = False, angle: int = 0) -> alt.Axis:
    """Return an axis on which every name is written whole, on lines of some characters.

    Names so take a third of the width of a phone at most.
    """
    lines = {value: textwrap.wrap(name, LINE_CHARACTERS) for value, name in names.items()}
    return alt.Axis(
        labelExpr=f"({json.dumps(lines)})[datum.value]", labelLimit=0, labelOverlap=False,
        labelFlush=False, labelLineHeight=12, labelFontSize=11, labelAngle=angle, grid=grid,
    )  # fmt: skip


def _same(names: Iterable[str]) -> dict[str, str]:
    return {name: name for name in names}


def _color(column: str, colors: Mapping[str, str]) -> alt.Color:
    """Return a color by column; the legend is the page's, in HTML, and wraps on a phone."""
    scale = alt.Scale(domain=list(colors), range=list(colors.values()))
    return alt.Color(column, scale=scale, legend=None)


def _sized(chart: C, rows: int, extra: int = 30) -> C:
    sized: C = chart.properties(height=max(rows, 2) * ROW_PX + extra)
    return sized
