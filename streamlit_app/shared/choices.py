"""What a visitor has chosen or given: kept as codes, in the session and in the address.

The value of Streamlit's own boxes is the text that they show: a switch of the language, or leaving
the page, would drop it. Here the chosen option itself is kept, under a name of the house's, and
every box takes it from there.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar, cast

import streamlit as st

from streamlit_app.shared.context import Context

T = TypeVar("T")
# No class: Streamlit takes None for a box in which nothing was chosen, and says so in English.
NONE = 0
_ASKED, _SHOWN = "address_asked", "address_shown"


def choose_language() -> str:
    """Show the switch in the sidebar and return the language; the address keeps it (?lang=fr)."""
    asked = st.session_state.setdefault(_ASKED, st.query_params.to_dict())
    start = asked.pop("lang", None) or (st.context.locale or "en")[:2]
    st.session_state.setdefault("language", "fr" if start == "fr" else "en")
    chosen = st.sidebar.segmented_control(
        "Langue / Language",
        ("fr", "en"),
        format_func={"fr": "Français", "en": "English"}.__getitem__,
        key="language",
        label_visibility="collapsed",
        required=True,
    )
    st.session_state[_SHOWN] = {"lang": str(chosen)}
    return str(chosen)


def write_address() -> None:
    """Put what this page shows into the address, so that the view can be linked."""
    if st.query_params.to_dict() != st.session_state[_SHOWN]:
        st.query_params.from_dict(st.session_state[_SHOWN])


def choose(
    ctx: Context,
    label: str,
    options: Iterable[T],
    name: Callable[[T], str],
    *,
    key: str,
    default: T | None = None,
    address: str = "",
    widget: str = "selectbox",
    place: Any = st,  # noqa: ANN401 - streamlit itself or one of its containers
    **more: Any,  # noqa: ANN401 - as the widget takes them
) -> T:
    """Show a box, or another widget with options, and return the option that is chosen.

    Where nothing was chosen yet it starts at what the `address` asks for, else at `default`, else
    at the first option.
    """
    choices: Sequence[T] = list(options)
    kept = st.session_state.get(key)
    if key not in st.session_state:
        asked = st.session_state.get(_ASKED, {}).pop(address, None)
        kept = next((option for option in choices if str(option) == asked), default)
    # One widget a language: its value is the text of an option.
    own = f"{key}:{ctx.language}"
    if st.session_state.get(own, choices) not in choices:
        st.session_state[own] = kept if kept in choices else choices[0]
    chosen = getattr(place, widget)(label, choices, format_func=name, key=own, **more)
    st.session_state[key] = chosen
    if address and chosen:
        st.session_state.setdefault(_SHOWN, {})[address] = str(chosen)
    return cast(T, chosen)


def remembered(key: str, address: str) -> str:
    """Return a text that is kept under a key, at first what the address asks for; it shows it."""
    asked = st.session_state.get(_ASKED, {}).pop(address, "")
    value = str(st.session_state.setdefault(key, asked))
    shown = st.session_state.setdefault(_SHOWN, {})
    shown.pop(address, None)
    if value:
        shown[address] = value
    return value


def put(key: str, value: object) -> None:
    """Choose for the visitor; to be called before the widget is shown, as callbacks are."""
    for name in [name for name in st.session_state if str(name).startswith(f"{key}:")]:
        del st.session_state[name]
    st.session_state[key] = value


def choose_class(
    ctx: Context, codes: Iterable[int], *, key: str, label: str = "app.word.class",
    address: str = "class", place: Any = st,  # noqa: ANN401 - as in `choose`
) -> int | None:  # fmt: skip
    """Show a box of classes, by name; None stands for all of them."""
    return (
        choose(
            ctx,
            ctx.words(label),
            [NONE, *sorted(codes, key=ctx.label)],
            lambda code: ctx.named(code) if code else ctx.words("app.word.all"),
            key=key,
            address=address,
            place=place,
        )
        or None
    )


def section(ctx: Context, page: str, names: Sequence[str]) -> str:
    """Show the switch between the sections of a page; only the chosen one is computed."""
    return choose(
        ctx,
        ctx.words(f"app.{page}.name"),
        names,
        lambda name: ctx.words(f"app.{page}.section_{name}"),
        key=f"{page}_section",
        address="section",
        widget="segmented_control",
        label_visibility="collapsed",
        required=True,
    )


def upload(label: str, types: Sequence[str], *, key: str) -> tuple[str, bytes] | None:
    """Show a place for a file; return its name and bytes, which outlive leaving the page."""
    number = st.session_state.setdefault(f"{key}_number", 0)
    own = f"{key}_upload_{number}"

    def take() -> None:
        file = st.session_state[own]
        st.session_state[key] = None if file is None else (file.name, file.getvalue())

    st.file_uploader(label, types, key=own, on_change=take)
    return cast("tuple[str, bytes] | None", st.session_state.get(key))


def forget_upload(key: str) -> None:
    """Empty a place for a file."""
    st.session_state[f"{key}_number"] = st.session_state.get(f"{key}_number", 0) + 1
    st.session_state[key] = None
