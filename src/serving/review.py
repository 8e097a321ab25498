"""The review queue: products that wait for a person's word, the one that gains most first.

They are answers under the threshold (to test products, and of the service), doubtful labels, and
products that drift reports name. The gain that is to be expected of a product is

    P(what stands is wrong) x (1 - recall of the likely class) / 2^k

where k products before it have the same words in their title: weak classes first, and not fifty
copies of one product. The queue is ``project.review_items``, or, where no database answers, this
process's memory; in both a correction takes a product out and its withdrawal puts it back.
"""

import contextlib
import dataclasses
import json
import statistics
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd

from src.artifacts.store import ArtifactStore
from src.config import Paths
from src.data import postgres
from src.data.corrections import CONTENT as KEPT
from src.data.corrections import Correction, author_name, current, image_file, item_hash, storable
from src.data.csv_files import NO_ID
from src.data.duplicates import normalise_text
from src.errors import ArtifactError, DatabaseError, UsageError
from src.files import place_of, sha256
from src.serving.feedback import FeedbackStore
from src.serving.predictor import Prediction, Product

LEAST_VALUE = 0.05  # of a class that is never missed
UNKNOWN = 0.5  # probability that an answer is wrong of which a report does not say how sure it is
LATEST_REPORTS, REPORTS = 5, "????-??-??*_*.json"
WRONG = "wrong_probability"
GROUP_CHARACTERS = 200
CONTENT = ["designation", "description", "image"]


@dataclasses.dataclass(frozen=True)
class ReviewItem:
    """A product to review."""

    product: str  # its name in the queue, as `Correction.product`
    source: str  # "answer" (to a test product), "label" (a doubtful one), "drift" or "service"
    reason: str  # what report or service say beside that: a signal, a reason for the review
    productid: int | None
    code: int | None  # likely right
    probability: float | None
    official_code: int | None
    priority: float
    product_group: str  # words of the title
    designation: str
    description: str
    image: str  # a path, a URL or ""
    waiting: int = 0  # products in the queue of which nobody has said the class

    @property
    def content(self) -> Product:
        """What is known of the product itself."""
        image = place_of(self.image) if self.image else None
        return Product(self.designation, self.description, image)


COLUMNS = [field.name for field in dataclasses.fields(ReviewItem)][:-1]


def candidates(
    catalogue: pd.DataFrame,
    answers: pd.DataFrame,
    issues: pd.DataFrame,
    values: Mapping[int, float],
    named: Iterable[Mapping[str, Any]] = (),
) -> pd.DataFrame:
    """Return what waits for a review, the highest priority first; `COLUMNS` as in `ReviewItem`.

    `catalogue`, `answers` and `issues` are files of a run (``catalogue.parquet``,
    ``test_{kind}.csv``, ``label_issues.csv``), `values` is what `class_values` gives, and `named`
    what reports say of products: productid, designation, reason.
    """
    place = ["split", "row_index"]
    products = catalogue.loc[catalogue["has_text"] | catalogue["has_image"]]
    products = products[[*place, "productid", *CONTENT]]
    said = answers.rename(columns={"predicted": "code"}).assign(
        split="test", source="answer", reason=""
    )
    said = said.drop(columns="productid").assign(wrong=1 - said["probability"])
    names = {"suggested": "code", "suggested_probability": "probability", "given": "official_code"}
    doubtful = issues.rename(columns={**names, WRONG: "wrong"})
    doubtful = doubtful.drop(columns="productid").assign(split="train", source="label", reason="")
    unsure = said[said["needs_review"].astype(bool)]
    parts = [part.merge(products, on=place) for part in (unsure, doubtful)]
    parts.append(_named(named, products.merge(said, "left", place)))
    columns = [*COLUMNS, "wrong"]
    found = pd.concat([part.reindex(columns=columns) for part in parts], ignore_index=True)
    found = found.astype({"wrong": float, "probability": float}).fillna({"wrong": UNKNOWN})
    found["product"] = [_name(row) for row in found.itertuples()]
    found["priority"] = found["wrong"] * found["code"].map(values).fillna(1.0)
    found = found.sort_values("priority", ascending=False, kind="stable")
    found = found.drop_duplicates("product")
    words = found["designation"].map(_words)
    found["product_group"] = words.where(words != "", found["product"])
    found["priority"] /= 2.0 ** found.groupby("product_group").cumcount()
    found["productid"] = found["productid"].where(found["productid"] >= 0)
    found = found.sort_values("priority", ascending=False, kind="stable", ignore_index=True)
    whole = dict.fromkeys(["productid", "code", "official_code"], "Int64")
    return found[COLUMNS].astype(whole)


def _named(named: Iterable[Mapping[str, Any]], products: pd.DataFrame) -> pd.DataFrame:
    """Return the products that reports name, of the catalogue, or else by their whole title."""
    known = products.drop_duplicates("productid").set_index("productid", drop=False)
    rows: list[dict[str, Any]] = []
    for entry in named:
        number, title = entry["productid"], storable(str(entry["designation"]))
        row = known.loc[number].to_dict() if number in known.index else {}
        if not str(row.get("designation", "")).startswith(title.removesuffix("…")):
            row = {"productid": NO_ID, "designation": title, "description": "", "image": ""}
        if row["productid"] >= 0 or not title.endswith("…"):
            rows.append({**row, "source": "drift", "reason": entry["reason"]})
    return pd.DataFrame(rows)


def _words(title: str) -> str:
    """Return the first words of a title: an index takes no long ones."""
    return normalise_text(title[:2_000])[:GROUP_CHARACTERS]


def _name(row: Any) -> str:  # noqa: ANN401 - a row of a frame
    """Return what the queue calls a product, as `Correction.product`."""
    if row.productid >= 0:
        return str(int(row.productid))
    image = Path(row.image) if row.image else None
    digest = sha256(image) if image and image.is_file() else ""
    return item_hash(row.designation, row.description, digest)


def class_values(store: ArtifactStore, kind: str) -> dict[int, float]:
    """Return what a review is worth by class: the share of it that the run missed out of fold."""
    path = store.metrics(kind, "oof", "_per_class.csv")
    if not path.is_file():
        return {}
    by_class = store.load(path).set_index("prdtypecode")
    values: dict[int, float] = (1 - by_class["recall"]).clip(lower=LEAST_VALUE).to_dict()
    return values


def read_candidates(store: ArtifactStore, reports: Iterable[Path]) -> pd.DataFrame:
    """Return `candidates` of a run; a file that an earlier version did not write is an error."""
    kind, named = store.served_run().kind, list[Mapping[str, Any]]()
    for path in reports:
        with contextlib.suppress(ArtifactError):  # the page of reports says what is wrong with it
            report = store.load(path)
            named += report.get("products", []) if report.get("run_id") == store.run_id else []
    files = store.catalogue, store.predictions(kind, "test"), store.label_issues
    catalogue, answers, issues = map(store.load, files)
    return candidates(catalogue, answers, issues, class_values(store, kind), named)


class ReviewQueue:
    """The queue of a workspace, for any number of threads; `corrections` take products out."""

    def __init__(self, paths: Paths, corrections: FeedbackStore, lease_minutes: float) -> None:
        self._paths, self._corrections, self._minutes = paths, corrections, lease_minutes
        self._lock = threading.Lock()
        # What the candidates were read from, they as JSON, and by name, in order.
        self._read: tuple[str, str, dict[str, ReviewItem]] = "", "", {}
        self._every: dict[str, ReviewItem] = {}  # by name, of runs before, too: people read on
        # For when no database answers: who has a product until when, and when somebody skipped it.
        self._leases: dict[str, tuple[str, float]] = {}
        self._skipped: dict[tuple[str, str], float] = {}

    def next(self, author: str, wanted: str = "") -> ReviewItem | None:
        """Lease the wanted product to an author, or else the next that nobody has or spoke of.

        An author who has the wanted product has it for `[review].lease_minutes` more. None: nothing
        is left. That no run is served, or one without these files, is an ArtifactError.
        """
        author, wanted = author_name(author), storable(wanted)
        state, rows, items = self._candidates()
        try:
            row = postgres.lease_review(
                self._corrections.loaded(), state, rows, author, wanted, self._minutes
            )
        except DatabaseError:
            return self._lease_here(items, author, wanted)
        if row is None:
            return None
        with self._lock:  # a database that goes away takes no lease with it
            self._leases[row["product"]] = author, time.monotonic() + 60 * self._minutes
        image = row["image_sha256"] and image_file(self._corrections.images, row["image_sha256"])
        item = self._every.get(row["product"]) or _item({**row, "image": str(image or "")})
        return dataclasses.replace(item, waiting=row["waiting"])

    def leave(self, author: str, product: str, *, skip: bool = False) -> None:
        """End an author's lease; what was skipped comes last for its author."""
        author, product = author_name(author), storable(product)
        with self._lock:
            if self._leases.get(product, ("",))[0] == author:
                del self._leases[product]
            if skip:
                self._skipped[author, product] = time.monotonic()
        with contextlib.suppress(DatabaseError):
            postgres.leave_review(self._corrections.address(), author, product, skip=skip)

    def _lease_here(
        self, items: Mapping[str, ReviewItem], author: str, wanted: str
    ) -> ReviewItem | None:
        said = current(self._corrections.read())
        waits = [p for p in items if p not in {n for c in said for n in (c.product, c.item_hash)}]
        now = time.monotonic()
        with self._lock:
            taken = {p: who for p, (who, until) in self._leases.items() if until > now}
            own = taken.get(wanted) == author and wanted in self._every
            if own or (wanted in items and wanted not in taken):
                chosen = wanted
            else:
                # Of equal ones min takes the first: items are in the order of their priority.
                free = (p for p in waits if p not in taken)
                chosen = min(free, key=lambda p: self._skipped.get((author, p), 0.0), default="")
            if not chosen:
                return None
            self._leases[chosen] = author, now + 60 * self._minutes
        return dataclasses.replace(self._every[chosen], waiting=len(waits))

    def _candidates(self) -> tuple[str, str, dict[str, ReviewItem]]:
        """Read the candidates, anew where another run is served or a report came or went."""
        store = ArtifactStore(self._paths).pinned()
        reports = sorted(self._paths.rapport_dir.glob(REPORTS))[-LATEST_REPORTS:]
        now = [store.run_id, *((path.name, path.stat().st_mtime_ns) for path in reports)]
        state = sha256(json.dumps(now).encode())
        with self._lock:
            if state != self._read[0]:
                found = read_candidates(store, reports)
                rows = found.astype(object).where(found.notna(), None).to_dict("records")
                items = {row["product"]: _item(row) for row in rows}
                self._every |= items
                self._read = state, found.drop(columns=CONTENT).to_json(orient="records"), items
            return self._read


def _item(row: Mapping[str, Any]) -> ReviewItem:
    return ReviewItem(**{name: row[name] for name in COLUMNS})


def keep_answer(
    corrections: FeedbackStore,
    values: Callable[[], Mapping[int, float]],
    prediction: Prediction,
    product: Product,
) -> dict[str, Any] | None:
    """Return what the database keeps of an answer that needs a review; None of any other.

    That is what `postgres.write_answers` takes; `values` gives `class_values`. The image is on the
    disk. Training products stay out.
    """
    if prediction.code is None or prediction.known or not prediction.needs_review:
        return None
    try:
        kept = corrections.new(None, product)
    except UsageError:  # nothing but an image, and no place for it
        return None
    probability = prediction.probability or 0.0
    return {
        **{name: getattr(kept, name) for name in ("item_hash", *KEPT)},
        "reason": next(iter(prediction.review_reason), ""),
        "code": prediction.code,
        "probability": probability,
        "priority": (1 - probability) * values().get(prediction.code, 1.0),
        "product_group": _words(kept.designation) or kept.item_hash,
    }


def pace(said: Sequence[Correction], lease_minutes: float) -> float | None:
    """Return how many products an hour a person reviews, pauses left out; None: not known yet.

    `said` is in time; the latest twenty count.
    """
    times = [correction.created_at for correction in said[-20:]]
    gaps = [(after - before).total_seconds() for before, after in pairwise(times)]
    gaps = [gap for gap in gaps if 0 < gap < 60 * lease_minutes]
    return 3600 / statistics.median(gaps) if gaps else None
