"""The training products that a product is most like: what its answer can be checked against.

Likeness is the cosine of what an expert reads: word TF-IDF where it reads n-grams (those of
characters take eight times the space), else its columns, centred and reduced. The search is exact:
a product of matrices, and the largest values of each row.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.decomposition import PCA
from sklearn.preprocessing import normalize

from src.features.tfidf.vectorizers import TfidfWords
from src.models.cross_validation import take
from src.models.late_fusion import LateFusion
from src.pipelines.branches import Matrix
from src.pipelines.training_range import CLEAN_TEXT, find_word_counter

WIDTH = 128  # of reduced columns: as good as all 1,752 of Lite2 (docs/experiments.md)
CELLS = 4_000_000  # cosines of an expert that are held at a time, 16 MB
COSINE = "cosine__"  # and the name of an expert: a column of `Neighbours.most_similar`
COLUMNS = ["productid", "designation", "image", "prdtypecode"]


@dataclasses.dataclass(frozen=True, eq=False)
class Neighbours:
    """The training products, and what each expert reads of them.

    `read` holds, by expert, the positions of the products that it has input of, and a matrix of as
    many columns, CSR or dense, float32. Columns have length 1, or 0 without a known word.
    """

    # `COLUMNS`, official_code and key; row i is row i of the table that the model was fitted on.
    products: pd.DataFrame
    reducers: Mapping[str, PCA]
    read: Mapping[str, tuple[np.ndarray, Matrix]]

    @classmethod
    def of(cls, table: pd.DataFrame, model: LateFusion, keys: np.ndarray) -> Neighbours:
        """Keep the products of the table that a model was fitted on; `keys` are `product_keys`."""
        official = table["official_code" if "official_code" in table else "prdtypecode"]
        products = table[COLUMNS].assign(official_code=official.astype(np.int64), key=keys)
        reducers: dict[str, PCA] = {}
        read: dict[str, tuple[np.ndarray, Matrix]] = {}
        for name in model.experts_:
            present = model.present(table, name)
            rows = _rows(take(table, present), model, name)
            if not sparse.issparse(rows):
                solver = "covariance_eigh" if len(rows) > rows.shape[1] else "full"
                pca = PCA(min(WIDTH, *rows.shape), svd_solver=solver)
                with np.errstate(invalid="ignore"):  # all images may be the same
                    reducers[name] = pca.fit(rows)
            columns = _unit(rows, reducers.get(name)).T
            columns = columns.tocsr() if sparse.issparse(columns) else columns
            read[name] = np.flatnonzero(present), columns
        return cls(products, reducers, read)

    def most_similar(self, table: pd.DataFrame, model: LateFusion, k: int = 5) -> pd.DataFrame:
        """Return at most k training products for each of n products of a table, nearest first.

        Columns product (position in `table`), row (position in `products`; of equally similar
        ones the first comes first), similarity, and `COSINE` of each expert. The similarity,
        above 0, is the mean of those that are not NaN, for want of input of the product. Where a
        training product lacks the input its cosine is 0. A training product finds itself.
        `model` is the one that these rows were made by.
        """
        step = max(1, CELLS // len(self.products))
        blocks = [
            block
            for start in range(0, len(table), step)
            for block in self._search(table.iloc[start : start + step], start, model, k)
        ]
        names = ["product", "row", "similarity", *(COSINE + name for name in self.read)]
        values = np.concatenate(blocks) if blocks else np.empty((0, len(names)))
        return pd.DataFrame(values, columns=names).astype({"product": int, "row": int})

    def _search(
        self, table: pd.DataFrame, start: int, model: LateFusion, k: int
    ) -> Iterator[np.ndarray]:
        """Yield, for each product of a block, the rows that `most_similar` returns of it."""
        shape = len(self.read), len(table), len(self.products)
        cosines = np.full(shape, np.nan, dtype=np.float32)
        for cosine, (name, (places, columns)) in zip(cosines, self.read.items(), strict=True):
            present = model.present(table, name)
            if present.any():
                rows = _rows(take(table, present), model, name)
                product = _unit(rows, self.reducers.get(name)) @ columns
                product = product.toarray() if sparse.issparse(product) else product
                cosine[present] = 0.0
                cosine[np.ix_(present, places)] = product
        for at in range(len(table)):
            readers = ~np.isnan(cosines[:, at, 0])
            if readers.any():
                similarity = cosines[readers, at].mean(axis=0)
                rows = _largest(similarity, k)
                place = np.full(len(rows), start + at)
                yield np.column_stack([place, rows, similarity[rows], cosines[:, at, rows].T])


def _rows(table: pd.DataFrame, model: LateFusion, name: str) -> Matrix:
    """Return what an expert reads of n products: TF-IDF of words, or else all its columns."""
    counter = find_word_counter(model)
    if any(expert == name for expert, _, _ in model.fitted_steps(TfidfWords)) and counter:
        return counter.transform(CLEAN_TEXT.transform(table))
    return model.experts_[name]["features"].transform(table)


def _unit(rows: Matrix, reducer: PCA | None) -> Matrix:
    """Return rows of length 1, float32."""
    rows = rows if reducer is None else reducer.transform(rows)
    return normalize(rows.astype(np.float32, copy=False))


def _largest(values: np.ndarray, k: int) -> np.ndarray:
    """Return where the k largest values above 0 are, the largest first, of equal ones the first."""
    least = np.partition(values, -k)[-k] if k < len(values) else 0
    found = np.flatnonzero((values >= least) & (values > 0))
    return found[np.argsort(-values[found], kind="stable")][:k]
