"""The text report of one split: 80 columns, for a terminal or a mail."""

import statistics
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from src.evaluation.paired import changed_answers, class_differences, score_differences
from src.evaluation.summary import named_scores
from src.labels import Labels

SHOWN_ERRORS = 15


def report_text(
    facts: Mapping[str, Any], by_class: pd.DataFrame, errors: pd.DataFrame, labels: Labels
) -> str:
    """Return the report of what the metrics file holds, with `top_errors` of the same rows.

    `by_class` has the columns prdtypecode, label, precision, recall, f1, f1_low, f1_high, support.
    """
    parts = (
        _head(facts),
        score_lines(facts),
        _classes(by_class),
        _slices(facts["slices"], labels),
        _errors(errors),
    )
    lines = [line.rstrip() for part in parts for line in (*part, "")]
    return "\n".join(lines)


def score_lines(facts: Mapping[str, Any]) -> Iterator[str]:
    """Yield the overall scores, with their intervals, and what the threshold gives."""
    yield f"{'scores':<32}{'value':>8}   95 % interval"
    for name, value, interval in named_scores(facts):
        yield f"  {name:<30}{value:>8.4f}   {interval}".rstrip()
    by_fold = facts["by_fold"]
    if len(by_fold) > 1:
        name, spread = f"weighted F1 of {len(by_fold)} folds", statistics.stdev(by_fold)
        yield f"  {name:<30}{statistics.fmean(by_fold):>8.4f}   standard deviation {spread:.4f}"
    yield from _presence(facts.get("presence", {}))
    decision = facts["decision"]
    if decision["accuracy"] is None:
        yield "  no answer is sure enough to be accepted without a review"
        return
    name = f"accepted at {decision['threshold']:.3f}"
    yield f"  {name:<30}{decision['coverage']:>8.1%}"
    name, target = "accuracy of the accepted", decision["target_accuracy"]
    yield f"  {name:<30}{decision['accuracy']:>8.4f}   target {target:.2f}"


def comparison_lines(
    pair: pd.DataFrame, labels: Labels, names: tuple[str, str], n_classes: int = 10
) -> Iterator[str]:
    """Yield how far two systems differ on the same rows: by score, by class, and on how many.

    The pair is that of `src.evaluation.paired`, `names` are those of a and b; a star marks what
    surely moved.
    """
    first, second = names
    change = changed_answers(pair)["change"].value_counts()
    fixed, broken, other = (int(change.get(name, 0)) for name in ("fixed", "broken", "other"))
    right = int((pair["a"] == pair["prdtypecode"]).sum()) - broken
    wrong = len(pair) - right - broken - fixed
    yield f"{len(pair):,} rows: both right {right:,}, only {first} {broken:,}"
    yield f"only {second} {fixed:,}, both wrong {wrong:,} ({other:,} of them otherwise)"
    yield ""
    yield f"{'score':<34}{first:>8}{second:>8}{'change':>9}   95 % interval"
    scores = score_differences(pair).loc[["f1_weighted", "f1_macro", "accuracy"]]
    for name, row in scores.iterrows():
        yield _difference(str(name), row)
    yield ""
    yield f"{'F1 of the classes that moved most':<34}"
    classes = class_differences(pair)
    for _, row in classes[classes["difference"] != 0].head(n_classes).iterrows():
        code = int(row["prdtypecode"])
        yield _difference(f"{code:>5} {labels.label(code)}"[:33], row)


def _difference(name: str, row: pd.Series) -> str:
    sure = "*" if row["low"] > 0 or row["high"] < 0 else " "
    interval = f"{row['low']:+.4f} to {row['high']:+.4f}"
    return f"{name:<34}{row['a']:>8.4f}{row['b']:>8.4f}{row['difference']:>+9.4f}{sure}  {interval}"


def fit(text: str, width: int) -> str:
    """Return a text of at most `width` characters, and say where it was cut."""
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _presence(presence: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    """Yield what answers from a part of a product are worth, the rest of it hidden."""
    if presence:
        shown = f"shown, of {presence['both']['rows']:,} products"
        yield f"{shown:<32}accuracy log-loss   ECE"
    for name, part in presence.items():
        yield f"  {name:<30}{part['accuracy']:>8.4f}{part['log_loss']:>9.4f}{part['ece']:>6.3f}"


def _head(facts: Mapping[str, Any]) -> Iterator[str]:
    yield f"{facts['kind']} on {facts['rows']:,} rows, split {facts['split']}"
    yield f"run {facts['run_id']}, data {facts['snapshot'][:12]}"
    if facts["split"] == "train":
        yield "TRAIN: the model has learned from these rows; this says how well it remembers"
    if facts["synthetic"]:
        yield "SYNTHETIC: drawn by the demo shop; the scores are about the shop alone"


def _classes(by_class: pd.DataFrame) -> Iterator[str]:
    yield f"{'classes, hardest first':<42}{'prec.':>7}{'rec.':>7}{'F1':>7}{'  95 %':<10}{'rows':>7}"
    for row in by_class[by_class["support"] > 0].sort_values("f1", kind="stable").itertuples():
        name = f"{row.prdtypecode:>6}  {row.label}"
        ends = f"{row.f1_low:.2f}-{row.f1_high:.2f}"
        figures = f"{row.precision:>7.3f}{row.recall:>7.3f}{row.f1:>7.3f}"
        yield f"{fit(name, 41):<42}{figures}  {ends:<9}{row.support:>6,}"


def _slices(slices: Mapping[str, Mapping[str, Any]], labels: Labels) -> Iterator[str]:
    yield f"{'slices':<34}{'wF1':>7}   {'95 %':<12}{'acc.':>7}{'top-3':>8}{'rows':>8}"
    for column, values in slices.items():
        yield f"  {column}"
        for value, scores in values.items():
            name = labels.theme_label(value) if column == "theme" else value
            interval = "{:.2f}-{:.2f}".format(*scores["intervals"]["f1_weighted"])
            yield (
                f"    {fit(name, 29):<30}{scores['f1_weighted']:>7.3f}   {interval:<12}"
                f"{scores['accuracy']:>7.3f}{scores['top3']:>8.3f}{scores['rows']:>8,}"
            )


def _errors(errors: pd.DataFrame) -> Iterator[str]:
    inside = errors.loc[errors["same_theme"], "count"].sum()
    total = errors["count"].sum()
    yield f"errors: {total:,}, of them {inside:,} inside their theme (marked =)"
    yield f"  {'true':<33}{'taken for':<33}{'rate':>6}{'rows':>6}"
    for row in errors.head(SHOWN_ERRORS).itertuples():
        mark = "=" if row.same_theme else " "
        yield (
            f"{mark} {fit(row.true_label, 32):<33}{fit(row.predicted_label, 32):<33}"
            f"{row.rate:>6.1%}{row.count:>6,}"
        )
