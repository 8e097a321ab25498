"""Which class is taken for which."""

from __future__ import annotations

import numpy as np
import pandas as pd


def confusion_counts(y_true: np.ndarray, y_pred: np.ndarray, codes: np.ndarray) -> pd.DataFrame:
    """Return the counts of (true, predicted) pairs.

    Returns
    -------
    DataFrame of int64, shape (n_classes, n_classes)
        Row = true code, column = predicted code, both in the order of `codes`.
    """
    from sklearn.metrics import confusion_matrix

    counts = confusion_matrix(y_true, y_pred, labels=codes)
    return pd.DataFrame(counts, index=pd.Index(codes, name="true"), columns=codes)
