"""The list of corrections: by person, class and place; as CSV; undone by who made them."""

from typing import Any

import pandas as pd
import streamlit as st

from src.data.corrections import Correction, current
from src.serving.feedback import as_table, select, withdrawal
from streamlit_app.shared import choices, components, loaders
from streamlit_app.shared.context import Context

ALL = ""
COLUMNS = (
    "created_at", "author", "source", "designation", "prdtypecode", "predicted_code", "comment",
)  # fmt: skip


def show(ctx: Context) -> None:
    """Draw the section."""
    said = current(loaders.feedback_store(ctx).read())[::-1]
    if not said:
        st.info(ctx.words("app.review.no_corrections"))
        return
    for_author, for_source, for_class = st.columns(3)
    author = _choose(ctx, "author", {c.author for c in said}, for_author)
    source = _choose(ctx, "source", {c.source for c in said}, for_source)
    codes = {c.prdtypecode for c in said if c.prdtypecode is not None}
    code = choices.choose_class(ctx, codes, key="corrections_class", place=for_class)
    shown = select(said, author=author or None, source=source or None, prdtypecode=code)
    columns = {name: ctx.words(f"app.review.columns.{name}") for name in COLUMNS}
    event: Any = components.table(
        ctx, _table(ctx, shown), columns, {}, key=f"corrections:{ctx.language}",
        on_select="rerun", selection_mode="single-row",
    )  # fmt: skip
    _undo(ctx, [shown[row] for row in event.selection.rows if row < len(shown)])
    what = ctx.words("app.review.download")
    components.download(what, as_table(shown).to_csv(index=False), "corrections.csv")


def _choose(ctx: Context, name: str, values: set[str], place: Any) -> str:  # noqa: ANN401
    return choices.choose(
        ctx,
        ctx.words(f"app.review.columns.{name}"),
        [ALL, *sorted(values - {ALL})],
        lambda value: _source(ctx, value) if value else ctx.words("app.word.all"),
        key=f"corrections_{name}",
        place=place,
    )


def _source(ctx: Context, name: str) -> str:
    return str(ctx.words.section("app.review.sources").get(name, name))


def _table(ctx: Context, shown: list[Correction]) -> pd.DataFrame:
    return as_table(shown).assign(
        created_at=[c.created_at.strftime("%Y-%m-%d %H:%M") for c in shown],
        source=[_source(ctx, c.source) for c in shown],
        designation=[components.shortened(c.designation, 120) or c.product for c in shown],
        prdtypecode=[ctx.named(c.prdtypecode or 0) for c in shown],
        predicted_code=[ctx.named(c.predicted_code) if c.predicted_code else "" for c in shown],
    )


def _undo(ctx: Context, chosen: list[Correction]) -> None:
    """Draw the button that takes the chosen row back, for its author."""
    author = choices.remembered("review_author", "author")
    own = [c for c in chosen if c.author in {"", author}]
    if chosen and not own:
        components.note(ctx.words("app.review.undo_own"))
    allowed = components.may_write(ctx)
    if st.button(ctx.words("app.review.undo"), disabled=not (own and allowed)):
        loaders.feedback_store(ctx).store(withdrawal(own[0]))
        st.rerun()
