"""The review page: one product after the other, a key for each act; or the list of corrections."""

import html

import streamlit as st

from src.data.corrections import Correction, author_name, current
from src.serving.feedback import agreement, pending, withdrawal
from src.serving.predictor import Prediction, Predictor
from src.serving.review import ReviewItem, pace
from streamlit_app.predict import why
from streamlit_app.review import corrections
from streamlit_app.shared import choices, components, loaders
from streamlit_app.shared.context import Context

TOP_K = 5
IMAGE_PX, AUTHOR_CHARACTERS = 420, 80
TEXT_CHARACTERS = 1_500
COMMAND = "make retrain"
_AUTHOR, _ITEM, _TRAIL, _SEARCH = "review_author", "review_item", "review_trail", "review_search"
_WHY = "review_why"
# Keys typed into a box that is still in focus, as that of API_KEY, would answer nothing.
_BLUR = """<script>
if (document.activeElement?.tagName === 'INPUT') document.activeElement.blur() // %s
</script>"""
# The box is there a moment after its script.
_FOCUS = """<script>
(function find() {
  const box = document.querySelector('.st-key-review_search_box input');
  if (box) box.focus(); else setTimeout(find, 50);
})() // %s
</script>"""


def show(ctx: Context) -> None:
    """Draw the page."""
    components.heading(ctx, "review")
    predictor = loaders.predictor(ctx)
    if predictor is None:
        components.empty(ctx, ctx.words("app.review.missing"))
        return
    if choices.section(ctx, "review", ("queue", "corrections")) == "corrections":
        corrections.show(ctx)
        return
    author = author_name(choices.remembered(_AUTHOR, "author"))[:AUTHOR_CHARACTERS]
    if not author:
        given = st.text_input(ctx.words("app.review.author"), max_chars=AUTHOR_CHARACTERS).strip()
        if given:
            st.session_state[_AUTHOR] = given
            st.rerun()
    body, below = st.container(), st.container()
    with below:
        allowed = components.may_write(ctx)
        other = ctx.words("app.review.change", author=components.plain(author))
        if author and st.button(other, type="tertiary"):
            st.session_state[_AUTHOR] = ""
            st.rerun()
    if author and allowed:
        with body:
            _next(ctx, predictor, author)


def _next(ctx: Context, predictor: Predictor, author: str) -> None:
    wanted = choices.remembered(_ITEM, "item")
    item = loaders.review_queue(ctx).next(author, wanted)
    if wanted and (item is None or item.product != wanted):
        st.toast(ctx.words("app.review.gone"))
    st.session_state[_ITEM] = item.product if item else ""
    choices.remembered(_ITEM, "item")
    said = loaders.feedback_store(ctx).read()
    _progress(ctx, author, said, item)
    if item is None:
        st.success(ctx.words("app.review.done"))
        _moves(ctx, author, "", said)
    else:
        _product(ctx, predictor, author, item, said)
    _retraining(ctx, said)


def _product(
    ctx: Context, predictor: Predictor, author: str, item: ReviewItem, said: list[Correction]
) -> None:
    product = item.content
    st.html(_BLUR % item.product, unsafe_allow_javascript=True)
    prediction = predictor.predict([product], top_k=TOP_K, language=ctx.language)[0]
    st.html(f'<div class="verdict review"><span>{_reason(ctx, item, prediction)}</span></div>')
    left, right = st.columns([5, 6], gap="large")
    with left:
        image = loaders.data_uri(product.image or "", IMAGE_PX)
        shown = f'<img class="asked" src="{image}" alt="">' if image else ""
        texts = [
            html.escape(components.shortened(text, TEXT_CHARACTERS))
            for text in (item.designation, item.description)
        ]
        st.html(f"{shown}<h2>{texts[0]}</h2><p>{texts[1]}</p>")
    with right:
        given = [
            c.prdtypecode for c in current(said) if (c.product, c.author) == (item.product, author)
        ]
        code = _class(ctx, item, prediction, given)
        if code:
            store = loaders.feedback_store(ctx)
            correction = store.new(
                code, product, item.productid, answer=prediction, source="review", author=author
            )
            store.store(correction)
            _leave(item.product)
        _moves(ctx, author, item.product, said)
    if prediction.code is None:  # as where its image's file is gone
        components.note(ctx.words("review.nothing_to_read"))
        return
    why.similar(ctx, predictor, product)
    shown = st.session_state.get(_WHY, True)
    if st.button(ctx.words(f"app.review.why_{'less' if shown else 'more'}"), shortcut="W"):
        st.session_state[_WHY] = not shown
        st.rerun()
    if shown:
        why.show(ctx, predictor, product, prediction, hash(item.product))


def _reason(ctx: Context, item: ReviewItem, prediction: Prediction) -> str:
    """Return why the product is here, as HTML."""
    doubtful = item.source == "label"
    signals = ctx.words.section("drift_report.signals")
    told = ctx.words(
        f"app.review.source_{item.source}",
        p=ctx.probability((item if doubtful else prediction).probability or 0.0),
        signal=html.escape(signals.get(item.reason, item.reason)),
        label=ctx.chip(item.code or 0) if doubtful else "",
    )
    reasons = [told]
    if item.source == "service" and item.reason in ctx.words.section("review"):
        reasons.append(ctx.words(f"review.{item.reason}"))
    if item.official_code is not None:
        reasons.append(ctx.words("app.review.official", label=ctx.chip(item.official_code)))
    return "<br>".join(reasons)


def _class(
    ctx: Context, item: ReviewItem, prediction: Prediction, given: list[int | None]
) -> int | None:
    """Show the likeliest classes and the search, and return the answer.

    Keys name the product: a press never counts for another than the one that was seen. Of a
    product that the model learned from, its own answer says nothing: what another model said that
    had not seen it comes first, and the label.
    """
    shares = {code: share for code, _, share in prediction.top_k}
    codes = list(shares)
    if item.source == "label":
        first = [code for code in (item.code, item.official_code) if code is not None]
        codes = [*dict.fromkeys([*first, *shares])][:TOP_K]
        shares = {first[0]: item.probability or 0.0}
    for number, code in enumerate(codes, 1):
        share = f" · {ctx.words.percent(shares[code])}" if code in shares else ""
        if st.button(
            components.plain(ctx.named(code)) + share, key=f"review_{item.product}_{number}",
            shortcut=str(number), type="primary" if code in given else "secondary", width="stretch",
        ):  # fmt: skip
            return code
    if st.button(
        ctx.words("app.review.search"), key=f"review_{item.product}_search", shortcut="S",
        icon=":material/search:", width="stretch",
    ):  # fmt: skip
        st.session_state[_SEARCH] = item.product
    if st.session_state.get(_SEARCH) != item.product:
        return None
    st.html(_FOCUS % item.product, unsafe_allow_javascript=True)
    with st.container(key="review_search_box"):
        return choices.choose(
            ctx,
            ctx.words("app.predict.correct_class"),
            [choices.NONE, *sorted(ctx.labels.codes, key=ctx.label)],
            lambda code: ctx.named(code) if code else ctx.words("app.predict.correct_none"),
            key=f"review_class_of_{item.product}",
        )


def _moves(ctx: Context, author: str, here: str, said: list[Correction]) -> None:
    """Draw what goes to another product: back, skip, undo."""
    mine, trail = _own(author, said), st.session_state.setdefault(_TRAIL, [])
    queue = loaders.review_queue(ctx)

    def pressed(name: str, key: str, possible: object) -> bool:
        return st.button(
            ctx.words(f"app.review.{name}"), key=f"review_{here}_{name}", shortcut=key,
            disabled=not possible,
        )  # fmt: skip

    with st.container(horizontal=True):
        back, skip = pressed("back", "Left", trail), pressed("skip", "Right", here)
        undo = pressed("undo", "U", mine)
    if skip:
        queue.leave(author, here, skip=True)
        _leave(here)
    if undo:
        loaders.feedback_store(ctx).store(withdrawal(mine[-1]))
        trail += [] if trail[-1:] == [mine[-1].product] else [mine[-1].product]
    if undo or back:
        queue.leave(author, here)
        _leave("", trail.pop())


def _leave(here: str, wanted: str = "") -> None:
    """Go to the wanted product, or to the next; from `here` one can come back."""
    st.session_state[_TRAIL] = [*st.session_state.get(_TRAIL, []), *filter(None, [here])]
    st.session_state.update({_ITEM: wanted, _SEARCH: ""})
    st.rerun()


def _own(author: str, said: list[Correction]) -> list[Correction]:
    """Return what an author said in reviews and holds to, in time."""
    return [c for c in current(said) if (c.author, c.source) == (author, "review")]


def _progress(ctx: Context, author: str, said: list[Correction], item: ReviewItem | None) -> None:
    mine = _own(author, said)
    number, speed = ctx.words.number, pace(mine, ctx.cfg.review.lease_minutes)
    told = [
        ctx.words("app.review.reviewed", author=html.escape(author), n=number(len(mine))),
        ctx.words("app.review.waiting", n=number(item.waiting if item else 0)),
    ]
    if speed:
        told.append(ctx.words("app.review.pace", n=number(speed)))
    products = {c.product for c in mine}
    found = agreement(c for c in said if c.product in products)
    if found["products"]:
        equal = ctx.words.percent(found["equal"], 0)
        told.append(ctx.words("app.review.agreement", equal=equal, n=number(found["products"])))
    components.note(" · ".join(told))


def _retraining(ctx: Context, said: list[Correction]) -> None:
    """Say how many corrections the served run has not seen, and when they are worth a training."""
    new = pending(said, ctx.run.started if ctx.run else None)
    changed = sum(c.prdtypecode != c.predicted_code for c in new)
    counts = {"n": ctx.words.number(len(new)), "changed": ctx.words.number(changed)}
    if len(new) < ctx.cfg.review.retrain_after:
        components.note(ctx.words("app.review.pending", **counts))
    else:
        st.info(ctx.words("app.review.retrain", **counts))
        st.code(COMMAND, language=None)
