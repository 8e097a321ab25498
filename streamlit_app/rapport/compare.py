"""Compares a labelled batch with a baseline, class by class.

    python streamlit_app/rapport/compare.py 2026-01-31_shop.json --baseline b4

The batch is a drift report made with --labels (.json or .csv); the baseline is what training left
beside it: b2 (text) or b4 (text and images). Exit code: 0 fine, 1 a class or all together fell
beyond the interval, 2 wrong input.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.command_line import parser, run
from src.errors import EXIT_FINDINGS, EXIT_FINE, ArtifactError, FileFault

if TYPE_CHECKING:
    import pandas as pd

HERE = Path(__file__).resolve().parent
FALSE_ALARM_RATE = 0.01
WORST_CONFUSIONS = 5
# Correct and labelled products of each code.
Counts = dict[int, tuple[int, int]]
# Count and rate of each confusion (true, predicted).
Confusions = dict[tuple[int, int], tuple[int, float]]


def main(argv: list[str] | None = None) -> int:
    """Print the comparison; return the exit code."""
    options = parser(__doc__, config=False)
    options.add_argument(
        "batch", type=Path, metavar="BATCH_REPORT", help="a drift report with labels"
    )
    options.add_argument("--baseline", choices=["b2", "b4"], default="b4", help="default: b4")
    options.add_argument(
        "--folder", type=Path, default=HERE, help="where the baselines lie (default: beside this)"
    )
    return run(_compare, options, argv, kept="nothing was written")


def _compare(args: argparse.Namespace) -> int:
    from src.monitoring.labelled_drift import compare_accuracy, compare_classes

    path = args.batch if args.batch.exists() else args.folder / args.batch
    recalls, found = read_batch(path)
    known = args.folder / f"{args.baseline}_diagnostics.csv"
    baseline = _read_csv(known, "prdtypecode", "label", "recall", "support")
    names = dict(zip(baseline["prdtypecode"].tolist(), baseline["label"].tolist(), strict=True))
    before = _counts(baseline, "prdtypecode", "recall")
    codes = [code for code in recalls if code in before]
    pairs = [recalls[code] for code in codes], [before[code] for code in codes]
    overall = compare_accuracy(*pairs, FALSE_ALARM_RATE)
    if overall is None:
        raise FileFault.of(path, f"no class that {known} knows: another model's report")
    changes = compare_classes(codes, *pairs, FALSE_ALARM_RATE)
    fell = changes["change"] == "fell"
    worst_first = changes.assign(fall=changes["high"].where(fell, 1.0))
    worst_first = worst_first.sort_values(["fall", "delta"])
    lines = [f"{path.name} against {args.baseline}", *table(worst_first, overall, names)]
    confusions = args.folder / f"{args.baseline}_top_confusions.csv"
    if found and confusions.exists():
        lines += confusion_lines(found, _read_csv(confusions, "true", "predicted", "rate"), names)
    sys.stdout.write("\n".join(lines) + "\n")
    return EXIT_FINDINGS if fell.any() or overall["fell"] else EXIT_FINE


def read_batch(path: Path) -> tuple[Counts, Confusions]:
    """Read a batch's report, which in CSV holds no confusions; without labels it is a FileFault."""
    confusions: Confusions = {}
    if path.suffix == ".csv":
        rows = _read_csv(path, "part", "name", "now", "support")
        recalls = _counts(rows[(rows["part"] == "class") & (rows["support"] > 0)], "name", "now")
    else:
        try:
            labels = json.loads(path.read_text(encoding="utf-8"))["labels"]
            labels = labels or {"classes": [], "confusion": []}
            recalls = {c["code"]: (c["correct"], c["support"]) for c in labels["classes"]}
            codes = list(recalls)
            confusions = {
                (codes[t], codes[p]): (count, count / sum(row))
                for t, row in enumerate(labels["confusion"])
                for p, count in enumerate(row)
                if count and p != t
            }
        except (OSError, ValueError, LookupError, TypeError) as e:
            raise FileFault.of(path, f"not readable as a drift report ({e!r})") from e
    if not recalls:
        raise FileFault.of(
            path,
            "no labels in this report: expected one made with --labels",
            next_command="python tools/drift_report.py --help",
        )
    return recalls, confusions


def table(changes: pd.DataFrame, overall: Mapping[str, Any], names: Mapping[int, str]) -> list[str]:
    """Return the comparison as lines of at most 80 columns."""
    n, base_n = changes["support"].sum(), changes["baseline_support"].sum()
    batch, base = changes["correct"].sum() / n, changes["baseline_correct"].sum() / base_n
    lines = [
        f"accuracy {batch:.3f} on {n:,} rows, baseline {base:.3f} on {base_n:,}",
        f"expected on these classes {overall['expected']:.3f}, shift {overall['low']:+.3f} to "
        f"{overall['high']:+.3f}{' FELL' if overall['fell'] else ''}",
        f"{'code':<6}{'class':<27}{'rows':>6}{'base':>7}{'batch':>7}{'change':>8}  interval",
    ]
    marks = {"fell": " FELL", "rose": " rose", "steady": ""}
    for c in changes.to_dict("records"):
        start = f"{c['code']:<6}{names.get(c['code'], '')[:26]:<27}{c['support']:>6}"
        if c["change"] == "unknown":
            lines.append(f"{start}{'':>7}{'–':>7}")
            continue
        lines.append(
            f"{start}{c['baseline_recall']:>7.3f}{c['recall']:>7.3f}{c['delta']:>+8.3f}"
            f" {c['low']:>+6.2f}{c['high']:>+6.2f}{marks[c['change']]}".rstrip()
        )
    return lines


def confusion_lines(found: Confusions, known: pd.DataFrame, names: Mapping[int, str]) -> list[str]:
    """Return the confusions that grew most against the baseline's own list."""
    pairs = zip(known["true"].tolist(), known["predicted"].tolist(), strict=True)
    rates = dict(zip(pairs, known["rate"].tolist(), strict=True))
    grown = sorted(
        found.items(), key=lambda kv: -kv[1][0] * (1 - rates.get(kv[0], 0.0) / kv[1][1])
    )[:WORST_CONFUSIONS]
    lines = ["", f"{'taken for another':<56}{'rows':>6}{'base':>8}{'batch':>8}"]
    for (true, predicted), (count, rate) in grown:
        pair = f"{names.get(true, true)!s:.24} > {names.get(predicted, predicted)!s:.24}"
        base = f"{rates[true, predicted]:.3f}" if (true, predicted) in rates else "rare"
        lines.append(f"{pair:<56}{count:>6}{base:>8}{rate:>8.3f}")
    return lines


def _counts(rows: pd.DataFrame, code: str, recall: str) -> Counts:
    """Return (correct, support) by code from columns of recall and support."""
    columns = (rows[name].tolist() for name in (code, recall, "support"))
    return {int(c): (round(r * n), int(n)) for c, r, n in zip(*columns, strict=True)}


def _read_csv(path: Path, *columns: str) -> pd.DataFrame:
    import pandas as pd

    try:
        return pd.read_csv(path, usecols=columns)
    except FileNotFoundError as e:
        command = "python scripts/train_pipeline.py"
        raise ArtifactError(f"{path}: no such file", next_command=command) from e
    except (OSError, ValueError) as e:
        raise FileFault.of(path, f"not readable as CSV ({e})") from e


if __name__ == "__main__":
    sys.exit(main())
