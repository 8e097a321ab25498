"""The five stages in order: what runs, what it says, what it saves.

Read this file and ``init.sh`` and you have seen the whole: products are read, checked, turned into
features, trained on and scored, and what each stage made is saved before the next begins.
"""

import dataclasses
import logging

from src.artifacts import history
from src.artifacts.store import ArtifactStore, Run
from src.cache import ExtractionCache
from src.cluster import connected
from src.config import Config
from src.data.corrections import Corrected
from src.labels import Labels
from src.pipeline_steps import (
    stage01_data_ingestion,
    stage02_data_validation,
    stage03_data_transformation,
    stage04_model_training,
    stage05_model_evaluation,
)
from src.pipelines.registry import check_networks
from src.runs.demo_images import save_demo_images
from src.runs.explanation import explain
from src.runs.promotion import finalize, promote
from src.runs.saving import (
    register,
    save_model_card,
    save_models,
    save_reference,
    save_scores,
)
from src.runs.types import Evaluated, Ingested, Transformed, Validated
from src.utils.profiling import stage

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Options:
    """Switches of one run, as ``scripts/train_pipeline.py`` reads them.

    `register` False leaves split and scores out of the database and of the tracking server.
    """

    skip_validation: bool = False
    evaluate_on_train: bool = False
    fresh: bool = False
    cv: bool = False
    register: bool = True
    force: bool = False


def run_pipeline(cfg: Config, labels: Labels, options: Options) -> tuple[Run, Evaluated]:
    """Run the five stages, save what they made, and let the run be served if it is good enough.

    What became of it is read with `src.runs.promotion.read_decision` of the run's store.

    Raises
    ------
    ProjectError
        Whatever a stage refuses; what was saved before stays.
    """
    store, cache = ArtifactStore(cfg.paths), ExtractionCache(cfg.paths.cache_dir)
    check_networks(cfg)
    with store.writing(), connected(cfg.compute.backend, cfg.compute.scheduler):
        with stage(1, 5, "ingest") as line:
            ingested = stage01_data_ingestion.run(cfg, labels.codes)
            line.says = f"{len(ingested.train):,} train, {len(ingested.test):,} test products"
            run = _start(ingested, cfg)
            store = store.begin(run)
        if ingested.corrected:
            logger.info("  %s; the hold-out is scored against them too", ingested.corrected)
        with stage(2, 5, "validate") as line:
            validated = _validate(ingested, cfg, labels, options, store, run)
            line.says = _checks_line(validated)
        with stage(3, 5, "transform") as line:
            transformed = stage03_data_transformation.run(
                validated, cfg, cache, fresh=options.fresh
            )
            catalogue = stage03_data_transformation.catalogue(transformed)
            store.save(store.catalogue, catalogue, run=run, stage="transform")
            line.says = _table_line(transformed)
        with stage(4, 5, "train") as line:
            pipeline = stage04_model_training.ModelTrainingPipeline(
                transformed, cfg.decision.target_accuracy, cv=options.cv
            )
            trained = pipeline.run()
            save_models(store, run, cfg, labels, transformed, trained)
            transformed = transformed.of_catalogue()  # what scores and profiles are about
            save_reference(store, run, cfg, transformed, trained)
            line.says = f"{cfg.model.name}, {len(labels.codes)} classes"
        with stage(5, 5, "evaluate") as line:
            evaluation = stage05_model_evaluation.ModelEvaluationPipeline(
                transformed, trained, labels, cfg
            )
            evaluated = evaluation.run(on_train=options.evaluate_on_train)
            save_scores(store, run, cfg, labels, evaluated)
            if cfg.explainability.enabled:
                for name, value in explain(transformed, trained, labels, cfg).items():
                    store.save(getattr(store, name), value, run=run, stage="evaluate")
            save_model_card(store, run, cfg.model.name, ingested)
            save_demo_images(store, run, transformed)
            finalize(
                store,
                run,
                cfg.model.name,
                evaluated.scored,
                transformed.groups,
                sample=ingested.sample,
                settings=cfg.changes(),
                corrections=_used(ingested.corrected),
            )
            line.says = f"hold-out f1_weighted {evaluated.scored[0].scores['f1_weighted']:.4f}"
        decision = promote(store, cfg.promotion.margin, force=options.force)
        if options.register:
            register(cfg, store, run, transformed, evaluated, served=decision.promoted)
    return run, evaluated


def _used(corrected: Corrected | None) -> int:
    return corrected.changed + corrected.confirmed + corrected.added if corrected else 0


def _start(ingested: Ingested, cfg: Config) -> Run:
    history.complete(cfg.paths)  # a candidate of before is about to be deleted
    snapshot = ingested.snapshot
    return Run.start(snapshot.data_hash, synthetic=snapshot.synthetic, config=cfg.digest())


def _validate(
    ingested: Ingested,
    cfg: Config,
    labels: Labels,
    options: Options,
    store: ArtifactStore,
    run: Run,
) -> Validated:
    validated = stage02_data_validation.run(
        ingested, labels.codes, cfg.validation, skip=options.skip_validation
    )
    report = stage02_data_validation.report(validated)
    if ingested.corrected:
        report["corrections"] = dataclasses.asdict(ingested.corrected)
    store.save(store.validation_report, report, run=run, stage="validate")
    stage02_data_validation.raise_on_failure(validated.checks, store.validation_report)
    return validated


def _table_line(transformed: Transformed) -> str:
    rows, columns = len(transformed.train) + len(transformed.test), transformed.train.shape[1]
    for agreement in stage03_data_transformation.agreements(transformed):
        logger.info("  %s with fp32", agreement)
    return f"{rows:,} x {columns:,} columns, {transformed.holdout.sum():,} rows held out"


def _checks_line(validated: Validated) -> str:
    if not validated.checks:
        return "skipped"
    warned = [check for check in validated.checks if check["status"] == "warn"]
    for check in warned:
        logger.info("  look: %(name)s: %(observed)s (%(expected)s)", check)
    return f"{len(validated.checks)} checks, {len(warned)} to look at"
