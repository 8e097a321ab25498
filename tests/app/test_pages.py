"""Every page, with nothing there yet and with a finished run, in both languages."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from src.artifacts import history
from src.artifacts.store import ArtifactStore, Run
from src.config import Config, load_config
from src.data.corrections import item_hash, read_feedback
from src.labels import Labels
from src.runs.promotion import promote
from src.serving.predictor import Product, load_predictor
from streamlit_app.runs import page as runs_page
from streamlit_app.shared import loaders
from tests.app import finished_run
from tests.conftest import Load, Shop, as_app

Page = Callable[..., AppTest]
PAGES = ("exploration", "method", "diagnostics", "predict", "review", "runs", "team")
SECTIONS = {
    "exploration": ("classes", "texts", "gallery", "words"),
    "diagnostics": ("scores", "confusions", "classes", "confidence", "blocks", "issues", "drift"),
    "predict": ("one", "file"),
    "review": ("queue", "corrections"),
    "runs": ("history", "compare", "serve"),
}
EVERY = [(name, section) for name in PAGES for section in SECTIONS.get(name, ("",))]


@pytest.mark.parametrize("language", ["fr", "en"])
@pytest.mark.parametrize("name", PAGES)
def test_opens_with_nothing_there(page: Page, empty: Config, name: str, language: str) -> None:
    test = page(empty, name, language)
    assert not test.exception
    assert not test.error
    commands = [code.value for code in test.code]
    expected = {
        "exploration": ["make demo"],
        "method": ["make demo"],
        "diagnostics": ["make demo"],
        "predict": ["make demo"],
        "review": ["make demo"],
        "runs": ["make demo"],
        "team": [],
    }
    assert commands == expected[name]


def test_a_product_that_nobody_can_read_can_be_skipped(page: Page, finished: Config) -> None:
    store, title = ArtifactStore(finished.paths).pinned(), "?!"
    path = store.rapport("2026-02-01_shop.json")
    report = {
        "run_id": store.run_id,
        "products": [{"productid": 7, "designation": title, "reason": "doubt"}],
    }
    store.save(path, report, run=finished_run.RUN, stage="monitor")
    try:
        product = item_hash(title, "", "")
        test = page(finished, "review", review_author="Ana", review_item=product)
        assert not test.exception
        assert "nothing to read: no word and no image" in html_of(test)
        test.button(f"review_{product}_skip").click().run()
        assert not test.exception
        assert test.session_state["review_item"] not in {"", product}
    finally:
        path.unlink()


def html_of(test: AppTest) -> str:
    return "\n".join(element.proto.body for element in test.get("html"))


def predictions_of(cfg: Config) -> pd.DataFrame:
    return pd.read_csv(ArtifactStore(cfg.paths).out_of_fold(finished_run.KIND))


def catalogue_of(cfg: Config) -> pd.DataFrame:
    return pd.read_parquet(ArtifactStore(cfg.paths).catalogue)


def test_says_on_every_page_that_the_shop_is_synthetic(page: Page, finished: Config) -> None:
    for name in PAGES:
        assert "SYNTHETIC" in html_of(page(finished, name)), name


def test_every_figure_names_its_run(page: Page, finished: Config) -> None:
    """The run in service wrote the catalogue; the made-up results are of another, and say so."""
    served = ArtifactStore(finished.paths).served_run().run_id
    assert f"Figures of run {served}, the one in service." in html_of(page(finished, "exploration"))
    other = f"Figures of run {finished_run.RUN.run_id}, which is <b>not</b> the one in service."
    sections = ("scores", "confusions", "classes", "confidence", "issues")
    for section in sections:
        assert other in html_of(page(finished, "diagnostics", diagnostics_section=section))
    assert other in html_of(page(finished, "method"))


def test_each_f1_says_which_rows_it_is_of(page: Page, finished: Config) -> None:
    """Three pages showed three numbers called F1 without a word on what they were of."""
    rows = len(predictions_of(finished))
    measured = f"Measured on {rows:,} products, each judged by a model that had not seen it"
    for section in ("scores", "confusions", "classes", "confidence"):
        assert measured in html_of(page(finished, "diagnostics", diagnostics_section=section))
    assert "cross-validated weighted F1 on 2,000 products" in html_of(page(finished, "method"))
    test = page(finished, "diagnostics", with_sidebar=True)
    served = ArtifactStore(finished.paths).served_run()
    assert f"weighted F1 {served.f1_weighted:.3f} (hold-out)" in html_of(test)


def test_the_method_says_how_many_columns_a_branch_has(page: Page, finished: Config) -> None:
    """Two columns, one column, and a thousand of them with a comma."""
    store = ArtifactStore(finished.paths)
    widths = {
        block["stop"] - block["start"] for block in store.load(store.feature_mapping)["blocks"]
    }
    shown = html_of(page(finished, "method"))
    assert max(widths) >= 1000
    for width in widths:
        assert f"<small> {width:,} column{'s' if width != 1 else ''}</small>" in shown
    assert "<small> 1 columns" not in shown


def test_a_demo_image_is_chosen_by_a_click(page: Page, finished: Config) -> None:
    """All of them are visible, each with its button."""
    test = page(finished, "predict")
    images = sorted(finished.paths.demo_images_dir.glob("*.jpg"))
    buttons = [button for button in test.button if str(button.key).startswith("demo_")]
    assert len(buttons) == len(images) > 5
    assert html_of(test).count('alt=""') >= len(images)
    buttons[-1].click().run()
    press(test, "Predict")
    assert "Only the image was read." in html_of(test)


def test_the_key_of_the_platform_is_asked_for(
    page: Page, finished: Config, monkeypatch: pytest.MonkeyPatch, free_port: int
) -> None:
    monkeypatch.setenv("API_KEY", "s3same")
    monkeypatch.setenv("DATABASE_URL", f"postgres://u:p@127.0.0.1:{free_port}/none")
    test = page(finished, "predict", ask_title="Livre de cuisine")
    press(test, "Predict")
    next(box for box in test.selectbox if box.key == "right_class_1:en").set_value(1940).run()

    def send() -> bool:
        return next(b for b in test.button if b.label == "Correct the label").disabled

    assert send()
    next(text for text in test.text_input if text.key == "correct_key").set_value("sesame").run()
    assert send()
    assert [message.value for message in test.warning] == [
        "This is not the key: nothing is written."
    ]
    next(text for text in test.text_input if text.key == "correct_key").set_value("s3same").run()
    assert not send()


def test_an_emptied_form_leaves_no_older_answer(page: Page, finished: Config) -> None:
    test = page(finished, "predict", ask_title="Livre de cuisine")
    press(test, "Predict")
    assert "verdict" in html_of(test)
    test.text_input[0].set_value(" <br> ")
    press(test, "Predict")
    assert "verdict" not in html_of(test)
    assert [message.value for message in test.warning] == [
        "Write a title or a description, or choose an image."
    ]


def test_an_edited_example_keeps_its_image(page: Page, finished: Config) -> None:
    """The image stands in the form, and is removed by its own button alone."""
    test = page(finished, "predict")
    for _ in range(40):
        press(test, "A product at random")
        if "Text and image were read." in html_of(test):
            break
    title = test.text_input[0].value
    test.text_input[0].set_value(f"{title} bleu").run()
    assert "The form has changed since" in html_of(test)
    press(test, "Predict")
    assert "Text and image were read." in html_of(test)
    assert "The form has changed since" not in html_of(test)
    press(test, "Remove the image")
    press(test, "Predict")
    assert "Only the text was read." in html_of(test)


def test_a_long_text_is_answered_whole(page: Page, finished: Config) -> None:
    test = page(finished, "predict", ask_title="Piscine gonflable " * 200)
    press(test, "Predict")
    assert len(test.text_input[0].value) == 3_600
    assert "verdict review" in html_of(test)
    assert "Needs a person" in html_of(test)


def test_the_most_confused_pairs_come_first(page: Page, finished: Config) -> None:
    rows = predictions_of(finished)
    wrong = rows[rows["prdtypecode"] != rows["predicted"]]
    counts = wrong.groupby(["prdtypecode", "predicted"]).size().sort_values(ascending=False)
    table = page(finished, "diagnostics", diagnostics_section="confusions").dataframe[0].value
    assert table["Products"].tolist() == counts.tolist()
    assert list(table) == ["Products", "Labelled", "Predicted", "Share of the class"]


def test_the_gallery_shows_the_chosen_class_alone(
    page: Page, finished: Config, labels: Labels
) -> None:
    test = page(finished, "exploration", exploration_section="gallery")
    test.toggle[0].set_value(False).run()
    test.selectbox[0].set_value(2583).run()
    table = catalogue_of(finished)
    titles = table.loc[table["prdtypecode"] == 2583, "designation"]
    shown = html_of(test).count('<article class="card">')
    assert shown == min(len(titles), 18)
    assert html_of(test).count(labels.label(2583)) == shown


def test_a_cell_shows_the_products_that_it_counts(
    page: Page, finished: Config, labels: Labels
) -> None:
    rows = predictions_of(finished)
    themes = rows[["prdtypecode", "predicted"]].map(labels.theme)
    wrong = themes[themes["prdtypecode"] != themes["predicted"]]
    (true, predicted), count = next(iter(wrong.value_counts().items()))
    test = page(finished, "diagnostics", diagnostics_section="confusions")
    boxes = {box.key: box for box in test.selectbox}
    assert len(boxes) == 3
    boxes["cell_true_themes:en"].set_value(true)
    boxes["cell_predicted_themes:en"].set_value(predicted)
    test.run()
    assert f"Products behind this cell, the surest first: {count}" in [
        text.value for text in test.header
    ]
    assert html_of(test).count('<article class="card">') == min(count, 12)


def test_the_threshold_says_what_it_costs(page: Page, finished: Config) -> None:
    rows = predictions_of(finished)
    accepted = rows[rows["probability"] >= 0.8]
    right = (accepted["prdtypecode"] == accepted["predicted"]).mean()
    test = page(finished, "diagnostics", diagnostics_section="confidence")
    test.select_slider[0].set_value(0.8).run()
    shown = html_of(test)
    assert f"<b>{100 * len(accepted) / len(rows):.1f}%</b> of the products" in shown
    assert f"<b>{100 * right:.1f}%</b> of them right" in shown


def test_the_method_says_which_differences_are_real(page: Page, finished: Config) -> None:
    test = page(finished, "method")
    assert test.dataframe[0].proto.placeholder == "–"
    shown = html_of(test)
    expected = {
        "B3": "\u221228.4 points of weighted F1 (\u221229.3 to \u221227.5): clearly worse",
        "B4": "+1.5 points of weighted F1 (+0.6 to +2.4): clearly better",
        "B5": "+3.6 points of weighted F1 (+2.7 to +4.5): clearly better",
    }
    for system, verdict in expected.items():
        (line,) = (part for part in shown.split("</div>") if f"<b>{system} " in part)
        assert "against <b>B2 text alone, Linear SVM</b>" in line
        assert verdict in line


def test_a_drift_report_says_what_moved(page: Page, finished: Config) -> None:
    """On the screen stands what the page that the command wrote says."""
    chosen = {"diagnostics_section": "drift", "drift_report": "2026-01-02_shop"}
    test = page(finished, "diagnostics", **chosen)
    shown = re.sub(r"<style>.*?</style>", "", html_of(test), flags=re.DOTALL)
    assert "&lt;b&gt;baguette&lt;/b&gt; tradition" in shown
    assert "<b>baguette" not in shown
    text = re.sub(r"<[^>]*>", "", shown)
    assert "This batch has changed" in text
    assert re.search(r"The largest shift, .*: .*% of products before, .*% now\.", text)
    assert "The median went from" in text
    assert "this estimate is probably optimistic" in text
    written = finished.paths.rapport_dir / "2026-01-02_shop.html"
    whole = written.read_text(encoding="utf-8").split('<main lang="en" class="drift">')[1]
    body = whole[whole.index("</header>") + len("</header>") : whole.index("</main>")]
    assert body.split() == shown.split('<div class="drift" lang="en">')[1][: -len("</div>")].split()
    assert [b.label for b in test.get("download_button")][-3:] == [
        "Download (HTML)", "Download (CSV)", "Download (JSON)",
    ]  # fmt: skip
    test.selectbox[0].set_value("2026-01-01_shop").run()
    assert "No change beyond chance." in html_of(test)
    assert "holds as long as products are like those of training" in html_of(test)


def test_an_answer_is_the_predictors_own(page: Page, finished: Config) -> None:
    asked = Product("Piscine gonflable ronde 3 m", "avec pompe")
    expected = load_predictor(finished.paths, finished_run.KIND).predict([asked], top_k=5)[0]
    test = page(finished, "predict", ask_title=asked.designation, ask_description="avec pompe")
    press(test, "Predict")
    shown = html_of(test)
    for _, label, probability in expected.top_k:
        assert label in shown
        percent = f"{100 * min(probability, 0.999):.1f}%"
        assert (percent if probability >= 0.001 else "&lt;\u202f0.1%") in shown
    assert ("Needs a person" in shown) == expected.needs_review
    assert "<mark " in shown


@pytest.mark.parametrize(
    ("language", "button", "itself"),
    [("en", "Predict", "This very product"), ("fr", "Prédire", "Ce produit même")],
)
def test_the_most_similar_training_products_are_shown(
    page: Page, finished: Config, language: str, button: str, itself: str
) -> None:
    products = catalogue_of(finished).query("split == 'train' and not has_image")
    titled = products[~products["designation"].duplicated(keep=False)].iloc[0]
    asked = {"ask_title": titled["designation"], "ask_description": titled["description"]}
    test = page(finished, "predict", language, **asked)
    press(test, button)
    shown = [element.proto.body for element in test.get("html")]
    (cards,) = [body for body in shown if 'class="cards"' in body]
    assert cards.count("<article") == 5
    assert cards.count(itself) == 1
    assert re.sub(r"<.*?>", "", cards).count("%") >= 5


def press(test: AppTest, label: str) -> None:
    next(button for button in test.button if button.label == label).click().run()


def test_markup_in_a_product_is_shown_as_text(page: Page, finished: Config) -> None:
    nasty = "<img src=x onerror=alert(1)> <script>alert(2)</script> piscine & 3 < 4 m"
    test = page(finished, "predict", ask_title=nasty)
    press(test, "Predict")
    shown = html_of(test)
    assert not test.exception
    assert "&amp; 3 &lt; 4 m" in re.sub(r"</?mark[^>]*>", "", shown)
    assert "<script" not in shown
    assert "<img src=x" not in shown


def test_a_correction_lands_in_the_file(
    page: Page, finished: Config, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"postgres://u:p@127.0.0.1:{free_port}/none")
    test = page(finished, "predict", ask_title="Livre de cuisine")
    press(test, "Predict")
    next(box for box in test.selectbox if box.key == "right_class_1:en").set_value(1940).run()
    press(test, "Correct the label")
    assert [message.value for message in test.success] == [
        "Thank you: the correction is in results/feedback.jsonl; the next init.sh will load it."
    ]
    (answer,) = load_predictor(finished.paths).predict([Product("Livre de cuisine")])
    kept = read_feedback(finished.paths.results_dir / "feedback.jsonl")[0][-1]
    assert (kept.prdtypecode, kept.designation, kept.source) == (1940, "Livre de cuisine", "app")
    assert (kept.predicted_code, kept.run_id) == (answer.code, answer.model)
    assert kept.probability == answer.probability
    press(test, "Undo")
    assert [message.value for message in test.toast] == ["The correction is taken back."]
    undone = read_feedback(finished.paths.results_dir / "feedback.jsonl")[0][-1]
    assert (undone.prdtypecode, undone.item_hash) == (None, kept.item_hash)
    assert "Correct the label" in [button.label for button in test.button]


@pytest.mark.postgres
def test_a_correction_lands_in_the_database(
    page: Page,
    finished: Config,
    database: str,
    shop: Shop,
    load: Load,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    psycopg = pytest.importorskip("psycopg")
    assert load(database, shop.write_plain(6)).returncode == 0
    monkeypatch.setenv("DATABASE_URL", as_app(database))
    test = page(finished, "predict", "fr", ask_title="Livre de cuisine")
    press(test, "Prédire")
    next(box for box in test.selectbox if box.key == "right_class_1:fr").set_value(10).run()
    test.text_input[1].set_value("Ada")
    press(test, "Corriger l'étiquette")
    assert [message.value for message in test.success] == [
        "Merci\u00a0: la correction est dans la base de données."
    ]
    with psycopg.connect(database) as connection:
        rows = connection.execute(
            "SELECT prdtypecode, designation, author FROM project.feedback"
            " JOIN project.feedback_items USING (item_hash)"
        ).fetchall()
    assert rows == [(10, "Livre de cuisine", "Ada")]


def test_an_example_fills_the_form_and_is_answered(page: Page, finished: Config) -> None:
    test = page(finished, "predict")
    press(test, "A product at random")
    table = catalogue_of(finished)
    unlabelled = set(table.loc[table["split"] == "test", "designation"])
    assert test.text_input[0].value in unlabelled
    assert "verdict" in html_of(test)


def test_an_altered_file_is_named_with_the_command_that_mends_it(
    page: Page, finished: Config, tmp_path: Path
) -> None:
    workspace = tmp_path / "altered"
    shutil.copytree(finished.paths.artifacts_dir, workspace / "artifacts", symlinks=True)
    cfg = load_config(finished_run.write_config(workspace, workspace))
    ArtifactStore(cfg.paths).catalogue.resolve().write_bytes(b"nonsense")
    test = page(cfg, "exploration")
    assert "its sha256 starts with" in test.error[0].value
    assert [code.value for code in test.code] == ["python scripts/train_pipeline.py"]


@pytest.fixture
def copied(finished: Config, tmp_path: Path) -> Config:
    """A workspace with the runs of the finished one, that a test may change."""
    for name in ("artifacts", "results"):
        shutil.copytree(finished.paths.workspace / name, tmp_path / name, symlinks=True)
    return load_config(finished_run.write_config(tmp_path, tmp_path))


def test_the_runs_over_time(page: Page, finished: Config) -> None:
    test = page(finished, "runs", runs_section="history")
    runs, events = (frame.value for frame in test.dataframe)
    served = ArtifactStore(finished.paths).served_run()
    assert runs["Name"].tolist() == [finished_run.CANDIDATE.run_id, served.run_id]
    assert runs["Role"].tolist() == ["candidate", "champion"]
    assert runs["Labels by people"].tolist() == [3, 0]
    assert runs["Weighted F1"].tolist()[1] == f"{served.f1_weighted:.3f}"
    assert runs["Settings other than the defaults"].tolist()[0] == "model.linear_svc.C = 0.01"
    assert events["What"].tolist() == ["not promoted", "trained", "promoted", "trained"]
    assert events["By"].tolist()[0] == "Ada"
    assert events["What the rule said"].tolist()[0].startswith("weighted F1 worse: ")


def test_a_run_that_was_noted_twice_is_one(page: Page, copied: Config) -> None:
    file = ArtifactStore(copied.paths).history
    file.write_bytes(file.read_bytes() * 2)
    for section in ("history", "compare", "serve"):
        test = page(copied, "runs", runs_section=section)
        assert not test.exception
        if section == "history":
            assert len(test.dataframe[0].value) == 2


def test_who_comes_second_changes_nothing(page: Page, copied: Config) -> None:
    """Two people roll back at once: the second would undo the first."""
    store = ArtifactStore(copied.paths)
    with store.writing():
        promote(store, 0.01, force=True)
    forms = [page(copied, "runs", runs_section="serve") for _ in range(2)]
    for test in forms:
        test.text_input[0].set_value("complaints")
        test.checkbox[0].check().run()
    seen = len(history.read(copied.paths))
    press(forms[0], "Roll back to the previous one")
    now = store.served_run().run_id
    press(forms[1], "Roll back to the previous one")
    assert store.served_run().run_id == now
    # And where the second pressed before the first was done:
    runs_page._change(loaders.context("en"), "roll_back", seen, by="Bob", reason="complaints")
    assert store.served_run().run_id == now
    assert len(history.read(copied.paths)) == seen + 1


def test_two_runs_side_by_side(page: Page, finished: Config, labels: Labels) -> None:
    stores = [ArtifactStore(finished.paths), ArtifactStore(finished.paths).pinned("candidate")]
    before, after = (store.load(store.unseen) for store in stores)
    f1, accuracy = (
        [score(table) for table in (before, after)] for score in (weighted_f1, share_right)
    )
    test = page(finished, "runs", runs_section="compare")
    scores, settings, classes = (frame.value for frame in test.dataframe)
    assert scores.iloc[0][["Before", "After"]].tolist() == pytest.approx(f1)
    assert scores.iloc[2][["Before", "After"]].tolist() == pytest.approx(accuracy)
    assert scores["Sure?"].tolist() == ["yes", "yes", "yes"]
    assert ["model.linear_svc.C", "default", "0.01"] in settings.values.tolist()
    assert classes["Difference (points)"].abs().max() > 0
    shown = html_of(test)
    assert f"{len(before)} products that both runs answered" in shown
    assert "used 3 labels from people" in shown
    assert shown.count('<article class="card">') == 4
    chosen = next(group for group in test.button_group if group.key == "runs_change:en")
    assert list(chosen.options) == [
        "Fixed (4)",
        "Broken (30)",
        "Wrong otherwise (0)",
    ]
    chosen.set_value("broken").run()
    broken = html_of(test)
    assert broken.count('<article class="card">') == 12
    assert broken.count(labels.label(2220)) >= 12


def test_two_runs_of_the_same_answers(page: Page, copied: Config) -> None:
    """No class moved and no product changed: a retraining on the same settings."""
    first, second = (ArtifactStore(copied.paths).pinned(a) for a in ("served", "candidate"))  # type: ignore[arg-type]
    run = Run.of(second.describe(second.serving))
    second.save(second.unseen, first.load(first.unseen), run=run, stage="promote")
    test = page(copied, "runs", runs_section="compare")
    assert not test.exception
    scores, _ = (frame.value for frame in test.dataframe)
    assert scores["Difference (points)"].tolist() == [0, 0, 0]
    assert html_of(test).count('<article class="card">') == 0


def weighted_f1(table: pd.DataFrame) -> float:
    from sklearn.metrics import f1_score

    return float(f1_score(table["prdtypecode"], table["predicted"], average="weighted"))


def share_right(table: pd.DataFrame) -> float:
    return float((table["prdtypecode"] == table["predicted"]).mean())


def test_the_candidate_is_promoted_and_rolled_back_with_a_reason(
    page: Page, copied: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_KEY", "s3same")
    store = ArtifactStore(copied.paths)
    first = store.served_run().run_id

    def change(action: str, reason: str) -> AppTest:
        test = page(copied, "runs", runs_section="serve")
        assert all(button.disabled for button in test.button)
        reason_box, name, key = test.text_input
        reason_box.set_value(reason)
        name.set_value("Ada")
        key.set_value("s3same")
        test.run()
        assert all(button.disabled for button in test.button)
        test.checkbox[0].check().run()
        press(test, action)
        return test

    test = change("Promote the candidate", "the new classes matter more")
    assert [message.value for message in test.success] == [
        f"In service now: {finished_run.CANDIDATE.run_id}."
    ]
    assert store.served_run().run_id == finished_run.CANDIDATE.run_id
    change("Roll back to the previous one", "customers complained")
    assert store.served_run().run_id == first
    kept = [
        (event["event"], event["run_id"], event["by"], event["reason"])
        for event in history.read(copied.paths)[-2:]
    ]
    assert kept == [
        ("promoted", finished_run.CANDIDATE.run_id, "Ada", "the new classes matter more"),
        ("rolled_back", first, "Ada", "customers complained"),
    ]
    with store.writing():
        test = change("Roll back to the previous one", "too late")
        assert "another run is writing here" in test.error[0].value
    assert store.served_run().run_id == first
