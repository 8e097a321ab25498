"""Entry of the app: ``python -m streamlit run streamlit_app/config.py``."""

from collections.abc import Callable
from functools import partial

import streamlit as st

from src.errors import ProjectError
from streamlit_app.diagnostics import page as diagnostics
from streamlit_app.exploration import page as exploration
from streamlit_app.method import page as method
from streamlit_app.predict import page as predict
from streamlit_app.review import page as review
from streamlit_app.runs import page as runs
from streamlit_app.shared import choices, components, loaders
from streamlit_app.shared.context import Context
from streamlit_app.team import page as team

# Address of the page, its symbol, and what draws it; the first one opens.
PAGES: tuple[tuple[str, str, Callable[[Context], None]], ...] = (
    ("exploration", ":material/storefront:", exploration.show),
    ("method", ":material/account_tree:", method.show),
    ("diagnostics", ":material/troubleshoot:", diagnostics.show),
    ("predict", ":material/sell:", predict.show),
    ("review", ":material/rate_review:", review.show),
    ("runs", ":material/history:", runs.show),
    ("team", ":material/group:", team.show),
)
NAME = "Rakuten Multimodal"


def main() -> None:
    """Draw the frame and the page that is chosen."""
    st.set_page_config(NAME, loaders.asset("icon.svg"), layout="wide")
    st.html(loaders.APP / "style.css")
    st.logo(loaders.asset("logo.svg"), icon_image=loaders.asset("icon.svg"), size="large")
    language = choices.choose_language()
    components.tell_language(language)
    try:
        ctx = loaders.context(language)
    except ProjectError as error:
        components.problem(error, language)
        return
    pages = [
        st.Page(
            partial(_guarded, ctx, show),
            title=ctx.words(f"app.{name}.name"),
            icon=icon,
            url_path=name,
        )
        for name, icon, show in PAGES
    ]
    # The page at "/" has no other address: it sends on to the first, which has.
    home = st.Page(partial(st.switch_page, pages[0]), url_path="home", default=True,
                   visibility="hidden", title=NAME)  # fmt: skip
    chosen = st.navigation([home, *pages])
    st.set_page_config(page_title=f"{chosen.title} - {NAME}")
    components.sidebar(ctx)
    chosen.run()
    choices.write_address()


def _guarded(ctx: Context, show: Callable[[Context], None]) -> None:
    """Show a page; a mistake that the user can mend becomes a message with its next command."""
    try:
        components.banner(ctx)
        show(ctx)
    except ProjectError as error:
        components.problem(error, ctx.language)


if __name__ == "__main__":
    main()
