"""What makes columns of the product table: one pure function of a product."""

from __future__ import annotations

import abc
import dataclasses
import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

HAS_IMAGE = "has_image"


@dataclasses.dataclass(frozen=True, eq=False)
class Extractor(abc.ABC):
    """One pure function of a product.

    `name` is part of the cache's folder, and prefix of the columns of a block; the featurizer has
    names of its values, none where it gives plain columns, settings, and a method extract.
    """

    name: str
    featurizer: Any

    @functools.cached_property
    def value_names(self) -> tuple[str, ...]:
        """Names of the values of its block."""
        return tuple(self.featurizer.names)

    def settings(self) -> Mapping[str, Any]:
        """Return JSON values that change the result, the extractor's version included."""
        settings: Mapping[str, Any] = self.featurizer.settings()
        return settings

    @abc.abstractmethod
    def keys(self, products: pd.DataFrame) -> list[bytes]:
        """Return one content key a product: a hash of what the extractor reads of it."""

    @abc.abstractmethod
    def extract(self, products: pd.DataFrame) -> dict[str, np.ndarray]:
        """Return columns with one row a product; a block is a matrix under the extractor's name.

        An extractor of images gives zeros, and False under "has_image", where there is none.
        """
