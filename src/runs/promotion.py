"""Whether a new run takes the place of the served one, and the exchange itself.

A run comes into force when its hold-out weighted F1 is not worse than the served run's by more than
the bootstrap half-width. Two runs that were scored on the same rows of the same snapshot are
compared pair by pair, which tells far smaller differences than two intervals do. Figures of the
demo shop are no match for official ones: an official run always replaces a synthetic one, and a
synthetic one replaces an official one only when it is forced to.
"""

from __future__ import annotations

import dataclasses
import logging
import math
from datetime import datetime, timezone

import numpy as np
import pandas as pd

from src.artifacts.store import ArtifactStore, Run, ServedRun
from src.errors import ArtifactError
from src.evaluation.bootstrap import paired_difference
from src.pipeline_steps.types import Scored

logger = logging.getLogger(__name__)

COLUMNS = ["row_index", "prdtypecode", "predicted", "group"]


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What became of a run.

    Attributes
    ----------
    promoted : bool
        Whether it is served now.
    reason : str
        One line for people.
    candidate, served : ServedRun
        The new run and the one in force before; `served` is None where there was none.
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


def seal(
    store: ArtifactStore, run: Run, kind: str, scored: Scored, groups: np.ndarray
) -> ServedRun:
    """Write the last two files of a run: what it said of the hold-out, and what it is.

    Parameters
    ----------
    store : ArtifactStore
        Store of the new run (`ArtifactStore.begin`).
    run : Run
        The run.
    kind : str
        Kind of model.
    scored : Scored
        The hold-out.
    groups : ndarray of int64, shape (n_holdout,)
        Duplicates share one.
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


def promote(store: ArtifactStore, *, force: bool) -> Verdict:
    """Judge the candidate and, where it may be served, let it be; the writer's lock is held.

    Parameters
    ----------
    store : ArtifactStore
        Any store of the workspace.
    force : bool
        True promotes whatever the scores say.

    Raises
    ------
    ArtifactError
        There is no candidate, it was not finished, or it was altered.
    """
    new = store.pinned("candidate")
    candidate, holdout = new.served_run(), new.load(new.holdout)
    served, served_holdout = _in_force(store)
    new.verify()
    verdict = judge(candidate, holdout, served, served_holdout)
    if not new.full_pipeline(candidate.kind).is_file():
        reason = "outputs.full_pipeline was off: there is nothing that serving could load"
        verdict = dataclasses.replace(verdict, promoted=False, reason=reason)
    elif force and not verdict.promoted:
        verdict = dataclasses.replace(verdict, promoted=True, forced=True)
    run = Run.of(new.describe(new.serving))
    if verdict.promoted:
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        candidate = dataclasses.replace(candidate, promoted_at=candidate.promoted_at or now)
        new.save(new.serving, dataclasses.asdict(candidate), run=run, stage="promote")
        new.runs.promote()
    verdict = dataclasses.replace(verdict, candidate=candidate)
    store.save(store.promotion, dataclasses.asdict(verdict), run=run, stage="promote")
    return verdict


def read_verdict(store: ArtifactStore) -> Verdict:
    """Return what became of the last run."""
    values = store.load(store.promotion)
    runs = {
        name: None if values[name] is None else ServedRun(**values[name])
        for name in ("candidate", "served")
    }
    return Verdict(**{**values, **runs})


def judge(
    candidate: ServedRun,
    holdout: pd.DataFrame,
    served: ServedRun | None,
    served_holdout: pd.DataFrame | None,
) -> Verdict:
    """Compare two runs; writes nothing.

    Parameters
    ----------
    candidate, served : ServedRun
        The new run, and the one in force (None for none).
    holdout, served_holdout : DataFrame
        Their predictions, columns row_index, prdtypecode (true), predicted, group.
    """
    if served is None or served_holdout is None:
        return Verdict(True, "the first run to be served", candidate)
    if candidate.synthetic != served.synthetic:
        reason = (
            "drawn by the demo shop: it does not replace a run on official data"
            if candidate.synthetic
            else "official data replaces the demo shop's"
        )
        return Verdict(not candidate.synthetic, reason, candidate, served)
    paired = candidate.snapshot == served.snapshot and _same_rows(holdout, served_holdout)
    if paired:
        difference, half_width = _paired(holdout, served_holdout)
        basis = f"paired on {len(holdout):,} rows"
    else:
        difference = candidate.f1_weighted - served.f1_weighted
        half_width = math.hypot(candidate.half_width, served.half_width)
        basis = "not on the same rows"
    fine = difference >= -half_width
    reason = (
        f"weighted F1 {'not ' * fine}worse: {difference:+.4f}, half-width {half_width:.4f}, {basis}"
    )
    return Verdict(fine, reason, candidate, served, difference, half_width, paired)


def _in_force(store: ArtifactStore) -> tuple[ServedRun | None, pd.DataFrame | None]:
    """Return the served run and its hold-out; what can't be read is not worth keeping in force."""
    if store.runs.find("served") is None:
        return None, None
    served = store.pinned("served")
    try:
        return served.served_run(), served.load(served.holdout)
    except ArtifactError as e:
        logger.warning("the served run can't be read, so that any other is better: %s", e.message)
        return None, None


def _same_rows(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    return set(one["row_index"]) == set(other["row_index"])


def _paired(new: pd.DataFrame, old: pd.DataFrame) -> tuple[float, float]:
    """Score both on the newer labels: people may have corrected some since."""
    before = old.set_index("row_index")["predicted"].loc[new["row_index"]].to_numpy()
    y, now, groups = (new[name].to_numpy() for name in COLUMNS[1:])
    classes = np.unique(np.concatenate([y, now, before]))
    interval = paired_difference(y, before, now, classes=classes, groups=groups)
    return interval.value, interval.half_width
