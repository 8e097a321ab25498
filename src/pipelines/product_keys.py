"""One number a product, of its words and its image: was this very one in the training data."""

import numpy as np
import pandas as pd

from src.cache import content_key
from src.data.duplicates import bare_words
from src.pipelines.image_pipeline import image_digests


def product_keys(table: pd.DataFrame) -> np.ndarray:
    """Return a hash of the words and the image of n rows of the product table: uint64, shape (n,).

    Equal where the words are (whatever case, accents and markup) and the image is the same file; an
    image that can't be read counts as none.
    """
    texts = zip(table["clean_title"].tolist(), table["clean_description"].tolist(), strict=True)
    keys = [
        content_key(bare_words(f"{title} {body}").encode(), digest.encode())
        for (title, body), digest in zip(texts, image_digests(table), strict=True)
    ]
    return np.array([int.from_bytes(key[:8], "little") for key in keys], dtype=np.uint64)
