"""Class shares and label noise."""

from __future__ import annotations

from collections import Counter

import pytest

from tools.demo_shop.draws import Draws
from tools.demo_shop.labels import (
    GROUP_OF,
    NEIGHBOURS,
    class_quotas,
    shuffled_labels,
    true_class,
)
from tools.demo_shop.statistics import CLASSES, N_TRAIN

CODES = [figures.code for figures in CLASSES]


def test_full_size_quotas_are_the_real_counts() -> None:
    assert class_quotas(N_TRAIN) == {figures.code: figures.n_train for figures in CLASSES}


@pytest.mark.parametrize("rows", [1, 27, 500, 19_999])
def test_quotas_sum_to_the_rows_and_are_within_one_of_the_share(rows: int) -> None:
    quotas = class_quotas(rows)
    assert sum(quotas.values()) == rows
    for figures in CLASSES:
        assert abs(quotas[figures.code] - rows * figures.n_train / N_TRAIN) < 1


def test_labels_come_in_random_order() -> None:
    labels = shuffled_labels(Draws(1), 1000)
    assert Counter(labels) == Counter(class_quotas(1000))
    assert labels != sorted(labels)
    assert labels != shuffled_labels(Draws(2), 1000)


def test_three_percent_of_labels_are_wrong_and_only_between_neighbours() -> None:
    draws = Draws(3)
    labels = shuffled_labels(draws, 60_000)
    pairs = Counter((label, true_class(draws, label)) for label in labels)
    wrong = {pair: n for pair, n in pairs.items() if pair[0] != pair[1]}
    assert sum(wrong.values()) / len(labels) == pytest.approx(0.03, abs=0.005)
    assert all(true in NEIGHBOURS[label] for label, true in wrong)


def test_every_class_has_neighbours_and_a_group() -> None:
    assert sorted(NEIGHBOURS) == sorted(GROUP_OF) == sorted(CODES)
    for code, neighbours in NEIGHBOURS.items():
        assert code not in neighbours
        assert set(neighbours) <= set(CODES)
