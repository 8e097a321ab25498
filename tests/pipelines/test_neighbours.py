"""The training products nearest to a product, against similarities that are computed one by one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from src.artifacts.store import ArtifactStore
from src.config import Paths
from src.pipelines import neighbours
from src.pipelines.neighbours import Neighbours
from src.pipelines.product_model import FullPipeline

COLUMNS = ["designation", "description", "image"]
SEEN = pd.DataFrame(
    [
        ("Piscine gonflable ronde 3 m", "Avec pompe", ""),
        ("Harry Potter à l'école des sorciers", "", ""),
        ("zzzz", "", ""),
        ("", "", ""),
    ],
    columns=COLUMNS,
    dtype=object,
)


@pytest.fixture(scope="module")
def pipeline(served_paths: Paths) -> FullPipeline:
    store = ArtifactStore(served_paths)
    served: FullPipeline = store.load(store.full_pipeline("late_fusion"))
    return served


@pytest.fixture(scope="module")
def kept(served_paths: Paths) -> Neighbours:
    store = ArtifactStore(served_paths)
    loaded: Neighbours = store.load(store.neighbours)
    return loaded


@pytest.fixture(scope="module")
def catalogue(served_paths: Paths) -> pd.DataFrame:
    """The labelled products; the model was fitted on these rows in this order."""
    store = ArtifactStore(served_paths)
    table: pd.DataFrame = store.load(store.catalogue)
    return table[table["split"] == "train"].reset_index(drop=True)


@pytest.fixture(scope="module")
def known(pipeline: FullPipeline, catalogue: pd.DataFrame) -> pd.DataFrame:
    """The product table of the labelled products."""
    return pipeline.table(catalogue[COLUMNS])


def by_hand(
    pipeline: FullPipeline, asked: pd.DataFrame, known: pd.DataFrame
) -> tuple[np.ndarray, np.ndarray]:
    """Cosines of asked and known products one by one, of words and of images; NaN without input."""
    text, image = (pipeline.model.experts_[name]["features"] for name in ("text", "image"))
    words = dict(text.transformer_list)["tfidf_word"]
    mean = image.transform(known[known["has_image"]]).mean(axis=0, dtype=np.float64)
    rows = [
        (words.transform(t).toarray(), image.transform(t) - mean, t[["has_text", "has_image"]])
        for t in (asked, known)
    ]
    cosines = np.full((2, len(asked), len(known)), np.nan)
    for a, b, expert in np.ndindex(len(asked), len(known), 2):
        (*x, x_has), (*y, y_has) = rows
        if x_has.iloc[a, expert]:
            one, other = x[expert][a], y[expert][b]
            lengths = np.linalg.norm(one) * np.linalg.norm(other)
            there = y_has.iloc[b, expert] and lengths
            cosines[expert, a, b] = one @ other / lengths if there else 0.0
    return cosines[0], cosines[1]


def test_they_are_the_nearest_of_all(
    pipeline: FullPipeline,
    kept: Neighbours,
    known: pd.DataFrame,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Text alone, image alone, both; in one block of the search, and in many."""
    pictured = known[known["has_image"]].head(3)[COLUMNS]
    products = pd.concat([SEEN, pictured, pictured.assign(designation="", description="")])
    table = pipeline.table(products)
    text, image = by_hand(pipeline, table, known)
    found = kept.most_similar(table, pipeline.model, k=7)
    asked, rows = found["product"].to_numpy(), found["row"].to_numpy()
    for name, expected in {"text": text, "image": image}.items():
        assert found[f"cosine__{name}"].to_numpy() == pytest.approx(
            expected[asked, rows], abs=1e-4, nan_ok=True
        )
    both = np.where(np.isnan(text), image, np.where(np.isnan(image), text, (text + image) / 2))
    assert found["similarity"].to_numpy() == pytest.approx(both[asked, rows], abs=1e-4)
    for product, similarity in enumerate(both):
        best = np.sort(similarity[similarity > 1e-4])[::-1][:7]
        listed = found["similarity"][asked == product].to_numpy()
        assert listed[: len(best)] == pytest.approx(best, abs=1e-4)
    assert set(asked) == {*range(len(products))} - {2, 3}, "no known word, and nothing to read"
    monkeypatch.setattr(neighbours, "CELLS", 1)
    one_by_one = kept.most_similar(table, pipeline.model, k=7)
    assert one_by_one["similarity"].to_numpy() == pytest.approx(found["similarity"], abs=1e-6)


def test_a_training_product_finds_itself_and_its_duplicates(
    pipeline: FullPipeline, kept: Neighbours, known: pd.DataFrame
) -> None:
    found = kept.most_similar(known, pipeline.model, k=1)
    assert found["product"].tolist() == known.index.tolist()
    assert found["similarity"].to_numpy() == pytest.approx(1, abs=1e-5)
    pictured, other = np.flatnonzero(known["has_image"])[:2]
    twice = known.iloc[[pictured, other, pictured]].assign(productid=7, prdtypecode=10)
    twice = twice.assign(official_code=[10.0, 40.0, 10.0])
    again = Neighbours.of(twice, pipeline.model, np.arange(3, dtype=np.uint64))
    assert again.products["official_code"].tolist() == [10, 40, 10]
    rows = again.most_similar(known.iloc[[pictured]], pipeline.model, k=2)
    assert rows["row"].tolist() == [0, 2]
    assert (
        Neighbours.of(twice.iloc[[0, 2]], pipeline.model, np.zeros(2)).read["image"][1].any() == 0
    )


def test_what_is_known_of_them(kept: Neighbours, catalogue: pd.DataFrame) -> None:
    """The label that was learned and, where people corrected it, the official one beside it."""
    names = ["productid", "designation", "image", "prdtypecode"]
    expected = catalogue[names]
    pd.testing.assert_frame_equal(
        kept.products[names], expected, check_dtype=False, check_column_type=False
    )
    assert kept.products["official_code"].equals(
        kept.products["prdtypecode"].rename("official_code")
    )
