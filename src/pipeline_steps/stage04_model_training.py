"""Stage 4, model training: the scored model, then the same on all labelled rows."""

import dataclasses
import pickle
import time
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import TypeAlias

import numpy as np
from sklearn.base import clone

from src.models.calibration import review_threshold
from src.models.gating import OutOfFold, available
from src.models.late_fusion import LateFusion
from src.pipelines.branches import Branch
from src.pipelines.product_model import branches_of
from src.pipelines.table import extract_table
from src.runs.types import OutOfFoldScores, Trained, Transformed

COSTED_ROWS = 16
Answers: TypeAlias = Callable[[Sequence[str]], np.ndarray]


@dataclasses.dataclass(frozen=True, eq=False)
class ModelTrainingPipeline:
    """Fit both phases from one transformed value; `cv` cross-validates over all rows, too."""

    transformed: Transformed
    target_accuracy: float
    cv: bool = False

    def run(self) -> Trained:
        """Fit the hold-out phase, then the final phase on all rows anew.

        The final experts are not cross-fitted again: their gating is learned from what the hold-out
        phase said of all labelled rows, each unseen. Products of people teach the experts alone:
        those that were sent to a person are harder than others, and would bend every probability.
        """
        given = self.transformed
        table, y, groups, model = given.train, given.y, given.groups, given.model
        counts, train = given.scored, ~given.holdout
        train_oof = model.cross_fit(table.iloc[train], y[train], groups[train]).take(counts[train])
        scored = clone(model).fit(table.iloc[train], y[train], groups[train], oof=train_oof)
        held = counts & ~train
        holdout_scores = scored.score_unseen(table.iloc[held], y[held])
        holdout = held[counts]
        oof = train_oof.with_holdout(holdout_scores, holdout)
        if self.cv:
            oof = model.cross_fit(table, y, groups).take(counts)

        def answers(names: Sequence[str]) -> np.ndarray:
            if self.cv:
                return oof.answers(names)
            proba = np.empty((len(holdout), len(scored.classes_)))
            proba[~holdout] = train_oof.answers(names)  # the hold-out taught these nothing
            shown = holdout_scores.showing(names)
            proba[holdout] = scored.gating_.predict_proba(shown, holdout_scores.conditions)
            return proba

        threshold = review_threshold(train_oof.probabilities, train_oof.codes, self.target_accuracy)
        final = clone(model).fit(table, y, groups, oof=oof)
        scores = out_of_fold_scores(scored, oof, answers)
        costs = expert_costs(given, final) if len(final.experts_) > 1 else {}
        return Trained(scored, final, scores, threshold, costs)


def out_of_fold_scores(model: LateFusion, oof: OutOfFold, answers: Answers) -> OutOfFoldScores:
    """Return the probabilities of all experts together, and of parts of them.

    `answers` gives those of some experts, by name, the others hidden.
    """
    names, present = tuple(oof.margins), available(oof.arrays)

    def seen(*some: str) -> np.ndarray:
        proba = answers(some)
        proba[~present[:, [name in some for name in names]].any(axis=1)] = np.nan
        return proba

    whole, several = answers(names), len(names) > 1
    others = {name: [other for other in names if other != name] for name in names if several}
    readers = model.readers() if several else {}
    return OutOfFoldScores(
        model.classes_,
        np.where(oof.folds < model.n_folds, oof.folds, 0),  # the first is parted, see `LateFusion`
        whole,
        {name: seen(name) for name in names},
        {name: seen(*some) for name, some in others.items()},
        {column.removeprefix("has_"): seen(*some) for column, some in readers.items()},
    )


def expert_costs(transformed: Transformed, model: LateFusion) -> dict[str, dict[str, float]]:
    """Measure each expert by itself: fit_s; mb, with its networks; ms a product, uncached."""

    def named(branches: Sequence[Branch]) -> set[str]:
        return {b.extractor.name for b in branches if b.extractor is not None}

    costs = {}
    for name, expert in model.experts_.items():
        own = named(branches_of(transformed.branches, name))
        others = named(transformed.branches) - own
        extractors = [e for e in transformed.extractors if e.name not in others]
        rows = np.flatnonzero(model.present(transformed.train, name))[:COSTED_ROWS]
        products = transformed.train.iloc[rows][["designation", "description", "image"]]
        for some in (products.head(1), products):  # the first loads networks
            started = time.perf_counter()
            expert.decision_function(extract_table(some, extractors, cache=None))
        elapsed_s = time.perf_counter() - started
        size = _pickled_size((expert, [e for e in extractors if e.name in own]))
        costs[name] = {
            "fit_s": model.fit_times_[name],
            "mb": size / 1e6,
            "ms": 1e3 * elapsed_s / len(rows),
        }
    return costs


def _pickled_size(value: object) -> int:
    """Return the bytes of a pickle without making it: a network alone may have a gigabyte."""
    sizes: list[int] = []
    sink = SimpleNamespace(write=lambda part: sizes.append(memoryview(part).nbytes))
    pickle.Pickler(sink, protocol=5).dump(value)
    return sum(sizes)
