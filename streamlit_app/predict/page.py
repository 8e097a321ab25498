"""The prediction page: one product, or a file of them."""

from streamlit_app.predict import batch, single
from streamlit_app.shared import choices, components, loaders
from streamlit_app.shared.context import Context

SECTIONS = {"one": single.show, "file": batch.show}


def show(ctx: Context) -> None:
    """Draw the page."""
    components.heading(ctx, "predict")
    predictor = loaders.predictor(ctx)
    if predictor is None:
        components.empty(ctx, ctx.words("app.predict.missing"))
        return
    section = choices.section(ctx, "predict", tuple(SECTIONS))
    SECTIONS[section](ctx, predictor)
