"""What happened to the runs: ``results/runs.jsonl``, which outlives the folders of the runs.

One JSON object a line, appended whole under a lock and never changed: ``trained`` (what a finished
run learned from, its settings and scores), ``promoted``, ``refused`` and ``rolled_back``, each with
its time, who did it and why. A line that is no such event, as a kill may leave the last or a hand
write one, is passed over. What a kill kept from being noted, or was there before this file, `read`
takes from the folders of the runs, and `complete` notes.
"""

import contextlib
import dataclasses
import getpass
import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, TypeAdapter

from src.artifacts.names import SERVING, find_run
from src.artifacts.store import ArtifactStore, ServedRun
from src.config import Paths
from src.errors import ArtifactError
from src.files import appending

Event = dict[str, Any]
TRAINED, PROMOTED, REFUSED, ROLLED_BACK = "trained", "promoted", "refused", "rolled_back"
SPLITS = ("holdout", "oof")


@dataclasses.dataclass(frozen=True)
class _Known:
    """What every event has; ``trained`` has the fields of `ServedRun` too."""

    event: Literal["trained", "promoted", "refused", "rolled_back"]
    run_id: str
    at: Annotated[str, AfterValidator(datetime.fromisoformat)]
    by: str
    reason: str


_KNOWN, _RUN = TypeAdapter(_Known), TypeAdapter(ServedRun)


def read(paths: Paths) -> list[Event]:
    """Return every event, the oldest first; each has event, run_id, at (UTC, ISO 8601), by, reason.

    ``trained`` has what `ServedRun` says of the run, and under scores, by split and score, the
    value and the ends of its interval; ``promoted`` and ``refused`` have rule (why the rule of
    promotion said so), forced, difference, low and rows.
    """
    events = _noted(paths)
    return sorted([*events, *_missing(paths, events)], key=lambda event: event["at"])


def complete(paths: Paths) -> None:
    """Note what is missing; the writer's lock is held."""
    for event in list(_missing(paths, _noted(paths))):
        _add(paths, event)


def trained(store: ArtifactStore) -> None:
    """Note a run that this process has just finished."""
    _add(store.paths, {**trained_event(store), "by": _user()})


def note(
    paths: Paths, event: str, run_id: str, *, at: str = "", by: str = "", reason: str = "",
    **more: object,
) -> None:  # fmt: skip
    """Add an event, by default of now and of the user of this process."""
    at = at or datetime.now(timezone.utc).isoformat(timespec="milliseconds")
    values = _event(event, run_id, at, by or _user(), reason, **more)
    _add(paths, values)
    complete(paths)


def _add(paths: Paths, event: Event) -> None:
    with appending(ArtifactStore(paths).history) as handle:
        handle.write(json.dumps(event, sort_keys=True).encode() + b"\n")


def _event(event: str, run_id: str, at: str, by: str, reason: str, **more: object) -> Event:
    return {"event": event, "run_id": run_id, "at": at, "by": by, "reason": reason, **more}


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return ""


def _noted(paths: Paths) -> list[Event]:
    file, events = ArtifactStore(paths).history, []
    for line in file.read_bytes().splitlines() if file.exists() else ():
        with contextlib.suppress(ValueError):  # cut, or no event
            _KNOWN.validate_json(line, strict=True)
            event = json.loads(line)
            if event["event"] == TRAINED:
                _RUN.validate_python({"promoted_at": None, **event})
            events.append(event)
    return events


def _missing(paths: Paths, events: Sequence[Event]) -> Iterator[Event]:
    """Yield what the folders of runs tell and no event does."""
    known = {event["run_id"] for event in events if event["event"] == TRAINED}
    for folder in sorted(paths.artifacts_dir.glob("runs/*")):
        if folder.name not in known and (folder / SERVING).is_file():
            with contextlib.suppress(ArtifactError):  # damaged: whoever loads it says so
                yield trained_event(ArtifactStore(paths, folder.name))
    if served := find_run(paths, "served"):
        with contextlib.suppress(ArtifactError):
            since = ArtifactStore(paths, served.name).served_run().promoted_at
            if since and since not in {event["at"] for event in events}:
                yield _event(PROMOTED, served.name, since, "", "")


def trained_event(store: ArtifactStore) -> Event:
    """Return what there is to say of a finished run, from its own files."""
    about = dataclasses.asdict(store.served_run())
    scores = {}
    for split in SPLITS:
        path = store.metrics(about["kind"], split, ".json")
        if path.is_file():
            facts = store.load(path)
            intervals = facts["intervals"].items()
            scores[split] = {name: [facts[name], *ends] for name, ends in intervals}
    at = store.describe(store.unseen)["written_at"]
    for name in ("run_id", "promoted_at"):
        del about[name]
    return _event(TRAINED, str(store.run_id), at, "", "", scores=scores, **about)
