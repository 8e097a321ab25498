"""Answers as CSV: what the input held, and every digit of what was answered."""

from __future__ import annotations

import csv
import io

from src.serving.answers import answers_header, answers_rows
from src.serving.predictor import Prediction


def test_answers_are_a_csv_with_every_digit() -> None:
    candidates = ((10, "Books, old", 0.1 + 0.2), (40, "Games", 1e-17))
    answer = Prediction(
        10, "Books, old", 0.1 + 0.2, candidates, True, False, False, "run", "hash", True
    )
    columns = ["sku", "designation", "label", "code_2", "price", "description"]
    rows = answers_rows(columns, [["A1", "t", "x", "y", "9,5", "d"]], [answer])
    header, row = csv.reader(io.StringIO(answers_header(columns, 2) + rows))
    assert dict(zip(header, row, strict=True)) == {
        "sku": "A1",
        "price": "9,5",
        "prdtypecode": "10",
        "label": "Books, old",
        "probability": "0.30000000000000004",
        "code_2": "40",
        "label_2": "Games",
        "probability_2": "1e-17",
        "needs_review": "true",
        "known": "false",
        "used_image": "false",
    }
