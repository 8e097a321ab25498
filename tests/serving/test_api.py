"""The HTTP service: answers of the predictor, wrong input of every kind, and a fuzzer."""

from __future__ import annotations

import base64
import csv
import dataclasses
import hashlib
import io
import json
import pickle
import re
import socket
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import schemathesis
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy
from schemathesis import GenerationMode

from src.artifacts.store import ArtifactStore
from src.config import Paths
from src.monitoring.drift_gauges import LEAST
from src.monitoring.reference import from_json
from src.serving.api import Services, create_app
from src.serving.feedback import FeedbackStore
from src.serving.prediction_log import PredictionLog
from src.serving.predictor import Predictor, Product
from src.serving.request_guard import RequestLimits
from src.serving.served_model import ServedModel

NO_DATABASE = "postgresql://nobody@127.0.0.1:1/nowhere"
LIMITS = RequestLimits(body_bytes=400_000, batch_bytes=300_000, image_pixels=1_000_000)
TITLE = "Lampe LED de bureau"


@pytest.fixture
def rows() -> list[dict[str, Any]]:
    """What the log wrote."""
    return []


@pytest.fixture
def services(served_paths: Paths, tmp_path: Path, rows: list[dict[str, Any]]) -> Iterator[Services]:
    model = ServedModel(served_paths)
    model.refresh()
    log = PredictionLog(rows.extend, model.observe)
    codes = model.get().pipeline.model.classes_.tolist()
    feedback = FeedbackStore(
        tmp_path / "feedback.jsonl", tmp_path / "images", lambda: NO_DATABASE, codes
    )
    yield Services(model, log, feedback, LIMITS)
    log.close()


@pytest.fixture
def app(services: Services) -> FastAPI:
    return create_app(services)


@pytest.fixture
def client(app: FastAPI) -> TestClient:
    return TestClient(app)


def picture(products: list[Product]) -> bytes:
    return next(Path(str(p.image)).read_bytes() for p in products if p.image is not None)


def as_json(
    predictor: Predictor, product: Product, top_k: int = 3, language: str = "en"
) -> dict[str, Any]:
    (answer,) = predictor.predict([product], top_k=top_k, language=language)
    names = ("code", "label", "probability")
    top_k = [dict(zip(names, found, strict=True)) for found in answer.top_k]
    reasons = list(answer.review_reason)
    return {**dataclasses.asdict(answer), "top_k": top_k, "review_reason": reasons}


def test_json_and_multipart_give_the_predictors_answer(
    client: TestClient, predictor: Predictor, products: list[Product]
) -> None:
    image = picture(products)
    expected = as_json(predictor, Product(TITLE, "<p>12 W</p>", image), top_k=5, language="fr")
    fields = {"designation": TITLE, "description": "<p>12 W</p>", "top_k": 5, "language": "fr"}
    as_base64 = {**fields, "image_base64": base64.b64encode(image).decode()}
    assert client.post("/predict", json=as_base64).json() == expected
    form = client.post("/predict", data=fields, files={"image": ("a.jpg", image)})
    assert (form.status_code, form.json()) == (200, expected)
    assert expected["used_image"]
    assert len(expected["top_k"]) == 5


def test_a_batch_is_streamed_and_equal_to_one_by_one(
    client: TestClient, predictor: Predictor, products: list[Product]
) -> None:
    chosen = [dataclasses.replace(p, image=None) for p in products[:200]]
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["", "designation", "description", "productid"])
    writer.writerows([i, p.designation, p.description, 7000 + i] for i, p in enumerate(chosen))
    done = client.post(
        "/predict/batch?top_k=2", content=text.getvalue(), headers={"content-type": "text/csv"}
    )
    assert (done.status_code, done.headers["content-type"]) == (200, "text/csv; charset=utf-8")
    answers = list(csv.DictReader(io.StringIO(done.text)))
    assert [row[""] for row in answers] == [str(i) for i in range(200)]
    for row, product in zip(answers, chosen, strict=True):
        one = client.post(
            "/predict",
            json={"designation": product.designation, "description": product.description},
        ).json()
        assert (int(row["prdtypecode"]), float(row["probability"])) == (
            one["code"], one["probability"],
        )  # fmt: skip
        assert (int(row["code_2"]), float(row["probability_2"])) == (
            one["top_k"][1]["code"], one["top_k"][1]["probability"],
        )  # fmt: skip
        assert one == as_json(predictor, product)


def zip_of(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def test_a_batch_may_be_a_zip_of_a_table_and_images(
    client: TestClient, predictor: Predictor, products: list[Product]
) -> None:
    image = picture(products)
    table = f"designation,image\n{TITLE},lamp.jpg\n{TITLE},\n".encode()
    body = zip_of({"shop/table.csv": table, "shop/pictures/lamp.jpg": image, "readme.md": b""})
    done = client.post("/predict/batch", content=body, headers=ZIP)
    assert done.status_code == 200
    rows = list(csv.DictReader(io.StringIO(done.text)))
    expected = predictor.predict([Product(TITLE, "", image), Product(TITLE)])
    assert [float(row["probability"]) for row in rows] == [a.probability for a in expected]
    assert [row["used_image"] for row in rows] == ["true", "false"]
    assert done.headers["x-read-as"] == "Images: 1 of 2 products have theirs."


def test_a_zip_of_an_address_fetches_nothing(client: TestClient, free_port: int) -> None:
    """An address in the column image is no image, and nobody is asked for it."""
    with socket.create_server(("127.0.0.1", free_port)) as server:
        server.setblocking(False)
        table = f"designation,image\n{TITLE},http://127.0.0.1:{free_port}/a.jpg\n".encode()
        done = client.post("/predict/batch", content=zip_of({"a.csv": table}), headers=ZIP)
        assert [row["used_image"] for row in csv.DictReader(io.StringIO(done.text))] == ["false"]
        with pytest.raises(BlockingIOError):
            server.accept()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"PK\3\4 no zip", "the file is no zip"),
        (
            zip_of({"a.jpg": b"x"}),
            "expected one table in the zip, of 300,000 bytes at most, found 0",
        ),
        (zip_of({"a.csv": b"x", "b.tsv": b"y"}), "found 2 tables"),
        (zip_of({"a.csv": b"title\nx\n"}), "expected a header with one column 'designation'"),
    ],
)
def test_a_zip_that_is_no_batch_is_refused(client: TestClient, body: bytes, said: str) -> None:
    done = client.post("/predict/batch", content=body, headers=ZIP)
    assert done.status_code == 422
    assert said in done.json()["detail"]


def test_a_table_that_unpacks_to_more_than_a_body_may_be_is_refused(client: TestClient) -> None:
    table = b"designation\n" + b"lampe\n" * 60_000
    packed = zip_of({"a.csv": table})
    assert len(packed) < 10_000
    done = client.post("/predict/batch", content=packed, headers=ZIP)
    assert done.status_code == 422
    assert "of 300,000 bytes at most" in done.json()["detail"]


def test_an_empty_row_of_a_batch_gets_a_reason_and_no_class(
    client: TestClient, services: Services, rows: list[dict[str, Any]]
) -> None:
    body = "sku,designation\nA,Lampe LED\nB,<br>\nC,Livre\n"
    path = "/predict/batch?language=fr&format=excel"
    done = client.post(path, content=body, headers=CSV)
    text = done.content.decode("utf-8-sig")
    found = list(csv.DictReader(io.StringIO(text), delimiter=";"))
    assert [row["sku"] for row in found] == ["A", "B", "C"]
    assert [row["designation"] for row in found] == ["Lampe LED", "<br>", "Livre"]
    assert [bool(row["prdtypecode"]) for row in found] == [True, False, True]
    assert (found[1]["review_reason"], found[1]["needs_review"]) == ("nothing_to_read", "true")
    assert "," in found[0]["probability"]
    services.log.close()
    assert [row["prdtypecode"] for row in rows] == [int(found[i]["prdtypecode"]) for i in (0, 2)]


def test_what_was_assumed_of_a_table_is_said(client: TestClient) -> None:
    body = "designation;prix\nDécoration d'été;9,50\n".encode("cp1252")
    done = client.post("/predict/batch", content=body, headers=CSV)
    assert "semicolons" in done.headers["x-read-as"]
    assert "Décoration d'été" in done.text
    plain = client.post("/predict/batch", content="designation\nLampe\n", headers=CSV)
    assert "x-read-as" not in plain.headers


def test_an_image_alone_is_something_to_read(
    client: TestClient, predictor: Predictor, products: list[Product]
) -> None:
    image = picture(products)
    form = client.post("/predict", data={"top_k": 2}, files={"image": ("a.jpg", image)})
    assert form.json() == as_json(predictor, Product("", "", image), top_k=2)


def test_why_is_the_predictors_explanation(
    client: TestClient, predictor: Predictor, products: list[Product]
) -> None:
    image = picture(products)
    code = int(predictor.pipeline.model.classes_[3])
    found, png = predictor.explain(Product(TITLE, image=image), code)
    fields = {"designation": TITLE, "code": code, "language": "fr"}
    answer = client.post("/explain", data=fields, files={"image": ("a.jpg", image)}).json()
    assert base64.b64decode(answer["heat_map_base64"]) == png
    assert png.startswith(b"\x89PNG")
    assert answer["label"] == predictor.pipeline.labels[code]["fr"]
    assert answer["base"] + sum(answer["branches"].values()) == pytest.approx(
        answer["margin"], abs=1e-4
    )
    assert (answer["branches"], answer["weights"]) == (found.blocks, found.weights)
    assert [term["text"] for term in answer["terms_for"]] == [text for text, _ in found.terms_for]
    likeliest = client.post("/explain", json={"designation": TITLE}).json()
    assert likeliest["code"] == predictor.predict([Product(TITLE)])[0].code
    assert likeliest["heat_map_base64"] is None


def test_similar_products_are_the_predictors(
    client: TestClient, predictor: Predictor, products: list[Product]
) -> None:
    image = picture(products)
    found, _ = predictor.similar(Product(TITLE, image=image), 4)
    fields = {"designation": TITLE, "top_k": 4, "language": "fr"}
    answer = client.post("/similar", data=fields, files={"image": ("a.jpg", image)}).json()
    assert answer["reason"] == ""
    assert [one["productid"] for one in answer["similar"]] == found["productid"].tolist()
    for one, row in zip(answer["similar"], found.to_dict("records"), strict=True):
        assert one["label"] == predictor.pipeline.labels[row["prdtypecode"]]["fr"]
        assert (one["code"], one["official_code"]) == (row["prdtypecode"],) * 2
        assert one["image"] == Path(row["image"]).name
        assert one["by_expert"] == pytest.approx(
            {"text": row["cosine__text"], "image": row["cosine__image"]}
        )
    text = products[0].designation
    itself = client.post("/similar", json={"designation": text}).json()["similar"]
    assert len(itself) == 5
    assert itself[0]["by_expert"].keys() == {"text"}
    unknown = client.post("/similar", json={"designation": "zzzz"}).json()
    assert unknown == {"similar": [], "reason": "nothing_alike"}


def test_the_documentation_needs_no_other_server(client: TestClient) -> None:
    assert client.get("/").url.path == "/docs"
    page = client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert not re.findall(r"(?:https?:)?//[\w.]+", page.text.replace("//www.w3.org", ""))
    assert client.get("/openapi.json").json()["paths"].keys() >= {"/predict", "/explain"}


def test_what_was_answered_is_logged(
    client: TestClient, services: Services, rows: list[dict[str, Any]]
) -> None:
    answer = client.post("/predict", json={"designation": TITLE, "productid": 42}).json()
    services.log.close()
    (row,) = rows
    assert (row["productid"], row["prdtypecode"], row["run_id"]) == (
        42,
        answer["code"],
        answer["model"],
    )
    assert row["top_k"] == [
        {"code": c["code"], "probability": c["probability"]} for c in answer["top_k"]
    ]
    assert TITLE not in json.dumps(row, default=str)


def test_operations(client: TestClient, predictor: Predictor) -> None:
    assert client.get("/health").json() == {"status": "alive"}
    assert client.get("/ready").json() == {"status": "ready"}
    model = client.get("/model").json()
    pipeline = predictor.pipeline
    assert (model["run_id"], model["threshold"]) == (pipeline.run_id, pipeline.threshold)
    assert [c["code"] for c in model["classes"]] == pipeline.model.classes_.tolist()
    client.post("/predict", json={"designation": TITLE})
    client.get("/no/such/page")
    text = client.get("/metrics").text
    assert 'requests_total{route="/predict",status="200"} 1.0' in text
    assert 'requests_total{route="none",status="404"} 1.0' in text
    assert "predictions_not_logged 0.0" in text


def test_drift_of_the_last_answers_is_shown(
    client: TestClient, services: Services, served_paths: Paths
) -> None:
    """Titles of one word, over and over, against the stability index written out."""
    body = "designation\n" + "Lampe\n" * LEAST
    assert client.post("/predict/batch", content=body, headers=CSV).status_code == 200
    services.log.close()
    shown = {
        line.split('"')[1]: float(line.split()[1])
        for line in client.get("/metrics").text.splitlines()
        if line.startswith("drift_psi{")
    }
    store = ArtifactStore(served_paths)
    reference = from_json(store.load(store.reference_profile))
    bins = np.bincount(reference.sample.bins["missing_description"], minlength=2) + 0.5
    expected, here = bins / bins.sum(), np.array([0.5, LEAST + 0.5]) / (LEAST + 1)
    index = ((here - expected) * np.log(here / expected)).sum()
    assert shown["missing_description"] == pytest.approx(index)
    assert shown["title_length"] > 0.25
    assert {"language", "predicted", "class_mix", "missing_image"} <= shown.keys()


def test_no_model_is_503_and_its_reason_is_for_the_log(
    services: Services, served_paths: Paths, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = ServedModel(served_paths.model_copy(update={"artifacts_dir": tmp_path}))
    model.refresh()
    client = TestClient(create_app(dataclasses.replace(services, model=model)))
    product = {"designation": "a"}
    for response in (
        client.get("/ready"),
        client.get("/model"),
        client.post("/predict", json=product),
        client.post("/explain", json=product),
        client.post("/similar", json=product),
        client.post("/predict/batch", content="designation\na\n", headers=CSV),
    ):
        assert response.status_code == 503
        assert list(response.json()) == ["detail"]
        assert "no answer is possible now" in response.json()["detail"]
        assert "/" not in response.json()["detail"]
    assert f"{tmp_path}/served: no run is served" in caplog.text
    assert "next: python scripts/train_pipeline.py" in caplog.text
    assert client.get("/health").status_code == 200


def test_a_correction_is_kept_listed_and_withdrawn(
    client: TestClient, services: Services, products: list[Product]
) -> None:
    image, (first, second) = picture(products), [*services.feedback.codes][:2]
    given = {"prdtypecode": first, "designation": TITLE, "author": "Ana\0", "comment": "é"}
    answer = {"predicted_code": second, "probability": 0.25, "run_id": "r1"}
    form = client.post("/feedback", data=given | answer, files={"image": ("a.jpg", image)})
    digest = hashlib.sha256(image).hexdigest()
    (kept,) = services.feedback.read()
    assert form.json() == {"stored_in": "file", "item_hash": kept.item_hash}
    assert (kept.prdtypecode, kept.author, kept.comment, kept.source) == (first, "Ana", "é", "api")
    assert (kept.predicted_code, kept.probability, kept.run_id) == (second, 0.25, "r1")
    assert (services.feedback.images / digest[:2] / digest).read_bytes() == image
    for _ in range(2):  # a double click
        client.post("/feedback", json={"prdtypecode": second, "productid": 7, "author": "Bo"})

    def listed(query: str = "") -> list[dict[str, Any]]:
        found = client.get(f"/feedback{query}").json()
        assert found["total"] >= len(found["corrections"])
        return found["corrections"]

    assert [c["author"] for c in listed()] == ["Ana", "Bo"]
    assert [c["author"] for c in listed("?page=2&size=1")] == ["Bo"]
    assert [c["author"] for c in listed(f"?code={first}&source=api&author=Ana")] == ["Ana"]
    assert [c["author"] for c in listed("?productid=7&since=2026-01-01T00:00:00Z")] == ["Bo"]
    assert listed("?since=9999-01-01T00:00:00") == []
    assert listed()[0]["item_hash"] == kept.item_hash
    table = pd.read_csv(io.StringIO(client.get("/feedback?format=csv").text))
    assert table["designation"].fillna("").tolist() == [TITLE, ""]
    assert table["image_sha256"].fillna("").tolist() == [digest, ""]

    for query in (f"author=Ana&item_hash={kept.item_hash}", "author=Bo&productid=7"):
        assert client.delete(f"/feedback?{query}").json() == {"stored_in": "file"}
        assert client.delete(f"/feedback?{query}").status_code == 404
    assert listed() == []
    history = [(c["author"], c["prdtypecode"]) for c in listed("?current=false")]
    assert history == [("Ana", first), ("Bo", second), ("Ana", None), ("Bo", None)]


def test_what_is_no_correction_leaves_nothing(client: TestClient, services: Services) -> None:
    code, image = next(iter(services.feedback.codes)), base64.b64encode(b"GIF89a").decode()
    for asked, message in (
        ({"prdtypecode": -5, "designation": "a"}, "-5 is not one of"),
        ({"prdtypecode": code}, "expected a productid, a text or an image"),
        ({"prdtypecode": code, "image_base64": image}, "image: expected a JPEG, PNG or WebP"),
    ):
        refused = client.post("/feedback", json=asked)
        assert (refused.status_code, message in refused.json()["detail"]) == (422, True)
    for query in ("size=0", "page=0", "since=today", "colour=red", "format=xml", "source=me"):
        assert client.get(f"/feedback?{query}").status_code == 422, query
    for query in ("", "author=Ana", "productid=1&item_hash=a"):
        assert client.delete(f"/feedback?{query}").status_code == 422, query
    assert services.feedback.read() == []
    assert not services.feedback.images.exists()


def test_the_key_is_asked_for(services: Services) -> None:
    client = TestClient(create_app(dataclasses.replace(services, api_key="sésame")))
    ask = {"designation": TITLE}
    for headers in ({}, {"X-API-Key": "wrong"}, {"Authorization": "Bearer "}):
        refused = client.post("/predict", json=ask, headers=headers)
        assert refused.status_code == 401
        assert "X-API-Key" in refused.json()["detail"]
    key = "sésame".encode()
    assert client.post("/predict", json=ask, headers={"X-API-Key": key}).status_code == 200
    bearer = {"Authorization": b"Bearer " + key}
    assert client.get("/metrics", headers=bearer).status_code == 200
    assert client.get("/ready").status_code == 200


def png(width: int, height: int) -> bytes:
    """The smallest PNG that claims a size."""

    def chunk(name: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + check

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def jpeg(width: int, height: int) -> bytes:
    """A JPEG's head that claims a size, and nothing after it."""
    frame = struct.pack(">BHHB", 8, height, width, 3) + b"\1\x22\0\2\x11\1\3\x11\1"
    return b"\xff\xd8\xff\xc0" + struct.pack(">H", len(frame) + 2) + frame + b"\xff\xd9"


def zip_bomb() -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.jpg", b"\0" * 10_000_000)
    return data.getvalue()


PICTURES = {
    "png bomb": (png(20_000, 20_000), 413, "image: too_large"),
    "large png": (png(2_000, 2_000), 413, "2,000 x 2,000 pixels, at most 1,000,000"),
    "jpeg bomb": (jpeg(20_000, 20_000), 413, "image: too_large"),
    "cut png": (png(10, 10), 422, "image: truncated"),
    "zip bomb": (zip_bomb(), 422, "expected a JPEG, PNG or WebP file"),
    "pickle": (pickle.dumps({"a": 1}), 422, "expected a JPEG, PNG or WebP file"),
    "gif": (b"GIF89a" + b"\0" * 20, 422, "expected a JPEG, PNG or WebP file"),
}


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_that_are_refused(client: TestClient, name: str) -> None:
    data, status, message = PICTURES[name]
    as_base64 = {"image_base64": base64.b64encode(data).decode()}
    for response in (
        client.post("/predict", json=as_base64),
        client.post("/predict", data={"designation": TITLE}, files={"image": data}),
    ):
        assert response.status_code == status
        assert message in response.json()["detail"]


def test_an_image_that_a_form_would_pass_over_is_refused(client: TestClient) -> None:
    form = {"designation": TITLE, "image_base64": "AAAA"}
    done = client.post("/predict", data=form, files={"image": b""})
    assert (done.status_code, done.json()["detail"]) == (
        422,
        "image_base64: a form has its image in the field 'image'",
    )


JSON = {"content-type": "application/json"}
CSV = {"content-type": "text/csv"}
ZIP = {"content-type": "application/zip"}
WRONG = {
    "no json": ("/predict", b"{", JSON, 422, "Invalid JSON"),
    "nested": ("/predict", b"[" * 100_000, JSON, 422, "recursion limit"),
    "surrogate": ("/predict", b'{"designation": "\\ud800"}', JSON, 422, "Invalid JSON"),
    "unknown field": ("/predict", b'{"title": "a"}', JSON, 422, "title: Extra inputs"),
    "top_k": ("/predict", b'{"top_k": 0}', JSON, 422, "top_k: Input should be greater"),
    "language": ("/predict", b'{"language": "de"}', JSON, 422, "Input should be 'fr' or 'en'"),
    "large id": ("/predict", b'{"productid": 1e300}', JSON, 422, "productid"),
    "base64": ("/predict", b'{"image_base64": "?"}', JSON, 422, "image_base64: "),
    "too large": ("/predict", b" " * 400_001, JSON, 413, "larger than 400,000 bytes"),
    "no type": ("/predict", b"{}", {}, 415, "expected application/json or multipart"),
    "bad form": ("/predict", b"--", {"content-type": "multipart/form-data"}, 400, "boundary"),
    "batch type": ("/predict/batch", b"a", JSON, 415, "expected text/csv, another table, or a zip"),
    "empty batch": ("/predict/batch", b"", CSV, 422, "found an empty file"),
    "rows": ("/predict/batch", b"designation\n", CSV, 422, "found none below the header"),
    "nothing": ("/predict", b"{}", JSON, 422, "nothing to read: expected a title or"),
    "blank": ("/predict", '{"designation": "\u00a0 !"}'.encode(), JSON, 422, "nothing to read"),
    "explain": ("/explain", b'{"designation": "<p>"}', JSON, 422, "nothing to read"),
    "similar": ("/similar", b'{"designation": "<p>"}', JSON, 422, "nothing to read"),
    "class": ("/explain", b'{"designation": "a", "code": -1}', JSON, 422, "class -1: the model"),
    "format": ("/predict/batch?format=x", b"designation\na\n", CSV, 422, "'csv' or 'excel'"),
    "header": ("/predict/batch", b"title\na\n", CSV, 422, "'designation', found 'title'"),
    "cut": ("/predict/batch", b'designation\na\n"b', CSV, 422, "body, line 3: expected comma"),
    "fields": ("/predict/batch", b"designation,b\na\n", CSV, 422, "line 2: expected 2 fields"),
    "nul": ("/predict/batch", b"designation\na\0\n", CSV, 422, "line 2: expected text"),
    "large batch": ("/predict/batch", b"a" * 300_001, CSV, 413, "larger than 300,000 bytes"),
    "feedback": ("/feedback", b"{}", JSON, 422, "prdtypecode: Field required"),
    "nan": ("/feedback", b'{"prdtypecode": NaN}', JSON, 422, "prdtypecode"),
    "digits": ("/feedback", b'{"prdtypecode": ' + b"9" * 9999 + b"}", JSON, 422, "out of range"),
    "deep feedback": ("/feedback", b"[" * 100_000, JSON, 422, "recursion limit"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_input_is_named(client: TestClient, name: str) -> None:
    path, body, headers, status, message = WRONG[name]
    response = client.post(path, content=body, headers=headers)
    assert response.status_code == status, response.text
    assert message in response.json()["detail"]


def test_a_body_that_hides_its_size_is_cut_off(client: TestClient) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(1000):
            yield b"a" * 10_000

    response = client.post("/predict/batch", content=endless(), headers=CSV)
    assert (response.status_code, "larger than" in response.json()["detail"]) == (413, True)


@pytest.mark.slow
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_no_request_is_answered_with_a_5xx(app: FastAPI, mode: GenerationMode) -> None:
    """Requests drawn from the OpenAPI document, those that it allows and those that it forbids."""
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    operations = [found.ok() for found in schema.get_all_operations()]
    if mode is GenerationMode.NEGATIVE:  # of a bare GET nothing can be wrong
        operations = [operation for operation in operations if operation.method == "post"]
    statuses = {
        (o.method, o.path): statuses_of(o.as_strategy(generation_mode=mode)) for o in operations
    }
    assert max(status for seen in statuses.values() for status in seen) < 500, statuses
    posted = {(method, path) for method, path in statuses if method == "post"}
    assert {path for _, path in posted} >= {"/predict", "/predict/batch", "/feedback"}
    expected = 200 if mode is GenerationMode.POSITIVE else 422
    assert expected in statuses["post", "/predict"]
    assert expected in statuses["post", "/feedback"]


def statuses_of(requests: SearchStrategy[schemathesis.Case]) -> set[int]:
    """Send some requests and return the statuses of their answers."""
    seen = set()

    @settings(
        max_examples=60,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=requests)
    def ask(case: schemathesis.Case) -> None:
        seen.add(case.call().status_code)

    ask()
    return seen
