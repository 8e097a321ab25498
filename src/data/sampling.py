"""Which training rows a classifier sees, and how often: large classes capped, small ones inflated.

Acts on row numbers inside a training fold; rows that a score is computed on are never touched.
"""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Sampling:
    """Bounds on the size of a class, in multiples of the mean class size."""

    cap: float  # at the most; rounded up, at least 1
    floor: float  # at the least; rounded down, at most 1, so never above the cap
    seed: int

    def __post_init__(self) -> None:
        if self.cap < 1.0 or not 0.0 <= self.floor <= 1.0:
            raise ValueError(
                f"cap {self.cap:g}, floor {self.floor:g}: expected a cap of at least 1 and a "
                "floor from 0 to 1, in multiples of the mean class size"
            )

    def rows(self, y: np.ndarray) -> np.ndarray:
        """Choose the rows to train on, int64, ascending; `y` is the class of each training row.

        A capped class loses rows at random; one below the floor keeps all, each as often as any
        other to within one; every other class has each row once.

        >>> y = np.array([10] * 8 + [20] * 3 + [30])
        >>> np.unique(y[Sampling(cap=1.5, floor=0.5, seed=0).rows(y)], return_counts=True)[1]
        array([6, 3, 2])
        """
        if not len(y):
            return np.empty(0, dtype=np.int64)
        rng = np.random.default_rng(self.seed)
        codes, counts = np.unique(y, return_inverse=True, return_counts=True)[1:]
        most = int(np.ceil(self.cap * counts.mean()))
        least = int(self.floor * counts.mean())
        chosen = []
        for code, count in enumerate(counts):
            rows, wanted = np.flatnonzero(codes == code), int(np.clip(count, least, most))
            repeats, rest = divmod(wanted, count)
            drawn = rng.choice(rows, size=rest, replace=False)
            chosen += [np.repeat(rows, repeats), drawn]
        return np.sort(np.concatenate(chosen)).astype(np.int64)
