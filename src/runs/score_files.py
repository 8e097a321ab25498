"""The files of a scored split: tables, the text report and the figures, by the store's names."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from src.artifacts.store import ArtifactStore, Run
from src.evaluation.confusion import confusion_percent
from src.evaluation.figures import (
    Caption,
    class_figure,
    confusion_figure,
    reliability_figure,
    selective_figure,
)
from src.evaluation.report_text import report_text
from src.i18n import LANGUAGES
from src.labels import Labels
from src.runs.types import Evaluated, Scored

# A code's faults are many and mostly of one row: the rest is in the confusion counts.
TOP_ERRORS = 100


def split_files(
    store: ArtifactStore, run: Run, kind: str, labels: Labels, scored: Scored
) -> Iterator[tuple[Path, Any]]:
    """Yield each table and report of one split, under ``results/``, and what goes into it."""
    about = {"kind": kind, "split": scored.split, "rows": len(scored.predictions)}
    origin = {"run_id": run.run_id, "snapshot": run.snapshot, "synthetic": run.synthetic}
    facts = {**scored.scores, **about, **origin, **scored.details}
    percent = confusion_percent(scored.confusion)
    tables = {
        ".json": facts,
        "_per_class.csv": scored.by_class,
        "_confusion_counts.csv": scored.confusion.reset_index(),
        "_confusion_percent.csv": percent.reset_index(),
        "_top_errors.csv": scored.errors.head(TOP_ERRORS),
        "_report.txt": report_text(facts, scored.by_class, scored.errors, labels),
    }
    for suffix, table in tables.items():
        yield store.metrics(kind, scored.split, suffix), table
    out_of_fold = scored.split == "oof"
    place = store.out_of_fold(kind) if out_of_fold else store.predictions(kind, scored.split)
    yield place, scored.predictions


def figure_files(
    store: ArtifactStore, run: Run, kind: str, labels: Labels, scored: Scored
) -> Iterator[tuple[Path, Any]]:
    """Yield each figure of one split under ``reports/figures/``, in English and in French."""
    import pandas as pd

    details, percent = scored.details, confusion_percent(scored.confusion)
    curve, bins = pd.DataFrame(details["selective"]), pd.DataFrame(details["reliability"])
    for language in LANGUAGES:
        rows = len(scored.predictions)
        caption = Caption(kind, scored.split, rows, run.synthetic, language)
        figures = {
            "confusion": confusion_figure(percent, labels, caption),
            "reliability": reliability_figure(bins, caption),
            "selective": selective_figure(curve, details["decision"], caption),
            "per_class": class_figure(scored.by_class, labels, caption),
        }
        for name, png in figures.items():
            yield store.figure(kind, scored.split, f"{name}_{language}"), png


def shared_files(store: ArtifactStore, evaluated: Evaluated) -> Iterator[tuple[Path, Any]]:
    """Yield the files that a run has once: doubtful labels, diagnostics of the baselines."""
    yield store.label_issues, evaluated.label_issues
    for name, (by_class, confusions) in evaluated.diagnosed.items():
        yield store.baseline(f"{name}_diagnostics.csv"), by_class
        yield store.baseline(f"{name}_top_confusions.csv"), confusions.head(TOP_ERRORS)
