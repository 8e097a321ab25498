"""Products outside the catalogue that people corrected: trained on, and not scored."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import psycopg
import pytest
from fastapi.testclient import TestClient
from PIL import Image
from sklearn.base import clone

from src.artifacts.store import ArtifactStore
from src.cache import ExtractionCache
from src.config import Config
from src.data.images import file_name
from src.features.tfidf.vectorizers import TfidfWords
from src.labels import Labels, load_labels
from src.pipeline_steps import (
    stage01_data_ingestion,
    stage02_data_validation,
    stage03_data_transformation,
)
from src.pipeline_steps.runner import Options, run_pipeline
from src.pipeline_steps.stage04_model_training import ModelTrainingPipeline
from src.runs.types import Ingested, Transformed, Validated
from src.serving.api import Services, create_app
from src.serving.feedback import FeedbackStore, append_line
from src.serving.prediction_log import PredictionLog
from src.serving.predictor import Product, load_predictor
from src.serving.served_model import ServedModel
from tests.conftest import Shop

Configure = Callable[..., Config]
PEOPLE = 2**62  # from here on numbers are those of products outside the catalogue
CORRECTED = "data.use_corrections=true"


def labels_of(cfg: Config) -> Labels:
    return load_labels(cfg.paths.labels_map, cfg.paths.theme_map)


def picture(seed: int, side: int = 200, quality: int = 90) -> bytes:
    """A JPEG of coarse blocks in colours: other for every seed, the same for every size."""
    blocks = np.random.default_rng(seed).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(blocks).resize((side, side), Image.Resampling.NEAREST).save(
        buffer, "JPEG", quality=quality
    )
    return buffer.getvalue()


def words_of(cfg: Config, phase: str) -> set[str]:
    store = ArtifactStore(cfg.paths)
    model = store.load(store.model(cfg.model.name, phase))
    return set().union(*(step.vocabulary_ for _, _, step in model.fitted_steps(TfidfWords)))


def test_what_was_corrected_through_the_service_is_trained_on_and_not_scored(
    configure: Configure, database: str, load: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = ["data.source=postgres", "features.text.max_features=200000"]
    cfg = configure(*few)
    labels, store = labels_of(cfg), ArtifactStore(cfg.paths)
    assert load(database, cfg.paths.import_dir, codes=labels.codes).returncode == 0
    monkeypatch.setenv("DATABASE_URL", database)
    before = run_pipeline(cfg, labels, Options())[1]
    catalogue, unseen = store.load(store.catalogue), store.load(store.unseen)
    held = before.scored[0].predictions["row_index"]
    row = catalogue[catalogue["row_index"].isin(held)].iloc[0]
    feedback, model = FeedbackStore.of(cfg.paths, labels.codes), ServedModel(cfg.paths)
    model.refresh()
    client = TestClient(create_app(Services(model, PredictionLog([].extend), feedback)))
    new = {"designation": "zorglub bulgroz", "description": "Poche", "prdtypecode": 2583}
    title, text = row["designation"].upper(), f"{row['description']} quafnip"
    for given in (
        {**new, "image_base64": base64.b64encode(picture(1)).decode()},
        {"designation": "quafnip", "description": "", "prdtypecode": 2583},
        {"designation": title, "description": text, "prdtypecode": 2583},
    ):
        assert client.post("/feedback", json=given).json()["stored_in"] == "database"

    cfg = configure(*few, CORRECTED, "data.feedback_weight=3")
    after = run_pipeline(cfg, labels, Options(force=True))[1]
    for first, second in zip(before.scored, after.scored, strict=True):
        columns = ["row_index", "prdtypecode"]
        pd.testing.assert_frame_equal(first.predictions[columns], second.predictions[columns])
    assert store.load(store.validation_report)["corrections"]["added"] == 3
    assert "3 products added" in store.load(store.model_card)
    pd.testing.assert_frame_equal(store.load(store.catalogue), catalogue)
    same = ["productid", "prdtypecode"]
    pd.testing.assert_frame_equal(store.load(store.unseen)[same], unseen[same])
    assert store.load(store.label_issues)["productid"].max() < PEOPLE
    with psycopg.connect(database) as connection:
        rows = connection.execute("SELECT count(*), max(productid) FROM project.splits").fetchone()
    assert rows == (len(unseen), catalogue["productid"][: len(unseen)].max())
    assert {"zorglub", "bulgroz", "quafnip"} <= words_of(cfg, "holdout") & words_of(cfg, "final")
    (answer,) = load_predictor(cfg.paths).predict([Product("Zorglub", "bulgroz")])
    assert answer.code == 2583
    evidence = store.load(store.neighbours).products
    assert (evidence["productid"] >= PEOPLE).sum() == 3


def transformed(cfg: Config) -> Transformed:
    """What stages 1 to 3 give, unchecked."""
    codes = labels_of(cfg).codes
    ingested = stage01_data_ingestion.run(cfg, codes)
    validated = stage02_data_validation.run(ingested, codes, cfg.validation, skip=True)
    cache = ExtractionCache(cfg.paths.cache_dir)
    return stage03_data_transformation.run(validated, cfg, cache, fresh=False)


def correct(cfg: Config, *products: tuple[Product, int]) -> None:
    """Write corrections to the file of a workspace."""
    feedback = FeedbackStore.of(cfg.paths, labels_of(cfg).codes)
    for product, code in products:
        append_line(feedback.file, feedback.new(code, product))


def test_duplicates_of_held_out_products_are_held_out_and_move_none(configure: Configure) -> None:
    """Two products of the catalogue stay on their sides though one of people's is near both."""
    before = transformed(configure())
    table = before.train
    held, kept = table[before.holdout].iloc[0], table[~before.holdout].iloc[0]
    absent = sorted(set(labels_of(configure()).codes) - set(table["prdtypecode"]))
    cfg = configure(CORRECTED, "data.feedback_weight=2")
    products = {
        "held": (Product(held["designation"].upper(), held["description"] + " !"), 2583),
        "kept": (Product(kept["designation"].upper(), kept["description"] + " !"), 2583),
        "other": (Product("zorglub"), 10),
    }
    correct(cfg, *products.values())
    after = transformed(cfg)
    assert not absent
    own = after.of_catalogue()
    np.testing.assert_array_equal(own.holdout, before.holdout)
    pd.testing.assert_frame_equal(
        own.train[before.train.columns].drop(columns="group"),
        before.train.drop(columns="group"),
        check_dtype=False,
    )
    added = after.train[~after.scored]
    assert added["designation"].tolist() == [p.designation for p, _ in products.values()]
    assert after.holdout[~after.scored].tolist() == [True, False, False]
    assert added["times"].tolist() == [2, 2, 2]
    assert (after.train["times"][after.scored] == 1).all()
    group = after.train.set_index("designation")["group"]
    assert group[held["designation"].upper()] == group[held["designation"]]

    scored = transformed(configure(CORRECTED, "data.score_feedback=true"))
    assert scored.scored.all()
    assert len(scored.holdout) == len(before.holdout) + 3
    without = transformed(configure(CORRECTED, "data.feedback_weight=0"))
    assert len(without.train) == len(table)


def test_models_learn_from_kept_rows_alone_and_scores_are_of_the_catalogue(
    configure: Configure,
) -> None:
    cfg = configure(CORRECTED, "data.feedback_weight=5")
    first = transformed(configure())
    held = first.train[first.holdout].iloc[0]
    copy = Product(f"<b>{held['designation']}</b>", held["description"])
    correct(cfg, (copy, 10), (Product("zorglub"), 10))
    given = transformed(cfg)
    trained = ModelTrainingPipeline(given, 0.8).run()
    assert trained.oof.proba.shape == (len(first.train), len(trained.oof.classes))
    np.testing.assert_array_equal(trained.oof.folds == -1, first.holdout)
    # The same products, one by one: what counts twice stands there twice.
    kept = ~given.holdout
    rows = np.repeat(np.flatnonzero(kept), given.train["times"][kept])
    assert len(rows) == kept.sum() + 4
    again = given.train.iloc[rows].reset_index(drop=True).assign(times=1)
    expert = trained.holdout_model.estimators[0][1]
    plain = clone(expert).fit(again, again["prdtypecode"].to_numpy())
    (fitted,) = trained.holdout_model.experts_.values()
    table = first.train[first.holdout]
    np.testing.assert_array_equal(fitted.decision_function(table), plain.decision_function(table))


def small_shop(shop: Shop, cfg: Config) -> None:
    """Write forty products of two classes; the first two have an image."""
    names = ["livre roman ancien", "piscine gonflable bleue"]
    x = [(i, f"{names[i % 2]} {i}", f"n° {i}", 1000 + i, 7000 + i) for i in range(40)]
    y = [(i, (10, 2583)[i % 2]) for i in range(40)]
    shop.write(x, y, [(40, "livre", "", 5000, 9000)])
    cfg.images.train_dir.mkdir(parents=True)
    for i in range(2):
        path = cfg.images.train_dir / file_name(7000 + i, 1000 + i)
        path.write_bytes(picture(i))


def test_images_of_people_are_compared_with_the_catalogues(
    configure: Configure, shop: Shop, tmp_path: Path
) -> None:
    where = [
        f"paths.import_dir={shop.folder}",
        f"images.train_dir={tmp_path / 'images'}",
        CORRECTED,
    ]
    cfg = configure(*where)
    small_shop(shop, cfg)
    smaller, lost = picture(0, side=150, quality=70), picture(9)
    correct(
        cfg,
        (Product("zorglub", "", smaller), 10),
        (Product("", "", picture(5)), 10),
        (Product("bulgroz", "", lost), 2583),
    )
    feedback = FeedbackStore.of(cfg.paths, (10, 2583))
    digest = feedback.keep_image(lost)
    (cfg.paths.feedback_dir / digest[:2] / digest).unlink()
    ingested: Ingested = stage01_data_ingestion.run(cfg, (10, 2583))
    added = ingested.train.tail(3)
    assert [Path(path).exists() for path in added["image"] if path] == [True, True]
    assert added["image"].tolist()[2] == ""
    assert added["image_sha256"].tolist()[2] == ""
    first = ingested.train["image_hash"].iloc[0]
    assert added["image_hash"].tolist()[0] == first != ""
    assert len({*added["image_hash"]}) == 3
    assert ingested.train["from_people"].tolist() == [False] * 40 + [True] * 3
    validated: Validated = stage02_data_validation.run(
        ingested, (10, 2583), cfg.validation, skip=False
    )
    failed = [check for check in validated.checks if check["status"] == "fail"]
    assert failed == []  # a product of people may have no title
    given = transformed(cfg)
    groups = given.train["group"].tolist()
    assert groups[40] == groups[0] != groups[1]


def test_a_class_of_people_alone_is_learned_and_one_that_only_a_copy_has_is_left_out(
    configure: Configure, shop: Shop, tmp_path: Path
) -> None:
    where = [f"paths.import_dir={shop.folder}", f"images.train_dir={tmp_path / 'images'}"]
    cfg = configure(*where, CORRECTED)
    small_shop(shop, cfg)
    first = transformed(configure(*where))
    held = first.train[first.holdout].iloc[0]
    copy = Product(held["designation"].upper(), held["description"])
    correct(cfg, (copy, 40))
    assert transformed(cfg).y.tolist() == first.y.tolist()
    toys = [(Product(f"zorglub {n}"), 40) for n in range(6)]
    correct(cfg, *toys)
    trained = ModelTrainingPipeline(transformed(cfg), 0.8).run()
    assert trained.oof.classes.tolist() == [10, 40, 2583]
    assert len(trained.oof.proba) == 40
    assert np.isfinite(trained.oof.proba).all()
