"""Corrections by people: into ``project.feedback``, or into a file where no database answers.

``results/feedback.jsonl`` holds one JSON object a line with the columns of the table; the next use
of a database that answers loads it, or ``init.sh``. What is stored is on the disk before the author
reads so: the product's image first, then the line or row that names it. A correction is never
changed: see `Correction`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import logging
from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from src.artifacts.names import Names
from src.config import Paths
from src.data import postgres
from src.data.corrections import (
    Correction,
    author_name,
    current,
    image_file,
    latest,
    parse_lines,
    read_feedback,
)
from src.data.image_decode import read_source
from src.errors import ArtifactError, DatabaseError, DataError, UsageError
from src.files import appending, sha256, write_atomically
from src.serving.predictor import Prediction, Product

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

MOST_CHARACTERS = 2_000


@dataclasses.dataclass(frozen=True)
class FeedbackStore:
    """Where corrections are: in the database of an address, asked anew each time, or in `file`.

    `images` is the folder of the products' images, `codes` are what a correction may give.
    """

    file: Path
    images: Path
    address: Callable[[], str]
    codes: Collection[int]
    # By address: the size of the file whose lines the database has; and what it has.
    _loaded: dict[str, int] = dataclasses.field(default_factory=dict, repr=False)
    _seen: list[Correction] = dataclasses.field(default_factory=list, repr=False)

    @classmethod
    def of(cls, paths: Paths, codes: Collection[int]) -> FeedbackStore:
        """Return that of a workspace."""
        address = functools.partial(postgres.serving_url, paths.workspace)
        return cls(Names(paths).feedback, paths.feedback_dir, address, codes)

    def new(
        self,
        prdtypecode: int | None,
        product: Product,
        productid: int | None = None,
        answer: Prediction | None = None,
        **given: Any,  # noqa: ANN401
    ) -> Correction:
        """Return a correction made now; the image of its product is on the disk.

        `given` are other fields of `Correction`: source, author, comment, and what the `answer`
        says otherwise: predicted_code, probability, run_id. Of texts the first `MOST_CHARACTERS`
        are kept. An unknown code, and that nothing names the product, are UsageErrors.
        """
        if prdtypecode not in {*self.codes, None}:
            raise UsageError(
                f"prdtypecode {prdtypecode} is not one of the {len(self.codes)} known codes",
                next_command="cat config/labels_map.json",
            )
        if answer is not None:
            given |= {"predicted_code": answer.code, "probability": answer.probability}
            given["run_id"] = answer.model
        given["author"] = author_name(given.get("author", ""))
        texts = {k: v[:MOST_CHARACTERS] for k, v in given.items() if isinstance(v, str)}
        correction = Correction(
            prdtypecode=prdtypecode,
            created_at=datetime.now(timezone.utc),
            productid=productid,
            designation=product.designation,
            description=product.description,
            image_sha256=self.keep_image(product.image),
            **{**given, **texts},
        )
        if not correction.product:
            raise UsageError(
                "a correction names its product: expected a productid, a text or an image"
            )
        return correction

    def keep_image(self, image: Path | str | bytes | None) -> str:
        """Keep an image under its SHA256, and return that; "" where there is none.

        An image that can't be kept is a warning: what a person says is worth more.
        """
        if not image:
            return ""
        try:
            content = read_source(image)
            digest = sha256(content)
            path = image_file(self.images, digest)
            if not path.exists():
                with write_atomically(path, "wb") as file:
                    file.write(content)
        except (ArtifactError, DataError) as e:
            logger.warning("a correction is stored without its image: %s", e.message)
            return ""
        return digest

    def store(self, correction: Correction) -> str:
        """Store a correction; return where: "database", or "file" where none answers.

        The class that its author gave the product last is not stored again: a second click is no
        correction. That the file can't be written either is an ArtifactError.
        """
        try:
            postgres.write_feedback(self.loaded(), correction)
        except DatabaseError as e:
            logger.info("correction stored in %s: %s", self.file, e.message)
            append_line(self.file, correction, self._seen)
            return "file"
        self._seen.append(correction)
        return "database"

    def loaded(self) -> str:
        """Return the address of a database that has the lines of `file`, as after `init.sh`.

        Where one answers again after an outage, what was said meanwhile counts from now on.
        """
        address = self.address()
        size = self.file.stat().st_size if self.file.exists() else 0
        if size != self._loaded.get(address, 0):
            postgres.load_feedback(address, read_feedback(self.file)[0])
            self._loaded[address] = size
        return address

    def read(self) -> list[Correction]:
        """Return every correction, the earliest first: the database's, and those of the file.

        Where no database answers it is what one was last known to have.
        """
        with contextlib.suppress(DatabaseError):
            self._seen[:] = postgres.read_feedback(self.address(), postgres.ANSWER_SECONDS)
        every = [*read_feedback(self.file)[0], *self._seen]
        once = {(c.created_at, c.author, c.product, c.prdtypecode): c for c in every}
        return sorted(once.values(), key=lambda correction: correction.created_at)


def withdrawal(correction: Correction) -> Correction:
    """Return what takes a correction back when it is stored; both stay in the history."""
    now = datetime.now(timezone.utc)
    return dataclasses.replace(correction, prdtypecode=None, comment="", created_at=now)


def select(corrections: Iterable[Correction], **wanted: Any) -> list[Correction]:  # noqa: ANN401
    """Return the corrections whose fields have the wanted values; None takes any."""
    named = {name: value for name, value in wanted.items() if value is not None}
    return [c for c in corrections if all(getattr(c, name) == v for name, v in named.items())]


def as_table(corrections: Iterable[Correction]) -> pd.DataFrame:
    """Return one row a correction, all fields and the item_hash in columns."""
    import pandas as pd

    adapter = TypeAdapter(list[Correction])
    names = [field.name for field in dataclasses.fields(Correction)]
    return pd.DataFrame(adapter.dump_python([*corrections]), columns=[*names, "item_hash"])


def pending(corrections: Iterable[Correction], since: datetime | None) -> list[Correction]:
    """Return the corrections that count and were given after a time; all of them for None."""
    return [c for c in current(corrections) if since is None or c.created_at > since]


def agreement(corrections: Iterable[Correction]) -> dict[str, float]:
    """Return how far people agree about the products that two or more of them judged.

    The number of these `products` and `people`, the share of pairs of answers that are `equal`, and
    `kappa`: Cohen's for two people, Fleiss' (1971) for more, with as many answers a product as
    there are; NaN where chance alone would give the same answers.
    """
    import numpy as np
    import pandas as pd

    given = [(c.product, c.author, c.prdtypecode) for c in current(corrections)]
    table = pd.DataFrame(given, columns=["product", "author", "code"])
    table = table[table.duplicated("product", keep=False)]
    counts = pd.crosstab(table["product"], table["code"]).to_numpy()
    answers = counts.sum(axis=1)
    equal = ((counts**2).sum(axis=1) - answers) / (answers * (answers - 1))
    people = table["author"].nunique()
    shares = pd.crosstab(table["author"], table["code"], normalize="index").to_numpy()
    by_all = counts.sum(axis=0) / max(counts.sum(), 1)
    chance = (shares.prod(axis=0) if people == 2 else by_all**2).sum()
    observed = float(equal.mean()) if len(equal) else np.nan
    kappa = (observed - chance) / (1 - chance) if chance < 1 else np.nan
    return {"products": len(equal), "people": people, "equal": observed, "kappa": float(kappa)}


def append_line(file: Path, correction: Correction, known: Iterable[Correction] = ()) -> None:
    """Append a line that is on the disk when this returns; writers wait for each other.

    Nothing is added where the latest of its author about its product, in the file or among the
    `known`, gives the same class; a disk that is full, or a folder that can't be written to, is an
    ArtifactError.
    """
    named = correction.product.encode()
    with appending(file) as handle:
        handle.seek(0)
        about = parse_lines(line for line in handle if named in line)[0]
        before = latest([*known, *about]).get((correction.author, correction.product))
        if before is None or before.prdtypecode != correction.prdtypecode:
            handle.write(correction.to_line().encode() + b"\n")
