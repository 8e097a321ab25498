"""A file scored by the app: what the predict command writes, with progress on the way."""

from __future__ import annotations

import csv
import gc
import io
import zipfile
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from src.config import Config
from src.data.image_decode import read_source
from src.errors import FileFault
from src.serving.predictor import Predictor, Product, load_predictor
from streamlit_app.predict import scoring
from streamlit_app.predict.scoring import ScoredFile, score_file
from tests.app import finished_run

TABLE = (
    "designation,description,productid,imageid,shelf\n"
    '"Piscine ronde, 3 m","avec\npompe",11,21,A\n'
    "Livre de poche,,12,22,B\n"
)


@pytest.fixture(scope="module")
def predictor(finished: Config) -> Predictor:
    return load_predictor(finished.paths, finished_run.KIND)


def score(predictor: Predictor, table: str, zipped: bytes | None = None) -> ScoredFile:
    steps: list[tuple[float, int]] = []
    scored = score_file(
        predictor, table.encode(), "shop.csv", zipped,
        progress=lambda share, rows: steps.append((share, rows)),
    )  # fmt: skip
    assert [rows for _, rows in steps] == sorted({rows for _, rows in steps})
    assert all(0 <= share <= 1 for share, _ in steps)
    assert steps[-1] == (1.0, len(scored.predictions))
    return scored


def test_gives_the_predictors_answers_beside_the_kept_columns(predictor: Predictor) -> None:
    products = [Product("Piscine ronde, 3 m", "avec\npompe"), Product("Livre de poche")]
    answers = predictor.predict(products, top_k=3)
    scored = score(predictor, TABLE)
    labels = predictor.pipeline.labels
    rows = list(csv.DictReader(io.StringIO(scored.written(labels, "en", "csv", {}).decode())))
    assert [(row["productid"], row["shelf"]) for row in rows] == [("11", "A"), ("12", "B")]
    assert [row["designation"] for row in rows] == ["Piscine ronde, 3 m", "Livre de poche"]
    assert [int(row["prdtypecode"]) for row in rows] == [answer.code for answer in answers]
    assert [float(row["probability"]) for row in rows] == [a.probability for a in answers]
    assert scored.predictions == answers
    assert scored.classes == Counter(answer.code for answer in answers)
    assert scored.products == products
    assert scored.productids == [11, 12]
    assert scored.skipped is None


def test_is_written_in_the_language_and_form_of_the_moment(predictor: Predictor) -> None:
    scored = score(predictor, TABLE)
    labels = predictor.pipeline.labels
    text = scored.written(labels, "fr", "excel", {}).decode()
    assert text.startswith("\ufeff")
    rows = list(csv.DictReader(io.StringIO(text[1:]), delimiter=";"))
    first = scored.predictions[0]
    assert rows[0]["label"] == labels[first.code]["fr"]
    assert rows[0]["probability"] == repr(first.probability).replace(".", ",")


def test_corrections_have_a_column_of_their_own(predictor: Predictor) -> None:
    text = score(predictor, TABLE).written(predictor.pipeline.labels, "en", "csv", {1: 2403})
    rows = list(csv.DictReader(io.StringIO(text.decode())))
    assert [row["corrected_code"] for row in rows] == ["", "2403"]
    assert list(rows[0])[5:7] == ["corrected_code", "prdtypecode"]


def test_a_corrected_file_comes_back_with_both_corrections(predictor: Predictor) -> None:
    """What was downloaded once is scored again: no column is there twice."""
    table = "designation,,corrected_code,input_corrected_code\nPiscine ronde,x,10,40\n"
    scored, labels = score(predictor, table), predictor.pipeline.labels
    header, row = csv.reader(io.StringIO(scored.written(labels, "en", "csv", {0: 2403}).decode()))
    assert header[:5] == [
        "designation", "", "input_input_corrected_code", "input_corrected_code", "corrected_code",
    ]  # fmt: skip
    assert row[:5] == ["Piscine ronde", "x", "10", "40", "2403"]
    assert len(set(header)) == len(header)


def test_parquet_has_numbers_and_what_the_input_had_as_it_stood(predictor: Predictor) -> None:
    """An id keeps its zeros, an empty text and "NA" are texts; without a class a row has none."""
    table = "designation,sku,sku\nPiscine ronde,007,NA\n - ,,x\n"
    scored = score(predictor, table)
    data = scored.written(predictor.pipeline.labels, "en", "parquet", {})
    found = pd.read_parquet(io.BytesIO(data))
    first = scored.predictions[0]
    assert found.iloc[:, :3].to_numpy().tolist() == [
        ["Piscine ronde", "007", "NA"],
        [" - ", "", "x"],
    ]
    assert found["probability"].tolist()[0] == first.probability
    assert found["prdtypecode"].isna().tolist() == [False, True]
    assert found["prdtypecode"][0] == first.code
    assert found["needs_review"].tolist() == [first.needs_review, True]
    assert found["review_reason"].tolist()[1] == "nothing_to_read"


def test_images_lie_there_as_long_as_the_answers(predictor: Predictor, finished: Config) -> None:
    image = next(path for path in sorted(finished.images.train_dir.iterdir()) if readable(path))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("image_21_product_11.jpg", image.read_bytes())
    scored = score(predictor, TABLE, buffer.getvalue())
    (kept,) = [product.image for product in scored.products if product.image]
    assert isinstance(kept, Path)
    assert kept.read_bytes() == image.read_bytes()
    del scored
    gc.collect()
    assert not kept.parent.exists()


def test_a_file_of_a_header_alone_is_refused(predictor: Predictor) -> None:
    with pytest.raises(FileFault, match=r"shop\.csv"):
        score(predictor, "designation,description\n")


def test_reads_the_images_of_a_zip(predictor: Predictor, finished: Config) -> None:
    image = next(path for path in sorted(finished.images.train_dir.iterdir()) if readable(path))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("some/where/image_21_product_11.jpg", image.read_bytes())
        archive.writestr("readme.txt", "hello")
    scored = score(predictor, TABLE, buffer.getvalue())
    expected = predictor.predict([Product("Piscine ronde, 3 m", "avec\npompe", image)])[0]
    assert [answer.used_image for answer in scored.predictions] == [True, False]
    assert scored.predictions[0].probability == expected.probability
    assert (scored.reader.matched, scored.skipped) == (1, 1)


def test_a_zip_in_which_nothing_matches_says_so(predictor: Predictor, finished: Config) -> None:
    image = next(path for path in sorted(finished.images.train_dir.iterdir()) if readable(path))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("SKU-0001.jpg", image.read_bytes())
    scored = score(predictor, TABLE, buffer.getvalue())
    assert scored.reader.none_matched
    assert "SKU-0001.jpg" in scored.reader.images_line("en")


def readable(path: Path) -> bool:
    return len(read_source(path)) > 5_000


def test_a_file_without_titles_is_refused(predictor: Predictor) -> None:
    with pytest.raises(FileFault, match="a header with one column 'designation'"):
        score(predictor, "name,price\nx,1\n")


def test_a_file_that_is_too_long_is_refused(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "MAX_ROWS", 1)
    with pytest.raises(FileFault, match=r"shop\.csv: more than 1 rows"):
        score(predictor, TABLE)
