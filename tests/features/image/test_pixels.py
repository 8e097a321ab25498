"""Pixel rows and their projection, against plain linear algebra."""

import io

import numpy as np
import pytest
from PIL import Image
from sklearn.base import clone
from sklearn.utils.estimator_checks import estimator_checks_generator

from src.errors import UsageError
from src.features.image.pixels import PixelExtractor, PixelReducer


def rows(n: int = 40, d: int = 12, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.random((n, 4)) @ rng.random((4, d)) + 0.01 * rng.random((n, d))).astype(np.float32)


def same_up_to_signs(found: np.ndarray, expected: np.ndarray, atol: float = 1e-3) -> None:
    signs = np.sign((found * expected).sum(axis=0))
    np.testing.assert_allclose(found * signs, expected, atol=atol)


def test_extraction_flattens_and_scales() -> None:
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    extractor = PixelExtractor(4, batch_size=2)
    values, mask = extractor.extract([file.getvalue(), None, file.getvalue()])
    assert mask.tolist() == [True, False, True]
    np.testing.assert_allclose(values[0], pixels.ravel() / 255, rtol=1e-6)
    np.testing.assert_array_equal(values[2], values[0])
    assert not values[1].any()
    assert values.dtype == np.float32
    assert extractor.names[:4] == ("pixel_0_0_r", "pixel_0_0_g", "pixel_0_0_b", "pixel_0_1_r")
    assert extractor.names[-1] == "pixel_3_3_b"
    assert extractor.settings()["features"] == "image_pixels"


def test_pca_is_the_svd_of_centred_rows() -> None:
    X = rows()
    found = PixelReducer("pca", 3).fit_transform(X)
    centred = X - X.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    same_up_to_signs(found, centred @ axes[:3].T)
    assert found.dtype == np.float32


def test_svd_does_not_centre() -> None:
    X = rows()
    _, _, axes = np.linalg.svd(X, full_matrices=False)
    same_up_to_signs(PixelReducer("svd", 2).fit_transform(X), X @ axes[:2].T)


def test_components_are_cut_to_what_the_rows_allow() -> None:
    reducer = PixelReducer("pca", 64).fit(rows(5))
    assert reducer.n_components_ == 5
    assert reducer.get_feature_names_out().tolist() == [f"pixel_pca_{i}" for i in range(5)]
    assert PixelReducer("svd", 64).fit(rows(5)).transform(rows(2)).shape == (2, 5)


def test_the_same_seed_gives_the_same_projection_and_clone_works() -> None:
    X = rows()
    first = PixelReducer("svd", 4, random_state=3)
    np.testing.assert_array_equal(clone(first).fit_transform(X), first.fit_transform(X))


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(UsageError, match="pixel method 'ica' is not one of pca, svd"):
        PixelReducer("ica").fit(rows())


@pytest.mark.parametrize("method", ["pca", "svd"])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_scikit_learn_contract(method: str) -> None:
    for estimator, check in estimator_checks_generator(PixelReducer(method, n_components=2)):
        check(estimator)
