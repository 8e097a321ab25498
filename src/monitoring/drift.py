"""Has a batch drifted? One answer with a stated false-alarm rate over all signals together.

Each signal gets a statistic (`statistics`) and its evidence. Batches of the same size are drawn
from the reference itself a few thousand times, each against a redrawn reference, and in each the
strongest evidence of any signal is kept: a batch alarms when one of its signals is stronger than
all but `false_alarm_rate` of those. That is the max-T procedure of Westfall and Young (1993): it
knows how the signals hang together and holds the rate for all of them at once.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np

from src.errors import ConfigError, DataError
from src.monitoring import statistics
from src.monitoring.binning import Look
from src.monitoring.reference import Reference
from src.monitoring.signals import Signals

# The share of resamples at which the evidence of every signal is made equal.
_BALANCED_AT = 0.99
# Resamples a pass: 250 x 5,000 counts take 5 MB.
_CHUNK = 250
# The served model learned from more products than the models behind the reference and is a little
# surer of itself: of 200 undrifted batches of 500 products 88 alarmed for it (5,000 products, five
# folds) until only less sure was looked for.
_SIDES = {"confidence": -1, "doubt": 1}
# Factors on scales: a class that grows shows in one signal alone, which gets a larger part of the
# rate. Of 300 batches of 500 in which a class of 8 % had doubled 280 were found with it and 274
# without; doubled beside the reference's own share of it, 384 of 400 (10,000 products there).
_FAVOUR = {"class_mix": 0.8}


@dataclasses.dataclass(frozen=True, eq=False)
class Calibration:
    """What batches of one size look like when nothing has changed.

    Attributes
    ----------
    rows : int
        The size.
    false_alarm_rate : float
        Of one batch over all signals together.
    scales : ndarray of float64, shape (n_signals,)
        Divisor of each signal's evidence that makes signals compare.
    strongest : ndarray of float64, shape (resamples,)
        Strongest scaled evidence of each resample, ascending.
    usual_psi : ndarray of float64, shape (n_signals,)
        Population stability index below which 99 % of the resamples stay; NaN where a signal has
        none.
    """

    rows: int
    false_alarm_rate: float
    scales: np.ndarray
    strongest: np.ndarray
    usual_psi: np.ndarray

    @property
    def critical(self) -> float:
        """Scaled evidence that a batch must exceed to alarm."""
        rank = math.ceil((len(self.strongest) + 1) * (1 - self.false_alarm_rate) - 1e-9)
        return float(self.strongest[rank - 1])

    def p_value(self, scaled: float) -> float:
        """Return the share of undrifted batches with as strong a signal, the batch included."""
        stronger = len(self.strongest) - np.searchsorted(self.strongest, scaled, side="left")
        return float(stronger + 1) / (len(self.strongest) + 1)


@dataclasses.dataclass(frozen=True)
class Finding:
    """One signal of a batch.

    Attributes
    ----------
    signal, kind : str
        Which, and what kind of statistic it got.
    measured : int
        Products of the batch that have the signal.
    statistic, threshold : float
        The statistic and the value above which it alarms at this size; NaN where no product of the
        batch has the signal.
    p_value : float
        Corrected for all signals together.
    alert : bool
    psi, usual_psi, jensen_shannon : float
        Descriptive; NaN for kinds that have no shares.
    """

    signal: str
    kind: str
    measured: int
    statistic: float
    threshold: float
    p_value: float
    alert: bool
    psi: float
    usual_psi: float
    jensen_shannon: float


def calibrate(
    reference: Reference, rows: int, *, false_alarm_rate: float, resamples: int, seed: int
) -> Calibration:
    """Learn what undrifted batches of `rows` products look like.

    Parameters
    ----------
    reference : Reference
    rows : int
        Products of a batch.
    false_alarm_rate : float
        Share of undrifted batches that may alarm.
    resamples : int
        Batches that are drawn.
    seed : int
        Same seed, same thresholds.

    Notes
    -----
    The redrawn references have half the products, so their noise counts twice: a reference that is
    off by chance is off for as long as it serves. Against one of 4,000 products 13 of 600 undrifted
    batches of 500 alarmed without it, 9 of 1,000 with it, at a rate of 1 %.

    Raises
    ------
    ConfigError
        So few resamples can't show so small a rate.
    """
    if (resamples + 1) * false_alarm_rate < 1:
        raise ConfigError(
            f"monitoring.resamples: {resamples} can't show a false-alarm rate of "
            f"{false_alarm_rate:g}; expected at least {math.ceil(1 / false_alarm_rate) - 1}",
            next_command="python tools/drift_report.py --help",
        )
    cells = reference.coding.cells(reference.coded)
    rng, half = np.random.default_rng(seed), max(len(cells) // 2, 1)
    pieces = []
    for start in range(0, resamples, _CHUNK):
        size = min(_CHUNK, resamples - start)
        batch = _draw(rng, cells, rows, size)
        other = _draw(rng, cells, half, size) * (len(cells) / half)
        pieces.append(_measure(reference, cells, batch, other, rows)[1:])
    evidence = np.concatenate([e for e, _ in pieces])
    psi = np.concatenate([p for _, p in pieces])
    top = np.quantile(evidence, _BALANCED_AT, axis=0)
    # A signal that hardly moves in the reference must not count as strong once it does.
    favour = [_FAVOUR.get(look.name, 1.0) for look in reference.coding.looks]
    scales = np.maximum(top, 1.0) * favour
    strongest = np.sort((evidence / scales).max(axis=1))
    usual_psi = np.quantile(psi, _BALANCED_AT, axis=0)
    return Calibration(rows, false_alarm_rate, scales, strongest, usual_psi)


def compare(
    reference: Reference, signals: Signals, calibration: Calibration
) -> tuple[Finding, ...]:
    """Return a finding for every signal of a batch, the strongest first.

    Parameters
    ----------
    reference : Reference
    signals : Signals
        Of the batch; as many products as `calibration` is for.
    calibration : Calibration

    Raises
    ------
    DataError
        The batch was answered by a model with other classes, or has another size.
    """
    _check(reference, signals, calibration)
    cells = reference.coding.cells(reference.coded)
    batch = reference.coding.cells(reference.coding.encode(signals)).sum(axis=0, dtype=np.float64)
    whole = cells.sum(axis=0, dtype=np.float64)
    values, evidence, psi = _measure(reference, cells, batch[None], whole[None], len(signals))
    findings = []
    for i, look in enumerate(reference.coding.looks):
        b, r = batch[look.columns], whole[look.columns]
        needed = calibration.critical * calibration.scales[i]
        scaled = float(evidence[0, i] / calibration.scales[i])
        divergence = _on_shares(
            statistics.jensen_shannon, look, b[None], r[None], (len(signals), len(reference))
        )
        findings.append(
            Finding(
                look.name,
                look.kind,
                _measured(look, b, len(signals)),
                float(values[0, i]),
                _threshold(look, b, r, (len(signals), len(reference)), needed),
                calibration.p_value(scaled),
                scaled > calibration.critical,
                float(psi[0, i]),
                float(calibration.usual_psi[i]),
                float(divergence[0]),
            )
        )
    order = np.argsort(-(evidence[0] / calibration.scales), kind="stable")
    return tuple(findings[i] for i in order.tolist())


def _check(reference: Reference, signals: Signals, calibration: Calibration) -> None:
    if not np.array_equal(reference.classes, signals.classes):
        raise DataError(
            f"the batch was answered with {len(signals.classes)} classes, the reference of run "
            f"{reference.about.run_id} knows {len(reference.classes)} or others: two models",
            next_command="python scripts/train_pipeline.py",
        )
    if len(signals) != calibration.rows:
        raise DataError(
            f"thresholds for batches of {calibration.rows} products, found {len(signals)}"
        )


def _measured(look: Look, b: np.ndarray, rows: int) -> int:
    if look.kind == "number":
        return int(b.sum())
    return int(b[-1]) if look.kind == "embedding" else rows


def _threshold(
    look: Look, b: np.ndarray, r: np.ndarray, sizes: tuple[int, int], needed: float
) -> float:
    """Return the statistic at which this signal alarms in a batch of this size."""
    n, m = sizes
    if not _measured(look, b, n):
        return math.nan
    if look.kind == "flag":
        share = float(statistics.smoothed(r, m)[0])
        low, high = statistics.share_thresholds(share, n, needed)
        rises = b[0] / n >= r[0] / m
        return float(high - r[0] / m if rises else r[0] / m - low)
    if look.kind == "number":
        n, m = int(b.sum()), int(r.sum())
    width = len(b) - 1 if look.kind == "embedding" else len(b)
    return statistics.threshold(look.kind, needed, (n, m), width)


@dataclasses.dataclass(frozen=True)
class AccuracyEstimate:
    """What share of a batch the model got right, as far as it can know itself.

    Attributes
    ----------
    accuracy, low, high : float
        Estimate and 95 % interval.
    """

    accuracy: float
    low: float
    high: float


def estimate_accuracy(reference: Reference, signals: Signals) -> AccuracyEstimate:
    """Return the mean top probability, calibrated on the reference, with its interval.

    Notes
    -----
    What a top probability is worth is read off the reference. Each product is right with its own
    probability p, so the share that is right has variance sum p (1 - p) / n²; to it comes the
    error of the calibration itself, measured on the reference.
    It holds as long as the goods are those that the probabilities were learned on.
    """
    answers = reference.answers
    right = np.interp(signals.numbers["confidence"], answers.confidence, answers.worth)
    sampling = (right * (1 - right)).sum() / len(right) ** 2
    half = 1.96 * math.sqrt(sampling + answers.error**2)
    mean = float(right.mean())
    return AccuracyEstimate(mean, max(0.0, mean - half), min(1.0, mean + half))


def _draw(rng: np.random.Generator, cells: np.ndarray, rows: int, times: int) -> np.ndarray:
    """Return the sums of cells of `times` batches drawn with replacement."""
    m = len(cells)
    counts = rng.multinomial(rows, np.full(m, 1.0 / m), size=times)
    return (counts.astype(np.float32) @ cells).astype(np.float64)


def _measure(
    reference: Reference, cells: np.ndarray, batch: np.ndarray, other: np.ndarray, rows: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return statistics, evidence and PSI of k batches against k references, (k, n_signals)."""
    values, evidence, psi = [], [], []
    sizes = (rows, len(reference))
    for look in reference.coding.looks:
        b, r = batch[:, look.columns], other[:, look.columns]
        value, strength = _outcome(look, b, r, sizes, cells)
        values.append(value)
        evidence.append(strength)
        psi.append(_on_shares(statistics.population_stability, look, b, r, sizes))
    return np.column_stack(values), np.column_stack(evidence), np.column_stack(psi)


def _outcome(
    look: Look, b: np.ndarray, r: np.ndarray, sizes: tuple[int, int], cells: np.ndarray
) -> statistics.Outcome:
    if look.kind == "number":
        return statistics.kolmogorov_smirnov(b, r, _SIDES.get(look.name, 0))
    if look.kind == "category":
        return statistics.chi_squared(b, r)
    if look.kind == "flag":
        return statistics.share_gap(b, r, *sizes)
    if look.kind == "embedding":
        return statistics.embedding_distance(b, r)
    variance = cells[:, look.columns].var(axis=0, dtype=np.float64)
    return statistics.largest_share_shift(b, r, *sizes, variance)


def _on_shares(
    measure: Callable[[np.ndarray, np.ndarray], np.ndarray],
    look: Look,
    b: np.ndarray,
    r: np.ndarray,
    sizes: tuple[int, int],
) -> np.ndarray:
    """Return a divergence of shares; NaN for signals that are none."""
    if look.kind == "embedding":
        return np.full(len(b), np.nan)
    if look.kind == "flag":
        b, r = np.hstack([b, sizes[0] - b]), np.hstack([r, sizes[1] - r])
    return measure(b, r)
