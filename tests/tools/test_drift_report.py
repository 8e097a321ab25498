"""The drift report of a lot, from the command line, on a model that the pipeline trained."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from src.config import REPOSITORY, Paths, load_config
from src.data import postgres
from src.labels import load_labels
from src.monitoring.reference import from_json
from src.monitoring.signals import profile_of
from src.pipeline_steps.runner import Options, run_pipeline
from tools.drift_report import main

if TYPE_CHECKING:
    from tests.conftest import Load

SMOKE = str(REPOSITORY / "config" / "smoke.toml")
Report = Callable[..., int]


@pytest.fixture(scope="module")
def trained(demo_shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace in which the pipeline ran."""
    workspace = tmp_path_factory.mktemp("workspace")
    settings = [
        f"paths.workspace={workspace}",
        f"paths.import_dir={demo_shop}",
        "data.source=csv",
        "debug.sample_rows=0",
        "features.text.max_features=3000",
        "features.text.weights.tfidf_char=0",
        "features.text.weights.tfidf_char_title=0",
    ]
    cfg = load_config(Path(SMOKE), settings)
    run_pipeline(cfg, load_labels(cfg.paths.labels_map), Options())
    return workspace


@pytest.fixture
def report(trained: Path, tmp_path: Path) -> Report:
    """The tool on that workspace, writing to an empty folder."""

    def run(*words: object, source: str = "csv") -> int:
        places = ["--set", f"paths.workspace={trained}", "--set", f"data.source={source}"]
        told = ["--config", SMOKE, *places, "--out", str(tmp_path / "out")]
        return main([*map(str, words), *told])

    return run


def written(folder: Path, lot: str) -> dict[str, Path]:
    today = datetime.now(timezone.utc).date().isoformat()
    return {path.suffix: path for path in folder.glob(f"{today}_{lot}.*")}


def test_the_profile_is_of_products_that_the_model_had_not_seen(
    trained: Path, demo_shop: Path
) -> None:
    reference = from_json(json.loads((trained / "artifacts/reference_profile.json").read_text()))
    y = pd.read_csv(demo_shop / "Y_train_CVw08PX.csv")["prdtypecode"]
    counts = y.value_counts().reindex(reference.classes)
    assert reference.answers.confusion.sum(axis=1).tolist() == counts.tolist()
    assert len(reference) == load_config(Path(SMOKE)).monitoring.reference_rows
    held = pd.read_csv(trained / "results/predictions/holdout_linear_svc.csv")
    right = (held["predicted"] == held["prdtypecode"]).mean()
    assert reference.answers.accuracy == pytest.approx(right, abs=0.08)
    assert set(reference.quantiles) == {
        "title_length", "description_length", "unknown_words", "confidence", "doubt"
    }  # fmt: skip


def test_new_products_of_the_shop_are_fine(
    report: Report, demo_shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(demo_shop / "X_test_update.csv", "--lot", "b4 / Monday") == 0
    files = written(tmp_path / "out", "b4-Monday")
    assert set(files) == {".json", ".csv", ".html"}
    content = json.loads(files[".json"].read_text())
    test = pd.read_csv(demo_shop / "X_test_update.csv")
    assert (content["rows"], content["synthetic"]) == (len(test), True)
    assert content["in_training"] < 0.1 * len(test)
    lengths = {f["signal"]: f["now"] for f in content["findings"]}["title_length"]
    raw = test["designation"].str.len()
    assert lengths == pytest.approx(np.quantile(raw, [0.05, 0.25, 0.5, 0.75, 0.95]))
    said = capsys.readouterr().out
    assert said.startswith(f"fine  {len(test)} products, lot b4-Monday")
    assert f"estimated: {content['accuracy']['accuracy']:.3f}" in said
    assert "images not given (--images): not judged" in said
    assert not content["images_given"]
    assert {"missing_image", "image_entropy", "embedding"} <= set(content["not_looked_at"])
    assert not {f["signal"] for f in content["findings"]} & set(content["not_looked_at"])
    assert "Images were not given" in files[".html"].read_text()
    assert str(files[".html"]) in said


def test_other_goods_alarm_and_are_shown(report: Report, tmp_path: Path) -> None:
    lot = tmp_path / "food.csv"
    goods = ["baguette tradition", "beurre doux 250 g", "<b>comté</b> affiné 18 mois"]
    pd.DataFrame({"designation": goods * 30}).to_csv(lot, index=False)
    assert report(lot) == 1
    page = written(tmp_path / "out", "food")[".html"].read_text()
    assert "&lt;b&gt;comté&lt;/b&gt;" in page
    content = json.loads(written(tmp_path / "out", "food")[".json"].read_text())
    moved = {f["signal"] for f in content["findings"] if f["alert"]}
    assert {"unknown_words", "missing_description", "title_length"} <= moved


def test_labels_are_counted_and_a_wrong_class_alarms(
    report: Report, demo_shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    x, y = demo_shop / "X_train_update.csv", demo_shop / "Y_train_CVw08PX.csv"
    assert report(x, "--labels", y) == 0
    assert f"in training, so too sure: {len(pd.read_csv(x))}" in capsys.readouterr().out
    wrong = tmp_path / "y.csv"
    codes = pd.read_csv(y, index_col=0)
    codes.assign(prdtypecode=np.random.default_rng(0).permutation(codes)).to_csv(wrong)
    capsys.readouterr()
    assert report(x, "--labels", wrong, "--lot", "wrong") == 1
    said = capsys.readouterr().out
    assert re.search("recognised worse: .*2583", said)
    told = json.loads(written(tmp_path / "out", "wrong")[".json"].read_text())["labels"]
    assert sum(c["support"] for c in told["classes"]) == len(codes)
    assert told["fell"]
    assert f"below what its classes let expect: {told['change']['expected']:.3f}" in said
    assert f"accuracy, measured: {told['accuracy']:.3f} on {len(codes)} labels" in said


def test_ten_products_are_enough_to_be_looked_at(
    report: Report, demo_shop: Path, tmp_path: Path
) -> None:
    lot = tmp_path / "ten.csv"
    pd.read_csv(demo_shop / "X_test_update.csv", index_col=0).head(10).to_csv(lot)
    assert report(lot) == 0
    assert json.loads(written(tmp_path / "out", "ten")[".json"].read_text())["rows"] == 10


def test_what_nobody_can_read_has_no_answer_here_as_in_the_log(
    report: Report, demo_shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Labels that come in the order of the rows stay with their rows."""
    lot, labels = tmp_path / "gaps.csv", tmp_path / "y.csv"
    x = pd.read_csv(demo_shop / "X_train_update.csv", index_col=0).head(300)
    y = pd.read_csv(demo_shop / "Y_train_CVw08PX.csv", index_col=0).head(300)
    blank = np.arange(300) % 10 == 3
    x.loc[blank, ["designation", "description"]] = " - "
    x[["designation", "description"]].to_csv(lot, index=False)
    y.to_csv(labels, index=False)
    assert report(lot, "--labels", labels) in {0, 1}
    assert "30 products with nothing to read left out" in capsys.readouterr().err
    told = json.loads(written(tmp_path / "out", "gaps")[".json"].read_text())
    assert (told["rows"], told["labels"]["rows"]) == (270, 270)
    support = {c["code"]: c["support"] for c in told["labels"]["classes"] if c["support"]}
    assert support == y[~blank]["prdtypecode"].value_counts().to_dict()
    assert told["labels"]["accuracy"] > 0.8  # training rows, each beside its own label
    x[blank][["designation"]].to_csv(lot, index=False)
    assert report(lot) == 2
    assert "no product has what the model reads" in capsys.readouterr().err


@pytest.fixture(scope="module")
def image_only(served_paths: Paths, tmp_path_factory: pytest.TempPathFactory) -> Paths:
    """A workspace with a model of image statistics alone."""
    workspace = tmp_path_factory.mktemp("images")
    settings = [
        f"paths.workspace={workspace}",
        f"paths.import_dir={served_paths.import_dir}",
        f"images.train_dir={next(served_paths.workspace.rglob('image_train'))}",
        "model.name=logreg",
        "fusion.weights.text=0",
        "debug.sample_rows=0",
    ]
    cfg = load_config(Path(SMOKE), settings)
    run_pipeline(cfg, load_labels(cfg.paths.labels_map), Options())
    return cfg.paths


def test_answers_from_images_that_were_not_given_are_not_judged(
    image_only: Paths, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    x = image_only.import_dir / "X_train_update.csv"
    place = ["--set", f"paths.workspace={image_only.workspace}", "--set", "data.source=csv"]
    place += ["--config", SMOKE, "--out", str(tmp_path)]
    assert main([str(x), "--lot", "words", *place]) in {0, 1}
    said = capsys.readouterr().out
    assert "accuracy, estimated: nothing to go by without the images" in said
    files = written(tmp_path, "words")
    told = json.loads(files[".json"].read_text())
    assert (told["accuracy"], told["rows"]) == (None, len(pd.read_csv(x)))
    assert {"confidence", "class_mix"} <= set(told["not_looked_at"])
    assert "Nothing to estimate" in files[".html"].read_text()
    y = image_only.import_dir / "Y_train_CVw08PX.csv"
    assert main([str(x), "--labels", str(y), *place]) == 2
    assert "the model reads images, too" in capsys.readouterr().err
    folder = next(image_only.import_dir.parent.rglob("image_train"))
    assert main([str(x), "--images", str(folder), "--lot", "seen", *place]) in {0, 1}
    assert json.loads(written(tmp_path, "seen")[".json"].read_text())["accuracy"] is not None


def test_a_designation_is_text_whatever_it_says(report: Report, tmp_path: Path) -> None:
    lot = tmp_path / "odd.csv"
    nasty = ["<script>alert(1)</script>", "'); DROP TABLE project.items; --", "=1+1", "", "🎲" * 9]
    pd.DataFrame({"designation": [*nasty, "<b>" + "lampe " * 170_000] * 8}).to_csv(lot, index=False)
    assert report(lot, "--lot", "../../odd") == 1
    files = written(tmp_path / "out", "odd")
    page = files[".html"].read_text()
    assert "<script" not in page
    assert len(page) < 200_000  # a megabyte of text is not repeated
    longest = max(f["now"][4] for f in json.loads(files[".json"].read_text())["findings"]
                   if f["signal"] == "title_length")  # fmt: skip
    assert longest == 6 * 170_000 - 1  # without the tag and the last space


def test_mistakes_are_exit_2_with_a_next_command(
    report: Report, tmp_path: Path, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    batch = tmp_path / "x.csv"
    batch.write_text("designation\na\n")
    labels = tmp_path / "y.csv"
    labels.write_text("prdtypecode\n99\n")
    for words, message in (
        ((), "expected either BATCH.csv or --from-log"),
        ((batch, "--from-log"), "expected either BATCH.csv or --from-log"),
        (("--from-log", "--labels", batch), "--labels goes with BATCH.csv"),
        (("--from-log", "--since", "1y"), "--since 1y: expected a number and m, h or d"),
        (("--from-log", "--since", "999999d"), "--since 999999d: expected a number"),
        ((tmp_path / "none.csv",), "none.csv: no such file"),
        ((tmp_path,), "Is a directory"),
        ((batch, "--images", tmp_path / "nowhere"), "nowhere: no such folder"),
        ((batch, "--labels", labels), "y.csv: no code of the model, found 99"),
        ((batch, "--set", "monitoring.resamples=20"), "20 can't show a false-alarm rate of 0.01"),
    ):
        assert report(*words) == 2, words
        said = capsys.readouterr().err
        assert message in said
        assert said.splitlines()[-1].startswith("next: ")
    assert main([str(batch), "--set", f"paths.workspace={tmp_path}"]) == 2
    assert "artifacts/served: no run is served" in capsys.readouterr().err


@pytest.mark.postgres
def test_the_log_is_read_and_the_report_recorded(
    report: Report,
    trained: Path,
    demo_shop: Path,
    database: str,
    load: Load,
    tmp_path: Path,
    free_port: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    load(database, demo_shop, codes=load_labels(REPOSITORY / "config/labels_map.json").codes)
    monkeypatch.setenv("DATABASE_URL", database)
    content = json.loads((trained / "artifacts/reference_profile.json").read_text())
    log_answers(database, trained, demo_shop, content["about"]["run_id"])
    assert report("--from-log", source="postgres") == 0
    said = capsys.readouterr()
    assert "1 answers of other runs left out" in said.err
    told = json.loads(written(tmp_path / "out", "log")[".json"].read_text())
    assert told["rows"] == 60
    assert "embedding" in told["not_looked_at"]
    with postgres.connect(database) as connection:
        rows = connection.execute(
            "SELECT lot, run_id, rows, alert, findings FROM project.drift_reports"
        ).fetchall()
    assert rows == [("log", content["about"]["run_id"], 60, False, told["findings"])]
    monkeypatch.setenv("ALERT_WEBHOOK", f"http://127.0.0.1:{free_port}/hook")
    assert report("--from-log", "--since", "0m", source="postgres") == 1
    said = capsys.readouterr()
    assert said.out.startswith("ALERT  the service fell silent: no answer of run")
    assert "the alert was not sent: webhook at 127.0.0.1" in said.err


def log_answers(url: str, trained: Path, demo_shop: Path, run_id: str) -> None:
    """Answer sixty products as the service does, and one by another model."""
    from src.artifacts.store import ArtifactStore
    from src.data.readers import read_products
    from src.monitoring.signals import SignalReader

    store = ArtifactStore(load_config(overrides=[f"paths.workspace={trained}"]).paths)
    reference = from_json(store.load(store.reference_profile))
    pipeline = store.load(store.full_pipeline(reference.about.kind))
    table = pipeline.table(read_products(demo_shop / "X_test_update.csv").head(60))
    signals = SignalReader.of(pipeline.model).read(table, pipeline.model.predict_proba(table))
    profiles = [profile_of(signals, row) for row in range(60)]
    with postgres.connect(url) as connection:
        for name, profile in [*((run_id, p) for p in profiles), ("old", {})]:
            connection.execute(
                "INSERT INTO project.predictions (designation_hash, prdtypecode, probability,"
                " needs_review, run_id, profile) VALUES ('h', 10, 0.5, false, %s, %s)",
                (name, json.dumps(profile)),
            )


def test_a_database_that_is_down_is_a_warning(
    report: Report,
    demo_shop: Path,
    tmp_path: Path,
    free_port: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"postgres://a:b@localhost:{free_port}/c")
    assert report(demo_shop / "X_test_update.csv", source="postgres") == 0
    assert "not recorded in the database: localhost" in capsys.readouterr().err
    assert set(written(tmp_path / "out", "X_test_update")) == {".json", ".csv", ".html"}


def test_a_batch_without_images_is_compared_with_answers_of_the_text_alone(
    served_paths: Paths, tmp_path: Path
) -> None:
    """A late fusion that learned from images, too: its profile holds both kinds of answers."""
    content = json.loads((served_paths.artifacts_dir / "reference_profile.json").read_text())
    place = ["--set", f"paths.workspace={served_paths.workspace}", "--set", "data.source=csv"]
    folder = next(served_paths.workspace.rglob("image_train"))
    for lot, given, part in (
        ("words", [], content["text_alone"]),
        ("both", ["--images", str(folder)], content),
    ):
        words = [str(served_paths.import_dir / "X_train_update.csv"), *given, "--lot", lot]
        assert main([*words, *place, "--config", SMOKE, "--out", str(tmp_path)]) in {0, 1}
        told = json.loads(written(tmp_path, lot)[".json"].read_text())
        confusion = np.array(part["answers"]["confusion"])
        assert told["reference_accuracy"] == pytest.approx(np.trace(confusion) / confusion.sum())
        assert told["images_given"] == bool(given)
        assert ("missing_image" in told["not_looked_at"]) != bool(given)
    assert content["answers"] != content["text_alone"]["answers"]
    (tmp_path / "none").mkdir()
    assert main([*words[:1], "--images", str(tmp_path / "none"), *place, "--config", SMOKE]) == 2
