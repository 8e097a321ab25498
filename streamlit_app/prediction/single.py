"""One product: the form, the answer, why, and a correction."""

from __future__ import annotations

import html
from pathlib import Path

import streamlit as st

from src.data.image_decode import ImageFault
from src.serving.prediction import Prediction
from src.serving.predictor import Predictor, Product
from streamlit_app import aggregates, components, loaders, uploads
from streamlit_app.context import Context
from streamlit_app.prediction import correct, why

TOP_K = 5
MOST_TITLE_CHARACTERS = 2_000
MOST_CHARACTERS = 50_000
PICTURE_PX = 420
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
            st.html(f'<div class="waiting">{ctx.say("predict.waiting")}</div>')
        return
    prediction = predictor.predict([asked], top_k=TOP_K, language=ctx.language)[0]
    with right:
        _answer(ctx, predictor, prediction, asked)
    why.show(ctx, predictor, asked, prediction)
    correct.show(ctx, asked, prediction)


def _form(ctx: Context) -> None:
    if loaders.catalogue(ctx) is not None:
        st.button(
            ctx.say("predict.example"), on_click=_draw_example, args=(ctx,),
            icon=":material/casino:",
        )  # fmt: skip
    with st.form("product"):
        title = st.text_input(
            ctx.say("predict.title"), key=_TITLE, max_chars=MOST_TITLE_CHARACTERS,
            placeholder=ctx.say("predict.title.hint"),
        )  # fmt: skip
        description = st.text_area(
            ctx.say("predict.description"), key=_DESCRIPTION, max_chars=MOST_CHARACTERS, height=130
        )
        file = st.file_uploader(ctx.say("predict.picture"), ["jpg", "jpeg", "png", "webp"])
        demo = _demo_picture(ctx)
        if st.form_submit_button(ctx.say("predict.ask"), type="primary", width="stretch"):
            picture = _sound(ctx, file.getvalue()) if file else demo
            _ask(ctx, Product(title, description, picture or _example_picture(title, description)))


def _demo_picture(ctx: Context) -> Path | None:
    pictures = loaders.demo_pictures(ctx)
    if not pictures:
        return None
    options: list[Path | None] = [None, *pictures]
    chosen = components.choose(
        ctx.say("predict.demo"),
        options,
        lambda path: (
            ctx.say("predict.demo.number", n=options.index(path))
            if path
            else ctx.say("predict.demo.none")
        ),
        key=_DEMO,
    )
    components.strip([loaders.data_uri(path, STRIP_PX) for path in pictures])
    return chosen


def _sound(ctx: Context, data: bytes) -> bytes | None:
    """Return an uploaded picture, or None with a message where it can't be read."""
    try:
        uploads.check_picture(data)
    except ImageFault as fault:
        reason = components.plain(fault.reason.replace("_", " "))
        st.warning(ctx.say("predict.bad_picture", reason=reason))
        return None
    return data


def _ask(ctx: Context, product: Product) -> None:
    if not (product.designation.strip() or product.description.strip() or product.image):
        st.warning(ctx.say("predict.nothing"))
        return
    st.session_state[_ASKED] = product


def _draw_example(ctx: Context) -> None:
    """Fill the form with an unlabelled product of the catalogue and ask for it."""
    seed = st.session_state.get(_SEED, 0) + 1
    row = aggregates.unlabelled(loaders.products(ctx), seed)
    picture = Path(row["image"]) if row["image"] else None
    title = row["designation"][:MOST_TITLE_CHARACTERS]
    product = Product(title, row["description"][:MOST_CHARACTERS], picture)
    st.session_state.update({_SEED: seed, _TITLE: title, _DESCRIPTION: product.description})
    st.session_state.update({_DRAWN: product, _ASKED: product})


def _example_picture(title: str, description: str) -> Path | bytes | None:
    """Return the drawn product's picture as long as its texts stand in the form."""
    drawn: Product | None = st.session_state.get(_DRAWN)
    if drawn is None or (drawn.designation, drawn.description) != (title, description):
        return None
    return drawn.image


def _answer(ctx: Context, predictor: Predictor, prediction: Prediction, asked: Product) -> None:
    verdict = "review" if prediction.needs_review else "sure"
    sure = ctx.say(
        f"predict.{verdict}.why",
        p=html.escape(ctx.probability(prediction.probability)),
        threshold=ctx.percent(predictor.threshold),
    )  # fmt: skip
    st.html(
        f'<div class="verdict {verdict}"><b>{ctx.say(f"predict.{verdict}")}</b>'
        f"<span>{sure}</span></div>"
    )
    st.html(
        "".join(
            components.bar(
                ctx.chip(candidate.code), candidate.probability,
                html.escape(ctx.probability(candidate.probability)), ctx.color(candidate.code),
            )
            for candidate in prediction.top_k
        )
    )  # fmt: skip
    text = asked.designation.strip() or asked.description.strip()
    used = ("both" if text else "image") if prediction.used_image else "text"
    components.note(ctx.say(f"predict.used.{used}"))
    if prediction.known:
        components.note(ctx.say("predict.known"))
    if asked.image is not None and (picture := loaders.data_uri(asked.image, PICTURE_PX)):
        st.html(f'<img class="asked" src="{picture}" alt="{ctx.say("predict.picture")}">')
