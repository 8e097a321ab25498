"""The whole run on a demo shop, against the same thing built from library primitives."""

from __future__ import annotations

import dataclasses
import json
import logging
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pandas as pd
import psycopg
import pytest
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import f1_score
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from src.artifacts.store import ArtifactStore, Run
from src.cache import ExtractionCache
from src.config import REPOSITORY, Config, load_config
from src.config_model import Validation
from src.data import postgres
from src.data.corrections import Corrected, Correction
from src.data.duplicates import normalise_text
from src.errors import ArtifactError, DataError, ValidationError
from src.features.text.cleaner import TextCleaner
from src.features.text.language import detect_languages
from src.features.text.markup import plain_text
from src.files import sha256
from src.labels import Labels, load_labels
from src.pipeline_steps import (
    stage01_data_ingestion,
    stage02_data_validation,
    stage03_data_transformation,
)
from src.pipeline_steps.runner import Options, run_pipeline
from src.pipeline_steps.stage04_model_training import ModelTrainingPipeline
from src.runs.promotion import tell_served
from src.runs.types import Evaluated
from tests.conftest import configure_on

pytestmark = pytest.mark.slow
Configure = Callable[..., Config]
OPTIONS = Options()


@dataclasses.dataclass(frozen=True)
class Ran:
    """What the documented settings gave on the demo shop."""

    cfg: Config
    run: Run
    evaluated: Evaluated


@pytest.fixture(scope="module")
def ran(demo_shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    cfg = configure_on(demo_shop, tmp_path_factory.mktemp("ran"))
    return Ran(cfg, *run_pipeline(cfg, labels_of(cfg), Options(evaluate_on_train=True)))


def labels_of(cfg: Config) -> Labels:
    return load_labels(cfg.paths.labels_map, cfg.paths.theme_map)


def read(cfg: Config, name: str) -> pd.DataFrame:
    return pd.read_csv(cfg.paths.import_dir / name, index_col=0, keep_default_na=False)


def design(train: pd.DataFrame, rows: pd.DataFrame) -> sparse.csr_matrix:
    """Word and character TF-IDF and the two plain measures, by the library."""
    cleaner = TextCleaner()

    def texts(frame: pd.DataFrame) -> list[str]:
        parts = (cleaner.clean(frame[c].tolist()) for c in ("designation", "description"))
        return [f"{title}\n{body}" for title, body in zip(*parts, strict=True)]

    def measures(frame: pd.DataFrame) -> np.ndarray:
        has = [text != "" for text in cleaner.clean(frame["description"].tolist())]
        lengths = [len(plain_text(title)) for title in frame["designation"]]
        return np.column_stack([has, lengths]).astype(np.float32)

    options = {"max_features": 5000, "min_df": 2, "sublinear_tf": True}
    words = TfidfVectorizer(ngram_range=(1, 2), **options).fit(texts(train))
    chars = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), **options).fit(texts(train))
    scaler = StandardScaler().fit(measures(train))
    usual = np.abs(scaler.transform(measures(train))).mean(axis=0)
    scaled = scaler.transform(measures(rows)) / usual * [0.1, 0.05]
    blocks = [words.transform(texts(rows)), chars.transform(texts(rows)), scaled]
    return sparse.hstack(blocks, format="csr")


def test_holdout_predictions_are_the_librarys(configure: Configure) -> None:
    titles = [f"features.text.weights.tfidf_{kind}_title=0" for kind in ("word", "char")]
    cfg = configure(*titles)
    _, evaluated = run_pipeline(cfg, labels_of(cfg), OPTIONS)
    holdout = evaluated.scored[0].predictions
    x, y = read(cfg, "X_train_update.csv"), read(cfg, "Y_train_CVw08PX.csv")["prdtypecode"]
    held = x.index.isin(holdout["row_index"])
    model = LinearSVC(C=0.5, random_state=0, max_iter=5000, tol=1e-6)
    model.fit(design(x[~held], x[~held]), y[~held])
    expected = model.decision_function(design(x[~held], x[held]))
    store = ArtifactStore(cfg.paths)
    ours = store.load(store.model("linear_svc", "holdout"))
    table = store.load(store.full_pipeline("linear_svc")).table(x[held].assign(image=""))
    np.testing.assert_allclose(ours.decision_function(table), expected, atol=5e-3)
    np.testing.assert_array_equal(holdout["predicted"], ours.predict(table))
    assert holdout["prdtypecode"].tolist() == y[held].tolist()
    scores = evaluated.scored[0].scores
    assert scores["f1_weighted"] == pytest.approx(
        f1_score(holdout.prdtypecode, holdout.predicted, average="weighted")
    )
    assert scores["f1_weighted"] > 0.3  # 27 classes: chance is below 0.06


def test_no_group_of_duplicates_straddles_the_holdout(ran: Ran) -> None:
    x = read(ran.cfg, "X_train_update.csv")
    held = set(ran.evaluated.scored[0].predictions["row_index"])
    sides: dict[str, set[bool]] = {}
    for index, row in x.iterrows():
        text = normalise_text(f"{row['designation']} {row['description']}")
        sides.setdefault(text, set()).add(index in held)
    assert sum(len(side) > 1 for side in sides.values()) == 0
    assert len(sides) < len(x)  # the shop does repeat texts
    assert len(held) == pytest.approx(0.15 * len(x), rel=0.05)


def test_files_of_a_run(ran: Ran) -> None:
    cfg, run, evaluated = ran.cfg, ran.run, ran.evaluated
    store = ArtifactStore(cfg.paths)
    submission = pd.read_csv(store.submission, index_col=0)
    test = read(cfg, "X_test_update.csv")
    assert submission.index.tolist() == test.index.tolist()
    assert list(submission.columns) == ["prdtypecode"]
    assert store.submission.read_text().startswith(",prdtypecode\n")
    metrics = store.load(store.metrics("linear_svc", "holdout", ".json"))
    assert metrics["f1_weighted"] == evaluated.scored[0].scores["f1_weighted"]
    assert (metrics["run_id"], metrics["synthetic"]) == (run.run_id, True)
    confusion = store.load(store.metrics("linear_svc", "holdout", "_confusion_counts.csv"))
    assert confusion.drop(columns="true").to_numpy().sum() == metrics["rows"]
    assert store.load(store.metrics("linear_svc", "train", ".json"))["split"] == "train"
    bundle = store.load(store.full_pipeline("linear_svc"))
    items = pd.DataFrame(
        {"designation": test["designation"], "description": test["description"], "image": ""}
    )
    np.testing.assert_array_equal(bundle.predict(items), submission["prdtypecode"].to_numpy())
    answers = store.load(store.predictions("linear_svc", "test"))
    best = bundle.model.predict_proba(bundle.table(items)).max(axis=1)
    np.testing.assert_allclose(answers["probability"], best, rtol=1e-12)
    assert answers["needs_review"].tolist() == (best < bundle.threshold).tolist()
    assert answers["productid"].tolist() == test["productid"].tolist()
    mapping = store.load(store.feature_mapping)
    assert [block["branch"] for block in mapping["blocks"]] == [
        "tfidf_word",
        "tfidf_char",
        "tfidf_word_title",
        "tfidf_char_title",
        "has_description",
        "title_length",
    ]
    assert mapping["blocks"][-1]["stop"] == mapping["columns"]
    report = store.load(store.validation_report)
    assert {check["status"] for check in report["checks"]} <= {"pass", "warn"}
    assert (report["train_rows"], report["test_rows"]) == (
        len(read(cfg, "X_train_update.csv")),
        130,
    )


def test_same_seed_same_digits_any_threads_and_a_warm_cache(configure: Configure, ran: Ran) -> None:
    first, cache = ran.evaluated, f"paths.cache_dir={ran.cfg.paths.cache_dir}"
    for threads, fresh in ((1, False), (2, True)):
        cfg = configure(cache, f"compute.n_jobs={threads}")
        again = run_pipeline(cfg, labels_of(cfg), Options(fresh=fresh))[1]
        pd.testing.assert_frame_equal(first.submission, again.submission)
        assert first.scored[0].scores == again.scored[0].scores


def test_what_is_held_out_has_no_part_in_what_is_learned(configure: Configure) -> None:
    """Other texts and other labels on the rows held out: every learned number stays the same."""
    branches = ("lexicon", "text_stats", "text_stats_pro", "language")
    weights = [f"features.text.weights.{name}=0.1" for name in branches]
    cfg = configure(*weights, "features.text.svd.enabled=true")
    labels = labels_of(cfg)
    ingested = stage01_data_ingestion.run(cfg, labels.codes)
    validated = stage02_data_validation.run(
        ingested, labels.codes, Validation(min_class_rows=1, max_missing_description=1.0), skip=True
    )
    cache = ExtractionCache(cfg.paths.cache_dir)
    first = stage03_data_transformation.run(validated, cfg, cache, fresh=False)
    held = first.holdout
    products = validated.train.copy()
    products.loc[held, "designation"] = [f"unheard {row} of" for row in range(held.sum())]
    products.loc[held, "description"] = "zzz"
    changed = dataclasses.replace(validated, train=products)
    second = stage03_data_transformation.run(changed, cfg, cache, fresh=False)
    np.testing.assert_array_equal(first.holdout, second.holdout)
    y = first.y.copy()
    y[held] = np.random.default_rng(0).permutation(y[held])
    relabelled = dataclasses.replace(second, train=second.train.assign(prdtypecode=y))
    trained = [ModelTrainingPipeline(given, 0.8).run() for given in (first, relabelled)]
    learned = [learned_numbers(one.holdout_model) for one in trained]
    assert trained[0].threshold == trained[1].threshold
    names = "\n".join(learned[0])
    for name in ("vocabulary_", "lexicon", "components_", "scale_", "coef_", "alone[0].slope"):
        assert name in names
    assert learned[0].keys() == learned[1].keys()
    for name, value in learned[0].items():
        np.testing.assert_array_equal(value, learned[1][name], err_msg=name)


INNER = {"steps", "transformer_list", "prior", "alone", "votes", "theta", "fused", "slope"}
INNER |= {"offset", "flattening", "inverse_temperature"}


def learned_numbers(value: object, path: str = "") -> dict[str, np.ndarray]:
    """Walk a fitted model and return every learned attribute (a name that ends in _)."""
    found: dict[str, np.ndarray] = {}
    if isinstance(value, (list, tuple)):
        for number, item in enumerate(value):
            found |= learned_numbers(item, f"{path}[{number}]")
    elif isinstance(value, dict) and any(hasattr(inner, "__dict__") for inner in value.values()):
        for key, inner in value.items():
            found |= learned_numbers(inner, f"{path}.{key}")
    elif isinstance(value, dict):
        keys = sorted(value, key=str)
        found[path] = np.array([str(key) for key in keys])
        found[f"{path}.values"] = np.array([str(value[key]) for key in keys])
    elif isinstance(value, (np.ndarray, np.generic, int, float)):
        found[path] = np.asarray(value)
    elif hasattr(value, "__dict__"):
        for name, inner in vars(value).items():
            if (path == "" or name.endswith("_") or name in INNER) and name != "fit_times_":
                found |= learned_numbers(inner, f"{path}.{name}")
    return found


def test_logreg_says_one_line_a_stage_and_its_files_bear_its_name(
    configure: Configure, caplog: pytest.LogCaptureFixture
) -> None:
    cfg = configure("model.name=logreg", "outputs.submission=false")
    with caplog.at_level(logging.INFO, logger="src"):
        run_pipeline(cfg, labels_of(cfg), OPTIONS)
    stages = [message for message in caplog.messages if message.startswith("[")]
    names = [message.split()[1] for message in stages]
    assert names == ["ingest", "validate", "transform", "train", "evaluate"]
    assert all(len(message) <= 80 for message in stages)
    assert "no product has an image: trained on text alone" in caplog.messages
    store = ArtifactStore(cfg.paths)
    assert store.load(store.metrics("logreg", "holdout", ".json"))["kind"] == "logreg"
    assert not store.submission.exists()


@pytest.mark.parametrize("kind", ["linear_svc", "late_fusion"])
def test_pictures_travel_through_the_whole_run(tmp_path: Path, kind: str) -> None:
    """A shop with pictures, no manifest: copies are grouped, the bundle answers from files."""
    tool = REPOSITORY / "tools" / "make_demo_data.py"
    shop = tmp_path / "import"
    command = [
        sys.executable,
        tool,
        "--rows",
        "300",
        "--images",
        "999",
        "--out",
        shop,
        "--seed",
        "5",
    ]
    subprocess.run([str(word) for word in command], check=True, capture_output=True)
    smoke = REPOSITORY / "config" / "smoke.toml"
    options = [f"model.name={kind}", "debug.sample_rows=0", "features.image.pixels.enabled=true"]
    cfg = load_config(smoke, [f"paths.workspace={tmp_path}", *options])
    labels = labels_of(cfg)
    ingested = stage01_data_ingestion.run(cfg, labels.codes)
    hashes = ingested.train["image_hash"]
    copies = hashes[hashes != ""].duplicated(keep=False).sum()
    assert copies > 10  # the shop repeats pictures on purpose
    _, evaluated = run_pipeline(cfg, labels, OPTIONS)
    held = set(evaluated.scored[0].predictions["row_index"])
    sides: dict[str, set[bool]] = {}
    for row, value in zip(ingested.train["row_index"], hashes, strict=True):
        sides.setdefault(value, set()).add(row in held)
    assert [value for value, side in sides.items() if value and len(side) > 1] == []
    store = ArtifactStore(cfg.paths)
    branches = [block["branch"] for block in store.load(store.feature_mapping)["blocks"]]
    assert branches[-2:] == ["image_pixels", "image_stats"]
    bundle = store.load(store.full_pipeline(kind))
    answers = bundle.predict(ingested.test)
    np.testing.assert_array_equal(answers, evaluated.submission["prdtypecode"].to_numpy())


def test_no_test_rows_is_an_empty_submission(configure: Configure, tmp_path: Path) -> None:
    cfg = configure()
    folder = tmp_path / "no_test"
    folder.mkdir()
    for name in ("X_train_update.csv", "Y_train_CVw08PX.csv", "X_test_update.csv"):
        table = read(cfg, name)
        table.head(0 if "test" in name else 800).to_csv(folder / name, index_label="")
    paths = cfg.paths.model_copy(update={"import_dir": folder})
    changed = cfg.model_copy(update={"paths": paths})
    _, evaluated = run_pipeline(changed, labels_of(cfg), OPTIONS)
    assert len(evaluated.submission) == 0
    assert ArtifactStore(cfg.paths).submission.read_text() == ",prdtypecode\n"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["features.text.min_df=100000"], "max_df corresponds to < documents than min_df"),
        (["debug.sample_rows=27", "data.holdout=0.01"], "leave no row to score"),
    ],
)
def test_settings_that_the_data_can_not_bear(
    configure: Configure, overrides: list[str], message: str
) -> None:
    cfg = configure(*overrides)
    with pytest.raises(DataError, match=message):
        run_pipeline(cfg, labels_of(cfg), OPTIONS)


def test_sample_is_stratified(configure: Configure) -> None:
    cfg = configure("debug.sample_rows=400")
    _, evaluated = run_pipeline(cfg, labels_of(cfg), Options(skip_validation=True))
    rows = len(evaluated.scored[0].predictions)
    assert rows == pytest.approx(60, abs=8)


def test_unfit_data_is_refused_with_a_report(configure: Configure, tmp_path: Path) -> None:
    cfg = configure()
    folder = tmp_path / "one_class"
    folder.mkdir()
    for name in ("X_train_update.csv", "Y_train_CVw08PX.csv", "X_test_update.csv"):
        table = read(cfg, name).head(40)
        if "prdtypecode" in table:
            table["prdtypecode"] = 10
        table.to_csv(folder / name, index_label="")
    paths = cfg.paths.model_copy(update={"import_dir": folder})
    changed = cfg.model_copy(update={"paths": paths})
    with pytest.raises(
        ValidationError, match=r"classes: expected at least 2, observed 1\n  all checks: /.*report"
    ):
        run_pipeline(changed, labels_of(cfg), OPTIONS)
    report = json.loads(ArtifactStore(cfg.paths).pinned("candidate").validation_report.read_text())
    assert [c["name"] for c in report["checks"] if c["status"] == "fail"] == ["classes"]


def test_two_runs_at_once_are_refused(configure: Configure) -> None:
    cfg = configure()
    with (
        ArtifactStore(cfg.paths).writing(),
        pytest.raises(ArtifactError, match="another run is writing here"),
    ):
        run_pipeline(cfg, labels_of(cfg), OPTIONS)


def test_postgres_gives_the_predictions_of_the_csvs(
    configure: Configure,
    ran: Ran,
    database: str,
    load: Callable,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    first, labels = ran.evaluated, labels_of(ran.cfg)
    done = load(database, ran.cfg.paths.import_dir, codes=labels.codes)
    assert done.returncode == 0, done.stderr
    monkeypatch.setenv("DATABASE_URL", database)
    nowhere = ["data.source=postgres", "paths.import_dir=deleted"]
    cfg = configure(*nowhere)
    run, second = run_pipeline(cfg, labels, OPTIONS)
    assert f"products of {postgres.shown(database)}, snapshot {run.snapshot[:12]}" in caplog.text
    pd.testing.assert_frame_equal(first.submission, second.submission)
    pd.testing.assert_frame_equal(first.scored[0].predictions, second.scored[0].predictions)
    with psycopg.connect(database) as connection:
        splits = connection.execute(
            "SELECT split, count(*) FROM project.splits GROUP BY split ORDER BY split"
        ).fetchall()
        stored = connection.execute(
            "SELECT run_id, phase, scores, artifact, artifact_sha256, served FROM project.models"
            " ORDER BY phase DESC"
        ).fetchall()
    held = len(second.scored[0].predictions)
    n_train = len(read(ran.cfg, "X_train_update.csv"))
    assert splits == [("holdout", held), ("train", n_train - held)]
    folder = ArtifactStore(cfg.paths, run.run_id).folder("run")
    names = {phase: f"model_linear_svc_{phase}.joblib" for phase in ("holdout", "final")}
    assert stored == [
        (run.run_id, phase, second.scored[0].scores, name, sha256(folder / name), True)
        for phase, name in names.items()
    ]
    tell_served(cfg, "another")
    with psycopg.connect(database) as connection:
        assert connection.execute("SELECT DISTINCT served FROM project.models").fetchall() == [
            (False,)
        ]


def test_catalogue_lists_every_product(ran: Ran) -> None:
    cfg, store = ran.cfg, ArtifactStore(ran.cfg.paths)
    found = store.load(store.catalogue)
    train, test = read(cfg, "X_train_update.csv"), read(cfg, "X_test_update.csv")
    codes = read(cfg, "Y_train_CVw08PX.csv")["prdtypecode"].tolist()
    products = pd.concat([train, test]).reset_index(names="row_index")
    texts = products["designation"] + "\n" + products["description"]
    expected = products[["row_index", "productid", "imageid", "designation", "description"]].assign(
        image="",
        prdtypecode=codes + [-1] * len(test),
        split=["train"] * len(train) + ["test"] * len(test),
        language=detect_languages([plain_text(text) for text in texts]),
        has_text=True,
        has_description=products["description"].map(plain_text) != "",
        has_image=False,
        title_length=products["designation"].map(plain_text).str.len(),
    )
    assert list(found) == stage03_data_transformation.CATALOGUE_COLUMNS
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)
    assert found["language"].nunique() > 3


def test_corrected_labels_are_trained_on_and_scored_against(
    configure: Configure, database: str, load: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the file and from the database; the items keep their official label."""
    by_csv = configure("data.use_corrections=true")
    labels, store = labels_of(by_csv), ArtifactStore(by_csv.paths)
    x, y = read(by_csv, "X_train_update.csv"), read(by_csv, "Y_train_CVw08PX.csv")["prdtypecode"]
    chosen = x["productid"].iloc[::20]
    noon = datetime(2026, 1, 1, 12, tzinfo=timezone.utc)
    said = [(2583, productid) for productid in chosen] + [(99, x["productid"].iloc[1])]
    given = [Correction(prdtypecode=c, created_at=noon, productid=int(i)) for c, i in said]
    store.feedback.parent.mkdir()
    rows = [{**dataclasses.asdict(c), "created_at": noon.isoformat()} for c in given]
    store.feedback.write_text("\n".join(map(json.dumps, rows)))
    expected = y.copy()
    expected.iloc[::20] = 2583
    ingested = stage01_data_ingestion.run(by_csv, labels.codes)
    assert ingested.train["prdtypecode"].tolist() == expected.tolist()
    changed = int((expected != y).sum())
    assert ingested.corrected == Corrected(changed, len(chosen) - changed, unknown={99: 1})
    lines = "".join(correction.to_line() + "\n" for correction in given)
    done = load(database, by_csv.paths.import_dir, codes=labels.codes, feedback=lines)
    assert done.returncode == 0, done.stderr
    monkeypatch.setenv("DATABASE_URL", database)
    cfg = configure("data.source=postgres", "data.use_corrections=true")
    _, evaluated = run_pipeline(cfg, labels, OPTIONS)
    held = evaluated.scored[0].predictions
    assert held["prdtypecode"].tolist() == expected.loc[held["row_index"]].tolist()
    shown = store.load(store.neighbours).products
    assert shown["prdtypecode"].tolist() == expected.tolist()
    assert shown["official_code"].tolist() == y.tolist()
    report = store.load(store.validation_report)
    assert report["corrections"] == dataclasses.asdict(ingested.corrected) | {"unknown": {"99": 1}}
    assert f"* labels: official; {changed} labels changed by corrections" in store.load(
        store.model_card
    )
    with psycopg.connect(database) as connection:
        kept = connection.execute("SELECT prdtypecode FROM project.items ORDER BY row_index")
        assert [code for (code,) in kept] == y.tolist()
