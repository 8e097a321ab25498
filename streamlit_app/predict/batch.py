"""A file of products: upload, progress, summary, and its answers as a list to work through."""

import functools
import html
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from src.errors import FileFault, ProjectError
from src.i18n import DASH
from src.serving.answers import FORMS
from src.serving.feedback import withdrawal
from src.serving.predictor import Predictor
from src.serving.uploads import TABLE_TYPES
from streamlit_app.predict.scoring import ScoredFile, score_file
from streamlit_app.shared import choices, components, loaders
from streamlit_app.shared.context import Context

_TABLE, _ZIP, _SCORED = "batch_table", "batch_zip", "scored_file"
# The corrections of this file by row, the latest last; a number for each state of an editor.
_CORRECTED, _EDITOR = "batch_corrected", "batch_editor"
SHOWN_ROWS, THUMBNAIL_PX, EDITOR_PX = 100, 64, 560
SHOWN = ("all", "review", "sure")
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
        st.session_state.update({_SCORED: (asked, scored), _CORRECTED: {}})
        st.session_state[_EDITOR] = st.session_state.get(_EDITOR, 0) + 1
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
    _work_list(ctx, scored)
    _download(ctx, predictor, scored)
    st.header(ctx.words("app.predict.file_mix"), anchor=False)
    components.class_bars(ctx, scored.classes.most_common())


def _download(ctx: Context, predictor: Predictor, scored: ScoredFile) -> None:
    left, right = st.columns(2, gap="large", vertical_alignment="bottom")
    form = choices.choose(
        ctx,
        ctx.words("app.predict.file_form"),
        (*FORMS, "parquet"),
        lambda form: ctx.words(f"app.predict.file_form_{form}"),
        key="batch_form",
        place=left,
    )
    # Written when it is asked for: every change of a cell draws the page anew.
    options = (predictor.pipeline.labels, ctx.language, form, _given())
    write = functools.partial(scored.written, *options)
    name = "scored.parquet" if form == "parquet" else "scored.csv"
    with right:
        components.download(ctx.words("app.predict.file_download"), write, name, type="primary")


def _work_list(ctx: Context, scored: ScoredFile) -> None:
    """Show the answers that are asked for; a class chosen in a row is a correction."""
    st.header(ctx.words("app.predict.file_work"), anchor=False)
    rows, view = _chosen(ctx, scored)
    author = st.text_input(
        ctx.words("app.predict.correct_author"), key="correct_author", max_chars=80,
        persist_state="session",
    )  # fmt: skip
    allowed, corrected = components.may_write(ctx), st.session_state[_CORRECTED]
    classes = _table(ctx, scored, rows, f"batch_{st.session_state[_EDITOR]}_{view}", allowed)
    try:
        for row, given in zip(rows, classes, strict=True):
            code = None if pd.isna(given) else int(given)
            if code != (corrected[row].prdtypecode if row in corrected else None):
                _correct(ctx, scored, row, code, author)
    except ProjectError as error:
        components.problem(error, ctx.language)
    if corrected:
        components.note(ctx.words("app.predict.file_corrected", n=ctx.words.number(len(corrected))))
        undo = ctx.words("app.predict.correct_undo")
        st.button(undo, icon=":material/undo:", on_click=_undo, args=(ctx, scored))


def _chosen(ctx: Context, scored: ScoredFile) -> tuple[list[int], str]:
    """Show the filters; return the rows to show, and a name of this view of them."""
    left, middle, right = st.columns([3, 3, 2], vertical_alignment="bottom")
    which = choices.choose(
        ctx,
        ctx.words("app.predict.file_show"),
        SHOWN,
        lambda name: ctx.words(f"app.predict.file_show_{name}"),
        key="batch_show",
        widget="segmented_control",
        required=True,
        place=left,
    )
    code = choices.choose_class(ctx, scored.classes, key="batch_class", place=middle)
    rows = [
        row
        for row, answer in enumerate(scored.predictions)
        if which == "all" or answer.needs_review == (which == "review")
        if code is None or answer.code == code
    ]
    starts = range(0, max(len(rows), 1), SHOWN_ROWS)
    start = choices.choose(
        ctx,
        ctx.words("app.predict.file_part", n=ctx.words.number(len(rows))),
        starts,
        lambda first: f"{min(first + 1, len(rows))}–{min(first + SHOWN_ROWS, len(rows))}",
        key="batch_part",
        place=right,
    )
    return rows[start : start + SHOWN_ROWS], f"{which}_{code}_{start}_{ctx.language}"


def _table(
    ctx: Context, scored: ScoredFile, rows: list[int], key: str, editable: bool
) -> pd.Series:
    """Show the editor of some rows; return the class that stands in each, or a missing value."""
    products = [scored.products[row] for row in rows]
    answers, given = [scored.predictions[row] for row in rows], _given()
    images = [p.image and loaders.data_uri(p.image, THUMBNAIL_PX) for p in products]
    columns = {
        "image": images if any(images) else None,
        "title": [components.shortened(p.designation, 120) for p in products],
        "class": ["" if a.code is None else ctx.named(a.code) for a in answers],
        "right": pd.array([given.get(row) for row in rows], dtype="Int64"),
        "probability": [a.probability for a in answers],
        "review": [_review(ctx, a.needs_review, a.review_reason) for a in answers],
    }
    names = {name: ctx.words(f"app.predict.column_{name}") for name in columns}
    data = pd.DataFrame({names[n]: column for n, column in columns.items() if column is not None})
    classes: Iterable[Any] = sorted(ctx.labels.codes, key=ctx.label)
    right = st.column_config.SelectboxColumn(
        options=classes, format_func=lambda code: ctx.named(int(code))
    )
    edited = st.data_editor(
        data.style.format(ctx.words.percent, subset=[names["probability"]]),
        hide_index=True,
        height=EDITOR_PX,
        row_height=THUMBNAIL_PX if any(images) else None,
        placeholder=DASH,
        column_config={names["image"]: st.column_config.ImageColumn(), names["right"]: right},
        disabled=not editable or [title for title in data.columns if title != names["right"]],
        key=key,
        alt=ctx.words("app.predict.file_work"),
    )
    return edited[names["right"]]


def _review(ctx: Context, needed: bool, reasons: tuple[str, ...]) -> str:
    told = ", ".join(ctx.words(f"review.{code}") for code in reasons)
    return (told or ctx.words("app.predict.column_review")) if needed else ""


def _correct(ctx: Context, scored: ScoredFile, row: int, code: int | None, author: str) -> None:
    """Store the class of a row, or take it back where the cell was emptied."""
    corrected, store = st.session_state[_CORRECTED], loaders.feedback_store(ctx)
    if code is None:
        store.store(withdrawal(corrected.pop(row)))
        return
    correction = store.new(
        code, scored.products[row], _catalogue_id(ctx, scored, row),
        answer=scored.predictions[row], source="batch", author=author,
    )  # fmt: skip
    st.toast(ctx.words(f"app.predict.correct_{store.store(correction)}"))
    corrected.pop(row, None)
    corrected[row] = correction


def _catalogue_id(ctx: Context, scored: ScoredFile, row: int) -> int | None:
    """Return a row's productid where the catalogue has it with the same title: shops share ids."""
    productid, title = scored.productids[row], scored.products[row].designation
    known = loaders.catalogue(ctx)
    same = known is not None and known["productid"].eq(productid) & known["designation"].eq(title)
    return productid if np.any(same) else None


def _undo(ctx: Context, scored: ScoredFile) -> None:
    """Take the latest correction back; the editor begins anew."""
    for row in [*st.session_state[_CORRECTED]][-1:]:  # none at the second of a double click
        _correct(ctx, scored, row, None, "")
    st.session_state[_EDITOR] += 1


def _given() -> dict[int, int]:
    """Return the class that was given to each corrected row."""
    return {row: c.prdtypecode for row, c in st.session_state[_CORRECTED].items()}
