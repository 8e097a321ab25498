"""Whether the candidate becomes the champion (the served run), and the promotion itself.

A candidate is promoted when it is not inferior: on the products that both runs answered unseen, out
of fold or held out, its weighted F1 less that of the served run is above -``[promotion].margin`` at
the lower end of the 95 % interval of a paired bootstrap over groups of duplicates. Where that can't
be told it waits, and the reason says what would decide it. A run on a sample, or on another
catalogue than the served one's, is never promoted but by force. Scores on the demo shop say nothing
of official data: an official run replaces a synthetic one, never the other way round.
"""

from __future__ import annotations

import dataclasses
import logging
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from src.artifacts import history, runs
from src.artifacts.names import find_run
from src.artifacts.store import ArtifactStore, Run, ServedRun
from src.config import Config
from src.data import postgres
from src.data.database_url import database_url
from src.errors import ArtifactError, DatabaseError
from src.evaluation.paired import pair_answers, score_differences

if TYPE_CHECKING:
    from src.runs.types import Scored

logger = logging.getLogger(__name__)

COLUMNS = ["productid", "prdtypecode", "predicted", "group"]
SAME_CATALOGUE = 0.5  # share of the served run's products that a candidate has to know


@dataclasses.dataclass(frozen=True)
class Decision:
    """Whether a candidate was promoted, and why."""

    promoted: bool
    reason: str  # one line for people
    candidate: ServedRun
    served: ServedRun | None = None  # before
    difference: float | None = None  # weighted F1 of the candidate less that of the served run
    low: float | None = None  # its lower bound
    rows: int = 0  # products that both answered unseen
    forced: bool = False  # promoted against the rule


def finalize(
    store: ArtifactStore,
    run: Run,
    kind: str,
    scored: tuple[Scored, ...],
    groups: np.ndarray,
    **facts: Any,  # noqa: ANN401
) -> ServedRun:
    """Write the last two files of a run: its unseen answers, and ``serving.json``; note the run.

    `groups` are those of duplicates among the labelled rows, `facts` the fields of `ServedRun` from
    sample on.
    """
    holdout, unseen = scored[:2]
    low, high = holdout.details["intervals"]["f1_weighted"]
    about = ServedRun(
        kind=kind,
        run_id=run.run_id,
        snapshot=run.snapshot,
        f1_weighted=holdout.scores["f1_weighted"],
        half_width=(high - low) / 2,
        synthetic=run.synthetic,
        promoted_at=None,
        rows=len(unseen.predictions),
        **facts,
    )
    answers = unseen.predictions.assign(group=groups)[COLUMNS]
    store.save(store.unseen, answers, run=run, stage="promote")
    store.save(store.serving, dataclasses.asdict(about), run=run, stage="promote")
    history.trained(store)
    return about


def promote(
    store: ArtifactStore, margin: float, *, force: bool, by: str = "", reason: str = ""
) -> Decision:
    """Promote the candidate if it may be served, or is forced to; the writer's lock is held.

    The history keeps who did it, by default the user of this process, and the `reason` given.

    Raises
    ------
    ArtifactError
        There is no candidate, it was not finished, or it was altered.
    """
    new = store.pinned("candidate")
    candidate, answers = new.served_run(), new.load(new.unseen)
    served, served_answers = _served(store)
    new.verify()
    decision = decide(candidate, answers, served, served_answers, margin)
    if not new.full_pipeline(candidate.kind).is_file():
        reason = "outputs.full_pipeline was off: there is nothing that serving could load"
        decision = dataclasses.replace(decision, promoted=False, reason=reason)
    elif force and not decision.promoted:
        decision = dataclasses.replace(decision, promoted=True, forced=True)
    if decision.promoted:
        decision = dataclasses.replace(decision, candidate=new.serve_from_now())
    run = Run.of(new.describe(new.serving))
    new.save(new.promotion, dataclasses.asdict(decision), run=run, stage="promote")
    if decision.promoted:
        runs.promote(store.paths)
    history.note(
        store.paths,
        history.PROMOTED if decision.promoted else history.REFUSED,
        decision.candidate.run_id,
        at=decision.candidate.promoted_at or "",
        by=by,
        reason=reason,
        rule=decision.reason,
        **{name: getattr(decision, name) for name in ("forced", "difference", "low", "rows")},
    )
    return decision


def roll_back(store: ArtifactStore, *, by: str = "", reason: str = "") -> ServedRun:
    """Serve the run that was served before, and return what it is; the writer's lock is held.

    Raises
    ------
    ArtifactError
        There is none, or it was altered.
    """
    runs.get(store.paths, "served")
    previous = store.pinned("previous")
    previous.verify()
    now = previous.serve_from_now()
    runs.roll_back(store.paths)
    at = now.promoted_at or ""
    history.note(store.paths, history.ROLLED_BACK, now.run_id, at=at, by=by, reason=reason)
    return now


def tell_served(cfg: Config, run_id: str) -> None:
    """Tell tracking and the database which run is served; a warning where either can't be."""
    if cfg.tracking.uri:
        from src.runs import tracking

        tracking.follow_aliases(cfg)
    if cfg.data.source != "postgres":
        return
    try:
        postgres.mark_served(database_url(cfg.paths.workspace), run_id)
    except DatabaseError as e:
        logger.warning("project.models does not say which run is served: %s", e.message)


def read_decision(store: ArtifactStore) -> Decision:
    """Return what was decided on the run of a store."""
    values = store.load(store.promotion)
    compared = {
        name: None if values[name] is None else ServedRun(**values[name])
        for name in ("candidate", "served")
    }
    return Decision(**{**values, **compared})


def decide(
    candidate: ServedRun,
    answers: pd.DataFrame,
    served: ServedRun | None,
    served_answers: pd.DataFrame | None,
    margin: float,
) -> Decision:
    """Decide between two runs; writes nothing.

    `answers` and `served_answers` have the columns productid, prdtypecode (true), predicted, group,
    one row a labelled product.
    """
    enough = math.floor(3 / margin) + 1
    if candidate.sample:
        reason = f"trained on a sample of {candidate.rows:,} rows; a run on all would decide it"
        return Decision(False, reason, candidate, served)
    if served is None or served_answers is None:
        return Decision(True, "the first run to be served", candidate)
    if candidate.synthetic != served.synthetic:
        reason = (
            "drawn by the demo shop: it does not replace a run on official data"
            if candidate.synthetic
            else "official data replaces the demo shop's"
        )
        return Decision(not candidate.synthetic, reason, candidate, served)
    pair = pair_answers(served_answers, answers)
    told = Decision(False, "", candidate, served, rows=len(pair))
    if len(pair) < enough <= candidate.rows and (served.sample or served.rows < enough):
        reason = f"the served run's {served.rows:,} rows are too few to tell what it is worth"
        return dataclasses.replace(told, promoted=True, reason=reason)
    if len(pair) < SAME_CATALOGUE * served.rows:
        reason = (
            f"another catalogue: {len(pair):,} of the served run's {served.rows:,} products are in "
            "it; a run on data with at least half of them would decide it"
        )
        return dataclasses.replace(told, reason=reason)
    if len(pair) < enough:
        reason = f"too few rows to tell: {len(pair):,} in both; {enough:,} or more would decide it"
        return dataclasses.replace(told, reason=reason)
    return _compare(told, pair, margin)


def _compare(told: Decision, pair: pd.DataFrame, margin: float) -> Decision:
    """Decide on the rows that both runs have, scored on the candidate's labels.

    What did not show in n rows may still be true of 3 in n (the rule of three): the lower bound is
    at least so far away, also where both runs gave the same answers.
    """
    difference, low = score_differences(pair).loc["f1_weighted", ["difference", "low"]].tolist()
    spread = max(difference - low, 3 / pair["group"].nunique())
    low = difference - spread
    promoted = low > -margin
    sure = f"{difference:+.4f}, at least {low:+.4f}, paired on {len(pair):,} rows"
    if promoted:
        reason = f"weighted F1 not worse: {sure}"
    elif difference > -margin:
        rows = len(pair) * (spread / (difference + margin)) ** 2
        reason = (
            f"weighted F1 not surely within {margin:g} of the served run's: {sure}; "
            f"some {math.ceil(rows / 100) * 100:,} rows would decide it"
        )
    else:
        reason = f"weighted F1 worse: {sure}; more rows of its kind would not change that"
    return dataclasses.replace(
        told, promoted=promoted, reason=reason, difference=difference, low=low
    )


def _served(store: ArtifactStore) -> tuple[ServedRun | None, pd.DataFrame | None]:
    """Return the served run and its answers; one that can't be read is replaced by any other."""
    if find_run(store.paths, "served") is None:
        return None, None
    served = store.pinned("served")
    try:
        return served.served_run(), served.load(served.unseen)
    except ArtifactError as e:
        logger.warning("the served run can't be read, so that any other is better: %s", e.message)
        return None, None
