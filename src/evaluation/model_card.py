"""The model card: what a model is for, how good it is, where it is weak, as Markdown.

Every figure is taken from the hold-out's metrics file (``results/metrics/{kind}_holdout.json``) and
its table by class; nothing is computed anew, so that the card and the files can't disagree. The
words are in ``model_card.md.j2``.
"""

import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from src.evaluation.summary import named_scores

WIDTH = 80
FEWEST_ROWS = 30  # a slice with fewer rows says little
WEAKEST = 5
SLICES = {
    "language": "language",
    "has_image": "with an image",
    "has_description": "with a description",
    "theme": "theme",
}


def model_card(metrics: Mapping[str, Any], by_class: pd.DataFrame, **about: str | int) -> str:
    """Return the card of a hold-out's metrics and its table by class (label, f1, support).

    `about` a run are its config (digest), train_rows, rows_with_image and corrections, or "".
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(  # noqa: S701 - Markdown, not HTML
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["wrap"] = _wrap
    codes, labels = by_class["prdtypecode"], by_class["label"]
    names = [_name(code, label) for code, label in zip(codes, labels, strict=True)]
    named = by_class.assign(name=names)
    return environment.get_template("model_card.md.j2").render(
        metrics=metrics,
        about=about,
        decision=metrics["decision"],
        scores=named_scores(metrics),
        weak_slices=sorted(_weak_slices(metrics)),
        fewest_rows=FEWEST_ROWS,
        weak_classes=named[named["support"] > 0].nsmallest(WEAKEST, "f1").to_dict("records"),
        classes=names,
    )


def _weak_slices(metrics: Mapping[str, Any]) -> Iterator[tuple[float, str, int]]:
    """Yield weighted F1, name and rows of each slice that lies below the whole."""
    for column, title in SLICES.items():
        for value, scores in metrics["slices"][column].items():
            below = scores["intervals"]["f1_weighted"][1] < metrics["f1_weighted"]
            if below and scores["rows"] >= FEWEST_ROWS:
                yield scores["f1_weighted"], f"{title}: {value}", scores["rows"]


def _name(code: int, label: str) -> str:
    return textwrap.shorten(f"{code} {label}".replace("|", "/"), 50)


def _wrap(text: str, bullet: str = "") -> str:
    lines = textwrap.fill(
        text.strip(),
        WIDTH,
        initial_indent=bullet,
        subsequent_indent=" " * len(bullet),
        break_on_hyphens=False,
    )
    return f"{lines}\n"
