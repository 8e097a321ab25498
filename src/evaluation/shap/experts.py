"""How the experts' margins became the fused margins of some products, for explanations.

The fused margin of a row is ``sum_e w_e(x) centred(m_e(x) slope_e + offset_e)`` over the experts.
With the row's own weights ``w_e(x)`` taken as given it is linear in the experts' margins, so the
Shapley values of their columns (``classifiers.py``) pass through the same map and still add up.
"""

import dataclasses

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from src.evaluation.shap.classifiers import Explainer, Parts, explainer_of
from src.models.cross_validation import both_columns, take
from src.models.gating import available, centred, gating_conditions
from src.models.late_fusion import LateFusion
from src.pipelines.branches import BranchUnion, stack


@dataclasses.dataclass(frozen=True, eq=False)
class ExpertPart:
    """One expert's part in the fused margins of n products, of which it has input of m."""

    name: str
    expert: Pipeline
    parts: Parts  # what its branches made of the products, m rows each
    rows: np.ndarray  # (m,): where they stand among the n
    margins: np.ndarray  # (m, n_outputs): one for each class that it knows
    known: np.ndarray  # (n_outputs,): class of each of them
    # (m, n_classes): which of them stands for each class; the lowest for a class that it never saw,
    # as in `aligned_margins`.
    columns: np.ndarray
    weights: np.ndarray  # (m,): of its log-probabilities in the fused margins
    slope: np.ndarray  # (n_classes, n_classes), with the offset, (n_classes,), its centred map
    offset: np.ndarray

    @property
    def union(self) -> BranchUnion:
        """The expert's branches."""
        return self.expert["features"]

    @property
    def explainer(self) -> Explainer:
        """What explains the expert's own margins."""
        return explainer_of(self.expert)

    def align(self, values: np.ndarray) -> np.ndarray:
        """Give values of its own margins, shape (m, k, n_outputs), one column a class."""
        return np.take_along_axis(values, self.columns[:, None, :], axis=2)

    def fused(self, values: np.ndarray) -> np.ndarray:
        """Map contributions to its own margins, shape (m, k, n_outputs), to fused ones."""
        return self.weights[:, None, None] * (self.align(values) @ self.slope)

    @property
    def base(self) -> np.ndarray:
        """What it gives to the base values of its rows, shape (m, n_classes)."""
        base = self.explainer.base(len(self.weights))[:, None, :]
        return self.fused(base)[:, 0] + self.weights[:, None] * self.offset

    @property
    def mapped(self) -> np.ndarray:
        """The map of its own margins to fused ones at weight 1, shape (n_outputs, n_classes).

        A class that it never saw has no columns of its own and is left out.
        """
        return self.slope[self.known]


@dataclasses.dataclass(frozen=True, eq=False)
class FusedParts:
    """What the fused margins of n products were made of; None for an expert without any input.

    `margins` are (n, n_classes), `weights` (n, n_experts): 0 where an expert has no input.
    """

    experts: tuple[ExpertPart | None, ...]
    margins: np.ndarray
    weights: np.ndarray


def take_apart(model: LateFusion, X: pd.DataFrame) -> FusedParts:
    """Run the experts on n products once, and keep what explanations need."""
    n_classes = len(model.classes_)
    parts = [_run_expert(model, name, X) for name in model.experts_]
    margins = [np.full((len(X), n_classes), np.nan) for _ in parts]
    for margin, part in zip(margins, parts, strict=True):
        if part is not None:
            margin[part.rows] = part.align(part.margins[:, None, :])[:, 0]
    conditions = gating_conditions(X)
    single = len(parts) == 1  # then the fused margins are the expert's raw ones
    weights = available(margins) * 1.0 if single else model.gating_.weights(margins, conditions)
    weighted = []
    for part, weight, step in zip(parts, weights.T, model.gating_.votes, strict=True):
        if part is not None:
            part = dataclasses.replace(part, weights=weight[part.rows])  # noqa: PLW2901
            if not single:
                part = dataclasses.replace(  # noqa: PLW2901
                    part, slope=centred(step.slope), offset=step.offset - step.offset.mean()
                )
        weighted.append(part)
    return FusedParts(tuple(weighted), model.gating_.scores(margins, conditions), weights)


def _run_expert(model: LateFusion, name: str, X: pd.DataFrame) -> ExpertPart | None:
    """Return an expert's part at weight 1 through the identity; None where it has no input."""
    rows = np.flatnonzero(model.present(X, name))
    if not len(rows):
        return None
    expert = model.experts_[name]
    parts = expert["features"].transform_parts(take(X, rows))
    margins = both_columns(expert["classifier"].decision_function(stack(parts)))
    margins = margins.astype(np.float64)
    known = np.searchsorted(model.classes_, expert.classes_)
    n_classes = len(model.classes_)
    columns = np.repeat(margins.argmin(axis=1)[:, None], n_classes, axis=1)
    columns[:, known] = np.arange(margins.shape[1])
    return ExpertPart(
        name=name,
        expert=expert,
        parts=parts,
        rows=rows,
        margins=margins,
        known=known,
        columns=columns,
        weights=np.ones(len(rows)),
        slope=np.eye(n_classes),
        offset=np.zeros(n_classes),
    )
