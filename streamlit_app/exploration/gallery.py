"""Products of a class, drawn at random, with their images."""

import pandas as pd
import streamlit as st

from streamlit_app.exploration import aggregates
from streamlit_app.shared import choices, components, loaders
from streamlit_app.shared.context import Context

PRODUCTS = 18
_SEED = "gallery_seed"


def show(ctx: Context, by_class: pd.DataFrame) -> None:
    """Draw the section."""
    left, middle, right = st.columns([3, 2, 2], vertical_alignment="bottom")
    code = choices.choose_class(ctx, by_class["code"], key="gallery_class", place=left)
    with_image = middle.toggle(
        ctx.words("app.exploration.gallery_only"),
        value=True,
        key="gallery_pic",
        persist_state="session",
    )
    if right.button(ctx.words("app.exploration.gallery_another"), icon=":material/shuffle:"):
        st.session_state[_SEED] = st.session_state.get(_SEED, 0) + 1
    seed = st.session_state.get(_SEED, 0)
    products = loaders.derive(ctx, aggregates.sample, code, with_image, PRODUCTS, seed)
    if products.empty:
        st.info(ctx.words("app.exploration.gallery_none"))
        return
    components.cards(
        components.product(ctx, row, ctx.chip(row.prdtypecode)) for row in products.itertuples()
    )
