"""The exploration page: key figures, and the section that is chosen."""

import pandas as pd

from streamlit_app.exploration import aggregates, classes, gallery, texts, words
from streamlit_app.shared import choices, components, loaders
from streamlit_app.shared.context import Context

SECTIONS = {
    "classes": classes.show,
    "texts": texts.show,
    "gallery": gallery.show,
    "words": words.show,
}


def show(ctx: Context) -> None:
    """Draw the page."""
    components.heading(ctx, "exploration")
    if loaders.catalogue(ctx) is None:
        components.empty(ctx, ctx.words("app.exploration.missing"))
        return
    by_class = loaders.derive(ctx, aggregates.by_class)
    _figures(ctx, by_class)
    components.run_of(ctx, loaders.run_id(ctx.store, ctx.store.catalogue))
    section = choices.section(ctx, "exploration", tuple(SECTIONS))
    SECTIONS[section](ctx, by_class)


def _figures(ctx: Context, by_class: pd.DataFrame) -> None:
    words, about = ctx.words, loaders.derive(ctx, aggregates.overview)
    themes = words("app.exploration.classes", n=len(ctx.theme_keys()))
    components.figures(
        [
            (words.number(about["labelled"]), words("app.exploration.labelled")),
            (words.number(about["unlabelled"]), words("app.exploration.unlabelled")),
            (words.number(len(by_class)), themes),
            (words.percent(about["with_image"]), words("app.exploration.with_image")),
            (words.percent(about["without_description"]), words("app.exploration.without_text")),
        ]
    )
