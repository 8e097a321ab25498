"""Parts that several pages show: banner, empty state, key figures, cards, bars.

Text from data is escaped here, once: it enters HTML through `html.escape` and Markdown through
`plain`.
"""

from __future__ import annotations

import base64
import hmac
import html
import mimetypes
import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import streamlit as st

from src.artifacts.store import TRAIN_COMMAND
from src.data.csv_files import X_TRAIN
from src.data.database_url import read_settings
from src.errors import ProjectError
from src.i18n import DASH, translator
from streamlit_app.shared import charts, loaders
from streamlit_app.shared.context import Context

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd

# As for the service: who writes shows this key where there is one.
KEY_VARIABLE = "API_KEY"
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!|~<>$:&])")


def plain(text: str) -> str:
    r"""Return text that Markdown shows as it stands: no link, no image, no formula, no tag.

    >>> plain("![x](http://a)")
    '\\!\\[x\\]\\(http\\://a\\)'
    """
    return _MARKDOWN.sub(r"\\\1", text)


def tell_language(language: str) -> None:
    """Say to screen readers which language the page is in; Streamlit says English on every page."""
    script = f"document.documentElement.lang = '{language}'"
    st.html(f"<script>{script}</script>", unsafe_allow_javascript=True)


def sidebar(ctx: Context) -> None:
    """Say below the navigation which model is in service and what it is worth."""
    lines = [f"<b>{ctx.words('app.frame.no_model')}</b>"]
    if ctx.run is not None:
        lines = [
            ctx.words("app.frame.model"),
            f"<b>{ctx.kind(ctx.run.kind)}</b>",
            ctx.words("app.frame.f1", score=ctx.words.number(ctx.run.f1_weighted, 3)),
            ctx.words("app.frame.run", run=ctx.run.run_id),
        ]
        if ctx.run.promoted_at:
            since = f"{ctx.time(ctx.run.promoted_at)} UTC"
            lines.append(ctx.words("app.frame.since", date=since))
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


def run_of(ctx: Context, run_id: str) -> None:
    """Say which run the figures above are of, and whether it is the one in service."""
    if run_id:
        served = ctx.run is not None and ctx.run.run_id == run_id
        which = "run_served" if served else "run_other"
        note(ctx.words(f"app.frame.{which}", run=html.escape(run_id)))


def next_command(ctx: Context) -> str:
    """Return the command that comes next on the way to a run, from what is there already."""
    paths = ctx.cfg.paths
    if (paths.workspace / "snapshot.json").exists():
        return TRAIN_COMMAND
    return "bash init.sh" if (paths.import_dir / X_TRAIN).exists() else "make demo"


def empty(ctx: Context, what: str, command: str = "") -> None:
    """Say that there is nothing to show yet, and which command changes that.

    Before the first run no other `command` comes first.
    """
    if ctx.run is None or not command:
        command = next_command(ctx)
    with st.container(border=True):
        st.markdown(f"**{ctx.words('app.frame.empty')}**")
        st.markdown(what)
        st.markdown(ctx.words("app.frame.empty_make"))
        st.code(command, language=None)


def problem_text(error: ProjectError, language: str) -> str:
    """Return what an error says, in the language as far as its text is written in it."""
    words = translator(language)
    problem = words.say(error.problem)
    if not error.path:
        return problem
    at = f"app.frame.at_{'line' if error.line else 'file'}"
    return words(at, path=error.path, line=error.line, problem=problem)


def problem(error: ProjectError, language: str) -> None:
    """Show an error that the user can mend, with its next command."""
    words = translator(language)
    text = plain(problem_text(error, language))
    st.error(f"**{words('app.frame.problem')}**  \n{text}", icon="🛠️")
    if error.next_command:
        st.markdown(words("app.frame.next"))
        st.code(error.next_command, language=None)


def figures(items: Iterable[tuple[str, str]]) -> None:
    """Show key figures side by side: (value, what it is), both safe text."""
    cells = [f"<div><b>{value}</b><span>{what}</span></div>" for value, what in items]
    many = " many" if len(cells) > 5 else ""
    st.html(f'<div class="figures{many}">{"".join(cells)}</div>')


def chart(
    ctx: Context,
    drawn: alt.Chart | alt.LayerChart,
    what: str,
    **options: Any,  # noqa: ANN401
) -> None:
    """Show a chart, and say to those who can't see it `what` it shows."""
    dark = st.context.theme.type == "dark"
    st.altair_chart(charts.localized(drawn, ctx.language, dark=dark), alt=what, **options)


def table(
    ctx: Context,
    data: pd.DataFrame,
    columns: Mapping[str, str],
    formats: Mapping[str, Callable[[float], str]],
    **options: Any,  # noqa: ANN401 - as `st.dataframe` takes them
) -> Any:  # noqa: ANN401 - what is selected, where it can be
    """Show some columns of a table under their names, numbers as the language writes them."""
    shown = data[[name for name in columns if name in data]].rename(columns=columns)
    by_name = {columns[name]: how for name, how in formats.items() if name in data}
    styled = shown.style.format(by_name)
    return st.dataframe(styled, hide_index=True, placeholder=DASH, **options)


def image(data: bytes, mime: str, what: str) -> None:
    """Show an image made here, and say to those who can't see it `what` it shows."""
    uri = f"data:{mime};base64,{base64.b64encode(data).decode()}"
    st.html(f'<img class="made" src="{uri}" alt="{html.escape(what)}">')


def legend(colors: Mapping[str, str]) -> None:
    """Show which color stands for which name."""
    items = (
        f'<span><i style="background:{color}"></i>{name}</span>' for name, color in colors.items()
    )
    st.html(f'<div class="legend">{"".join(items)}</div>')


def note(text: str) -> None:
    """Show a remark below a chart."""
    st.html(f'<p class="note">{text}</p>')


def download(
    what: str,
    data: str | bytes | Callable[[], bytes],
    name: str,
    **options: Any,  # noqa: ANN401
) -> None:
    """Show a button that gives a file; what is called for its content is called at a click."""
    icon, mime = ":material/download:", mimetypes.guess_type(name)[0]
    st.download_button(what, data, name, mime, icon=icon, on_click="ignore", **options)


def product(ctx: Context, row: Any, below: str) -> str:  # noqa: ANN401 - a row of a frame
    """Return HTML of a product of the catalogue, with its image; `below` is HTML made by us."""
    image = loaders.data_uri(row.image)
    shown = f'<img src="{image}" alt="">' if image else ""
    shown = shown or f'<div class="blank">{ctx.words("app.word.no_image")}</div>'
    return card(row.designation, below, row.description, shown)


def card(title: str, below: str, text: str = "", shown: str = "") -> str:
    """Return HTML of one product; `title` and `text` are escaped here, the rest is made by us."""
    body = f"<p>{html.escape(shortened(text, 180))}</p>" if text else ""
    return (
        f'<article class="card">{shown}<p class="title" title="{html.escape(title[:400])}">'
        f"{html.escape(shortened(title, 110))}</p>{body}<footer>{below}</footer></article>"
    )


def cards(items: Iterable[str], *, few: bool = False) -> None:
    """Show product cards in as many columns as fit: six, or three where they are `few`."""
    st.html(f'<div class="cards{" few" if few else ""}">{"".join(items)}</div>')


def shortened(text: str, limit: int) -> str:
    """Return text without markup, cut at a word and marked with an ellipsis."""
    from src.features.text.markup import plain_text

    text = plain_text(text[: 8 * limit])
    return text if len(text) <= limit else text[:limit].rsplit(" ", 1)[0] + " …"


def bars(items: Iterable[tuple[str, float, str, str]], *, inline: bool = False) -> None:
    """Show horizontal bars: label (HTML made by us), length up to 1, value as text, color.

    Many short bars stand `inline`: the label beside its bar, where the screen is wide enough.
    """
    rows = (
        f'<div class="bar"><span class="bar-label">{label}</span><span class="bar-value">{value}'
        f'</span><span class="bar-track"><i style="width:{100 * min(max(share, 0.0), 1.0):.1f}%;'
        f'background:{color}"></i></span></div>'
        for label, share, value, color in items
    )
    st.html(f'<div class="bars{" inline" if inline else ""}">{"".join(rows)}</div>')


def class_bars(ctx: Context, counts: Iterable[tuple[int, int]]) -> None:
    """Show how many products each class has, in its theme's color."""
    legend(ctx.theme_colors())
    pairs = list(counts)
    most = max((n for _, n in pairs), default=1)
    bars(
        (
            (html.escape(ctx.named(code)), n / most, ctx.words.number(n), ctx.color(code))
            for code, n in pairs
        ),
        inline=True,
    )


def may_write(ctx: Context) -> bool:
    """Say who may write, and whether this visitor may; ask for the key where one is set."""
    expected = read_settings().get(KEY_VARIABLE)
    if not expected:
        note(ctx.words("app.predict.correct_open"))
        return True
    key = st.text_input(
        ctx.words("app.predict.correct_key"), key="correct_key", type="password",
        persist_state="session",
    )  # fmt: skip
    right = hmac.compare_digest(key.encode(), expected.encode())
    if key and not right:
        st.warning(ctx.words("app.predict.correct_wrong_key"))
    return right
