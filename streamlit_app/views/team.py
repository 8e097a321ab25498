"""Team: who stands behind the platform, and where to look further."""

from __future__ import annotations

import streamlit as st

from streamlit_app import components, loaders, member
from streamlit_app.context import Context

GLOSSARY = ("prdtypecode", "f1", "margin", "fold", "shap", "drift")


def show(ctx: Context) -> None:
    """Draw the page."""
    components.heading(ctx, "team")
    profiles = enumerate(member.load_members(ctx.language))
    cards = (member.profile_card(profile, number) for number, profile in profiles)
    st.html(f'<div class="members">{"".join(cards)}</div>')
    components.note(ctx.say("team.edit"))
    st.subheader(ctx.say("team.glossary"), anchor=False)
    words = (ctx.say(f"team.word.{word}").split("|") for word in GLOSSARY)
    st.html(
        '<div class="glossary">'
        + "".join(f"<b>{word}</b><span>{meaning}</span>" for word, meaning in words)
        + "</div>"
    )
    card = loaders.load(ctx.store, ctx.store.model_card)
    if card is not None:
        st.subheader(ctx.say("team.model_card"), anchor=False)
        with st.expander(ctx.say("team.model_card.open")):
            st.markdown(card)
