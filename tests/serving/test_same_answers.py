"""Command, service and app read the tables that people have alike, and answer to the last digit."""

from __future__ import annotations

import csv
import gzip
import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from fastapi.testclient import TestClient

from scripts import predict as command
from src.config import REPOSITORY, Paths
from src.errors import FileFault
from src.serving.api import Services, create_app
from src.serving.feedback import FeedbackStore
from src.serving.prediction_log import PredictionLog
from src.serving.predictor import Predictor, Product
from src.serving.served_model import ServedModel
from streamlit_app.predict.scoring import score_file

STORED = REPOSITORY / "tests" / "data" / "real_world"
TABLES = (".csv", ".txt", ".tsv", ".gz", ".parquet", ".xlsx")


def parquet() -> bytes:
    data = io.BytesIO()
    pd.DataFrame({"Designation": ["Lampe LED", None], "prix": [9.5, 1.0]}).to_parquet(data)
    return data.getvalue()


MADE: dict[str, bytes] = {
    name: content if isinstance(content, bytes) else content.encode()
    for name, content in {
        "plain": "designation,description\nLampe LED,12 W\nLivre de poche,\n",
        "semicolons": "designation;description\nLampe LED;12,5 W\nLivre;\n",
        "tabs": "designation\tdescription\nLampe LED\t12 W\nLivre\t\n",
        "latin-1": "designation;prix\nDécoration d'été;9,50\n".encode("latin-1"),
        "windows-1252": "designation;prix\nŒuvre à 5 €;9,50\n".encode("cp1252"),
        "utf-16": "designation\tprix\nDécoration\t9,50\n".encode("utf-16"),
        "bom": "\ufeffdesignation,sku\nLampe,1\n",
        "crlf": 'designation,sku\r\n"Lampe\r\nLED",1\r\nLivre,2\r\n',
        "lone carriage returns in a field": 'designation,sku\n"Lampe\rLED",1\nLivre,2\n',
        "capitals": "DESIGNATION,Description\nLampe LED,12 W\n",
        "spaces around names": " designation , description \nLampe LED,12 W\n",
        "names of ours": "designation,label,prdtypecode,known,probability\nLampe,a,b,c,d\n",
        "an empty row": "sku,designation\n1,\n2,Lampe\n3,<br/>\n4,\u00a0\n5,\u200b\n6,!?\n",
        "text that pandas takes for none": "designation\nNA\nnull\nNone\nnan\n12\n",
        "formulas": "designation,x\n=1+1,@a\n+33 6,-1\n",
        "quotes": 'designation\n"Lampe ""LED"" 12"""\n',
        "html": "designation,description\n<b>Lampe</b>,<p>12&nbsp;W<br>LED</p>\n",
        "emoji and other scripts": "designation\n😀 Lampe 🛋️\nКнига\n本\nكتاب\n",
        "invisible characters": "designation\npis\u00adcine gon\u200bflable\npiscine gonflable\n",
        "decomposed accents": "designation\nde\u0301coration\ndécoration\n",
        "full width": "designation\nＬａｍｐｅ　ＬＥＤ\n",
        "cdata": "designation,description\nLampe,<![CDATA[12 W blanc chaud]]>\n",
        "a long title": f"designation\n{'Chaise de jardin ' * 1_000}\n",
        "only a description": "designation,description\n,Harry Potter tome 1\n",
        "blank lines": "designation\n\nLampe\n\n\nLivre\n\n",
        "many columns": ",".join(["designation", *map("c{}".format, range(200))])
        + "\nLampe"
        + "," * 200
        + "\n",
        "ids": "designation,productid,imageid\nLampe,20.0,2\nLivre,,\n",
        "links to images": "designation,image\nLampe,https://example.org/a.jpg?x=1\n",
        "gzip": gzip.compress(b"designation\nLampe LED\n"),
        "parquet": parquet(),
        "a header alone": "designation,description\n",
        "nothing": "",
        "no title": "name,price\nLampe,1\n",
        "two titles": "designation,designation\na,b\n",
        "a cut row": "designation,b\nLampe,1\nLivre\n",
        "an open quote": 'designation\nLampe\n"Livre\n',
        "an image": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    }.items()
}
FILES = MADE | {
    path.name: path.read_bytes() for path in sorted(STORED.iterdir()) if path.suffix in TABLES
}
REFUSED = {"a header alone", "nothing", "no title", "two titles", "a cut row", "an open quote"}


@pytest.fixture
def client(served_paths: Paths, tmp_path: Path) -> TestClient:
    model = ServedModel(served_paths)
    model.refresh()
    nowhere = "postgresql://nobody@127.0.0.1:1/nowhere"
    feedback = FeedbackStore(tmp_path / "kept.jsonl", tmp_path, lambda: nowhere, ())
    return TestClient(create_app(Services(model, PredictionLog([].extend), feedback)))


Command = Callable[..., tuple[int, str]]


@pytest.fixture
def predict(served_paths: Paths, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Command:
    """Run the command on some bytes; return its exit status, and the answers or the message."""

    def run(data: bytes, *options: str) -> tuple[int, str]:
        source, out = tmp_path / "given", tmp_path / "answers.csv"
        source.write_bytes(data)
        place = ["--set", f"paths.workspace={served_paths.workspace}", "--out", str(out)]
        status = command.main([str(source), *options, *place])
        talk = capfd.readouterr().err
        if status == 2:
            return status, talk.splitlines()[0].removeprefix(f"error: {source}")
        return status, out.read_bytes().decode()

    return run


def in_the_app(predictor: Predictor, data: bytes, zipped: bytes | None = None) -> str:
    try:
        scored = score_file(predictor, data, "given", zipped, progress=lambda *_: None)
    except FileFault as e:
        return e.message.removeprefix("given")
    return scored.written(predictor.pipeline.labels, "en", "csv", {}).decode()


@pytest.mark.parametrize("name", FILES)
def test_three_faces_give_the_same_answers(
    predict: Command, client: TestClient, predictor: Predictor, name: str
) -> None:
    data = FILES[name]
    status, text = predict(data)
    headers = {"content-type": "application/octet-stream"}
    answered = client.post("/predict/batch", content=data, headers=headers)
    assert in_the_app(predictor, data) == text
    if status == 2:
        assert answered.status_code == 422
        assert answered.json()["detail"].removeprefix("body") == text
        return
    assert name not in REFUSED
    assert (status, answered.status_code) == (0, 200)
    assert answered.content.decode() == text


@pytest.mark.parametrize("name", ["plain", "an empty row", "html", "a long title", "cdata"])
def test_one_by_one_as_in_a_batch(predict: Command, client: TestClient, name: str) -> None:
    _, text = predict(MADE[name])
    for row in csv.DictReader(io.StringIO(text, newline="")):
        product = {key: row[key] for key in ("designation", "description") if key in row}
        answer = client.post("/predict", json=product)
        if row["prdtypecode"] == "":
            assert row["review_reason"] == "nothing_to_read"
            assert answer.status_code == 422
            continue
        one = answer.json()
        assert one["review_reason"] == row["review_reason"].split()
        assert [str(one["code"]), one["label"], repr(one["probability"])] == [
            row[key] for key in ("prdtypecode", "label", "probability")
        ]


def test_images_of_any_name_in_a_zip(
    predict: Command, predictor: Predictor, products: list[Product], tmp_path: Path
) -> None:
    paths = [Path(str(p.image)) for p in products if p.image is not None][:4]
    names = ["fotos/SKU-0001.jpg", "fotos/été 2.JPG", "30.jpeg", "image_41_product_40.jpg"]
    archive = tmp_path / "images.zip"
    with zipfile.ZipFile(archive, "w") as zipped:
        for name, path in zip(names, paths, strict=True):
            zipped.writestr(name, path.read_bytes())
        zipped.writestr("__MACOSX/fotos/._SKU-0001.jpg", b"")
    table = (
        "designation,image,productid,imageid\nLampe,sku-0001.jpg,10,\n"
        "Lampe,fotos/e\u0301te\u0301 2.JPG,20,\nLampe,,30.0,\nLampe,,40,41\nLampe,,50,\n"
    ).encode()
    status, text = predict(table, "--images", str(archive))
    assert (status, in_the_app(predictor, table, archive.read_bytes())) == (0, text)
    expected = predictor.predict([Product("Lampe", image=p) for p in [*paths, None]])
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["used_image"] for row in rows] == ["true"] * 4 + ["false"]
    assert [row["probability"] for row in rows] == [repr(e.probability) for e in expected]


def test_refusals_say_what_is_wrong(predict: Command) -> None:
    for name in sorted(REFUSED):
        status, message = predict(MADE[name])
        assert status == 2
        assert re.search(r"expected|empty", message), message
