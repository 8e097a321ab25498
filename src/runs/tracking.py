"""Runs in MLflow, where ``[tracking].uri`` names a folder or a server; else none of it is loaded.

A run's settings, scores, figures and model card are logged, and its pipeline as a model of MLflow's
kind "pyfunc", which ``mlflow models serve`` answers with. It is a version of the registered model
that ``[tracking].experiment`` names; the aliases ``champion`` and ``candidate`` follow ours. What
fails is a warning: a run is whole without it.
"""

from __future__ import annotations

import base64
import dataclasses
import importlib.metadata
import logging
import os
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

import pandas as pd

from src.artifacts.history import trained_event
from src.artifacts.names import Alias, find_run
from src.artifacts.store import ArtifactStore, Run
from src.config import REPOSITORY, Config
from src.pipelines.product_model import FullPipeline

if TYPE_CHECKING:
    from mlflow import MlflowClient

logger = logging.getLogger(__name__)

CODE = "prdtypecode"
ALIASES: dict[str, Alias] = {"champion": "served", "candidate": "candidate"}
RUN_TAG = "run_id"  # of a model's version: our name of the run
# Of MLflow itself: a folder is asked for, a server that is down is no reason to wait for minutes,
# and nobody asked to report its use to its makers.
ENVIRONMENT = {
    "MLFLOW_ALLOW_FILE_STORE": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}


@dataclasses.dataclass(frozen=True, eq=False)
class TrackedPipeline:
    """The pipeline as MLflow serves it: a table in, the answers of ``scripts/predict.py`` out."""

    pipeline: FullPipeline

    def __call__(self, model_input: pd.DataFrame) -> pd.DataFrame:
        """Return `Prediction` for each product: designation, description, image_base64."""
        from src.serving.predictor import Predictor

        products = model_input
        if "image_base64" in products:
            given = products["image_base64"]
            images = [base64.b64decode(image) if isinstance(image, str) else "" for image in given]
            products = products.assign(image=pd.Series(images, products.index, dtype=object))
        answers = Predictor(self.pipeline).predict(products)
        return pd.DataFrame(map(dataclasses.asdict, answers)).rename(columns={"code": CODE})


def log_run(cfg: Config, store: ArtifactStore, run: Run) -> None:
    """Log a finished run and register its pipeline; `store` is the run's."""
    if _attempt(cfg, "the run was not logged", _log, store, run):
        follow_aliases(cfg)


def follow_aliases(cfg: Config) -> None:
    """Let the registered model's aliases name the versions that are served and candidate here."""
    _attempt(cfg, "the aliases of the registered model do not follow", _follow)


def _log(client: MlflowClient, cfg: Config, store: ArtifactStore, run: Run) -> None:
    import mlflow

    mlflow.set_experiment(cfg.tracking.experiment)
    tags = {name: str(value) for name, value in dataclasses.asdict(run).items()}
    with mlflow.start_run(run_name=run.run_id, tags=tags) as logged:
        mlflow.log_params(cfg.flat())
        for split, scores in trained_event(store)["scores"].items():
            mlflow.log_metrics(
                {
                    f"{split}.{name}{suffix}": value
                    for name, values in scores.items()
                    for suffix, value in zip(("", "_low", "_high"), values, strict=True)
                }
            )
        mlflow.log_artifact(str(store.model_card))
        figures = store.folder("run") / "reports" / "figures"
        if figures.is_dir():
            mlflow.log_artifacts(str(figures), "figures")
        if cfg.outputs.full_pipeline:
            _register(cfg, store, client, run)
    logger.info("  logged as MLflow run %s at %s", logged.info.run_id, _uri(cfg))


def _follow(client: MlflowClient, cfg: Config) -> None:
    name = cfg.tracking.experiment
    versions = {
        version.tags.get(RUN_TAG): version.version
        for version in client.search_model_versions(f"name='{name}'")
    }
    if not versions:
        return
    now = client.get_registered_model(name).aliases
    for alias, ours in ALIASES.items():
        folder = find_run(cfg.paths, ours)
        if folder and folder.name in versions:
            client.set_registered_model_alias(name, alias, versions[folder.name])
        elif alias in now:
            client.delete_registered_model_alias(name, alias)


def _register(cfg: Config, store: ArtifactStore, client: MlflowClient, run: Run) -> None:
    import mlflow
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    pipeline: FullPipeline = store.load(store.full_pipeline(cfg.model.name))
    columns = {"designation": True, "description": False, "image_base64": False}
    inputs = Schema([ColSpec(DataType.string, name, must) for name, must in columns.items()])
    info = mlflow.pyfunc.log_model(
        name="pipeline",
        python_model=TrackedPipeline(pipeline),
        code_paths=[str(REPOSITORY / "src")],
        pip_requirements=_requirements(),
        signature=ModelSignature(inputs),
        registered_model_name=cfg.tracking.experiment,
    )
    version = str(info.registered_model_version)
    client.set_model_version_tag(cfg.tracking.experiment, version, RUN_TAG, run.run_id)


def _requirements() -> list[str]:
    """Return what answering a product takes, in the versions that trained the model."""
    asked = importlib.metadata.requires("rakuten-multimodal-mlops") or []
    names = [line.split(";")[0].split(">")[0].split("[")[0] for line in asked if ";" not in line]
    return [
        f"{name}=={importlib.metadata.version(name)}"
        for name in [*names, "cloudpickle", "mlflow-skinny"]
    ]


def _uri(cfg: Config) -> str:
    """Return the address; a folder lies below the workspace."""
    uri = cfg.tracking.uri
    return uri if "://" in uri else (cfg.paths.workspace / uri).as_uri()


def _attempt(cfg: Config, otherwise: str, work: Callable[..., None], *args: object) -> bool:
    """Call `work` with a client of the configured place; whatever fails becomes a warning.

    Returns whether it was done.
    """
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    # It warns of pickles and asks for examples; what goes wrong is an exception.
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    try:
        import mlflow

        mlflow.set_tracking_uri(_uri(cfg))
        mlflow.set_registry_uri(_uri(cfg))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            work(mlflow.MlflowClient(), cfg, *args)
        return True
    except Exception as e:  # noqa: BLE001 - the run is done, whatever a library of others raises
        told = str(e).partition("\n")[0] or type(e).__name__
        logger.warning("%s: %s (%s)", cfg.tracking.uri, otherwise, told)
        return False
