"""Answers as CSV: the input's own columns but for the texts, then the classes and flags."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence

from src.serving.prediction import Prediction

TEXT_COLUMNS = ("designation", "description")
_OURS = re.compile(
    r"prdtypecode|label|probability|needs_review|known|used_image|(code|label|probability)_\d+"
)


class AnswerWriter:
    """Write the answers for one file.

    Parameters
    ----------
    header : sequence of str
        The input's columns; handed on are all but the texts, and those named as one of ours.
    top_k : int
        Candidates a product.
    """

    def __init__(self, header: Sequence[str], top_k: int) -> None:
        self._kept = [
            i
            for i, name in enumerate(header)
            if name not in TEXT_COLUMNS and not _OURS.fullmatch(name)
        ]
        more = [
            f"{name}_{k}" for k in range(2, top_k + 1) for name in ("code", "label", "probability")
        ]
        ours = ["prdtypecode", "label", "probability", *more, "needs_review", "known", "used_image"]
        self.header = _to_csv([[*(header[i] for i in self._kept), *ours]])

    def rows(self, cells: Iterable[Sequence[str]], predictions: Iterable[Prediction]) -> str:
        """Return a line for each product; probabilities with every digit.

        Parameters
        ----------
        cells : iterable of sequence of str
            Rows of the input.
        predictions : iterable of Prediction
        """
        return _to_csv(
            [*(row[i] for i in self._kept), *_values(prediction)]
            for row, prediction in zip(cells, predictions, strict=True)
        )


def _values(prediction: Prediction) -> list[str]:
    candidates = [
        text for c in prediction.top_k for text in (str(c.code), c.label, repr(c.probability))
    ]
    flags = (prediction.needs_review, prediction.known, prediction.used_image)
    return [*candidates, *(str(flag).lower() for flag in flags)]


def _to_csv(rows: Iterable[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
