"""A file of products: upload, progress, summary, download."""

from __future__ import annotations

import html

import pandas as pd
import streamlit as st

from src.errors import FileFault
from src.serving.answers import FORMS
from src.serving.predictor import Predictor
from streamlit_app.predict.scoring import ScoredFile, score_file
from streamlit_app.shared import choices, components
from streamlit_app.shared.context import Context

_TABLE, _ZIP, _SCORED = "batch_table", "batch_zip", "scored_file"
TABLE_TYPES = ("csv", "tsv", "txt", "gz", "xlsx", "parquet")
SHOWN_ROWS = 200
EXAMPLE = (
    "designation,description,productid,imageid\n"
    '"Piscine gonflable ronde 3 m","Avec pompe et bâche",1,\n'
    '"Harry Potter tome 1, broché","",2,\n'
)


def show(ctx: Context, predictor: Predictor) -> None:
    """Draw the section."""
    left, right = st.columns(2, gap="large")
    with left:
        table = _file(ctx, "file_csv", TABLE_TYPES, _TABLE)
    with right:
        images = _file(ctx, "file_zip", ("zip",), _ZIP)
    left, right = st.columns(2, gap="large")
    go = left.button(
        ctx.words("app.predict.file_score"), type="primary", disabled=table is None, width="stretch"
    )
    with right:
        example = ctx.words("app.predict.file_example")
        components.download(example, EXAMPLE, "example.csv", width="stretch")
    if table is None:
        st.session_state.pop(_SCORED, None)
        return
    # The answers are of these very files: others take them away.
    asked = (table, images)
    if go:
        scored = _score(ctx, predictor, *table, images[1] if images else None)
        st.session_state[_SCORED] = (asked, scored)
    kept = st.session_state.get(_SCORED)
    if kept is not None and kept[0] == asked and kept[1] is not None:
        _summary(ctx, predictor, kept[1])


def _file(ctx: Context, label: str, types: tuple[str, ...], key: str) -> tuple[str, bytes] | None:
    given = choices.upload(ctx.words(f"app.predict.{label}"), types, key=key)
    if given is not None:
        st.button(
            ctx.words("app.predict.file_kept", name=components.plain(given[0])),
            key=f"{key}_forget", on_click=choices.forget_upload, args=(key,),
            icon=":material/close:",
        )  # fmt: skip
    return given


def _score(
    ctx: Context, predictor: Predictor, name: str, data: bytes, zipped: bytes | None
) -> ScoredFile | None:
    bar = st.progress(0.0, ctx.words("app.predict.file_progress", n=0))

    def advance(share: float, rows: int) -> None:
        bar.progress(share, ctx.words("app.predict.file_progress", n=ctx.words.number(rows)))

    try:
        return score_file(predictor, data, name, zipped, progress=advance)
    except FileFault as fault:
        components.problem(fault, ctx.language)
        return None
    finally:
        bar.empty()


def _summary(ctx: Context, predictor: Predictor, scored: ScoredFile) -> None:
    rows, reader = len(scored.predictions), scored.reader
    if assumed := reader.assumed(ctx.language):
        components.note(html.escape(assumed))
    if found := reader.images_line(ctx.language):
        (st.warning if reader.none_matched else st.info)(components.plain(found))
    to_review = sum(prediction.needs_review for prediction in scored.predictions)
    figures = [
        (ctx.words.number(rows), ctx.words("app.predict.file_rows")),
        (ctx.words.percent(1 - to_review / rows), ctx.words("app.predict.file_sure")),
        (ctx.words.number(to_review), ctx.words("app.predict.file_review")),
        (ctx.words.number(len(scored.classes)), ctx.words("app.predict.file_classes")),
    ]
    if scored.skipped is not None:
        skipped = ctx.words.number(scored.skipped)
        what = ctx.words("app.predict.file_images", skipped=skipped)
        figures.append((ctx.words.number(reader.matched), what))
    components.figures(figures)
    _download(ctx, predictor, scored)
    st.header(ctx.words("app.predict.file_mix"), anchor=False)
    components.class_bars(ctx, scored.classes.most_common())
    shown = min(rows, SHOWN_ROWS)
    st.header(ctx.words("app.predict.file_first", n=ctx.words.number(shown)), anchor=False)
    _table(ctx, scored)


def _download(ctx: Context, predictor: Predictor, scored: ScoredFile) -> None:
    left, right = st.columns(2, gap="large", vertical_alignment="bottom")
    form = choices.choose(
        ctx,
        ctx.words("app.predict.file_form"),
        FORMS,
        lambda form: ctx.words(f"app.predict.file_form_{form}"),
        key="batch_form",
        widget="segmented_control",
        required=True,
        place=left,
    )
    written = scored.written(predictor.pipeline.labels, ctx.language, form)
    with right:
        what = ctx.words("app.predict.file_download")
        components.download(what, written, "scored.csv", type="primary")


def _table(ctx: Context, scored: ScoredFile) -> None:
    columns = {
        "title": ctx.words("app.predict.title"),
        "name": ctx.words("app.word.class"),
        "probability": ctx.words("app.word.probability"),
        "review": ctx.words("app.predict.file_column_review"),
        "image": ctx.words("app.predict.file_column_image"),
    }
    answers = scored.predictions[:SHOWN_ROWS]
    data = pd.DataFrame(
        {
            "title": [components.shortened(title, 120) for title in scored.titles[:SHOWN_ROWS]],
            "name": ["" if a.code is None else ctx.named(a.code) for a in answers],
            "probability": [a.probability for a in answers],
            "review": [_review(ctx, a.needs_review, a.review_reason) for a in answers],
            "image": [a.used_image for a in answers],
        }
    )
    components.table(ctx, data, columns, {"probability": ctx.words.percent})


def _review(ctx: Context, needed: bool, reasons: tuple[str, ...]) -> str:
    told = ", ".join(ctx.words(f"review.{code}") for code in reasons)
    return (told or ctx.words("app.predict.file_column_review")) if needed else ""
