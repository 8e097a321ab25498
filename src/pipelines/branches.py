"""A branch: one way of reading the product table, and the union in which branches stand."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler
from sklearn.utils.extmath import row_norms

from src.pipelines.extractor import Extractor
from src.pipelines.table import SEPARATOR, block_values

if TYPE_CHECKING:
    from src.config import Config
    from src.config_model import Cnn, Encoder
    from src.features.networks.fine_tuning import FineTuned
    from src.features.networks.runtime import NetworkFeaturizer

logger = logging.getLogger(__name__)

Matrix: TypeAlias = Any
"""csr_matrix or ndarray, float32; scipy carries no types that a checker could read."""


@dataclasses.dataclass(frozen=True, eq=False)
class Branch:
    """A transformer of the product table, and the extractor of the columns that it reads."""

    name: str  # as in [features.text.weights] or [fusion.weights]; names its block of features
    modality: str  # "text" or "image": what it reads
    extractor: Extractor | None  # None where the columns that every table has are enough
    transformer: BaseEstimator
    own_expert: str = ""  # of a branch that votes by itself under late fusion
    cross_fit: bool = True  # False where one fold must do, see `LateFusion`

    @property
    def expert(self) -> str:
        """The expert it belongs to: that of its modality, or its own."""
        return self.own_expert or self.modality


def join_text(*columns: str) -> FunctionTransformer:
    """Return the step that makes one text a product of text columns, each on lines of its own."""
    return FunctionTransformer(_join, kw_args={"columns": columns}, feature_names_out=_joined_names)


def _join(X: pd.DataFrame, columns: tuple[str, ...]) -> np.ndarray:
    texts = np.empty(len(X), dtype=object)
    texts[:] = ["\n".join(row) for row in zip(*(X[name].tolist() for name in columns), strict=True)]
    return texts


def _joined_names(step: FunctionTransformer, _: object) -> tuple[str, ...]:
    return step.kw_args["columns"]


def select_columns(column: str) -> FunctionTransformer:
    """Return the step that gives a column, or the columns of a block, as a matrix.

    It is float32, shape (n, width), or holds the texts of a column of texts. The names of a block's
    columns are without its own.
    """
    return FunctionTransformer(_select, kw_args={"column": column}, feature_names_out=_names)


def _select(X: pd.DataFrame, column: str) -> np.ndarray:
    if column not in X:
        return block_values(X, column)
    values = X[column]
    numeric = pd.api.types.is_numeric_dtype(values)  # bool, too
    return values.to_numpy(dtype=np.float32 if numeric else object).reshape(-1, 1)


def _names(step: FunctionTransformer, columns: np.ndarray) -> list[str]:
    name = step.kw_args["column"]
    prefix = name + SEPARATOR
    inside = [column.removeprefix(prefix) for column in columns if column.startswith(prefix)]
    return [name] if name in columns else inside


def tuned_in_folds(
    kind: type[FineTuned], featurizer: NetworkFeaturizer, options: Cnn | Encoder, cfg: Config
) -> FineTuned:
    """Return the estimator that trains a network as its section ``fine_tune`` says."""
    from src.features.networks.trainer import FineTuning

    running = options.model_dump(include={"device", "precision"})
    settings = options.fine_tune.model_dump() | running
    tuning = FineTuning(**settings, random_state=cfg.compute.seed)
    return kind(featurizer, tuning, cfg.paths.networks_dir / "fine_tuning")


def clipped_scaler() -> Pipeline:
    """Return the scaler of measures without bound: those beyond training's range count as its ends.

    A linear model would follow a title of 20,000 characters as far as it goes.
    """
    return make_pipeline(MinMaxScaler(clip=True), StandardScaler())


class PresentRows(TransformerMixin, BaseEstimator):
    """Fit a transformer on the rows that are not missing; missing rows become zeros.

    The transformer is of dense rows; None changes nothing but the missing rows. `transformer_` is
    None where no row was there, too: then every column is zero.
    """

    def __init__(self, transformer: BaseEstimator | None = None) -> None:
        self.transformer = transformer

    def fit(self, X: np.ndarray, y: object = None) -> PresentRows:
        """Fit on those of n rows, shape (n, width), whose first value is not NaN."""
        present = ~np.isnan(X[:, 0])
        self.transformer_, self.n_features_out_ = None, X.shape[1]
        if self.transformer is not None and present.any():
            self.transformer_ = clone(self.transformer).fit(X[present])
            self.n_features_out_ = self.transformer_.transform(X[present][:1]).shape[1]
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Return float32, shape (n, n_features_out_)."""
        present = ~np.isnan(X[:, 0])
        if self.transformer is None:
            return X if present.all() else np.where(present[:, None], X, np.float32(0.0))
        rows = np.zeros((len(X), self.n_features_out_), dtype=np.float32)
        if self.transformer_ is not None and present.any():
            rows[present] = transformed(self.transformer_, X[present])
        return rows

    def get_feature_names_out(self, input_features: np.ndarray | None = None) -> np.ndarray:
        """Return the names that the columns came with, or numbers where they are others."""
        names = [] if input_features is None else list(input_features)
        if len(names) != self.n_features_out_:
            names = [str(i) for i in range(self.n_features_out_)]
        return np.array(names, dtype=object)


@dataclasses.dataclass(frozen=True)
class Block:
    """Columns ``start`` (included) to ``stop`` (excluded) of a union."""

    branch: str
    start: int
    stop: int


class BranchUnion(FeatureUnion):
    """scikit-learn's ``FeatureUnion``, which knows the columns of each branch and stays float32.

    A branch's columns are scaled so that the training rows that it has input of have a mean norm of
    1, then multiplied by its ``transformer_weights``: a weight means the same for a word count and
    for 157 statistics. One dense part among sparse ones costs scipy a copy in another format; here
    every part is made CSR first.
    `blocks_` are the columns of each branch, `factors_` what its columns are multiplied by.
    """

    transformer_list: list[tuple[str, BaseEstimator]]

    def fit(self, X: pd.DataFrame, y: np.ndarray | None = None, **params: Any) -> BranchUnion:  # noqa: ANN401
        """Fit every branch; see `fit_transform`."""
        self.fit_transform(X, y, **params)
        return self

    def fit_transform(
        self,
        X: pd.DataFrame,
        y: np.ndarray | None = None,
        **params: Any,  # noqa: ANN401
    ) -> Matrix:
        """Fit every branch on n products and return their features, n rows, float32."""
        fitted: list[tuple[str, BaseEstimator]] = []
        parts: list[Matrix] = []
        self.factors_: dict[str, np.float32] = {}
        for name, branch, weight in self._iter():  # without those that are "drop"
            started = time.perf_counter()
            branch = clone(branch)  # noqa: PLW2901
            part = _float32(branch.fit_transform(X, y))
            self.factors_[name] = np.float32((1.0 if weight is None else weight) / _mean_norm(part))
            parts.append(part * self.factors_[name])
            fitted.append((name, branch))
            _log_part(name, parts[-1], time.perf_counter() - started)
        self.transformer_list = fitted
        stops = np.cumsum([0, *(part.shape[1] for part in parts)]).tolist()
        self.blocks_ = tuple(
            Block(name, start, stop)
            for (name, _), start, stop in zip(fitted, stops[:-1], stops[1:], strict=True)
        )
        return stack(parts)

    def transform(self, X: pd.DataFrame) -> Matrix:
        """Return the features of n products: CSR where any branch is sparse, float32."""
        return stack(self.transform_parts(X))

    def transform_parts(self, X: pd.DataFrame) -> list[Matrix]:
        """Return the same, each branch by itself."""
        parts = [_float32(transformed(branch, X)) for _, branch in self.transformer_list]
        for place, (name, _) in enumerate(self.transformer_list):
            if sparse.issparse(parts[place]):  # a matrix of its own, and a copy takes 0.1 ms
                parts[place].data *= self.factors_[name]
            else:
                parts[place] = parts[place] * self.factors_[name]
        return parts


def _float32(part: Matrix) -> Matrix:
    part = part.tocsr() if sparse.issparse(part) else np.asarray(part)
    return part.astype(np.float32, copy=False)


def _mean_norm(part: Matrix) -> float:
    """Return the mean norm of the rows that are not zero throughout; 1 where all are."""
    norms = row_norms(part)
    return float(norms[norms > 0].mean()) if norms.any() else 1.0


def transformed(step: BaseEstimator, X: Any) -> Any:  # noqa: ANN401
    """Return ``step.transform(X)``, without what scikit-learn checks anew for every product.

    Of one text the checks took as long as all that is computed. A scaler gets floats.
    """
    if isinstance(step, Pipeline):
        for _, inner in step.steps:
            X = transformed(inner, X)
        return X
    if isinstance(step, FunctionTransformer):
        return step.func(X, **(step.kw_args or {}))
    if type(step) not in {MinMaxScaler, StandardScaler}:
        return step.transform(X)
    X = X.copy()
    if isinstance(step, MinMaxScaler):
        X *= step.scale_
        X += step.min_
        return np.clip(X, *step.feature_range, out=X) if step.clip else X
    X -= step.mean_.astype(X.dtype)
    X /= step.scale_.astype(X.dtype)
    return X


def stack(parts: Sequence[Matrix]) -> Matrix:
    """Return matrices of n rows side by side: CSR where any is sparse, float32."""
    if len(parts) == 1:
        return parts[0]
    if any(sparse.issparse(part) for part in parts):
        return sparse.hstack([sparse.csr_matrix(p) for p in parts], format="csr", dtype=np.float32)
    return np.hstack(parts)


def union_of(branches: Sequence[Branch], weights: Mapping[str, float]) -> BranchUnion:
    """Return the unfitted union of branches; weights of other branches are left out."""
    steps = [(branch.name, branch.transformer) for branch in branches]
    own = {branch.name: weights[branch.name] for branch in branches if branch.name in weights}
    return BranchUnion(steps, transformer_weights=own)


def _log_part(name: str, part: Matrix, elapsed_s: float) -> None:
    rows, columns = part.shape
    filled = part.nnz if sparse.issparse(part) else np.count_nonzero(part)
    arrays = (part.data, part.indices, part.indptr) if sparse.issparse(part) else (part,)
    logger.debug(
        "branch %-16s %9s x %-9s %6.2f %% dense  %6.1f s  %9s rows/s  %7.1f MB",
        name,
        f"{rows:,}",
        f"{columns:,}",
        100 * filled / max(rows * columns, 1),
        elapsed_s,
        f"{rows / max(elapsed_s, 1e-9):,.0f}",
        sum(array.nbytes for array in arrays) / 1e6,
    )
