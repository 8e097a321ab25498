"""From margins to probabilities that mean what they say.

Two maps are fitted on out-of-fold margins:

* *temperature*: softmax(margins / T) (Guo et al., "On Calibration of Modern Neural Networks",
  ICML 2017);
* *multinomial*: softmax(x W + b) with W shrunk toward the temperature's, so that a few hundred
  rows can't bend it (matrix scaling, off-diagonal regularised: Kull et al., "Beyond temperature
  scaling", NeurIPS 2019). x is the margins, where the logits must stay linear in them, or the
  *flattened* margins: the mean of the temperature's logits and of the logarithm of one sigmoid a
  class (Platt 1999), since beyond the hinge more margin says no more.

What other maps gave is kept in ``docs/experiments.md``.
"""

from __future__ import annotations

import dataclasses
import logging
import math
from typing import TypeAlias

import numpy as np
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit, log_expit, log_softmax, softmax
from threadpoolctl import threadpool_limits

logger = logging.getLogger(__name__)

TINY = 1e-12
RIDGE = 1e-6
NEWTON_STEPS = 100
SHRINKAGES = (math.inf, 300.0, 100.0)
"""Candidates of the multinomial's shrinkage, in rows; infinite is the temperature."""
OWN_SHRINKAGE = 100.0
"""Of what a class's own margin and its offset may differ by, at the most, in rows."""
COMMON_ROWS = 3.0
"""Rows that the slope of one sigmoid for all classes counts in each class's own."""
CHOOSE_ROWS = 20_000
NOTHING_ACCEPTED = 1.01
"""A threshold that no probability reaches."""


Flattening: TypeAlias = tuple[float, np.ndarray, np.ndarray]
"""Inverse temperature, and slope and offset of one sigmoid a class, each of shape (n_classes,)."""


@dataclasses.dataclass(frozen=True, eq=False)
class Calibrator:
    """A fitted map: softmax(x slope + offset), x the margins or, with `flattening`, flattened ones.

    Slope is of shape (n_classes, n_classes), offset of shape (n_classes,).
    """

    slope: np.ndarray
    offset: np.ndarray
    flattening: Flattening | None = None

    @classmethod
    def identity(cls, n_classes: int) -> Calibrator:
        """Return the map that takes margins for logits as they are."""
        return cls(np.eye(n_classes), np.zeros(n_classes))

    def logits(self, margins: np.ndarray) -> np.ndarray:
        """Return what the softmax is taken of, shape (n, n_classes)."""
        x = margins if self.flattening is None else flatten(margins, self.flattening)
        return x @ self.slope + self.offset

    def predict_proba(self, margins: np.ndarray) -> np.ndarray:
        """Return probabilities of n rows, shape (n, n_classes), each row adding up to 1.

        Logits are rounded to float32: the last digits of a product of matrices depend on the number
        of rows, and a product gets the same probability alone and in a batch.
        """
        return softmax(self.logits(margins).astype(np.float32).astype(np.float64), axis=1)


@dataclasses.dataclass(frozen=True)
class Calibration:
    """How a map is fitted."""

    shrinkage: float = math.inf  # of the multinomial, in rows; infinite: the temperature itself
    flat: bool = False  # whether the multinomial reads flattened margins
    # Power of the probabilities that had the lowest log-loss on left-out rows: a map of many
    # numbers is too sure of rows that it was not fitted on, a flattened one not sure enough.
    inverse_temperature: float = 1.0

    def fit(self, margins: np.ndarray, codes: np.ndarray) -> Calibrator:
        """Fit on margins, shape (n, n_classes), and columns of the true class, shape (n,)."""
        fitted = fit_temperature(margins, codes)
        if math.isfinite(self.shrinkage):
            flattening = fit_flattening(margins, codes) if self.flat else None
            x = margins if flattening is None else flatten(margins, flattening)
            fitted = dataclasses.replace(
                fit_multinomial(x, codes, self.shrinkage), flattening=flattening
            )
        power = self.inverse_temperature
        return dataclasses.replace(fitted, slope=fitted.slope * power, offset=fitted.offset * power)


def log_loss(probabilities: np.ndarray, codes: np.ndarray) -> float:
    """Return the mean of -log p of the true class, `codes` being its column, shape (n,)."""
    chosen = probabilities[np.arange(len(codes)), codes]
    return float(-np.log(np.clip(chosen, TINY, 1.0)).mean())


def best_power(scores: np.ndarray, codes: np.ndarray, bound: float) -> float:
    """Return the factor on scores whose softmax has the lowest log-loss, e^-bound to e^bound.

    Scores are margins or log-probabilities, shape (n, n_classes).
    """
    rows = np.arange(len(codes))

    def loss(log_power: float) -> float:
        return float(-log_softmax(np.exp(log_power) * scores, axis=1)[rows, codes].mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-bound, bound), method="bounded").x))


def fit_temperature(margins: np.ndarray, codes: np.ndarray) -> Calibrator:
    """Fit one temperature between e^-7 and e^7."""
    n_classes = margins.shape[1]
    return Calibrator(np.eye(n_classes) * best_power(margins, codes, 7.0), np.zeros(n_classes))


def fit_flattening(margins: np.ndarray, codes: np.ndarray) -> Flattening:
    """Fit the temperature, and one sigmoid a class that rises with the class's margin.

    A class with few rows borrows the slope of one sigmoid for all: its own could be anything, and
    where it falls a larger margin would mean less.
    """
    positive = codes[:, None] == np.arange(margins.shape[1])
    common, _ = _fit_sigmoids(margins.reshape(-1, 1), positive.reshape(-1, 1), 1.0, 0.0)
    # Each row of a sigmoid tells at most a quarter of its squared margin of the slope.
    strength = COMMON_ROWS * float(np.square(margins).mean()) / 4
    slope, offset = _fit_sigmoids(margins, positive, float(common[0]), strength)
    return best_power(margins, codes, 7.0), np.maximum(slope, 0.0), offset


def _fit_sigmoids(
    margins: np.ndarray, positive: np.ndarray, usual: float, strength: float
) -> tuple[np.ndarray, np.ndarray]:
    """Fit slope and offset of one sigmoid a column by Newton's method, all columns at once.

    Slopes are pulled toward the usual one. Platt's smoothed targets (Lin, Lin and Weng, Machine
    Learning 68, 2007) keep a class without rows low and a separable one finite.
    """
    n_positive, n_negative = positive.sum(axis=0), (~positive).sum(axis=0)
    target = np.where(positive, (n_positive + 1) / (n_positive + 2), 1 / (n_negative + 2))
    slope = np.full(margins.shape[1], usual)
    offset = np.log((n_positive + 1.0) / (n_negative + 1.0))
    strength += RIDGE
    for _ in range(NEWTON_STEPS):
        p = expit(margins * slope + offset)
        error, curvature = p - target, p * (1.0 - p) + TINY
        by_slope = (error * margins).sum(axis=0) + strength * (slope - usual)
        by_offset = error.sum(axis=0)
        slope_slope = (curvature * margins * margins).sum(axis=0) + strength
        slope_offset, offset_offset = (curvature * margins).sum(axis=0), curvature.sum(axis=0)
        determinant = slope_slope * offset_offset - slope_offset**2
        step = (offset_offset * by_slope - slope_offset * by_offset) / determinant
        shift = (slope_slope * by_offset - slope_offset * by_slope) / determinant
        # A step is at most 1: far from the optimum the sigmoid is flat and Newton overshoots.
        slope -= np.clip(step, -1.0, 1.0)
        offset -= np.clip(shift, -1.0, 1.0)
        if max(np.abs(step).max(), np.abs(shift).max()) < 1e-6:
            break
    return slope, offset


def flatten(margins: np.ndarray, flattening: Flattening) -> np.ndarray:
    """Return the mean of scaled margins and log-sigmoids, shape (n, n_classes)."""
    inverse_temperature, slope, offset = flattening
    return 0.5 * (inverse_temperature * margins + log_expit(margins * slope + offset))


def fit_multinomial(margins: np.ndarray, codes: np.ndarray, shrinkage: float) -> Calibrator:
    """Fit softmax(margins W + b) on margins of shape (n, n_classes), flattened or not.

    Shrinkage is the weight of the squared distance to the temperature's W and b = 0, in rows; of
    the diagonal and b it is at most `OWN_SHRINKAGE`. No change of W is beyond half the
    temperature's, so that a class's own margin always counts most for it, and more of it for more.
    """
    n, n_classes = margins.shape
    # W is searched in units of 1 / T: the problem is then evenly scaled.
    scale = best_power(margins, codes, 7.0)
    rows = np.arange(n)
    off_diagonal = 1.0 - np.append(np.eye(n_classes).ravel(), np.ones(n_classes))
    own = min(shrinkage, OWN_SHRINKAGE)
    pull = own + (shrinkage - own) * off_diagonal

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        change, offset = flat[:-n_classes].reshape(n_classes, n_classes), flat[-n_classes:]
        logits = margins @ (scale * (np.eye(n_classes) + change)) + offset
        logits -= logits.max(axis=1, keepdims=True)
        true = logits[rows, codes]
        error = np.exp(logits, out=logits)
        total = error.sum(axis=1)
        error /= total[:, None]
        error[rows, codes] -= 1.0
        value = (np.log(total) - true).sum() + pull @ flat**2 / 2
        slope_gradient = scale * (margins.T @ error)
        gradient = np.append(slope_gradient.ravel(), error.sum(axis=0)) + pull * flat
        return value / n, gradient / n

    start = np.zeros(n_classes * n_classes + n_classes)
    bounds = [(-0.5, 0.5)] * n_classes**2 + [(None, None)] * n_classes
    options = {"maxiter": 200, "ftol": 1e-8}
    # Products of some dozen columns: a second BLAS thread only spins.
    with threadpool_limits(1, user_api="blas"):
        found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x
    change = found[:-n_classes].reshape(n_classes, n_classes)
    return Calibrator(scale * (np.eye(n_classes) + change), found[-n_classes:])


def choose_calibration(
    margins: np.ndarray, codes: np.ndarray, folds: np.ndarray, *, flat: bool
) -> Calibration:
    """Choose the shrinkage with the lowest cross-validated log-loss.

    It is the temperature's where there is one fold alone, and on ties. Out-of-fold margins have
    shape (n, n_classes); beyond `CHOOSE_ROWS` of them, every k-th is read. `flat` says whether the
    multinomial may read flattened ones.
    """
    step = max(1, len(codes) // CHOOSE_ROWS)
    margins, codes, folds = margins[::step], codes[::step], folds[::step]
    best, lowest = Calibration(), math.inf
    if len(np.unique(folds)) < 2:
        return best
    for shrinkage in SHRINKAGES:
        tried = Calibration(shrinkage, flat)
        log_p = _out_of_fold_log_proba(tried, margins, codes, folds)
        power = best_power(log_p, codes, math.log(4.0))
        loss = log_loss(softmax(power * log_p, axis=1), codes)
        logger.debug("calibration: %s, log-loss %.4f, power %.3f", tried, loss, power)
        if loss < lowest:
            best, lowest = dataclasses.replace(tried, inverse_temperature=power), loss
    return best


def _out_of_fold_log_proba(
    calibration: Calibration, margins: np.ndarray, codes: np.ndarray, folds: np.ndarray
) -> np.ndarray:
    log_p = np.empty_like(margins, dtype=np.float64)
    for fold in np.unique(folds):
        held = folds == fold
        proba = calibration.fit(margins[~held], codes[~held]).predict_proba(margins[held])
        log_p[held] = np.log(np.clip(proba, TINY, 1.0))
    return log_p


def review_threshold(probabilities: np.ndarray, codes: np.ndarray, target_accuracy: float) -> float:
    """Return the probability from which on out-of-fold answers are right often enough.

    Of all thresholds at which the accepted answers reach the target, the one that accepts most: 0
    where all answers together do, `NOTHING_ACCEPTED` where not even the surest do.
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == codes
    order = np.argsort(-confidence, kind="stable")
    accuracy = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    sorted_confidence = confidence[order]
    # Answers of one probability are accepted together or not at all.
    last_of_tie = np.append(sorted_confidence[1:] < sorted_confidence[:-1], True)
    enough = np.flatnonzero((accuracy >= target_accuracy) & last_of_tie)
    if not len(enough):
        return NOTHING_ACCEPTED
    return 0.0 if enough[-1] == len(order) - 1 else float(sorted_confidence[enough[-1]])
