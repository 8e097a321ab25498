"""Lengths and languages of the texts, and what is missing, by theme."""

import pandas as pd
import streamlit as st

from src.palette import IMAGE_COLOR, TEXT_COLOR
from streamlit_app.exploration import aggregates
from streamlit_app.shared import charts, components, loaders
from streamlit_app.shared.context import Context

LANGUAGE_COLORS = {
    "fr": "#3d5a98",
    "en": "#c0392b",
    "de": "#e08a00",
    "nl": "#1f8a70",
    "it": "#7a4fb5",
    "es": "#d6568c",
    "other": "#b9b5ac",
}


def show(ctx: Context, _by_class: pd.DataFrame) -> None:
    """Draw the section."""
    _lengths(ctx)
    themes = tuple(sorted(ctx.labels.themes.items()))
    missing, languages = loaders.derive(ctx, aggregates.by_theme, themes)
    left, right = st.columns(2, gap="large")
    with left:
        _languages(ctx, languages)
    with right:
        _missing(ctx, missing)


def _lengths(ctx: Context) -> None:
    words = ctx.words
    histogram, medians = loaders.derive(ctx, aggregates.lengths)
    names = {field: words(f"app.exploration.length_{field}") for field in medians}
    histogram = histogram.assign(
        field=histogram["field"].map(names),
        percent=[words.percent(share) for share in histogram["share"]],
    )
    st.header(words("app.exploration.lengths_title"), anchor=False)
    colors = dict(zip(names.values(), (TEXT_COLOR, IMAGE_COLOR), strict=True))
    components.legend(colors)
    y_title = words("app.exploration.lengths_y")
    components.chart(
        ctx,
        charts.histogram(
            histogram,
            colors=colors,
            titles=(words("app.exploration.lengths_x"), y_title),
            tooltip={"field": " ", "low": ">=", "high": "<", "percent": y_title},
        ),
        words("app.exploration.lengths_title"),
    )
    title, description = (words.number(medians[name]) for name in ("designation", "description"))
    components.note(words("app.exploration.lengths_note", title=title, description=description))


def _languages(ctx: Context, languages: pd.DataFrame) -> None:
    st.header(ctx.words("app.exploration.languages_title"), anchor=False)
    parts = {ctx.words(f"app.languages.{key}"): color for key, color in LANGUAGE_COLORS.items()}
    shown = languages.assign(
        name=[ctx.theme_label(key) for key in languages["theme"]],
        part=[ctx.words(f"app.languages.{key}") for key in languages["language"]],
        shown=[ctx.words.percent(share) for share in languages["share"]],
    )
    components.legend(parts)
    titles = {
        "name": ctx.words("app.word.theme"),
        "part": ctx.words("app.word.language"),
        "shown": ctx.words("app.word.share"),
    }
    order = [ctx.theme_label(key) for key in ctx.theme_keys()]
    components.chart(
        ctx,
        charts.stacked(shown, parts=parts, order=order, titles=titles),
        ctx.words("app.exploration.languages_title"),
    )


def _missing(ctx: Context, missing: pd.DataFrame) -> None:
    st.header(ctx.words("app.exploration.missing_title"), anchor=False)
    columns = {
        "no_description": (ctx.words("app.exploration.no_description"), IMAGE_COLOR),
        "no_image": (ctx.words("app.exploration.no_image"), TEXT_COLOR),
    }
    components.legend(dict(columns.values()))
    components.chart(
        ctx,
        charts.points(
            missing.assign(name=missing["theme"].map(ctx.theme_label)),
            columns=columns,
            titles=(ctx.words("app.word.theme"), ctx.words("app.word.share")),
            show=ctx.words.percent,
            order=[ctx.theme_label(key) for key in ctx.theme_keys()],
        ),
        ctx.words("app.exploration.missing_title"),
    )
