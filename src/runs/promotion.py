"""Whether the candidate becomes the champion (the served run), and the promotion itself.

A candidate is promoted when its hold-out weighted F1 is not worse than the served run's by more
than the bootstrap half-width. Two runs that were scored on the same rows of the same snapshot are
compared row by row, which shows far smaller differences than two intervals do. Scores on the demo
shop say nothing of official data: an official run always replaces a synthetic one, and a synthetic
one replaces an official one only when it is forced to.
"""

from __future__ import annotations

import dataclasses
import logging
import math
from datetime import datetime, timezone

import numpy as np
import pandas as pd

from src.artifacts import runs
from src.artifacts.store import ArtifactStore, Run, ServedRun
from src.errors import ArtifactError
from src.evaluation.paired import align, same_rows, score_differences
from src.runs.types import Scored

logger = logging.getLogger(__name__)

COLUMNS = ["row_index", "prdtypecode", "predicted", "group"]


@dataclasses.dataclass(frozen=True)
class Decision:
    """Whether a candidate was promoted, and why.

    Attributes
    ----------
    promoted : bool
        Whether it is served now.
    reason : str
        One line for people.
    candidate, served : ServedRun
        The new run and the one served before; `served` is None where there was none.
    difference, half_width : float or None
        Weighted F1 of the candidate minus that of the served run, and half of the 95 % interval.
    paired : bool
        True when both were scored on the same rows.
    forced : bool
        True when it was promoted against the rule.
    """

    promoted: bool
    reason: str
    candidate: ServedRun
    served: ServedRun | None = None
    difference: float | None = None
    half_width: float | None = None
    paired: bool = False
    forced: bool = False


def finalize(
    store: ArtifactStore, run: Run, kind: str, scored: Scored, groups: np.ndarray
) -> ServedRun:
    """Write the last two files of a run: its predictions for the hold-out, and ``serving.json``.

    Duplicates share one of `groups`, shape (n_holdout,).
    """
    low, high = scored.details["intervals"]["f1_weighted"]
    about = ServedRun(
        kind=kind,
        run_id=run.run_id,
        snapshot=run.snapshot,
        f1_weighted=scored.scores["f1_weighted"],
        half_width=(high - low) / 2,
        synthetic=run.synthetic,
        promoted_at=None,
    )
    kept = scored.predictions.assign(group=groups)[COLUMNS]
    store.save(store.holdout, kept, run=run, stage="promote")
    store.save(store.serving, dataclasses.asdict(about), run=run, stage="promote")
    return about


def promote(store: ArtifactStore, *, force: bool) -> Decision:
    """Promote the candidate if it may be served, or is forced to; the writer's lock is held.

    Raises
    ------
    ArtifactError
        There is no candidate, it was not finished, or it was altered.
    """
    new = store.pinned("candidate")
    candidate, holdout = new.served_run(), new.load(new.holdout)
    served, served_holdout = _served(store)
    new.verify()
    decision = decide(candidate, holdout, served, served_holdout)
    if not new.full_pipeline(candidate.kind).is_file():
        reason = "outputs.full_pipeline was off: there is nothing that serving could load"
        decision = dataclasses.replace(decision, promoted=False, reason=reason)
    elif force and not decision.promoted:
        decision = dataclasses.replace(decision, promoted=True, forced=True)
    run = Run.of(new.describe(new.serving))
    if decision.promoted:
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        candidate = dataclasses.replace(candidate, promoted_at=candidate.promoted_at or now)
        new.save(new.serving, dataclasses.asdict(candidate), run=run, stage="promote")
        runs.promote(store.paths)
    decision = dataclasses.replace(decision, candidate=candidate)
    store.save(store.promotion, dataclasses.asdict(decision), run=run, stage="promote")
    return decision


def read_decision(store: ArtifactStore) -> Decision:
    """Return the decision on the last run."""
    values = store.load(store.promotion)
    compared = {
        name: None if values[name] is None else ServedRun(**values[name])
        for name in ("candidate", "served")
    }
    return Decision(**{**values, **compared})


def decide(
    candidate: ServedRun,
    holdout: pd.DataFrame,
    served: ServedRun | None,
    served_holdout: pd.DataFrame | None,
) -> Decision:
    """Decide between two runs; writes nothing.

    Parameters
    ----------
    candidate, served : ServedRun
        The new run, and the served one (None for none).
    holdout, served_holdout : DataFrame
        Their predictions, columns row_index, prdtypecode (true), predicted, group.
    """
    if served is None or served_holdout is None:
        return Decision(True, "the first run to be served", candidate)
    if candidate.synthetic != served.synthetic:
        reason = (
            "drawn by the demo shop: it does not replace a run on official data"
            if candidate.synthetic
            else "official data replaces the demo shop's"
        )
        return Decision(not candidate.synthetic, reason, candidate, served)
    paired = candidate.snapshot == served.snapshot and same_rows(holdout, served_holdout)
    if paired:
        pair = align(served_holdout, holdout, same_labels=False)
        interval = score_differences(pair).loc["f1_weighted", ["difference", "low", "high"]]
        difference, low, high = interval.tolist()
        half_width = (high - low) / 2
        basis = f"paired on {len(holdout):,} rows"
    else:
        difference = candidate.f1_weighted - served.f1_weighted
        half_width = math.hypot(candidate.half_width, served.half_width)
        basis = "not on the same rows"
    fine = difference >= -half_width
    reason = (
        f"weighted F1 {'not ' * fine}worse: {difference:+.4f}, half-width {half_width:.4f}, {basis}"
    )
    return Decision(fine, reason, candidate, served, difference, half_width, paired)


def _served(store: ArtifactStore) -> tuple[ServedRun | None, pd.DataFrame | None]:
    """Return the served run and its hold-out; one that can't be read is replaced by any other."""
    if runs.find(store.paths, "served") is None:
        return None, None
    served = store.pinned("served")
    try:
        return served.served_run(), served.load(served.holdout)
    except ArtifactError as e:
        logger.warning("the served run can't be read, so that any other is better: %s", e.message)
        return None, None
