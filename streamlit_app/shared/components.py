"""Parts that several pages show: banner, empty state, key figures, cards, bars.

Text from data is escaped here, once: it enters HTML through `html.escape` and Markdown through
`plain`.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar, cast

import streamlit as st

from src.artifacts.store import TRAIN_COMMAND
from src.errors import ProjectError
from src.i18n import translator
from streamlit_app.shared.context import Context

T = TypeVar("T")

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!|~<>$:&])")


def plain(text: str) -> str:
    r"""Return text that Markdown shows as it stands: no link, no image, no formula, no tag.

    Examples
    --------
    >>> plain("![x](http://a)")
    '\\!\\[x\\]\\(http\\://a\\)'
    """
    return _MARKDOWN.sub(r"\\\1", text)


def choose_language() -> str:
    """Show the switch in the sidebar and return the language; the address keeps it (?lang=fr)."""
    asked = st.query_params.get("lang") or (st.context.locale or "en")[:2]
    st.session_state.setdefault("language", "fr" if asked == "fr" else "en")
    chosen = st.sidebar.segmented_control(
        "Langue / Language",
        ("fr", "en"),
        format_func={"fr": "Français", "en": "English"}.__getitem__,
        key="language",
        label_visibility="collapsed",
        required=True,
    )
    st.query_params["lang"] = str(chosen)
    return str(chosen)


def sidebar(ctx: Context) -> None:
    """Say below the navigation which model is in service and what it is worth."""
    lines = [f"<b>{ctx.words('app.frame.no_model')}</b>"]
    if ctx.run is not None:
        lines = [
            ctx.words("app.frame.model"),
            f"<b>{ctx.kind(ctx.run.kind)}</b>",
            ctx.words("app.frame.f1", score=ctx.words.number(ctx.run.f1_weighted, 3)),
        ]
        if ctx.run.promoted_at:
            date = datetime.fromisoformat(ctx.run.promoted_at)
            shape = "%d/%m/%Y %H:%M" if ctx.language == "fr" else "%Y-%m-%d %H:%M"
            lines.append(ctx.words("app.frame.since", date=f"{date.strftime(shape)} UTC"))
    with st.sidebar:
        st.html(f'<div class="service">{"<br>".join(lines)}</div>')


def banner(ctx: Context) -> None:
    """Say on every page that the data is synthetic, where it is."""
    if ctx.run is not None and ctx.run.synthetic:
        st.html(f'<div class="banner" role="note">{ctx.words("app.frame.synthetic")}</div>')


def heading(ctx: Context, page: str) -> None:
    """Show a page's title and what it is for."""
    st.title(ctx.words(f"app.{page}.name"), anchor=False)
    st.html(f'<p class="lead">{ctx.words(f"app.{page}.lead")}</p>')


def empty(ctx: Context, what: str, command: str = TRAIN_COMMAND) -> None:
    """Say that there is nothing to show yet, and which command changes that."""
    with st.container(border=True):
        st.markdown(f"**{ctx.words('app.frame.empty')}**")
        st.markdown(what)
        st.markdown(ctx.words("app.frame.empty_make"))
        st.code(command, language="bash")


def problem(error: ProjectError, language: str) -> None:
    """Show an error that the user can mend, with its next command."""
    words = translator(language)
    st.error(f"**{words('app.frame.problem')}**  \n{plain(error.message)}", icon="🛠️")
    if error.next_command:
        st.markdown(words("app.frame.next"))
        st.code(error.next_command, language="bash")


def figures(items: Iterable[tuple[str, str]]) -> None:
    """Show key figures side by side: (value, what it is), both safe text."""
    cells = [f"<div><b>{value}</b><span>{what}</span></div>" for value, what in items]
    many = " many" if len(cells) > 5 else ""
    st.html(f'<div class="figures{many}">{"".join(cells)}</div>')


def legend(colors: Mapping[str, str]) -> None:
    """Show which color stands for which name."""
    items = (
        f'<span><i style="background:{color}"></i>{name}</span>' for name, color in colors.items()
    )
    st.html(f'<div class="legend">{"".join(items)}</div>')


def note(text: str) -> None:
    """Show a remark below a chart."""
    st.html(f'<p class="note">{text}</p>')


def choose(
    label: str,
    options: Sequence[T],
    name: Callable[[T], str],
    *,
    key: str,
    place: Any = st,  # noqa: ANN401 - streamlit itself or one of its containers
    on_change: Callable[[], None] | None = None,
) -> T:
    """Show a box to choose one of the options in, and return the one that is chosen."""
    chosen = place.selectbox(label, options, format_func=name, key=key, on_change=on_change)
    return cast(T, chosen)


def choose_class(
    ctx: Context, codes: Iterable[int], *, key: str, label: str = "app.word.class",
    place: Any = st,  # noqa: ANN401 - as in `choose`
) -> int | None:  # fmt: skip
    """Show a box of classes, by name; None stands for all of them."""
    options: list[int | None] = [None, *sorted(codes, key=ctx.label)]
    return choose(
        ctx.words(label),
        options,
        lambda code: ctx.words("app.word.all") if code is None else ctx.named(code),
        key=key,
        place=place,
    )


def section(ctx: Context, page: str, names: Sequence[str]) -> str:
    """Show the switch between the sections of a page; only the chosen one is computed."""
    chosen = st.segmented_control(
        ctx.words(f"app.{page}.name"),
        names,
        format_func=lambda name: ctx.words(f"app.{page}.section_{name}"),
        default=names[0],
        key=f"{page}_section",
        label_visibility="collapsed",
        required=True,
    )
    return str(chosen)


def card(image: str | None, ctx: Context, title: str, below: str, text: str = "") -> str:
    """Return HTML of one product.

    Parameters
    ----------
    image : str or None
        Data URI; None says that there is none, "" shows no place for one.
    title, text : str
        From data; escaped here.
    below : str
        HTML made by us.
    """
    shown = f'<img src="{image}" alt="">' if image else ""
    if image is None:
        shown = f'<div class="blank">{ctx.words("app.word.no_image")}</div>'
    body = f"<p>{html.escape(shortened(text, 180))}</p>" if text else ""
    return (
        f'<article class="card">{shown}<h4 title="{html.escape(title[:400])}">'
        f"{html.escape(shortened(title, 110))}</h4>{body}<footer>{below}</footer></article>"
    )


def cards(items: Iterable[str]) -> None:
    """Show product cards in as many columns as fit."""
    st.html(f'<div class="cards">{"".join(items)}</div>')


def shortened(text: str, limit: int) -> str:
    """Return text without markup, cut at a word and marked with an ellipsis."""
    from src.features.text.markup import plain_text

    text = plain_text(text[: 8 * limit])
    return text if len(text) <= limit else text[:limit].rsplit(" ", 1)[0] + " …"


def strip(images: Sequence[str | None]) -> None:
    """Show small numbered images (data URIs) side by side; those that can't be read are blank."""
    tags = (f'<img src="{uri}" alt="">' if uri else "" for uri in images)
    cells = (f"<figure>{tag}<figcaption>{n}</figcaption></figure>" for n, tag in enumerate(tags, 1))
    st.html(f'<div class="strip">{"".join(cells)}</div>')


def bar(label: str, share: float, value: str, color: str) -> str:
    """Return HTML of one horizontal bar; `label` is HTML made by us, `share` its length."""
    width = 100 * min(max(share, 0.0), 1.0)
    return (
        f'<div class="bar"><span class="bar-label">{label}</span><span class="bar-value">{value}'
        f'</span><span class="bar-track"><i style="width:{width:.1f}%;background:{color}"></i>'
        "</span></div>"
    )
