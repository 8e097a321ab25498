"""Answers as CSV: the input's own columns but for the texts, then the classes and flags."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from itertools import compress

from src.serving.predictor import Prediction

TEXT_COLUMNS = ("designation", "description")
_OURS = re.compile(
    r"prdtypecode|label|probability|needs_review|known|used_image|(code|label|probability)_\d+"
)


def answers_header(header: Sequence[str], top_k: int) -> str:
    """Return the first line of the answers for an input with this header."""
    more = [f"{name}_{k}" for k in range(2, top_k + 1) for name in ("code", "label", "probability")]
    ours = ["prdtypecode", "label", "probability", *more, "needs_review", "known", "used_image"]
    return _to_csv([[*compress(header, _kept(header)), *ours]])


def answers_rows(
    header: Sequence[str], cells: Iterable[Sequence[str]], predictions: Iterable[Prediction]
) -> str:
    """Return a line for each product, whose `cells` stand under `header`; all digits."""
    kept = _kept(header)
    rows = zip(cells, predictions, strict=True)
    return _to_csv([*compress(row, kept), *_values(prediction)] for row, prediction in rows)


def _kept(header: Sequence[str]) -> list[bool]:
    """Tell which columns are handed on: all but the texts, and those named as one of ours."""
    return [name not in TEXT_COLUMNS and not _OURS.fullmatch(name) for name in header]


def _values(prediction: Prediction) -> list[str]:
    candidates = [
        text for code, label, p in prediction.top_k for text in (str(code), label, repr(p))
    ]
    flags = (prediction.needs_review, prediction.known, prediction.used_image)
    return [*candidates, *(str(flag).lower() for flag in flags)]


def _to_csv(rows: Iterable[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
