"""Stage 2, data validation: find duplicates, check products, refuse what can't be trained."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from src.config_model import Validation
from src.data.checks import Check, check_products
from src.data.duplicates import find_groups
from src.errors import ValidationError
from src.runs.types import Ingested, Validated


def run(ingested: Ingested, codes: Sequence[int], limits: Validation, *, skip: bool) -> Validated:
    """Check the products; `skip` does not, but finds duplicates all the same: splits need them."""
    groups = find_groups(ingested.train)
    checks: tuple[Check, ...] = ()
    if not skip:
        of_products = check_products(ingested.train, ingested.test, groups, codes, limits)
        checks = (_rejects(ingested), *of_products)
    return Validated(ingested.train, ingested.test, ingested.snapshot, groups, checks)


def report(validated: Validated) -> dict[str, object]:
    """Return the JSON values of ``results/validation/report.json``."""
    return {
        "snapshot": dataclasses.asdict(validated.snapshot),
        "train_rows": len(validated.train),
        "test_rows": len(validated.test),
        "duplicate_share": validated.groups.duplicate_share,
        "placeholder_pictures": list(validated.groups.placeholders),
        "checks": [dataclasses.asdict(check) for check in validated.checks],
    }


def raise_on_failure(checks: Sequence[Check]) -> None:
    """Refuse data that failed a check: every one with what was expected and observed."""
    failed = [check for check in checks if check.status == "fail"]
    if failed:
        lines = [f"  {c.name}: expected {c.expected}, observed {c.observed}" for c in failed]
        raise ValidationError(
            "\n".join(["the data is not fit for training:", *lines]), next_command="bash init.sh"
        )


def _rejects(ingested: Ingested) -> Check:
    observed = f"{ingested.rejected_rows:,} rejected"
    return Check(
        "rows loaded", "warn" if ingested.rejected_rows else "pass", "0 rejected", observed
    )
