"""One number a product, of its words and its image: was this very one in the training data."""

from __future__ import annotations

import numpy as np
import pandas as pd

from src.cache import content_key
from src.data.duplicates import normalise_text
from src.pipelines.image_pipeline import image_digests


def product_keys(products: pd.DataFrame) -> np.ndarray:
    """Return a hash of the normalised text and the image of n products: uint64, shape (n,).

    Equal where the words are (whatever case, accents and markup) and the image is the same file; an
    image that can't be read counts as none.
    """
    texts = zip(products["designation"].tolist(), products["description"].tolist(), strict=True)
    keys = [
        content_key(
            normalise_text(f"{title} {body}").encode("utf-8", "surrogatepass"), digest.encode()
        )
        for (title, body), digest in zip(texts, image_digests(products), strict=True)
    ]
    return np.array([int.from_bytes(key[:8], "little") for key in keys], dtype=np.uint64)
