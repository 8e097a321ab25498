"""The diagnostics page: the section that is chosen."""

from collections.abc import Callable

from streamlit_app.diagnostics import (
    blocks,
    classes,
    confidence,
    confusions,
    drift,
    issues,
    scores,
    source,
)
from streamlit_app.shared import choices, components
from streamlit_app.shared.context import Context

# Sections of scored rows, and those that read files of their own.
OF_ROWS: dict[str, Callable[[Context, source.Scored], None]] = {
    "scores": scores.show,
    "confusions": confusions.show,
    "classes": classes.show,
    "confidence": confidence.show,
}
OF_FILES: dict[str, Callable[[Context], None]] = {
    "blocks": blocks.show,
    "issues": issues.show,
    "drift": drift.show,
}


def show(ctx: Context) -> None:
    """Draw the page."""
    components.heading(ctx, "diagnostics")
    section = choices.section(ctx, "diagnostics", (*OF_ROWS, *OF_FILES))
    if section in OF_FILES:
        OF_FILES[section](ctx)
        return
    scored = source.scored(ctx)
    if scored is None:
        components.empty(ctx, ctx.words("app.diagnostics.missing"))
    else:
        components.run_of(ctx, str(scored.scores.get("run_id", "")))
        rows = ctx.words.number(scored.scores.get("rows", 0))
        components.note(ctx.words(f"app.diagnostics.split_{scored.split}", n=rows))
        OF_ROWS[section](ctx, scored)
