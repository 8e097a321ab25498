"""The table of predictions against a sort of every row."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from src.evaluation.predictions import prediction_table

if TYPE_CHECKING:
    from tests.evaluation.conftest import Answers


def test_whole_table_row_by_row(answers: Answers) -> None:
    folds = np.arange(len(answers.y)) % 5
    table = prediction_table(
        answers.y,
        answers.proba,
        answers.classes,
        products=answers.products,
        folds=folds,
        threshold=0.5,
    )
    rows = []
    for i, (true, chances) in enumerate(zip(answers.y, answers.proba, strict=True)):
        ranked = sorted(zip(chances.tolist(), answers.classes.tolist(), strict=True))[::-1]
        (p1, c1), (p2, c2), (p3, c3) = ranked[:3]
        rank = 1 + [code for _, code in ranked].index(true)
        product = answers.products.iloc[i]
        who, slices = product.iloc[:2].tolist(), product.iloc[2:].tolist()
        own = ranked[rank - 1][0]
        rows.append((*who, folds[i], true, c1, p1, own, rank, c2, p2, c3, p3, p1 < 0.5, *slices))
    columns = (
        "row_index productid fold prdtypecode predicted probability true_probability true_rank "
        "second second_probability third third_probability needs_review language has_image"
    )
    expected = pd.DataFrame(rows, columns=columns.split())
    pd.testing.assert_frame_equal(table, expected, check_dtype=False)


def test_two_classes_have_no_third(draw_answers: Callable[..., Answers]) -> None:
    two = draw_answers(np.array([10, 40]), 20)
    table = prediction_table(
        two.y, two.proba, two.classes, products=two.products, folds=np.zeros(20), threshold=0.0
    )
    assert set(table["third"]) == {-1}
    assert set(table["third_probability"]) == {0.0}
    np.testing.assert_allclose(table["probability"] + table["second_probability"], 1.0)
    assert not table["needs_review"].any()
