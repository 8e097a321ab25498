"""The model card: what a model is for, how good it is, where it is weak, as Markdown.

Every figure is taken from the hold-out's metrics file (``results/metrics/{kind}_holdout.json``) and
its table by class; nothing is computed anew, so that the card and the files can't disagree.
"""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

WIDTH = 80
FEWEST_ROWS = 30  # a slice with fewer rows says little
WEAKEST = 5
SCORES = {
    "f1_weighted": "weighted F1",
    "f1_macro": "macro F1",
    "accuracy": "accuracy",
    "top3": "right among the first three",
    "theme_accuracy": "right theme",
    "log_loss": "log-loss",
}
SLICES = {
    "language": "language",
    "has_image": "with a picture",
    "has_description": "with a description",
    "theme": "theme",
}


@dataclasses.dataclass(frozen=True)
class About:
    """What a card says of a run beside its scores.

    Attributes
    ----------
    config : str
        Digest of the configuration.
    train_rows, rows_with_image : int
        Labelled products, and those among them that have a picture.
    corrections : str
        What people's corrections changed; "" where they are not used.
    """

    config: str
    train_rows: int
    rows_with_image: int
    corrections: str


def model_card(metrics: Mapping[str, Any], by_class: pd.DataFrame, about: About) -> str:
    """Return the card.

    Parameters
    ----------
    metrics : mapping
        The hold-out's metrics file.
    by_class : DataFrame
        Its table by class: prdtypecode, label, f1, support.
    about : About
        The run.
    """
    sections = {
        f"# Model card: {metrics['kind']}": _purpose(metrics),
        "## Data": _data(metrics, about),
        "## Scores on products it had not seen": _scores(metrics),
        "## Probabilities and review": _review(metrics),
        "## Where it is weak": _weak(metrics, by_class),
        "## Limits": _limits(),
        "## Train it again": _again(),
        "## Licence": _licence(metrics),
        "## Classes": _classes(by_class),
    }
    return "\n\n".join("\n".join([title, "", *lines]) for title, lines in sections.items()) + "\n"


def _purpose(metrics: Mapping[str, Any]) -> Iterator[str]:
    if metrics["synthetic"]:
        yield from _wrap(
            "**SYNTHETIC**: trained and scored on products that the demo shop drew. The figures "
            "below are about that shop and say nothing of real products.",
            "> ",
        )
        yield ""
    yield from _wrap(
        "Suggests the category (prdtypecode) of a product from its title, its description and its "
        "picture; the latter two may be missing. It is made to sort the plain products by itself "
        "and to hand the others to a person, not to decide alone where an error is costly."
    )


def _data(metrics: Mapping[str, Any], about: About) -> Iterator[str]:
    rows = about.train_rows
    share = about.rows_with_image / rows
    yield f"* run `{metrics['run_id']}`, configuration `{about.config}`"
    yield "* data hash (SHA256 of the three files):"
    yield f"  `{metrics['snapshot']}`"
    yield f"* source: {'the demo shop' if metrics['synthetic'] else 'the official files'}"
    yield f"* {rows:,} labelled products, {share:.1%} of them with a picture"
    yield f"* {metrics['rows']:,} of them held out: stratified by class, duplicates kept together"
    yield from _wrap(
        f"labels: official; {about.corrections}" if about.corrections else "labels: official", "* "
    )


def _scores(metrics: Mapping[str, Any]) -> Iterator[str]:
    yield "| score | value | 95 % interval |"
    yield "|---|---|---|"
    for name, title in SCORES.items():
        if name == "theme_accuracy" and len(metrics["slices"].get("theme", {})) < 2:
            continue  # a catalogue without themes
        ends = metrics["intervals"].get(name)
        interval = f"{ends[0]:.4f} to {ends[1]:.4f}" if ends else ""
        yield f"| {title} | {metrics[name]:.4f} | {interval} |"


def _review(metrics: Mapping[str, Any]) -> Iterator[str]:
    yield from _wrap(
        "Probabilities are calibrated on rows that the model had not seen; on the hold-out they "
        f"are off by {metrics['ece']:.4f} on average (expected calibration error)."
    )
    decision = metrics["decision"]
    if decision["threshold"] is not None:
        yield from _wrap(
            f"Below a probability of {decision['threshold']:.4f} a product is marked for review: "
            f"chosen on out-of-fold rows for an accuracy of {decision['target_accuracy']:.1%}. On "
            f"the hold-out it accepts {decision['coverage']:.1%} of the products, and "
            f"{_percent(decision['accuracy'])} of these are right."
        )
    else:
        yield from _wrap(
            f"No threshold reaches an accuracy of {decision['target_accuracy']:.1%} on "
            "out-of-fold rows: every product is marked for review."
        )


def _weak(metrics: Mapping[str, Any], by_class: pd.DataFrame) -> Iterator[str]:
    weak = sorted(_weak_slices(metrics))
    yield from _wrap(
        f"Slices of {FEWEST_ROWS} rows or more whose interval lies below the overall weighted F1:"
        if weak
        else "No slice's interval lies below the overall weighted F1. The weakest classes:"
    )
    if weak:
        yield from ["", "| slice | weighted F1 | rows |", "|---|---|---|"]
        yield from [f"| {name} | {f1:.4f} | {rows:,} |" for f1, name, rows in weak]
        yield from ["", "The weakest classes:"]
    yield from ["", "| class | F1 | rows held out |", "|---|---|---|"]
    for row in by_class[by_class["support"] > 0].nsmallest(WEAKEST, "f1").itertuples():
        yield f"| {_label(row)} | {row.f1:.4f} | {row.support:,} |"


def _weak_slices(metrics: Mapping[str, Any]) -> Iterator[tuple[float, str, int]]:
    for column, title in SLICES.items():
        for value, scores in metrics["slices"][column].items():
            below = scores["intervals"]["f1_weighted"][1] < metrics["f1_weighted"]
            if below and scores["rows"] >= FEWEST_ROWS:
                yield scores["f1_weighted"], f"{title}: {value}", scores["rows"]


def _limits() -> Iterator[str]:
    limits = (
        "It knows the classes below and no other: a product of another kind gets one of them.",
        "Scores hold for products like those of the data above. `tools/drift_report.py` tells when "
        "new products are no longer like them.",
        "Labels of the data hold errors; `results/label_issues.csv` lists the likeliest. A model "
        "can't be seen to be better than its labels.",
        "Rare classes are scored on few rows: look at the rows beside an F1.",
    )
    for limit in limits:
        yield from _wrap(limit, "* ")


def _again() -> Iterator[str]:
    yield "```"
    yield "bash init.sh                        # load what lies in import/"
    yield "python scripts/train_pipeline.py    # served where it is not worse"
    yield "make rollback                       # back to the run before"
    yield "```"


def _licence(metrics: Mapping[str, Any]) -> Iterator[str]:
    yield from _wrap(
        "The code is under the MIT licence (`LICENSE`)."
        if metrics["synthetic"]
        else "The code is under the MIT licence (`LICENSE`); the data, and what is learned from "
        "it, is under the terms of whoever gave it."
    )


def _classes(by_class: pd.DataFrame) -> Iterator[str]:
    for row in by_class.itertuples():
        yield f"* {_label(row)}"


def _label(row: Any) -> str:  # noqa: ANN401 - a namedtuple made by pandas
    return textwrap.shorten(f"{row.prdtypecode} {row.label}".replace("|", "/"), 50)


def _percent(share: float | None) -> str:
    return "none" if share is None else f"{share:.1%}"


def _wrap(text: str, bullet: str = "") -> list[str]:
    rest = bullet if bullet.startswith(">") else " " * len(bullet)
    return textwrap.wrap(
        text, WIDTH, initial_indent=bullet, subsequent_indent=rest, break_on_hyphens=False
    )
