"""Why one product got its class: words, branches, experts, where in the image; what is like it."""

import html
from collections.abc import Iterator
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from src import palette
from src.evaluation.shap.product import Contributions, highlight
from src.features.text.markup import plain_text
from src.serving.predictor import Prediction, Predictor, Product
from streamlit_app.shared import choices, components
from streamlit_app.shared.context import Context

TERMS = 8
# Longer descriptions are cut on the screen: the highlighted text is for reading, not for storage.
MAX_CHARACTERS = 3_000
# A branch below this share of the largest contribution is not drawn.
MIN_SHARE = 0.005


def show(
    ctx: Context, predictor: Predictor, asked: Product, prediction: Prediction, number: int
) -> None:
    """Draw the reasons for the likeliest class, or for another that the visitor chooses.

    `number` counts what was asked: each answer starts at its own likeliest class.
    """
    st.header(ctx.words("app.predict.why"), anchor=False)
    codes = [code for code, _, _ in prediction.top_k]
    code = choices.choose(
        ctx, ctx.words("app.predict.why_class"), codes, ctx.named, key=f"why_class_{number}"
    )
    found, heat_map = predictor.explain(asked, code, TERMS)
    left, right = st.columns([6, 5], gap="large")
    texts = {
        "clean_title": plain_text(asked.designation),
        "clean_description": plain_text(asked.description),
    }
    if any(map(str.strip, texts.values())):
        with left:
            _words(ctx, texts, found)
    with right:
        if heat_map is not None:
            st.markdown(f"**{ctx.words('app.predict.why_heat')}**")
            components.image(heat_map, "image/png", ctx.words("app.predict.why_heat"))
            components.note(ctx.words("app.predict.why_heat_note"))
        elif asked.image:
            components.note(ctx.words("app.predict.why_no_heat"))
        _blocks(ctx, found)
        _weights(ctx, found)


def similar(ctx: Context, predictor: Predictor, asked: Product) -> None:
    """Show the training products that the product is most like, with the labels they have."""
    st.header(ctx.words("app.predict.similar"), anchor=False)
    found, reason = predictor.similar(asked)
    components.note(ctx.words(f"app.predict.similar_{reason or 'note'}"))
    components.cards(
        components.product(ctx, row, "<br>".join([ctx.chip(row.prdtypecode), *_remarks(ctx, row)]))
        for row in found.assign(description="").itertuples()
    )


def _remarks(ctx: Context, row: Any) -> Iterator[str]:  # noqa: ANN401 - a row of a frame
    """Yield what is to be said of a similar product, as HTML."""
    alike = ctx.words.percent(row.similarity)
    yield ctx.words("app.predict.similar_alike", similarity=alike)
    if row.official_code != row.prdtypecode:
        official = html.escape(ctx.named(row.official_code))
        yield ctx.words("app.predict.similar_official", label=official)
    if row.same:
        yield f"<b>{ctx.words('app.predict.similar_same')}</b>"


def _words(ctx: Context, texts: dict[str, str], found: Contributions) -> None:
    st.markdown(f"**{ctx.words('app.predict.why_words')}**")
    scores = list(found.words().values())
    largest = max((abs(score) for score in scores), default=0.0)
    marked = [
        f'<p class="{field}">{marked_text(text[:MAX_CHARACTERS], found, field, largest)}</p>'
        for field, text in texts.items()
        if text.strip()
    ]
    if marked:
        st.html(f'<div class="marked">{"".join(marked)}</div>')
        components.note(ctx.words("app.predict.why_words_note"))
    left, right = st.columns(2)
    terms = (*found.terms_for, *found.terms_against)
    top = max((abs(contribution) for _, contribution in terms), default=1.0)
    _terms(ctx, left, "for", found.terms_for, top)
    _terms(ctx, right, "against", found.terms_against, top)


def marked_text(text: str, found: Contributions, field: str, largest: float) -> str:
    """Return HTML of a text, escaped here, colored by what its words add to the class's margin.

    `field` is "clean_title" or "clean_description", `largest` the score that gets the full color.
    """
    parts, at = [], 0
    for span in highlight(text, found, field):
        parts.append(html.escape(text[at : span.start]))
        # The square root keeps weaker words visible beside one that outweighs all.
        strength = 0.0 if largest == 0 else min(abs(span.score) / largest, 1.0) ** 0.5
        color = palette.GOOD if span.score > 0 else palette.BAD
        tint = f"color-mix(in srgb, {color} {55 * strength:.0f}%, transparent)"
        word = html.escape(text[span.start : span.stop])
        parts.append(f'<mark style="background:{tint}" title="{span.score:+.3f}">{word}</mark>')
        at = span.stop
    return "".join([*parts, html.escape(text[at:])])


def _terms(
    ctx: Context, place: DeltaGenerator, side: str, terms: tuple[tuple[str, float], ...], top: float
) -> None:
    if not terms:
        return
    color = palette.GOOD if side == "for" else palette.BAD
    with place:
        st.markdown(f"**{ctx.words(f'app.predict.why_{side}')}**")
        components.bars(
            (
                f"<code>{html.escape(word)}</code>",
                abs(contribution) / top,
                _signed(ctx, contribution),
                color,
            )
            for word, contribution in terms
        )


def _blocks(ctx: Context, found: Contributions) -> None:
    st.markdown(f"**{ctx.words('app.predict.why_blocks')}**")
    largest = max((abs(value) for value in found.blocks.values()), default=0.0)
    components.bars(
        (
            ctx.branch(name)[0],
            abs(value) / largest,
            _signed(ctx, value),
            palette.GOOD if value > 0 else palette.BAD,
        )
        for name, value in sorted(found.blocks.items(), key=lambda pair: -pair[1])
        if abs(value) > MIN_SHARE * largest
    )
    components.note(ctx.words("app.predict.why_blocks_note"))


def _weights(ctx: Context, found: Contributions) -> None:
    if len(found.weights) < 2:
        return
    total = sum(found.weights.values()) or 1.0
    st.markdown(f"**{ctx.words('app.predict.why_weights')}**")
    components.bars(
        (
            ctx.branch(name)[0],
            weight / total,
            ctx.words.number(weight, 2),
            palette.IMAGE_COLOR if name == "image" else palette.TEXT_COLOR,
        )
        for name, weight in found.weights.items()
    )


def _signed(ctx: Context, value: float) -> str:
    sign = "+" if value > 0 else "\u2212"
    return f"{sign}{ctx.words.number(abs(value), 2)}"
