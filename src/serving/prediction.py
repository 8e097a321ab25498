"""`Prediction`: the answer for one product, the same value for every face of the platform."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Candidate:
    """One of the likeliest classes.

    Attributes
    ----------
    code : int
        prdtypecode.
    label : str
        Its name, in the language that was asked for.
    probability : float
        Calibrated, between 0 and 1.
    """

    code: int
    label: str
    probability: float


@dataclasses.dataclass(frozen=True)
class Prediction:
    """The answer for one product.

    Attributes
    ----------
    code, label, probability
        Of the likeliest class, as in `Candidate`.
    top_k : tuple of Candidate
        The likeliest classes, best first; the first is the answer itself.
    needs_review : bool
        Whether the probability is below the threshold that training chose for
        ``[decision].target_accuracy``.
    known : bool
        Whether a product with the same text and the same image was in the training data.
    used_image : bool
        Whether an image was there and could be read.
    model : str
        Run that trained the model.
    snapshot : str
        Data hash of the rows that it learned from.
    synthetic : bool
        True when those were drawn by the demo shop.
    """

    code: int
    label: str
    probability: float
    top_k: tuple[Candidate, ...]
    needs_review: bool
    known: bool
    used_image: bool
    model: str
    snapshot: str
    synthetic: bool
