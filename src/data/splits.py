"""Hold-out and folds: stratified by class, with every group of duplicates on one side.

scikit-learn's StratifiedGroupKFold loops in Python over every group (here nearly one a product) and
balances only roughly. Nearly all groups are single products, so here the few real groups are dealt
first, each to the part that needs its classes most, and single products then fill every class of
every part to its exact share. It is also what a hold-out needs: parts of unequal size.
"""

import hashlib
from collections.abc import Sequence

import numpy as np


def stable_holdout(
    y: np.ndarray, groups: np.ndarray, products: np.ndarray, share: float, seed: int
) -> np.ndarray:
    """Choose a run's hold-out, by the hash of the smallest productid of each group.

    Corrected labels, rows that come or go and another order of rows move no other product: two runs
    are scored on the same ones. That costs the exact shares of `split_holdout`: `share` is of
    groups. A duplicate with a smaller id moves its own group.

    Returns bool, shape (n,). A class of which all rows would be held out stays in training, with
    all of its groups.
    """
    names, group = np.unique(groups, return_inverse=True)
    smallest = np.full(len(names), np.iinfo(np.int64).max)
    np.minimum.at(smallest, group, products)
    draws = [
        hashlib.blake2b(f"{seed} {product}".encode(), digest_size=8).digest()
        for product in smallest
    ]
    held = (np.array([int.from_bytes(draw, "big") / 2**64 for draw in draws]) < share)[group]
    return _without_lost_classes(held, y, groups)


def split_holdout(y: np.ndarray, groups: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Choose the hold-out: this share of each class.

    Returns bool, shape (n,). A class that is too small to split, or one group of duplicates, stays
    in training with all of its groups.
    """
    return _without_lost_classes(deal(y, groups, (1.0 - share, share), seed) == 1, y, groups)


def _without_lost_classes(held: np.ndarray, y: np.ndarray, groups: np.ndarray) -> np.ndarray:
    lost = np.setdiff1d(y[held], y[~held])
    return held & ~np.isin(groups, groups[np.isin(y, lost)])


def split_folds(y: np.ndarray, groups: np.ndarray, n_folds: int, seed: int) -> np.ndarray:
    """Return the fold, 0 to n_folds - 1, of each row."""
    return deal(y, groups, (1.0 / n_folds,) * n_folds, seed)


def stratified_sample(y: np.ndarray, n_rows: int, seed: int) -> np.ndarray:
    """Choose `n_rows` rows with the classes in proportion; all where `y` has no more.

    Returns positions, ascending. Rests go to the classes with the largest fraction, so the number
    is exact.
    """
    if n_rows >= len(y):
        return np.arange(len(y))
    rng = np.random.default_rng(seed)
    codes, counts = np.unique(y, return_inverse=True, return_counts=True)[1:]
    exact = n_rows * counts / len(y)
    take = np.floor(exact).astype(np.int64)
    take[np.argsort(take - exact, kind="stable")[: n_rows - take.sum()]] += 1
    rows = [
        rng.permutation(np.flatnonzero(codes == code))[:count] for code, count in enumerate(take)
    ]
    return np.sort(np.concatenate(rows))


def deal(y: np.ndarray, groups: np.ndarray, shares: Sequence[float], seed: int) -> np.ndarray:
    """Deal rows into parts of the given shares; return the part of each row, shape (n,).

    Rows of one group are in one part. Every class is spread in proportion to `shares`, to within
    one row where its groups are single rows.
    """
    rng = np.random.default_rng(seed)
    codes = np.unique(y, return_inverse=True)[1]
    n_classes = int(codes.max()) + 1 if len(codes) else 0
    need = _targets(np.bincount(codes, minlength=n_classes), np.asarray(shares), rng)
    part = np.full(len(y), -1, dtype=np.int64)
    sizes = np.bincount(groups)
    _deal_groups(part, codes, groups, sizes, need, rng)
    for code in range(n_classes):
        rows = np.flatnonzero((codes == code) & (part < 0))
        part[rng.permutation(rows)] = _fill(need[:, code], len(rows))
    return part


def _targets(counts: np.ndarray, shares: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Whole numbers of rows, shape (parts, classes), that add up to `counts` in every class.

    Rests go to the parts with the largest fraction, ties at random.
    """
    exact = shares[:, None] * counts[None, :]
    need = np.floor(exact).astype(np.int64)
    for code in range(len(counts)):
        rest = counts[code] - need[:, code].sum()
        fraction = exact[:, code] - need[:, code]
        order = np.lexsort((rng.random(len(shares)), -fraction))
        need[order[:rest], code] += 1
    return need


def _deal_groups(
    part: np.ndarray,
    codes: np.ndarray,
    groups: np.ndarray,
    sizes: np.ndarray,
    need: np.ndarray,
    rng: np.random.Generator,
) -> None:
    """Deal groups of several rows, the largest first; writes `part` and takes from `need`.

    A group goes where it overshoots least; where it fits into several parts, to one of them at
    random, in proportion to the rows of its classes that each still needs, so that grouped rows are
    held out as often as single ones.
    """
    several = np.flatnonzero(sizes > 1)
    if not len(several):
        return
    order = several[np.lexsort((rng.random(len(several)), -sizes[several]))]
    by_group = np.argsort(groups, kind="stable")
    starts = np.concatenate(([0], np.cumsum(sizes)))
    for group in order:
        rows = by_group[starts[group] : starts[group + 1]]
        counts = np.bincount(codes[rows], minlength=need.shape[1])
        overshoot = np.maximum(counts - np.maximum(need, 0), 0).sum(axis=1)
        best = np.flatnonzero(overshoot == overshoot.min())
        wanted = np.maximum(need[best], 0) @ counts + 1e-9
        chosen = int(rng.choice(best, p=wanted / wanted.sum()))
        part[rows] = chosen
        need[chosen] -= counts


def _fill(need: np.ndarray, n_rows: int) -> np.ndarray:
    """Return the part of each of n single rows, given how many every part still needs.

    Large groups may have overfilled a part (need below 0); the others then give up rows, one at a
    time from the one that needs most.
    """
    need = np.maximum(need, 0)
    for _ in range(int(need.sum()) - n_rows):
        need[np.argmax(need)] -= 1
    return np.repeat(np.arange(len(need)), need)
