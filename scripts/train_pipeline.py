"""Train: the five stages from the loaded products to a scored model and a submission file.

Exit status: 0 the run is served, 1 it was scored and kept but not promoted, 2 nothing was trained.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from src.artifacts.names import public_folders
from src.command_line import given_settings, parser, run, runnable, settings
from src.errors import EXIT_FINDINGS, EXIT_FINE
from src.labels import Labels, load_labels

if TYPE_CHECKING:
    import pandas as pd

    from src.artifacts.store import ArtifactStore, Run
    from src.config import Config
    from src.runs.types import Scored


def main(argv: list[str] | None = None) -> int:
    """Parse, train, print the scores; return the exit code."""
    kept = "no half file was left; features that were extracted are in the cache"
    return run(_train, _parser(), argv, kept=kept)


def _parser() -> argparse.ArgumentParser:
    options = parser(__doc__, source=True, verbose="show timers and shapes")
    options.add_argument(
        "--cv", action="store_true", help="cross-validate over all labelled rows (cv.n_folds)"
    )
    options.add_argument("--skip-validation", action="store_true", help="leave the checks out")
    options.add_argument(
        "--evaluate-on-train", action="store_true", help="score the training rows too, marked so"
    )
    options.add_argument(
        "--fresh", action="store_true", help="extract every feature anew, whatever the cache has"
    )
    options.add_argument(
        "--force",
        action="store_true",
        help="serve this run even where the served one scores better",
    )
    return options


def _train(args: argparse.Namespace) -> int:
    cfg = settings(args)
    labels = load_labels(cfg.paths.labels_map, cfg.paths.theme_map)
    from src.pipelines.registry import branch_weights

    branch_weights(cfg)  # a wrong weight is refused before any data is read
    from src.pipeline_steps.runner import Options, run_pipeline

    options = Options(
        skip_validation=args.skip_validation,
        evaluate_on_train=args.evaluate_on_train,
        fresh=args.fresh,
        cv=args.cv,
        force=args.force,
    )
    run, evaluated = run_pipeline(cfg, labels, options)
    for scored in evaluated.scored:
        _print_scores(cfg, run, scored)
    _print_issues(evaluated.label_issues)
    _print_gain(cfg, run, labels)
    return _print_decision(cfg, run, args)


def _print_gain(cfg: Config, run: Run, labels: Labels) -> None:
    """Print what this run does better and worse than the one served before, where both can tell."""
    from src.artifacts.store import ArtifactStore
    from src.evaluation.paired import pair_answers
    from src.evaluation.report_text import comparison_lines
    from src.runs.promotion import read_decision

    store = ArtifactStore(cfg.paths, run.run_id)
    decision = read_decision(store)
    if decision.served is None or decision.difference is None:
        return
    served = ArtifactStore(cfg.paths, decision.served.run_id)
    pair = pair_answers(served.load(served.unseen), store.load(store.unseen))
    print(f"\nbefore  {decision.served.run_id}\nafter   {run.run_id}")
    if corrections := decision.candidate.corrections:
        print(f"scored against people's labels where they gave one ({corrections:,} used)")
    for line in comparison_lines(pair, labels, ("before", "after")):
        print(f"  {line}".rstrip())


def _print_issues(issues: pd.DataFrame) -> None:
    from src.evaluation.label_issues import expected_precisions

    print(f"\n{len(issues):,} doubtful labels")
    for rows, share in expected_precisions(issues).items():
        print(f"  of the first {rows:<6,} {share:>4.0%} are expected to be wrong")


def _print_scores(cfg: Config, run: Run, scored: Scored, worst: int = 5) -> None:
    from src.evaluation.report_text import fit, score_lines

    rows = f"{len(scored.predictions):,} {scored.split} rows"
    print(f"\n{cfg.model.name} on {rows}\n  run {run.run_id}, data {run.snapshot[:12]}")
    if run.synthetic:
        print("  SYNTHETIC: drawn by the demo shop; the scores are about the shop alone")
    for line in score_lines({**scored.scores, **scored.details}):
        print(f"  {line}")
    hardest = scored.by_class[scored.by_class["support"] > 0].nsmallest(worst, "f1")
    print(f"  {'hardest classes':<42} {'F1':>6} {'rows':>6}")
    for row in hardest.itertuples():
        print(f"    {row.prdtypecode:<6}{fit(row.label, 33):<34} {row.f1:>6.3f} {row.support:>6}")


def _print_files(cfg: Config, store: ArtifactStore, *, served: bool) -> None:
    """Print where the run's files lie: under the names that people know once it is served."""
    files = {
        "models": store.folder("run"),
        "metrics": store.metrics(cfg.model.name, "holdout", ".json").parent,
        "label issues": store.label_issues,
    }
    if cfg.outputs.figures:
        files["figures"] = store.figure(cfg.model.name, "holdout", "confusion_en").parent
    if cfg.outputs.submission:
        files["submission"] = store.submission
    print("\nfiles")
    for what, path in files.items():
        inside = path.relative_to(store.folder("run"))
        place = cfg.paths.artifacts_dir / "candidate" / inside
        if served:
            folder = public_folders(cfg.paths)[inside.parts[0] if inside.parts else ""]
            place = folder.joinpath(*inside.parts[1:])
        print(f"  {what:<14}{_short(place)}")


def _print_decision(cfg: Config, run: Run, args: argparse.Namespace) -> int:
    """Print whether this run is served now; if not, how to inspect it and how to promote it."""
    from src.artifacts.store import ArtifactStore
    from src.runs.promotion import read_decision

    store = ArtifactStore(cfg.paths, run.run_id)
    decision = read_decision(store)
    _print_files(cfg, store, served=decision.promoted)
    given = given_settings(args)
    if decision.promoted:
        told = f"served now{' (forced)' if decision.forced else ''}: {decision.reason}"
        print(f"\n{textwrap.fill(told, 80, subsequent_indent='  ')}")
        if decision.served:
            back = runnable("python scripts/rollback.py", given)
            print(f"  before        {decision.served}\n  to go back    {back}")
        return EXIT_FINE
    told = textwrap.fill(f"not promoted: {decision.reason}", 80, subsequent_indent="  ")
    print(f"\n{told}")
    print(f"  this run      {decision.candidate}")
    if decision.served:
        print(f"  served        {decision.served}")
    card = store.paths.artifacts_dir / "candidate" / store.model_card.name
    print(f"  look          cat {shlex.quote(str(_short(card)))}")
    if cfg.outputs.full_pipeline:
        forced = runnable("python scripts/promote.py --force", given)
        print(f"  promote it    {forced}")
    else:
        with_pipeline = "python scripts/train_pipeline.py --set outputs.full_pipeline=true"
        again = runnable(with_pipeline, given)
        print(f"  to serve one  {again}")
    return EXIT_FINDINGS


def _short(path: Path) -> Path:
    """Return a path relative to the current folder where it lies below it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


if __name__ == "__main__":
    sys.exit(main())
