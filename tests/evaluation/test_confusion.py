"""Confusions against counts of pairs."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from src.evaluation.confusion import confusion_counts, confusion_percent, diagnostics, top_errors
from src.evaluation.metrics import score_by_class
from src.labels import Labels

if TYPE_CHECKING:
    from tests.evaluation.conftest import Answers


def test_percent_of_a_row_and_of_none() -> None:
    counts = confusion_counts(np.array([1, 1, 1, 2]), np.array([1, 1, 2, 1]), np.array([1, 2, 3]))
    percent = confusion_percent(counts)
    expected = [[200 / 3, 100 / 3, 0.0], [100.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    np.testing.assert_allclose(percent.to_numpy(), expected)
    assert percent.index.name == "true"


def test_top_errors_are_the_commonest_pairs(answers: Answers, labels: Labels) -> None:
    counts = confusion_counts(answers.y, answers.predicted, answers.classes)
    errors = top_errors(counts, labels)
    pairs = Counter(zip(answers.y.tolist(), answers.predicted.tolist(), strict=True))
    expected = {pair: n for pair, n in pairs.items() if pair[0] != pair[1]}
    found = {(e.true, e.predicted): e.count for e in errors.itertuples(index=False)}
    assert found == expected
    assert errors["count"].is_monotonic_decreasing
    support = Counter(answers.y.tolist())
    for row in errors.to_dict("records"):
        assert row["rate"] == row["count"] / support[row["true"]]
        assert row["same_theme"] == (labels.themes[row["true"]] == labels.themes[row["predicted"]])
        assert row["predicted_label"] == labels.label(row["predicted"])
    assert 0 < errors["same_theme"].sum() < len(errors)


def test_diagnostics_tell_the_three_commonest_faults(answers: Answers, labels: Labels) -> None:
    by_class = score_by_class(answers.y, answers.predicted, answers.classes)
    by_class.insert(1, "label", [labels.label(code) for code in answers.classes])
    counts = confusion_counts(answers.y, answers.predicted, answers.classes)
    told = diagnostics(by_class, top_errors(counts, labels)).set_index("prdtypecode")
    faults = pd.Series(answers.predicted[(answers.y == 10) & (answers.predicted != 10)])
    commonest = faults.value_counts().iloc[0]
    first, *others = told.loc[10, "top_confusions"].split("; ")
    assert len(others) == 2
    assert first.endswith(f" ({100 * commonest / (answers.y == 10).sum():.1f} %, {commonest})")
    assert told.loc[10, "f1"] == pytest.approx(by_class.set_index("prdtypecode").loc[10, "f1"])


def test_no_fault_is_an_empty_table(labels: Labels) -> None:
    y = np.array([10, 40])
    errors = top_errors(confusion_counts(y, y, y), labels)
    assert errors.empty
    by_class = score_by_class(y, y, y).assign(label="x")
    assert diagnostics(by_class, errors)["top_confusions"].tolist() == ["", ""]
