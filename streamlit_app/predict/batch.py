"""A file of products: upload, progress, summary, download."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from src.errors import FileFault
from src.serving.predictor import Predictor
from streamlit_app.predict.scoring import ScoredFile, score_file
from streamlit_app.shared import charts, components
from streamlit_app.shared.context import Context

_SCORED = "scored_file"
EXAMPLE = (
    "designation,description,productid,imageid\n"
    '"Piscine gonflable ronde 3 m","Avec pompe et bâche",1,\n'
    '"Harry Potter tome 1, broché","",2,\n'
)


def show(ctx: Context, predictor: Predictor) -> None:
    """Draw the section."""
    left, right = st.columns(2, gap="large")
    table = left.file_uploader(ctx.words("app.predict.file_csv"), ["csv"], key="batch_csv")
    images = right.file_uploader(ctx.words("app.predict.file_zip"), ["zip"], key="batch_zip")
    left, right = st.columns(2, gap="large")
    go = left.button(
        ctx.words("app.predict.file_score"), type="primary", disabled=table is None, width="stretch"
    )
    right.download_button(
        ctx.words("app.predict.file_example"), EXAMPLE, "example.csv", "text/csv",
        icon=":material/description:", on_click="ignore", width="stretch",
    )  # fmt: skip
    if table is None:
        st.session_state.pop(_SCORED, None)
        return
    if go:
        zipped = images.getvalue() if images else None
        st.session_state[_SCORED] = _score(ctx, predictor, table.getvalue(), table.name, zipped)
    scored: ScoredFile | None = st.session_state.get(_SCORED)
    if scored is not None:
        _summary(ctx, scored)


def _score(
    ctx: Context, predictor: Predictor, data: bytes, name: str, zipped: bytes | None
) -> ScoredFile | None:
    bar = st.progress(0.0, ctx.words("app.predict.file_progress", n=0))

    def advance(share: float, rows: int) -> None:
        bar.progress(share, ctx.words("app.predict.file_progress", n=ctx.words.number(rows)))

    try:
        return score_file(predictor, data, name, zipped, language=ctx.language, progress=advance)
    except FileFault as fault:
        components.problem(fault, ctx.language)
        return None
    finally:
        bar.empty()


def _summary(ctx: Context, scored: ScoredFile) -> None:
    share = (scored.rows - scored.to_review) / max(scored.rows, 1)
    figures = [
        (ctx.words.number(scored.rows), ctx.words("app.predict.file_rows")),
        (ctx.words.percent(share), ctx.words("app.predict.file_sure")),
        (ctx.words.number(scored.to_review), ctx.words("app.predict.file_review")),
        (ctx.words.number(len(scored.classes)), ctx.words("app.predict.file_classes")),
    ]
    if scored.unpacked is not None:
        images, skipped = map(ctx.words.number, scored.unpacked)
        figures.append((images, ctx.words("app.predict.file_images", skipped=skipped)))
    components.figures(figures)
    st.download_button(
        ctx.words("app.predict.file_download"), scored.csv, "scored.csv", "text/csv",
        type="primary", icon=":material/download:", on_click="ignore",
    )  # fmt: skip
    if not scored.rows:
        return
    st.subheader(ctx.words("app.predict.file_mix"), anchor=False)
    _mix(ctx, scored)
    st.subheader(
        ctx.words("app.predict.file_first", n=ctx.words.number(len(scored.shown))), anchor=False
    )
    columns = {
        "title": ctx.words("app.predict.title"),
        "name": ctx.words("app.word.class"),
        "probability": ctx.words("app.word.probability"),
        "needs_review": ctx.words("app.predict.file_column_review"),
        "used_image": ctx.words("app.predict.file_column_image"),
    }
    frame = pd.DataFrame(scored.shown)
    frame["name"] = [ctx.named(code) for code in frame["code"]]
    frame["title"] = [components.shortened(title, 120) for title in frame["title"]]
    shown = frame[list(columns)].rename(columns=columns)
    config = {
        columns["title"]: st.column_config.TextColumn(width="medium"),
        columns["name"]: st.column_config.TextColumn(width="medium"),
        columns["probability"]: st.column_config.ProgressColumn(
            format="percent", min_value=0, max_value=1, width="small"
        ),
    }
    st.dataframe(shown, hide_index=True, column_config=config)


def _mix(ctx: Context, scored: ScoredFile) -> None:
    counts = scored.classes.most_common()
    data = pd.DataFrame(counts, columns=["code", "products"])
    data["name"] = [ctx.label(code) for code in data["code"]]
    data["theme"] = [ctx.theme(code) for code in data["code"]]
    data["shown"] = [ctx.words.number(n) for n in data["products"]]
    titles = {"name": ctx.words("app.word.class"), "code": ctx.words("app.word.code")}
    colors = ctx.theme_colors()
    components.legend(colors)
    st.altair_chart(
        charts.bars(
            data, name="name", value="products", shown="shown", color="theme", colors=colors,
            titles={**titles, "shown": ctx.words("app.word.products")},
        )
    )  # fmt: skip
