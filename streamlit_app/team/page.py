"""The team page: profiles, glossary, card of the served model."""

import streamlit as st

from streamlit_app import member
from streamlit_app.shared import components, loaders
from streamlit_app.shared.context import Context


def show(ctx: Context) -> None:
    """Draw the page."""
    components.heading(ctx, "team")
    profiles = enumerate(member.load_members(ctx.language))
    cards = (member.profile_card(profile, number) for number, profile in profiles)
    st.html(f'<div class="members">{"".join(cards)}</div>')
    components.note(ctx.words("app.team.edit"))
    st.header(ctx.words("app.team.glossary_title"), anchor=False)
    glossary = ctx.words.section("app.team.glossary").values()
    st.html(
        '<div class="glossary">'
        + "".join(f"<b>{word}</b><span>{meaning}</span>" for word, meaning in glossary)
        + "</div>"
    )
    card = loaders.load(ctx.store, ctx.store.model_card)
    if card is not None:
        st.header(ctx.words("app.team.model_card"), anchor=False)
        with st.expander(ctx.words("app.team.model_card_open")):
            st.markdown(card)
