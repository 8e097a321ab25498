"""Answers as CSV or Parquet, every column of the input before ours; reasons as JSON values.

A column of the input that is named as one of ours comes back as ``input_label`` and the like. The
form "excel" is what Excel opens with a double click: semicolons, a byte-order mark, and decimal
commas where the language has them; a cell that Excel would compute has an apostrophe before it.
"""

import csv
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd

from src.pipelines.neighbours import COSINE
from src.serving.predictor import Prediction, Predictor, Product

FORMS = ("csv", "excel")
# Formulas of strangers could call other programs; a number with its sign is none.
_FORMULA = re.compile(r"[=+\-@\t\r](?![\d.,]+$)")


def answer_columns(top_k: int) -> list[str]:
    """Return the names of our columns."""
    more = [f"{name}_{k}" for k in range(2, top_k + 1) for name in ("code", "label", "probability")]
    flags = ["needs_review", "review_reason", "known", "used_image"]
    return ["prdtypecode", "label", "probability", *more, *flags]


def own_columns(columns: Sequence[str], top_k: int, *more: str) -> list[str]:
    """Return the names under which the input's columns come back; `more` are ours, too.

    >>> own_columns(["sku", "label"], top_k=1)
    ['sku', 'input_label']
    """
    ours, taken, names = {*answer_columns(top_k), *more}, {*columns}, []
    for name in columns:
        if name in ours:
            name = f"input_{name}"
            while name in taken:
                name = f"input_{name}"
            taken.add(name)
        names.append(name)
    return names


def answers_header(columns: Sequence[str], top_k: int, form: str = "csv") -> str:
    """Return the first line of the answers for an input with these columns."""
    line = _to_csv([[*own_columns(columns, top_k), *answer_columns(top_k)]], form)
    return "\ufeff" + line if form == "excel" else line


def answers_rows(
    cells: Iterable[Sequence[str]],
    predictions: Iterable[Prediction],
    top_k: int,
    labels: Mapping[int, Mapping[str, str]],
    language: str,
    form: str = "csv",
) -> str:
    """Return a line for each product: its cells, then the answer with all digits.

    Labels are in `language`, whatever that of the predictions is. Without a class their cells are
    empty, and the reason stands in the row.
    """
    comma = form == "excel" and language == "fr"

    def text(value: object) -> str:
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, float):
            return repr(value).replace(".", ",") if comma else repr(value)
        return "" if value is None else str(value)

    rows = zip(cells, predictions, strict=True)
    return _to_csv(
        ([*row, *map(text, _values(p, top_k, labels, language))] for row, p in rows), form
    )


def answers_parquet(
    columns: Sequence[str],
    cells: Iterable[Sequence[str]],
    predictions: Iterable[Prediction],
    top_k: int,
    labels: Mapping[int, Mapping[str, str]],
    language: str,
) -> bytes:
    """Return the same as a Parquet file: texts of the input, and numbers, texts and flags of ours.

    Without a class their values are missing.
    """
    ours = answer_columns(top_k)
    names = [*own_columns(columns, top_k), *ours]
    rows = [
        [*row, *_values(prediction, top_k, labels, language)]
        for row, prediction in zip(cells, predictions, strict=True)
    ]
    kinds = {"prdtypecode": "Int64", "code": "Int64", "probability": "float64"}
    kinds |= dict.fromkeys(("needs_review", "known", "used_image"), "bool")
    table = pd.DataFrame(rows, columns=names, dtype=object)
    types = {name: kinds.get(name.rstrip("_0123456789"), "string") for name in ours}
    return table.astype(dict.fromkeys(names, "string") | types).to_parquet(index=False)


def _values(
    prediction: Prediction, top_k: int, labels: Mapping[int, Mapping[str, str]], language: str
) -> Iterator[object]:
    """Yield the values of `answer_columns`; None where there is no class."""
    for code, _, probability in prediction.top_k:
        yield from (code, labels.get(code, {}).get(language, str(code)), probability)
    yield from [None] * (3 * (top_k - len(prediction.top_k)))
    yield from (prediction.needs_review, " ".join(prediction.review_reason))
    yield from (prediction.known, prediction.used_image)


def explanation(
    predictor: Predictor, product: Product, code: int | None, language: str
) -> tuple[dict[str, Any], bytes | None]:
    """Return JSON values of what spoke for and against a class, and the heat map as a PNG."""
    found, png = predictor.explain(product, code)
    terms = {
        side: [{"text": text, "contribution": float(amount)} for text, amount in terms]
        for side, terms in (("terms_for", found.terms_for), ("terms_against", found.terms_against))
    }
    labels = predictor.pipeline.labels.get(found.code, {})
    values = {
        "code": found.code,
        "label": labels.get(language, str(found.code)),
        "margin": found.margin,
        "base": found.base,
        "branches": found.blocks,
        "weights": found.weights,
    }
    return {**values, **terms}, png


def similar_products(
    predictor: Predictor, product: Product, language: str, top: int = 5
) -> dict[str, Any]:
    """Return JSON values of the training products that a product is most like, nearest first."""
    found, reason = predictor.similar(product, top)
    labels = predictor.pipeline.labels
    cosines = {expert: COSINE + expert for expert in predictor.pipeline.model.experts_}
    names = "productid", "designation", "official_code", "similarity", "same"
    similar = [
        {
            **{name: row[name] for name in names},
            "image": Path(row["image"]).name,
            "code": row["prdtypecode"],
            "label": labels.get(row["prdtypecode"], {}).get(language, str(row["prdtypecode"])),
            "by_expert": {e: row[c] for e, c in cosines.items() if not math.isnan(row[c])},
        }
        for row in found.to_dict("records")
    ]
    return {"similar": similar, "reason": reason}


def _to_csv(rows: Iterable[Sequence[str]], form: str) -> str:
    lines: list[str] = []
    # Before Python 3.13 a field is quoted for the characters of the line's end alone: that of a
    # line with \r\n quotes both.
    writer = csv.writer(
        SimpleNamespace(write=lines.append),
        delimiter=";" if form == "excel" else ",",
        lineterminator="\r\n",
    )
    if form == "excel":
        rows = ([f"'{c}" if _FORMULA.match(c) else c for c in row] for row in rows)
    writer.writerows(rows)
    return "".join(f"{line[:-2]}\n" for line in lines)
