"""A file of products: upload, progress, summary, download."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from src.errors import FileFault
from src.serving.predictor import Predictor
from streamlit_app import charts, components, scoring
from streamlit_app.context import Context
from streamlit_app.scoring import ScoredFile

_SCORED = "scored_file"
EXAMPLE = (
    "designation,description,productid,imageid\n"
    '"Piscine gonflable ronde 3 m","Avec pompe et bâche",1,\n'
    '"Harry Potter tome 1, broché","",2,\n'
)


def show(ctx: Context, predictor: Predictor) -> None:
    """Draw the section."""
    left, right = st.columns(2, gap="large")
    table = left.file_uploader(ctx.say("predict.file.csv"), ["csv"], key="batch_csv")
    pictures = right.file_uploader(ctx.say("predict.file.zip"), ["zip"], key="batch_zip")
    left, right = st.columns(2, gap="large")
    go = left.button(
        ctx.say("predict.file.score"), type="primary", disabled=table is None, width="stretch"
    )
    right.download_button(
        ctx.say("predict.file.example"), EXAMPLE, "example.csv", "text/csv",
        icon=":material/description:", on_click="ignore", width="stretch",
    )  # fmt: skip
    if table is None:
        st.session_state.pop(_SCORED, None)
        return
    if go:
        zipped = pictures.getvalue() if pictures else None
        st.session_state[_SCORED] = _score(ctx, predictor, table.getvalue(), table.name, zipped)
    scored: ScoredFile | None = st.session_state.get(_SCORED)
    if scored is not None:
        _summary(ctx, scored)


def _score(
    ctx: Context, predictor: Predictor, data: bytes, name: str, pictures: bytes | None
) -> ScoredFile | None:
    bar = st.progress(0.0, ctx.say("predict.file.progress", n=0))

    def advance(share: float, rows: int) -> None:
        bar.progress(share, ctx.say("predict.file.progress", n=ctx.number(rows)))

    try:
        return scoring.score_file(
            predictor, data, name, pictures, language=ctx.language,
            progress=advance,
        )  # fmt: skip
    except FileFault as fault:
        components.problem(fault, ctx.language)
        return None
    finally:
        bar.empty()


def _summary(ctx: Context, scored: ScoredFile) -> None:
    share = (scored.rows - scored.to_review) / max(scored.rows, 1)
    figures = [
        (ctx.number(scored.rows), ctx.say("predict.file.rows")),
        (ctx.percent(share), ctx.say("predict.file.sure")),
        (ctx.number(scored.to_review), ctx.say("predict.file.review")),
        (ctx.number(len(scored.classes)), ctx.say("predict.file.classes")),
    ]
    if scored.pictures is not None:
        skipped = ctx.number(scored.pictures.skipped)
        told = ctx.say("predict.file.pictures", skipped=skipped)
        figures.append((ctx.number(scored.pictures.pictures), told))
    components.figures(figures)
    st.download_button(
        ctx.say("predict.file.download"), scored.csv, "scored.csv", "text/csv", type="primary",
        icon=":material/download:", on_click="ignore",
    )  # fmt: skip
    if not scored.rows:
        return
    st.subheader(ctx.say("predict.file.mix"), anchor=False)
    _mix(ctx, scored)
    st.subheader(ctx.say("predict.file.first", n=ctx.number(len(scored.shown))), anchor=False)
    columns = {
        "title": ctx.say("predict.title"),
        "name": ctx.say("word.class"),
        "probability": ctx.say("word.probability"),
        "needs_review": ctx.say("predict.file.column.review"),
        "used_image": ctx.say("predict.file.column.image"),
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
    data["shown"] = [ctx.number(n) for n in data["products"]]
    titles = {"name": ctx.say("word.class"), "code": ctx.say("word.code")}
    colors = ctx.theme_colors()
    components.legend(colors)
    st.altair_chart(
        charts.bars(
            data, name="name", value="products", shown="shown", color="theme", colors=colors,
            titles={**titles, "shown": ctx.say("word.products")},
        )
    )  # fmt: skip
