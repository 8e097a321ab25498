"""Answers as CSV: what the input held, and every digit of what was answered."""

from __future__ import annotations

import csv
import io

import pandas as pd
import pytest

from src.serving.answers import answers_header, answers_rows
from src.serving.predictor import Prediction

COLUMNS = ["sku", "designation", "label", "known", "price", "description", "input_known"]
CELLS = [
    ["A1", "Title", "x", "y", "9,5", "d", "z"],
    ["A2", "a\rb", "", "", "", 'say "hi"\r\nthere', ""],
    ["A3", " ", "", "", "", "", ""],
]
LABELS = {10: {"en": "Books; old", "fr": "Livres"}, 40: {"en": "Games", "fr": "Jeux"}}


def answer(code: int | None, reasons: tuple[str, ...] = ()) -> Prediction:
    found = ((10, "Books; old", 0.1 + 0.2), (40, "Games", 1e-17)) if code else ()
    label, probability = found[0][1:] if found else ("", None)
    return Prediction(
        code=code, label=label, probability=probability, top_k=found, needs_review=True,
        review_reason=reasons, known=False, used_text=True, used_image=False, model="run",
        snapshot="hash", synthetic=True,
    )  # fmt: skip


ANSWERS = [answer(10), answer(10, ("title_length", "language")), answer(None, ("nothing_to_read",))]


def written(language: str, form: str) -> str:
    rows = answers_rows(CELLS, ANSWERS, 2, LABELS, language, form)
    return answers_header(COLUMNS, 2, form) + rows


def test_answers_are_a_csv_with_every_column_and_digit() -> None:
    first, second, third = csv.DictReader(io.StringIO(written("en", "csv"), newline=""))
    assert first == {
        "sku": "A1",
        "designation": "Title",
        "input_label": "x",
        "input_input_known": "y",
        "price": "9,5",
        "description": "d",
        "input_known": "z",
        "prdtypecode": "10",
        "label": "Books; old",
        "probability": "0.30000000000000004",
        "code_2": "40",
        "label_2": "Games",
        "probability_2": "1e-17",
        "needs_review": "true",
        "review_reason": "",
        "known": "false",
        "used_image": "false",
    }
    assert second["review_reason"] == "title_length language"
    ours = ("prdtypecode", "label", "probability", "code_2", "needs_review", "review_reason")
    assert [third[name] for name in ours] == ["", "", "", "", "true", "nothing_to_read"]


@pytest.mark.parametrize("form", ["csv", "excel"])
def test_a_carriage_return_inside_a_field_ends_no_row(form: str) -> None:
    text = written("en", form)
    frame = pd.read_csv(io.BytesIO(text.encode()), sep=";" if form == "excel" else ",")
    assert frame["designation"].tolist() == ["Title", "a\rb", " "]
    assert frame["description"][1] == 'say "hi"\r\nthere'


def test_excel_opens_it_with_a_double_click() -> None:
    for language, label, probability in (
        ("fr", "Livres", "0,30000000000000004"),
        ("en", "Books; old", "0.30000000000000004"),
    ):
        data = written(language, "excel").encode()
        assert data.startswith(b"\xef\xbb\xbfsku;designation;")
        rows = csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""), delimiter=";")
        row = next(iter(rows))
        assert (row["label"], row["probability"]) == (label, probability)


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("=HYPERLINK(\"http://a\")", "'=HYPERLINK(\"http://a\")"), ("@SUM(1)", "'@SUM(1)"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"), ("-2+3", "'-2+3"), ("\t=1+1", "'\t=1+1"),
        ("-9,5", "-9,5"), ("+33", "+33"), ("", ""), ("Jeu = jouet", "Jeu = jouet"),
    ],
)  # fmt: skip
def test_excel_computes_no_cell_of_the_input(cell: str, shown: str) -> None:
    """A program that reads the CSV gets the cell as it was."""
    for form, expected in (("csv", cell), ("excel", shown)):
        text = answers_rows([["A1", cell]], ANSWERS[:1], 1, LABELS, "en", form)
        row = next(csv.reader(io.StringIO(text), delimiter=";" if form == "excel" else ","))
        assert row[:2] == ["A1", expected]
        header = answers_header([cell or "x"], 1, form).lstrip("\ufeff")
        names = next(csv.reader(io.StringIO(header), delimiter=";" if form == "excel" else ","))
        assert names[0] == (expected or "x")
