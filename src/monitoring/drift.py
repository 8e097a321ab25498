"""Has a batch drifted? One answer with a stated false-alarm rate over all signals together.

Each signal gets a statistic (`statistics`) and its evidence. Batches of the same size are drawn
from the reference itself a few thousand times, each against a redrawn reference, and in each the
strongest evidence of any signal is kept: a batch alarms when one of its signals is stronger than
all but `false_alarm_rate` of those. That is the max-T procedure of Westfall and Young (1993): it
knows how the signals hang together and holds the rate for all of them at once.
"""

import dataclasses
import math
from collections.abc import Callable

import numpy as np

from src.errors import ConfigError, DataError
from src.evaluation.bootstrap import Interval
from src.monitoring import statistics
from src.monitoring.binning import SignalSpec
from src.monitoring.reference import Reference
from src.monitoring.signals import Signals

# The share of resamples at which the evidence of every signal is made equal.
_BALANCED_AT = 0.99
# Resamples a pass: 250 x 5,000 counts take 5 MB.
_CHUNK = 250
# The served model learned from more products than the models behind the reference and is a little
# surer of itself, so only less sure is tested for (docs/experiments.md, "Drift").
_SIDES = {"confidence": -1, "doubt": 1}
# Factors on scales: a class that grows shows in one signal alone, which gets a larger part of the
# rate (docs/experiments.md, "Drift").
_SCALE_FACTORS = {"class_mix": 0.8}


@dataclasses.dataclass(frozen=True, eq=False)
class Calibration:
    """What batches of one size look like when nothing has changed."""

    rows: int
    false_alarm_rate: float  # of one batch over all signals together
    scales: np.ndarray  # (n_signals,): divisors of evidence that make signals compare
    strongest: np.ndarray  # (resamples,): strongest scaled evidence of each, ascending
    # (n_signals,): the population stability index below which 99 % of the resamples stay; NaN
    # where a signal has none.
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
    """One signal of a batch; NaN where it has no such figure."""

    signal: str
    kind: str
    measured: int  # products of the batch that have the signal
    statistic: float
    threshold: float  # the statistic above which it alarms at this size
    p_value: float  # corrected for all signals together
    alert: bool
    psi: float
    usual_psi: float
    jensen_shannon: float


def calibrate(
    reference: Reference, rows: int, *, false_alarm_rate: float, resamples: int, seed: int
) -> Calibration:
    """Learn what undrifted batches of `rows` products look like.

    The redrawn references have half the products, so their noise counts twice: a reference that is
    off by chance is off for as long as it serves (docs/experiments.md, "Drift").
    So few resamples that they can't show so small a rate are a ConfigError.
    """
    if (resamples + 1) * false_alarm_rate < 1:
        raise ConfigError(
            f"monitoring.resamples: {resamples} can't show a false-alarm rate of "
            f"{false_alarm_rate:g}; expected at least {math.ceil(1 / false_alarm_rate) - 1}",
            next_command="python tools/drift_report.py --help",
        )
    known = reference.discretizer.indicators(reference.sample)
    rng, half = np.random.default_rng(seed), max(len(known) // 2, 1)
    pieces = []
    for start in range(0, resamples, _CHUNK):
        size = min(_CHUNK, resamples - start)
        batch = _draw(rng, known, rows, size)
        other = _draw(rng, known, half, size) * (len(known) / half)
        pieces.append(_measure(reference, known, batch, other, rows)[1:])
    evidence = np.concatenate([e for e, _ in pieces])
    psi = np.concatenate([p for _, p in pieces])
    top = np.quantile(evidence, _BALANCED_AT, axis=0)
    # A signal that hardly moves in the reference must not count as strong once it does.
    factors = [_SCALE_FACTORS.get(spec.name, 1.0) for spec in reference.discretizer.specs]
    scales = np.maximum(top, 1.0) * factors
    return Calibration(
        rows=rows,
        false_alarm_rate=false_alarm_rate,
        scales=scales,
        strongest=np.sort((evidence / scales).max(axis=1)),
        usual_psi=np.quantile(psi, _BALANCED_AT, axis=0),
    )


def compare(
    reference: Reference, signals: Signals, calibration: Calibration
) -> tuple[Finding, ...]:
    """Return a finding for every signal of a batch of the calibration's size, the strongest first.

    A batch of another size, or answered by a model with other classes, is a DataError.
    """
    _check(reference, signals, calibration)
    discretizer, sizes = reference.discretizer, (len(signals), len(reference))
    known = discretizer.indicators(reference.sample)
    batch = discretizer.indicators(signals).sum(axis=0, dtype=np.float64)
    whole = known.sum(axis=0, dtype=np.float64)
    values, evidence, psi = _measure(reference, known, batch[None], whole[None], len(signals))
    scaled = evidence[0] / calibration.scales
    findings = []
    for i, spec in enumerate(discretizer.specs):
        b, r = batch[spec.columns], whole[spec.columns]
        needed = calibration.critical * float(calibration.scales[i])
        divergence = _on_shares(statistics.jensen_shannon, spec, b[None], r[None], sizes)
        findings.append(
            Finding(
                signal=spec.name,
                kind=spec.kind,
                measured=_measured(spec, b, len(signals)),
                statistic=float(values[0, i]),
                threshold=_threshold(spec, b, r, sizes, needed),
                p_value=calibration.p_value(float(scaled[i])),
                alert=bool(scaled[i] > calibration.critical),
                psi=float(psi[0, i]),
                usual_psi=float(calibration.usual_psi[i]),
                jensen_shannon=float(divergence[0]),
            )
        )
    order = np.argsort(-scaled, kind="stable")
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


def _measured(spec: SignalSpec, b: np.ndarray, rows: int) -> int:
    if spec.kind == "number":
        return int(b.sum())
    return int(b[-1]) if spec.kind == "embedding" else rows


def _threshold(
    spec: SignalSpec, b: np.ndarray, r: np.ndarray, sizes: tuple[int, int], needed: float
) -> float:
    """Return the statistic at which this signal alarms in a batch of this size."""
    n, m = sizes
    if not _measured(spec, b, n):
        return math.nan
    if spec.kind == "flag":
        share = float(statistics.smoothed(r, m)[0])
        low, high = statistics.share_thresholds(share, n, needed)
        rises = b[0] / n >= r[0] / m
        return float(high - r[0] / m if rises else r[0] / m - low)
    if spec.kind == "number":
        n, m = int(b.sum()), int(r.sum())
    width = len(b) - 1 if spec.kind == "embedding" else len(b)
    return statistics.threshold(spec.kind, needed, (n, m), width)


def estimate_accuracy(reference: Reference, signals: Signals) -> Interval | None:
    """Return what share of a batch the model got right, as far as it can know itself.

    None where it answered without the images that it reads.

    What a top probability is worth is read off the reference. Each product is right with its own
    probability p, so the share that is right has variance sum p (1 - p) / n²; to it comes the
    error of the calibration itself, measured on the reference.
    It holds as long as the products are like those that the probabilities were learned on.
    """
    if not reference.judges_answers:
        return None
    answers = reference.answers
    right = np.interp(signals.numbers["confidence"], answers.confidence, answers.worth)
    sampling = (right * (1 - right)).sum() / len(right) ** 2
    half = 1.96 * math.sqrt(sampling + answers.error**2)
    mean = float(right.mean())
    return Interval(mean, max(0.0, mean - half), min(1.0, mean + half))


def _draw(rng: np.random.Generator, known: np.ndarray, rows: int, times: int) -> np.ndarray:
    """Return the counts of `times` batches of `rows` products drawn with replacement."""
    m = len(known)
    multiplicities = rng.multinomial(rows, np.full(m, 1.0 / m), size=times)
    return (multiplicities.astype(np.float32) @ known).astype(np.float64)


def _measure(
    reference: Reference, known: np.ndarray, batch: np.ndarray, other: np.ndarray, rows: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return statistics, evidence and PSI of k batches against k references, (k, n_signals)."""
    values, evidence, psi = [], [], []
    sizes = (rows, len(reference))
    for spec in reference.discretizer.specs:
        b, r = batch[:, spec.columns], other[:, spec.columns]
        value, strength = _outcome(spec, b, r, sizes, known)
        values.append(value)
        evidence.append(strength)
        psi.append(_on_shares(statistics.population_stability, spec, b, r, sizes))
    return np.column_stack(values), np.column_stack(evidence), np.column_stack(psi)


def _outcome(
    spec: SignalSpec, b: np.ndarray, r: np.ndarray, sizes: tuple[int, int], known: np.ndarray
) -> statistics.Outcome:
    if spec.kind == "number":
        return statistics.kolmogorov_smirnov(b, r, _SIDES.get(spec.name, 0))
    if spec.kind == "category":
        return statistics.chi_squared(b, r)
    if spec.kind == "flag":
        return statistics.share_gap(b, r, *sizes)
    if spec.kind == "embedding":
        return statistics.embedding_distance(b, r)
    variance = known[:, spec.columns].var(axis=0, dtype=np.float64)
    return statistics.largest_share_shift(b, r, *sizes, variance)


def _on_shares(
    measure: Callable[[np.ndarray, np.ndarray], np.ndarray],
    spec: SignalSpec,
    b: np.ndarray,
    r: np.ndarray,
    sizes: tuple[int, int],
) -> np.ndarray:
    """Return a divergence of shares; NaN for signals that are none."""
    if spec.kind == "embedding":
        return np.full(len(b), np.nan)
    if spec.kind == "flag":
        b, r = np.hstack([b, sizes[0] - b]), np.hstack([r, sizes[1] - r])
    return measure(b, r)
