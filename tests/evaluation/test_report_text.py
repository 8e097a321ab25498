"""The text report: every line fits a terminal, every figure is the one it was given."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from src.evaluation.bootstrap import score_intervals
from src.evaluation.confusion import confusion_counts, top_errors
from src.evaluation.metrics import score_by_class
from src.evaluation.report_text import fit, report_text, score_lines
from src.evaluation.summary import overall_scores, summarise
from src.labels import Labels

if TYPE_CHECKING:
    from tests.evaluation.conftest import Answers


@pytest.fixture(scope="module")
def facts(answers: Answers, labels: Labels) -> dict:
    a = answers
    slices = a.products[["language", "has_image"]]
    options = {"themes": labels.themes, "groups": None, "threshold": 0.6, "target_accuracy": 0.9}
    options["folds"] = np.arange(len(a.y)) % 5
    return {
        **overall_scores(a.y, a.proba, a.classes, labels.themes),
        **summarise(a.y, a.proba, a.classes, slices=slices, **options),
        **{"kind": "late_fusion", "split": "holdout", "rows": len(a.y), "run_id": "r1"},
        **{"snapshot": "0123456789abcdef", "synthetic": False},
    }


@pytest.fixture(scope="module")
def by_class(answers: Answers, labels: Labels) -> pd.DataFrame:
    table = score_by_class(answers.y, answers.predicted, answers.classes)
    table.insert(1, "label", [labels.label(code) for code in answers.classes])
    _, ends = score_intervals(answers.y, answers.predicted, classes=answers.classes)
    return table.assign(f1_low=[e.low for e in ends], f1_high=[e.high for e in ends])


def test_report(facts: dict, by_class: pd.DataFrame, answers: Answers, labels: Labels) -> None:
    errors = top_errors(confusion_counts(answers.y, answers.predicted, answers.classes), labels)
    text = report_text(facts, by_class, errors, labels)
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0] == "late_fusion on 1,500 rows, split holdout"
    low, high = facts["intervals"]["f1_weighted"]
    shown = f"{facts['f1_weighted']:.4f}   {low:.4f} to {high:.4f}".split()
    assert next(line for line in lines if "weighted F1" in line).split()[2:] == shown
    by_fold = next(line for line in lines if "of 5 folds" in line).split()
    assert float(by_fold[5]) == pytest.approx(np.mean(facts["by_fold"]), abs=5e-5)
    assert float(by_fold[-1]) == pytest.approx(np.std(facts["by_fold"], ddof=1), abs=5e-5)
    first = lines.index(next(line for line in lines if line.startswith("classes"))) + 1
    hardest = by_class.sort_values("f1").iloc[0]
    assert lines[first].split()[0] == str(hardest["prdtypecode"])
    assert all(any(row["label"][:30] in line for line in lines) for _, row in by_class.iterrows())
    assert any("Books and press" in line for line in lines)
    inside = errors.loc[errors["same_theme"], "count"].sum()
    assert f"errors: {errors['count'].sum():,}, of them {inside:,} inside their theme" in text
    assert "TRAIN" not in text
    assert "SYNTHETIC" not in text


def test_training_rows_and_the_shop_are_marked(
    facts: dict, by_class: pd.DataFrame, answers: Answers, labels: Labels
) -> None:
    errors = top_errors(confusion_counts(answers.y, answers.predicted, answers.classes), labels)
    marked = {**facts, "split": "train", "synthetic": True}
    text = report_text(marked, by_class, errors, labels)
    assert "TRAIN: the model has learned from these rows" in text
    assert "SYNTHETIC: drawn by the demo shop" in text


def test_a_cut_name_says_so() -> None:
    assert (fit("Trading cards", 13), fit("Trading cards", 12)) == ("Trading cards", "Trading car…")


def test_a_threshold_that_accepts_nothing(facts: dict) -> None:
    nothing = {**facts, "decision": {**facts["decision"], "coverage": 0.0, "accuracy": None}}
    assert list(score_lines(nothing))[-1].strip().startswith("no answer is sure enough")


def test_what_a_part_of_a_product_is_worth_has_lines_of_its_own(facts: dict) -> None:
    part = {"rows": 1447, "accuracy": 0.5302, "log_loss": 1.7853, "ece": 0.0776, "top3": 0.8}
    lines = list(score_lines({**facts, "presence": {"both": part, "image": part}}))
    start = lines.index("shown, of 1,447 products        accuracy log-loss   ECE")
    assert lines[start + 2] == "  image                           0.5302   1.7853 0.078"
    assert not any("shown" in line for line in score_lines(facts))
