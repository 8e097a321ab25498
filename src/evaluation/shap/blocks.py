"""What each block of columns (words, characters, image ...) gives to the margins of a model.

For every row, base value + contributions of the blocks = fused margin. The contribution of a block
is the sum of the Shapley values of its columns.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import pandas as pd

from src.evaluation.shap.experts import FusedParts
from src.models.late_fusion import LateFusion

ALL_CLASSES = "all"
"""Class of the rows of the summary that hold for all classes together."""


@dataclasses.dataclass(frozen=True, eq=False)
class BlockContributions:
    """Contributions of n rows, block by block; ``base + values.sum(axis=1)`` are the margins."""

    values: np.ndarray  # (n, n_blocks, n_classes): 0 where a block's expert has no input
    base: np.ndarray  # (n, n_classes): margins of the mean product, as the row's weights mix them
    margins: np.ndarray  # (n, n_classes): the model's own
    weights: np.ndarray  # (n, n_experts)
    blocks: tuple[str, ...]
    experts: tuple[str, ...]
    block_experts: tuple[str, ...]  # the expert that each block belongs to
    classes: np.ndarray

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays of ``results/shap/shap_values.npz``: float32, names as text."""
        return {
            "shap_values": self.values.astype(np.float32),
            "base_values": self.base.astype(np.float32),
            "margins": self.margins.astype(np.float32),
            "weights": self.weights.astype(np.float32),
            "blocks": np.array(self.blocks, dtype=np.str_),
            "experts": np.array(self.experts, dtype=np.str_),
            "block_experts": np.array(self.block_experts, dtype=np.str_),
            "classes": self.classes.astype(np.int64),
        }


def block_contributions(model: LateFusion, fused: FusedParts) -> BlockContributions:
    """Return what each block adds to the fused margins of the rows of ``take_apart(model, X)``."""
    names = [
        (name, block.branch)
        for name, expert in model.experts_.items()
        for block in expert["features"].blocks_
    ]
    n, n_classes = fused.margins.shape
    values = np.zeros((n, len(names), n_classes))
    base = np.zeros((n, n_classes))
    start = 0
    for part, expert in zip(fused.experts, model.experts_.values(), strict=True):
        stop = start + len(expert["features"].blocks_)
        if part is not None:
            values[part.rows, start:stop] = part.fused(part.explainer.by_block(part.parts))
            base[part.rows] += part.base
        start = stop
    # Without any input there is nothing to explain: the answer is the classes' shares.
    unanswered = ~fused.weights.any(axis=1)
    base[unanswered] = fused.margins[unanswered]
    return BlockContributions(
        values=values,
        base=base,
        margins=fused.margins,
        weights=fused.weights,
        blocks=tuple(branch for _, branch in names),
        experts=tuple(model.experts_),
        block_experts=tuple(name for name, _ in names),
        classes=model.classes_,
    )


def summarise(values: np.ndarray, blocks: Sequence[str], classes: Sequence[object]) -> pd.DataFrame:
    """Return the mean size of each block's contribution, for each class and for all.

    Columns block, class, mean_abs (mean over the n >= 1 rows of ``|contribution|``) and share (of
    the class's sum over blocks); the rows of class "all" hold the means over the classes. `values`
    has the shape (n, n_blocks, n_classes).
    """
    size = np.abs(values).mean(axis=0).T
    size = np.vstack([size.mean(axis=0), size])
    total = size.sum(axis=1, keepdims=True)
    share = size / np.where(total == 0, 1.0, total)
    names = [ALL_CLASSES, *classes]
    return pd.DataFrame(
        {
            "block": np.tile(np.array(blocks, dtype=object), len(names)),
            "class": np.repeat(np.array(names, dtype=object), len(blocks)),
            "mean_abs": size.ravel(),
            "share": share.ravel(),
        }
    )


def top_features(model: LateFusion, fused: FusedParts, n: int) -> pd.DataFrame:
    """Return the `n` columns that count most for each class and direction, block by block.

    Columns prdtypecode, branch, direction, rank, feature, contribution and mean_abs. The
    contribution is the mean over the rows whose largest margin is the class's: "for" lists the
    columns that earn it most, "against" those that cost it most on its own products. Ranked over
    all rows, stop words would come first. mean_abs is the mean size over all rows. A block has
    fewer than `n` where fewer contribute.
    """
    answers = fused.margins.argmax(axis=1)
    members = (answers[:, None] == np.arange(len(model.classes_))).astype(np.float32)
    n_rows, n_class = len(answers), np.maximum(members.sum(axis=0), 1.0)[:, None]
    tables = []
    for part in filter(None, fused.experts):
        branches = dict(part.union.transformer_list)
        args = (part.parts, part.weights, part.mapped, members[part.rows])
        for block, size, class_sum in part.explainer.importance(*args):
            columns = branches[block.branch].get_feature_names_out()
            best = _best(class_sum / n_class, size / n_rows, columns, n)
            codes = model.classes_[best["class"].to_numpy(dtype=np.intp)]
            tables.append(best.assign(prdtypecode=codes, branch=block.branch))
    table = pd.concat(tables, ignore_index=True)
    keys = ["prdtypecode", "branch", "direction", "rank"]
    rest = ["feature", "contribution", "mean_abs"]
    return table.sort_values(keys, ignore_index=True)[[*keys, *rest]]


def _best(mean: np.ndarray, size: np.ndarray, columns: np.ndarray, n: int) -> pd.DataFrame:
    """List the `n` largest and the `n` smallest of each row of `mean`, shape (n_classes, width)."""
    rows = []
    n = min(n, mean.shape[1])
    for number, contributions in enumerate(mean):
        for direction, signed in (("for", contributions), ("against", -contributions)):
            best = np.argpartition(-signed, n - 1)[:n] if n else np.empty(0, dtype=int)
            best = best[np.argsort(-signed[best], kind="stable")]
            best = best[signed[best] > 0]
            rows += [
                (number, direction, rank, column, mean[number, column], size[number, column])
                for rank, column in enumerate(best.tolist(), 1)
            ]
    names = ["class", "direction", "rank", "feature", "contribution", "mean_abs"]
    table = pd.DataFrame(rows, columns=names)
    return table.assign(feature=columns[table["feature"].to_numpy(dtype=np.intp)])
