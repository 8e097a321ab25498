"""How the experts' own margins became the fused margins of some products, for explanations.

The fused margin of a row is ``sum_e w_e(x) centred(m_e(x) slope_e + offset_e)`` over the experts.
With the row's own weights ``w_e(x)`` taken as given it is linear in the experts' margins, so the
Shapley values of their columns (`shap_heads`) pass through the same map and still add up.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from src.evaluation.shap.classifiers import Head, head_of
from src.features.extracted import Extracted
from src.features.matrix import FeatureMatrix
from src.models.fusion import centre, seen
from src.models.late_fusion import LateFusion, conditions_of, present_rows
from src.pipelines.product_model import ProductModel


@dataclasses.dataclass(frozen=True, eq=False)
class View:
    """What one expert saw of n products.

    Attributes
    ----------
    name : str
    expert : ProductModel
        Fitted.
    matrix : FeatureMatrix
        The m rows that it sees.
    rows : ndarray of int, shape (m,)
        Where they stand among the n.
    own : ndarray, shape (m, n_outputs)
        Its own margins, one for each class that it knows.
    known : ndarray of int, shape (n_outputs,)
        Class of each of them.
    columns : ndarray of int, shape (m, n_classes)
        Which of them stands for each class: the lowest for a class that it never saw, as in
        `aligned_margins`.
    """

    name: str
    expert: ProductModel
    matrix: FeatureMatrix
    rows: np.ndarray
    own: np.ndarray
    known: np.ndarray
    columns: np.ndarray

    @classmethod
    def of(cls, model: LateFusion, number: int, X: Extracted) -> View | None:
        """Let expert `number` look at the products; None where it can see none of them."""
        name, mask, expert = model.experts_[number]
        rows = np.flatnonzero(present_rows(X, mask))
        if not len(rows):
            return None
        matrix = expert.features_.transform(X.take(rows))
        own = np.asarray(expert.margins_of(matrix), dtype=np.float64)
        known = np.searchsorted(model.classes_, expert.classes_)
        columns = np.repeat(own.argmin(axis=1)[:, None], len(model.classes_), axis=1)
        columns[:, known] = np.arange(own.shape[1])
        return cls(name, expert, matrix, rows, own, known, columns)

    def align(self, values: np.ndarray) -> np.ndarray:
        """Give values of its own margins, shape (m, k, n_outputs), one column a class."""
        return np.take_along_axis(values, self.columns[:, None, :], axis=2)


@dataclasses.dataclass(frozen=True, eq=False)
class Vote:
    """One expert's part in the fused margins.

    Attributes
    ----------
    view : View
        What it saw.
    weights : ndarray, shape (m,)
        Of its vote for each of its rows.
    slope : ndarray, shape (n_classes, n_classes)
    offset : ndarray, shape (n_classes,)
        Its map, centred.
    """

    view: View
    weights: np.ndarray
    slope: np.ndarray
    offset: np.ndarray

    @property
    def head(self) -> Head:
        """What explains the expert's own margins."""
        return head_of(self.view.expert)

    def fused(self, own: np.ndarray) -> np.ndarray:
        """Map contributions to its own margins, shape (m, k, n_outputs), to fused ones."""
        return self.weights[:, None, None] * (self.view.align(own) @ self.slope)

    @property
    def base(self) -> np.ndarray:
        """What it gives to the base values of its rows, shape (m, n_classes)."""
        own = self.head.base(len(self.weights))[:, None, :]
        return self.fused(own)[:, 0] + self.weights[:, None] * self.offset

    @property
    def mapped(self) -> np.ndarray:
        """The map of its own margins to fused ones at weight 1, shape (n_outputs, n_classes).

        A class that it never saw has no columns of its own and is left out.
        """
        return self.slope[self.view.known]


@dataclasses.dataclass(frozen=True, eq=False)
class Ballot:
    """Everything that the fused margins of n products were made of.

    Attributes
    ----------
    votes : tuple of Vote or None
        One an expert, in the model's order; None where it saw none of the products.
    margins : ndarray, shape (n, n_classes)
        Fused.
    weights : ndarray, shape (n, n_experts)
        0 where an expert is blind.
    """

    votes: tuple[Vote | None, ...]
    margins: np.ndarray
    weights: np.ndarray


def cast_votes(model: LateFusion, X: Extracted) -> Ballot:
    """Let the experts look at n products once, and keep what explanations need.

    Parameters
    ----------
    model : LateFusion
        Fitted; its experts are `ProductModel`.
    X : Extracted
        The products.
    """
    n_classes = len(model.classes_)
    views = [View.of(model, number, X) for number in range(len(model.experts_))]
    margins = [np.full((len(X), n_classes), np.nan) for _ in views]
    for margin, view in zip(margins, views, strict=True):
        if view is not None:
            margin[view.rows] = view.align(view.own[:, None, :])[:, 0]
    where = conditions_of(X)
    single = len(views) == 1  # then the fused margins are the expert's raw ones
    weights = seen(margins) * 1.0 if single else model.fusion_.weights(margins, where)
    votes: list[Vote | None] = []
    for view, weight, step in zip(views, weights.T, model.fusion_.linear, strict=True):
        if view is None:
            votes.append(None)
        elif single:
            votes.append(Vote(view, weight[view.rows], np.eye(n_classes), np.zeros(n_classes)))
        else:
            slope, offset = centre(step.slope), step.offset - step.offset.mean()
            votes.append(Vote(view, weight[view.rows], slope, offset))
    return Ballot(tuple(votes), model.fusion_.scores(margins, where), weights)
