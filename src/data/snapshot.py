"""Which state of the data products come from."""

from __future__ import annotations

import dataclasses
from typing import Literal


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """State of the data; it ends up in every artifact.

    Attributes
    ----------
    data_hash : str
        Combined SHA256 of the three official files.
    source : {"official", "demo"}
        "demo" marks every score as synthetic.
    """

    data_hash: str
    source: Literal["official", "demo"]

    @property
    def synthetic(self) -> bool:
        """True for the demo shop."""
        return self.source == "demo"
