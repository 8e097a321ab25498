"""A lot that a visitor uploads: compared with the reference, kept where the command keeps them."""

import tempfile
from pathlib import Path
from typing import Any

import streamlit as st

from src.data.readers import Upload
from src.errors import ProjectError
from src.monitoring.report.lot import compare_lot, record_report, write_report
from src.serving.predictor import Predictor
from src.serving.uploads import TABLE_TYPES, unpack_images
from streamlit_app.shared import choices, components
from streamlit_app.shared.context import Context

CHOSEN = "drift_report"
_TABLE, _LABELS, _ZIP = "lot_table", "lot_labels", "lot_zip"


def show(ctx: Context, predictor: Predictor) -> None:
    """Show where a lot can be given; its report is the one that is shown next."""
    with st.expander(ctx.words("app.drift.lot"), icon=":material/upload_file:"):
        table = choices.upload(ctx.words("app.drift.lot_table"), TABLE_TYPES, key=_TABLE)
        left, right = st.columns(2, gap="large")
        with left:
            labels = choices.upload(ctx.words("app.drift.lot_labels"), TABLE_TYPES, key=_LABELS)
        with right:
            zipped = choices.upload(ctx.words("app.predict.file_zip"), ("zip",), key=_ZIP)
        allowed, what = components.may_write(ctx), ctx.words("app.drift.lot_compare")
        if not st.button(what, type="primary", disabled=not (table and allowed)) or not table:
            return
        try:
            with st.spinner(ctx.words("app.drift.lot_running")):
                report = compare(ctx, predictor, table, labels, zipped and zipped[1])
                choices.put(CHOSEN, write_report(ctx.cfg, ctx.store, report).stem)
                record_report(ctx.cfg, report)
        except ProjectError as error:
            components.problem(error, ctx.language)


def compare(
    ctx: Context, predictor: Predictor, table: Upload, labels: Upload | None, zipped: bytes | None
) -> dict[str, Any]:
    """Return the report that ``tools/drift_report.py`` makes of the same files."""
    with tempfile.TemporaryDirectory(prefix="lot-") as folder:
        return compare_lot(
            ctx.cfg,
            ctx.store.pinned(),
            predictor.pipeline,
            predictor.answer,
            (table, labels),
            images=unpack_images(zipped, Path(folder))[0] if zipped else None,
            say=st.info,
            language=ctx.language,
        )
