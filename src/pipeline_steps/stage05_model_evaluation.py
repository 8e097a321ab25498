"""Stage 5, model evaluation: scores on rows outside the fit, what they show, test products."""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd

from src.config import Config
from src.evaluation.bootstrap import mean_interval, score_intervals
from src.evaluation.confusion import confusion_counts, diagnostics, top_errors
from src.evaluation.label_issues import label_issues
from src.evaluation.metrics import score_by_class, score_probabilities, true_losses
from src.evaluation.predictions import prediction_table
from src.evaluation.summary import overall_scores, summarise
from src.labels import Labels
from src.runs.types import Evaluated, Scored, Trained, Transformed

NO_FOLD = -1
TEXT_EXPERT = "text"


@dataclasses.dataclass(frozen=True, eq=False)
class ModelEvaluationPipeline:
    """Score every split of one trained value."""

    transformed: Transformed
    trained: Trained
    labels: Labels
    cfg: Config

    @property
    def products(self) -> pd.DataFrame:
        """Who each training product is, and what its scores are sliced by."""
        columns = ["row_index", "productid", "language", "has_image", "has_description"]
        return self.transformed.train[columns]

    def run(self, *, on_train: bool) -> Evaluated:
        """Score the hold-out and the out-of-fold rows, and answer for the test products.

        `on_train` scores the training rows too: such a score says how well a model remembers.
        """
        y, holdout, oof = self.transformed.y, self.transformed.holdout, self.trained.oof
        splits = {"holdout": holdout, "oof": np.ones(len(y), dtype=bool)}
        splits |= {"train": ~holdout} if on_train else {}
        issues = label_issues(
            y,
            oof.proba,
            oof.classes,
            products=self.products,
            labels=self.labels,
            least_precision=self.cfg.decision.label_precision,
        )
        text_alone = oof.expert_proba.get(TEXT_EXPERT, oof.proba)
        return Evaluated(
            tuple(self._score(split, rows) for split, rows in splits.items()),
            self._answers_to_test(),
            issues,
            {"b2": self._diagnose(text_alone), "b4": self._diagnose(oof.proba)},
        )

    def _score(self, split: str, rows: np.ndarray) -> Scored:
        classes, products = self.trained.oof.classes, self.products[rows]
        y, groups = self.transformed.y[rows], self.transformed.groups[rows]
        proba, folds = self._answers(split, rows)
        threshold, seed = self.trained.threshold, self.cfg.compute.seed
        predicted = classes[proba.argmax(axis=1)]
        details = summarise(
            y,
            proba,
            classes,
            slices=products.drop(columns=["row_index", "productid"]),
            themes=self.labels.themes,
            groups=groups,
            folds=folds,
            threshold=threshold,
            target_accuracy=self.cfg.decision.target_accuracy,
            seed=seed,
        )
        if split != "train":
            details["presence"] = self._presence(rows)
            details["experts"] = self._experts(rows)
        by_class, counts, errors = self._by_class(y, predicted)
        _, ends = score_intervals(y, predicted, classes=classes, groups=groups, seed=seed)
        return Scored(
            split,
            prediction_table(
                y, proba, classes, products=products, folds=folds, threshold=threshold
            ),
            overall_scores(y, proba, classes, self.labels.themes),
            details,
            by_class.assign(f1_low=[end.low for end in ends], f1_high=[end.high for end in ends]),
            counts,
            errors,
        )

    def _presence(self, rows: np.ndarray) -> dict[str, dict[str, float]]:
        """Score products that every expert reads by what of them is shown, the rest hidden."""
        oof = self.trained.oof
        unread = [np.isnan(proba[:, 0]) for proba in oof.expert_proba.values()]
        seen = rows & ~np.any(unread, axis=0)
        if len(oof.modality_proba) < 2 or not seen.any():
            return {}
        neither = np.tile(self.trained.holdout_model.gating_.prior, (len(rows), 1))
        y, scores = self.transformed.y[seen], {}
        for name, proba in {"both": oof.proba, **oof.modality_proba, "neither": neither}.items():
            accuracy = float((oof.classes[proba[seen].argmax(axis=1)] == y).mean())
            worth = score_probabilities(y, proba[seen], oof.classes)
            scores[name] = {"rows": len(y), "accuracy": accuracy, **worth}
        return scores

    def _experts(self, rows: np.ndarray) -> list[dict[str, Any]]:
        """Say of each of several experts what it adds to the others, and what it costs.

        On the products that it and another have input of: how much lower the log-loss and how much
        higher the accuracy are with it, each with the ends of its paired interval.
        """
        oof, found = self.trained.oof, []
        for name, without in oof.without.items():
            alone = oof.expert_proba[name]
            seen = rows & ~np.isnan(alone[:, 0]) & ~np.isnan(without[:, 0])
            if not seen.any():
                continue
            groups, y = self.transformed.groups[seen], self.transformed.y[seen]
            answers = [proba[seen] for proba in (oof.proba, without, alone)]
            losses = [true_losses(y, proba, oof.classes) for proba in answers]
            hits = [1.0 * (oof.classes[proba.argmax(axis=1)] == y) for proba in answers]
            gains = {"log_loss": losses[1] - losses[0], "accuracy": hits[0] - hits[1]}
            table = {"expert": name, "rows": len(y)}
            table |= {"log_loss": losses[2].mean(), "accuracy": hits[2].mean()}
            for score, gain in gains.items():
                ends = mean_interval(gain, groups=groups, seed=self.cfg.compute.seed)
                table[f"adds_{score}"] = [ends.value, ends.low, ends.high]
            found.append(table | dict(self.trained.costs.get(name, {})))
        return found

    def _answers(self, split: str, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return probabilities and folds; those of stage 4 where they are out of fold already."""
        oof = self.trained.oof
        if split == "oof" or (split == "holdout" and (oof.folds[rows] == NO_FOLD).all()):
            return oof.proba[rows], oof.folds[rows]
        proba = self.trained.holdout_model.predict_proba(self.transformed.train.iloc[rows])
        return proba, np.full(len(proba), NO_FOLD)

    def _by_class(
        self, y: np.ndarray, predicted: np.ndarray
    ) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
        """Return the scores of each class, the confusion, and its errors by frequency."""
        classes = self.trained.oof.classes
        table = score_by_class(y, predicted, classes)
        table.insert(1, "label", [self.labels.label(code) for code in classes])
        counts = confusion_counts(y, predicted, classes)
        return table, counts, top_errors(counts, self.labels)

    def _diagnose(self, proba: np.ndarray) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Score one system on all labelled rows; a row that it has no input of has no answer."""
        answered = ~np.isnan(proba[:, 0])
        predicted = self.trained.oof.classes[proba[answered].argmax(axis=1)]
        by_class, _, errors = self._by_class(self.transformed.y[answered], predicted)
        return diagnostics(by_class, errors), errors.drop(columns="same_theme")

    def _answers_to_test(self) -> pd.DataFrame:
        test, classes = self.transformed.test, self.trained.oof.classes
        proba = self.trained.final_model.predict_proba(test)
        best = proba.max(axis=1)
        answers = test[["row_index", "productid"]].assign(predicted=classes[proba.argmax(axis=1)])
        return answers.assign(probability=best, needs_review=best < self.trained.threshold)
