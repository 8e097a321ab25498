"""Exploration: the catalogue that the model learns from."""

from __future__ import annotations

import importlib.util

import pandas as pd
import streamlit as st

from streamlit_app import aggregates, charts, components, loaders, theme
from streamlit_app.context import Context

SECTIONS = ("classes", "texts", "gallery", "words")
GALLERY_PRODUCTS = 18
THUMBNAIL_PX = 240
WORDS_SHOWN = 22
CLOUD_TALL_PX = (800, 840)
CLOUD_WIDE_PX = (1300, 420)


def show(ctx: Context) -> None:
    """Draw the page."""
    components.heading(ctx, "exploration")
    if loaders.catalogue(ctx) is None:
        components.empty(ctx, ctx.say("exploration.missing"))
        return
    table = loaders.derive(ctx, aggregates.by_class)
    _figures(ctx, table)
    section = components.section(ctx, "exploration", SECTIONS)
    {"classes": _classes, "texts": _texts, "gallery": _gallery, "words": _words}[section](
        ctx, table
    )


def _figures(ctx: Context, table: pd.DataFrame) -> None:
    about = loaders.derive(ctx, aggregates.overview)
    classes = ctx.say("exploration.classes", n=len(ctx.theme_keys()))
    components.figures(
        [
            (ctx.number(about["labelled"]), ctx.say("exploration.labelled")),
            (ctx.number(about["unlabelled"]), ctx.say("exploration.unlabelled")),
            (ctx.number(len(table)), classes),
            (ctx.percent(about["with_picture"]), ctx.say("exploration.with_picture")),
            (ctx.percent(about["without_description"]), ctx.say("exploration.without_text")),
        ]
    )


def _classes(ctx: Context, table: pd.DataFrame) -> None:
    by = st.segmented_control(
        ctx.say("exploration.by"),
        ("class", "theme"),
        format_func=lambda name: ctx.say(f"exploration.by.{name}"),
        default="class",
        key="exploration_by",
        required=True,
    )
    named = table.assign(
        name=[ctx.label(code) for code in table["code"]],
        theme=[ctx.theme(code) for code in table["code"]],
    )
    shown = named if by == "class" else _summed(named)
    shown = shown.assign(
        shown=[ctx.number(n) for n in shown["products"]],
        percent=[ctx.percent(share) for share in shown["share"]],
    )
    st.subheader(
        ctx.say(f"exploration.{'classes' if by == 'class' else 'themes'}.title"), anchor=False
    )
    titles = {"name": ctx.say(f"word.{by}"), "theme": ctx.say("word.theme")}
    titles |= {"code": ctx.say("word.code")} if by == "class" else {}
    titles |= {"shown": ctx.say("word.products"), "percent": ctx.say("word.share")}
    colors = ctx.theme_colors()
    components.legend(colors)
    st.altair_chart(
        charts.bars(
            shown, name="name", value="products", shown="shown", color="theme", colors=colors,
            titles=titles,
        )
    )  # fmt: skip
    big, small = named.iloc[0], named.iloc[-1]
    ratio = ctx.number(big["products"] / small["products"])
    components.note(
        ctx.say(
            "exploration.classes.note",
            big=ctx.chip(big["code"]), small=ctx.chip(small["code"]), ratio=ratio,
        )
    )  # fmt: skip
    with st.expander(ctx.say("exploration.table")):
        _table(ctx, named)


def _summed(named: pd.DataFrame) -> pd.DataFrame:
    summed = named.groupby("theme", as_index=False)[["products", "share"]].sum()
    return summed.assign(name=summed["theme"]).sort_values("products", ascending=False)


def _table(ctx: Context, named: pd.DataFrame) -> None:
    columns = {
        "name": ctx.say("word.class"),
        "code": ctx.say("word.code"),
        "theme": ctx.say("word.theme"),
        "products": ctx.say("word.products"),
        "share": ctx.say("word.share"),
        "no_description": ctx.say("exploration.no_description"),
        "no_picture": ctx.say("exploration.no_picture"),
        "title_length": ctx.say("exploration.title_length"),
    }
    config = {
        columns[name]: st.column_config.NumberColumn(format="percent")
        for name in ("share", "no_description", "no_picture")
    }
    config[columns["code"]] = st.column_config.NumberColumn(format="%d")
    shown = named[list(columns)].rename(columns=columns)
    st.dataframe(shown, hide_index=True, column_config=config, height=480)


def _texts(ctx: Context, _table: pd.DataFrame) -> None:
    histogram, medians = loaders.derive(ctx, aggregates.lengths)
    histogram = histogram.assign(
        field=[ctx.say(f"exploration.lengths.field.{name}") for name in histogram["field"]],
        percent=[ctx.percent(share) for share in histogram["share"]],
    )
    st.subheader(ctx.say("exploration.lengths.title"), anchor=False)
    fields = list(dict.fromkeys(histogram["field"]))
    colors = dict(zip(fields, (theme.THEME_COLORS[0], theme.THEME_COLORS[2]), strict=True))
    components.legend(colors)
    x_title = ctx.say("exploration.lengths.x")
    y_title = ctx.say("exploration.lengths.y")
    st.altair_chart(
        charts.histogram(
            histogram,
            series="field",
            colors=colors,
            titles=(x_title, y_title),
            tooltip={"field": " ", "low": ">=", "high": "<", "percent": y_title},
        )
    )
    title, description = (ctx.number(medians[name]) for name in ("designation", "description"))
    components.note(ctx.say("exploration.lengths.note", title=title, description=description))
    missing, languages = loaders.derive(
        ctx, aggregates.by_theme, tuple(sorted(ctx.labels.themes.items()))
    )
    left, right = st.columns(2, gap="large")
    with left:
        _languages(ctx, languages)
    with right:
        _missing(ctx, missing)


def _languages(ctx: Context, languages: pd.DataFrame) -> None:
    st.subheader(ctx.say("exploration.languages.title"), anchor=False)
    order = ("fr", "en", "de", "nl", "it", "es", "other")
    palette = ("#3d5a98", "#c0392b", "#e08a00", "#1f8a70", "#7a4fb5", "#d6568c", "#b9b5ac")
    parts = {ctx.say(f"language.{key}"): color for key, color in zip(order, palette, strict=True)}
    shown = languages.assign(
        name=[ctx.theme_label(key) for key in languages["theme"]],
        language=[ctx.say(f"language.{key}") for key in languages["language"]],
        shown=[ctx.percent(share) for share in languages["share"]],
    )
    components.legend(parts)
    titles = {"name": ctx.say("word.theme"), "language": ctx.say("exploration.languages.axis")}
    st.altair_chart(
        charts.stacked(
            shown, name="name", part="language", parts=parts,
            order=[ctx.theme_label(key) for key in ctx.theme_keys()],
            titles={**titles, "shown": ctx.say("word.share")},
        )
    )  # fmt: skip


def _missing(ctx: Context, missing: pd.DataFrame) -> None:
    st.subheader(ctx.say("exploration.missing.title"), anchor=False)
    series = {
        ctx.say("exploration.no_description"): theme.THEME_COLORS[2],
        ctx.say("exploration.no_picture"): theme.THEME_COLORS[0],
    }
    names = missing["theme"].map(ctx.theme_label)
    parts = [
        pd.DataFrame({"name": names, "what": what, "value": missing[column]})
        for what, column in zip(series, ("no_description", "no_picture"), strict=True)
    ]
    data = pd.concat(parts, ignore_index=True)
    data["shown"] = [ctx.percent(share) for share in data["value"]]
    titles = {"name": ctx.say("word.theme"), "what": " ", "shown": ctx.say("word.share")}
    order = [ctx.theme_label(key) for key in ctx.theme_keys()]
    components.legend(series)
    st.altair_chart(
        charts.points(data, name="name", series="what", colors=series, titles=titles, order=order)
    )


def _gallery(ctx: Context, table: pd.DataFrame) -> None:
    left, middle, right = st.columns([3, 2, 2], vertical_alignment="bottom")
    code = components.choose_class(ctx, table["code"], key="gallery_class", place=left)
    with_picture = middle.toggle(ctx.say("exploration.gallery.only"), value=True, key="gallery_pic")
    if right.button(ctx.say("exploration.gallery.another"), icon=":material/shuffle:"):
        st.session_state["gallery_seed"] = st.session_state.get("gallery_seed", 0) + 1
    codes = tuple(table["code"].tolist()) if code is None else (code,)
    products = aggregates.sample(
        loaders.products(ctx), codes, with_picture=with_picture, n=GALLERY_PRODUCTS,
        seed=st.session_state.get("gallery_seed", 0),
    )  # fmt: skip
    if products.empty:
        st.info(ctx.say("exploration.gallery.none"))
        return
    components.cards(
        components.card(
            loaders.data_uri(row["image"], THUMBNAIL_PX), ctx, row["designation"],
            ctx.chip(row["prdtypecode"]), row["description"],
        )
        for row in products.to_dict("records")
    )  # fmt: skip


def _words(ctx: Context, table: pd.DataFrame) -> None:
    counts = loaders.derive(ctx, aggregates.words)
    code = components.choose_class(ctx, table["code"], key="words_class")
    frequent = counts.frequent(code, WORDS_SHOWN)
    color = theme.ACCENT if code is None else ctx.color(code)
    left, right = st.columns(2, gap="large")
    with left:
        st.subheader(ctx.say("exploration.words.frequent"), anchor=False)
        frequent["shown"] = [ctx.number(n) for n in frequent["titles"]]
        _word_bars(ctx, frequent, "titles", "exploration.words.count", color)
    with right:
        if code is not None:
            st.subheader(ctx.say("exploration.words.typical"), anchor=False)
            typical = counts.typical(code, WORDS_SHOWN)
            typical["shown"] = [f"× {ctx.number(times)}" for times in typical["times"]]
            _word_bars(ctx, typical, "times", "exploration.words.times", color)
        else:
            _cloud(ctx, counts.frequent(None, 150), color, CLOUD_TALL_PX)
    if code is not None:
        _cloud(ctx, counts.frequent(code, 150), color, CLOUD_WIDE_PX)


def _word_bars(ctx: Context, data: pd.DataFrame, value: str, title: str, color: str) -> None:
    titles = {"word": ctx.say("exploration.words.word"), value: ctx.say(title), "shown": " "}
    st.altair_chart(
        charts.bars(
            data.assign(all=""), name="word", value=value, shown="shown", color="all",
            colors={"": color}, titles=titles,
        )
    )  # fmt: skip


def _cloud(ctx: Context, frequent: pd.DataFrame, color: str, size_px: tuple[int, int]) -> None:
    st.subheader(ctx.say("exploration.words.cloud"), anchor=False)
    if importlib.util.find_spec("wordcloud") is None:
        st.caption(ctx.say("exploration.words.no_cloud"))
        return
    weights = tuple(zip(frequent["word"], frequent["titles"].tolist(), strict=True))
    st.image(loaders.word_cloud(weights, color, size_px), width="stretch")
