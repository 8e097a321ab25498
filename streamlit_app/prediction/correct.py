"""A visitor's correction: into PostgreSQL, or into a file where no database answers."""

from __future__ import annotations

import streamlit as st

from src.serving.prediction import Prediction
from src.serving.predictor import Product
from streamlit_app import components, loaders
from streamlit_app.context import Context


def show(ctx: Context, asked: Product, prediction: Prediction) -> None:
    """Draw the form that corrects the label of the product that was asked for."""
    with st.expander(ctx.say("predict.correct"), icon=":material/edit:"):
        if not asked.designation.strip():
            st.info(ctx.say("predict.correct.untitled"))
            return
        # The likeliest of the others first: the right class is among the top three nearly always.
        likely = [candidate.code for candidate in prediction.top_k[1:]]
        others = sorted(set(ctx.labels.codes) - set(likely), key=ctx.label)
        ordered = [*likely, *others]
        with st.form("correction", border=False):
            code = components.choose(
                ctx.say("predict.correct.class"), ordered, ctx.named, key="right_class"
            )
            left, right = st.columns(2)
            author = left.text_input(ctx.say("predict.correct.author"), max_chars=80)
            comment = right.text_input(ctx.say("predict.correct.comment"), max_chars=500)
            if st.form_submit_button(ctx.say("predict.correct.send")):
                where = loaders.keep_correction(
                    ctx, asked.designation, code, prediction.code, author=author, comment=comment
                )
                st.success(ctx.say(f"predict.correct.{where}"))
