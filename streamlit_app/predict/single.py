"""One product: the form, the answer, why, and a correction."""

import html
from pathlib import Path

import pandas as pd
import streamlit as st

from src.data.corrections import Correction
from src.data.image_decode import ImageFault
from src.files import place_of
from src.serving.feedback import withdrawal
from src.serving.predictor import Prediction, Predictor, Product
from src.serving.uploads import check_image
from streamlit_app.predict import why
from streamlit_app.shared import choices, components, loaders
from streamlit_app.shared.context import Context

TOP_K = 5
IMAGE_PX, DEMO_PX = 420, 120
IMAGE_TYPES = ("jpg", "jpeg", "png", "webp")
_TITLE, _DESCRIPTION, _UPLOAD, _IMAGE = "ask_title", "ask_description", "ask_upload", "ask_image"
_ASKED, _NUMBER, _SEED, _CORRECTED = "asked", "asked_number", "example_seed", "corrected"


def show(ctx: Context, predictor: Predictor) -> None:
    """Draw the section."""
    left, right = st.columns([5, 6], gap="large")
    with left:
        written = _form(ctx, predictor)
    asked: Product | None = st.session_state.get(_ASKED)
    if asked is None:
        with right:
            st.html(f'<div class="waiting">{ctx.words("app.predict.waiting")}</div>')
        _demo_images(ctx)
        return
    prediction = predictor.predict([asked], top_k=TOP_K, language=ctx.language)[0]
    with right:
        if written != asked:
            components.note(ctx.words("app.predict.changed"))
        _answer(ctx, predictor, prediction, asked)
    _demo_images(ctx)
    number = st.session_state.get(_NUMBER, 0)
    why.show(ctx, predictor, asked, prediction, number)
    why.similar(ctx, predictor, asked)
    _correction(ctx, asked, prediction, number)


def _form(ctx: Context, predictor: Predictor) -> Product:
    """Show the fields and return the product that stands in them, whether asked for or not."""
    if loaders.catalogue(ctx) is not None:
        st.button(
            ctx.words("app.predict.example"), on_click=_draw_example, args=(ctx,),
            icon=":material/casino:",
        )  # fmt: skip
    title = st.text_input(
        ctx.words("app.predict.title"), key=_TITLE, persist_state="session",
        placeholder=ctx.words("app.predict.title_hint"),
    )  # fmt: skip
    description = st.text_area(
        ctx.words("app.predict.description"), key=_DESCRIPTION, persist_state="session", height=130
    )
    product = Product(title, description, _image(ctx))
    if st.button(ctx.words("app.predict.ask"), type="primary", width="stretch"):
        _ask(ctx, predictor, product)
    return product


def _image(ctx: Context) -> Path | str | bytes | None:
    """Show where an image can be given, and the one that was, until it is removed."""
    given = choices.upload(ctx.words("app.predict.image"), IMAGE_TYPES, key=_UPLOAD)
    image = _readable(ctx, given[1]) if given else st.session_state.get(_IMAGE)
    if image is not None and (uri := loaders.data_uri(image, DEMO_PX)):
        name = ctx.words("app.predict.image_given")
        st.html(f'<img class="given" src="{uri}" alt="{html.escape(name)}">')
        st.button(
            ctx.words("app.predict.image_remove"), on_click=_put_image, args=(None,),
            icon=":material/close:",
        )  # fmt: skip
    return image


def _readable(ctx: Context, data: bytes) -> bytes | None:
    """Return an uploaded image, or None with a message where it can't be read."""
    try:
        check_image(data, ctx.cfg.serving.max_image_megapixels * 1_000_000)
    except ImageFault as fault:
        reason = ctx.words(f"app.predict.image_faults.{fault.reason}")
        st.warning(ctx.words("app.predict.bad_image", reason=reason))
        return None
    return data


def _put_image(image: Path | str | None) -> None:
    choices.forget_upload(_UPLOAD)
    st.session_state[_IMAGE] = image


def _demo_images(ctx: Context) -> None:
    images = loaders.demo_images(ctx)
    if not images:
        return
    st.markdown(f"**{ctx.words('app.predict.demo')}**")
    with st.container(horizontal=True, gap="small", key="demo_images"):
        for number, path in enumerate(images, 1):
            name = ctx.words("app.predict.demo_number", n=number)
            with st.container(width=76, gap=None):
                if uri := loaders.data_uri(path, DEMO_PX):
                    st.html(f'<img src="{uri}" alt="">')
                st.button(name, key=f"demo_{number}", on_click=_put_image, args=(path,))


def _ask(ctx: Context, predictor: Predictor, product: Product) -> None:
    """Answer for a product from now on; what nobody can read leaves no older answer standing."""
    if predictor.predict([product])[0].code is None:
        st.session_state.pop(_ASKED, None)
        st.warning(ctx.words("app.predict.nothing"))
        return
    st.session_state[_ASKED] = product
    st.session_state[_NUMBER] = st.session_state.get(_NUMBER, 0) + 1


def _draw_example(ctx: Context) -> None:
    """Fill the form with an unlabelled product of the catalogue and ask for it."""
    seed = st.session_state.get(_SEED, 0) + 1
    row = loaders.derive(ctx, draw_unlabelled, seed)
    image = place_of(row["image"]) if row["image"] else None
    product = Product(row["designation"], row["description"], image)
    _put_image(image)
    st.session_state.update({_TITLE: product.designation, _DESCRIPTION: product.description})
    number = st.session_state.get(_NUMBER, 0) + 1
    st.session_state.update({_SEED: seed, _ASKED: product, _NUMBER: number})


def draw_unlabelled(catalogue: pd.DataFrame, seed: int) -> pd.Series:
    """Return a product to classify, drawn with `seed`; a labelled one where there is none."""
    unlabelled = catalogue[catalogue["split"] == "test"]
    return (catalogue if unlabelled.empty else unlabelled).sample(random_state=seed).iloc[0]


def _answer(ctx: Context, predictor: Predictor, prediction: Prediction, asked: Product) -> None:
    verdict = "review" if prediction.needs_review else "sure"
    threshold = predictor.pipeline.threshold
    probability = prediction.probability or 0.0
    side = "sure" if probability >= threshold else "review"
    reasons = [
        ctx.words(
            f"app.predict.{side}_why",
            p=ctx.probability(probability),
            threshold=ctx.words.percent(threshold),
        ),
        *(ctx.words(f"review.{code}") for code in prediction.review_reason),
    ]
    st.html(
        f'<div class="verdict {verdict}"><b>{ctx.words(f"app.predict.{verdict}")}</b>'
        f"<span>{'<br>'.join(reasons)}</span></div>"
    )
    components.bars(
        (ctx.chip(code), share, ctx.probability(share), ctx.color(code))
        for code, _, share in prediction.top_k
    )
    used = ("both" if prediction.used_text else "image") if prediction.used_image else "text"
    components.note(ctx.words(f"app.predict.used_{used}"))
    if prediction.known:
        components.note(ctx.words("app.predict.known"))
    if asked.image is not None and (image := loaders.data_uri(asked.image, IMAGE_PX)):
        st.html(f'<img class="asked" src="{image}" alt="{ctx.words("app.predict.image_given")}">')


def _correction(ctx: Context, asked: Product, prediction: Prediction, number: int) -> None:
    """Draw the fields that correct the label of the product that was asked for, once."""
    with st.expander(ctx.words("app.predict.correct"), icon=":material/edit:", key="correction"):
        kept = st.session_state.get(_CORRECTED)
        if kept is not None and kept[0] == number:
            st.success(ctx.words(f"app.predict.correct_{kept[1]}"))
            st.button(
                ctx.words("app.predict.correct_undo"), on_click=_take_back, args=(ctx, kept[2]),
                icon=":material/undo:",
            )  # fmt: skip
            return
        # The likeliest of the others first: the right class is among the top three nearly always.
        likely = [code for code, _, _ in prediction.top_k[1:]]
        others = sorted(set(ctx.labels.codes) - set(likely), key=ctx.label)
        code = choices.choose(
            ctx,
            ctx.words("app.predict.correct_class"),
            [choices.NONE, *likely, *others],
            lambda code: ctx.named(code) if code else ctx.words("app.predict.correct_none"),
            key=f"right_class_{number}",
        )
        left, right = st.columns(2)
        author = left.text_input(
            ctx.words("app.predict.correct_author"), key="correct_author", max_chars=80,
            persist_state="session",
        )  # fmt: skip
        comment = right.text_input(
            ctx.words("app.predict.correct_comment"), key=f"correct_comment_{number}",
            max_chars=500, persist_state="session",
        )  # fmt: skip
        allowed = components.may_write(ctx)
        if st.button(ctx.words("app.predict.correct_send"), disabled=not (code and allowed)):
            store = loaders.feedback_store(ctx)
            correction = store.new(
                code, asked, answer=prediction, source="app", author=author, comment=comment
            )
            st.session_state[_CORRECTED] = (number, store.store(correction), correction)
            st.rerun()


def _take_back(ctx: Context, correction: Correction) -> None:
    """Withdraw a correction and offer its form again."""
    loaders.feedback_store(ctx).store(withdrawal(correction))
    st.session_state.pop(_CORRECTED, None)  # a double click comes twice
    st.toast(ctx.words("app.predict.correct_undone"))
