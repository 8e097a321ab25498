"""One product: the form, the answer, why, and a correction."""

from __future__ import annotations

import html
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st

from src.data.image_decode import ImageFault
from src.serving.predictor import Prediction, Predictor, Product
from src.serving.uploads import check_image
from streamlit_app.predict import why
from streamlit_app.shared import components, loaders
from streamlit_app.shared.context import Context

TOP_K = 5
MAX_TITLE_CHARACTERS = 2_000
MAX_CHARACTERS = 50_000
IMAGE_PX = 420
STRIP_PX = 120
_TITLE, _DESCRIPTION, _ASKED, _DEMO = "ask_title", "ask_description", "asked", "ask_demo"
_SEED, _DRAWN = "example_seed", "example"


def show(ctx: Context, predictor: Predictor) -> None:
    """Draw the section."""
    left, right = st.columns([5, 6], gap="large")
    with left:
        _form(ctx)
    asked: Product | None = st.session_state.get(_ASKED)
    if asked is None:
        with right:
            st.html(f'<div class="waiting">{ctx.words("app.predict.waiting")}</div>')
        return
    prediction = predictor.predict([asked], top_k=TOP_K, language=ctx.language)[0]
    with right:
        _answer(ctx, predictor, prediction, asked)
    why.show(ctx, predictor, asked, prediction)
    _correction(ctx, asked, prediction)


def _form(ctx: Context) -> None:
    if loaders.catalogue(ctx) is not None:
        st.button(
            ctx.words("app.predict.example"), on_click=_draw_example, args=(ctx,),
            icon=":material/casino:",
        )  # fmt: skip
    with st.form("product"):
        title = st.text_input(
            ctx.words("app.predict.title"), key=_TITLE, max_chars=MAX_TITLE_CHARACTERS,
            placeholder=ctx.words("app.predict.title_hint"),
        )  # fmt: skip
        description = st.text_area(
            ctx.words("app.predict.description"),
            key=_DESCRIPTION,
            max_chars=MAX_CHARACTERS,
            height=130,
        )
        file = st.file_uploader(ctx.words("app.predict.image"), ["jpg", "jpeg", "png", "webp"])
        demo = _demo_image(ctx)
        if st.form_submit_button(ctx.words("app.predict.ask"), type="primary", width="stretch"):
            image = _readable(ctx, file.getvalue()) if file else demo
            _ask(ctx, Product(title, description, image or _example_image(title, description)))


def _demo_image(ctx: Context) -> Path | None:
    images = loaders.demo_images(ctx)
    if not images:
        return None
    options: list[Path | None] = [None, *images]
    chosen = components.choose(
        ctx.words("app.predict.demo"),
        options,
        lambda path: (
            ctx.words("app.predict.demo_number", n=options.index(path))
            if path
            else ctx.words("app.predict.demo_none")
        ),
        key=_DEMO,
    )
    components.strip([loaders.data_uri(path, STRIP_PX) for path in images])
    return chosen


def _readable(ctx: Context, data: bytes) -> bytes | None:
    """Return an uploaded image, or None with a message where it can't be read."""
    try:
        check_image(data, ctx.cfg.serving.max_image_megapixels * 1_000_000)
    except ImageFault as fault:
        reason = components.plain(fault.reason.replace("_", " "))
        st.warning(ctx.words("app.predict.bad_image", reason=reason))
        return None
    return data


def _ask(ctx: Context, product: Product) -> None:
    if not (product.designation.strip() or product.description.strip() or product.image):
        st.warning(ctx.words("app.predict.nothing"))
        return
    st.session_state[_ASKED] = product


def _draw_example(ctx: Context) -> None:
    """Fill the form with an unlabelled product of the catalogue and ask for it."""
    seed = st.session_state.get(_SEED, 0) + 1
    row = draw_unlabelled(loaders.products(ctx), seed)
    image = Path(row["image"]) if row["image"] else None
    title = row["designation"][:MAX_TITLE_CHARACTERS]
    product = Product(title, row["description"][:MAX_CHARACTERS], image)
    st.session_state.update({_SEED: seed, _TITLE: title, _DESCRIPTION: product.description})
    st.session_state.update({_DRAWN: product, _ASKED: product})


def draw_unlabelled(catalogue: pd.DataFrame, seed: int) -> pd.Series:
    """Return a product to classify, drawn with `seed`; a labelled one where there is none."""
    rows = np.flatnonzero((catalogue["split"] == "test").to_numpy(dtype=bool))
    rows = rows if len(rows) else np.arange(len(catalogue))
    return catalogue.iloc[int(np.random.default_rng(seed).choice(rows))]


def _example_image(title: str, description: str) -> Path | bytes | None:
    """Return the drawn product's image as long as its texts stand in the form."""
    drawn: Product | None = st.session_state.get(_DRAWN)
    if drawn is None or (drawn.designation, drawn.description) != (title, description):
        return None
    return drawn.image


def _answer(ctx: Context, predictor: Predictor, prediction: Prediction, asked: Product) -> None:
    verdict = "review" if prediction.needs_review else "sure"
    sure = ctx.words(
        f"app.predict.{verdict}_why",
        p=html.escape(ctx.probability(prediction.probability)),
        threshold=ctx.words.percent(predictor.pipeline.threshold),
    )  # fmt: skip
    st.html(
        f'<div class="verdict {verdict}"><b>{ctx.words(f"app.predict.{verdict}")}</b>'
        f"<span>{sure}</span></div>"
    )
    st.html(
        "".join(
            components.bar(
                ctx.chip(code), probability, html.escape(ctx.probability(probability)),
                ctx.color(code),
            )
            for code, _, probability in prediction.top_k
        )
    )  # fmt: skip
    text = asked.designation.strip() or asked.description.strip()
    used = ("both" if text else "image") if prediction.used_image else "text"
    components.note(ctx.words(f"app.predict.used_{used}"))
    if prediction.known:
        components.note(ctx.words("app.predict.known"))
    if asked.image is not None and (image := loaders.data_uri(asked.image, IMAGE_PX)):
        st.html(f'<img class="asked" src="{image}" alt="{ctx.words("app.predict.image")}">')


def _correction(ctx: Context, asked: Product, prediction: Prediction) -> None:
    """Draw the form that corrects the label of the product that was asked for."""
    with st.expander(ctx.words("app.predict.correct"), icon=":material/edit:"):
        if not asked.designation.strip():
            st.info(ctx.words("app.predict.correct_untitled"))
            return
        # The likeliest of the others first: the right class is among the top three nearly always.
        likely = [code for code, _, _ in prediction.top_k[1:]]
        others = sorted(set(ctx.labels.codes) - set(likely), key=ctx.label)
        with st.form("correction", border=False):
            code = components.choose(
                ctx.words("app.predict.correct_class"), [*likely, *others], ctx.named,
                key="right_class",
            )  # fmt: skip
            left, right = st.columns(2)
            author = left.text_input(ctx.words("app.predict.correct_author"), max_chars=80)
            comment = right.text_input(ctx.words("app.predict.correct_comment"), max_chars=500)
            if st.form_submit_button(ctx.words("app.predict.correct_send")):
                where = loaders.keep_correction(
                    ctx, asked.designation, code, prediction.code, author=author, comment=comment
                )
                st.success(ctx.words(f"app.predict.correct_{where}"))
