"""Baselines by share: each fold is answered from the shares of the others."""

from __future__ import annotations

import numpy as np
import pytest

from src.models.baselines import by_share


def test_prior_is_the_shares_of_the_other_folds() -> None:
    codes, folds = np.array([0, 0, 0, 1, 2, 0]), np.array([0, 0, 1, 1, 1, 1])
    found = by_share("prior", codes, folds, 0)
    np.testing.assert_allclose(found[:2], [[0.5, 0.25, 0.25]] * 2)
    np.testing.assert_allclose(found[2:], [[1.0, 0.0, 0.0]] * 4)


def test_stratified_answers_are_drawn_by_share_and_do_not_look_at_the_row() -> None:
    rng = np.random.default_rng(0)
    codes = rng.choice(3, 6000, p=[0.6, 0.3, 0.1])
    folds = np.arange(6000) % 5
    found = by_share("stratified", codes, folds, 1)
    assert set(np.unique(found)) == {0.0, 1.0}
    np.testing.assert_allclose(found.mean(axis=0), np.bincount(codes) / 6000, atol=0.02)
    chance = (np.bincount(codes) / 6000 @ np.bincount(codes)) / 6000
    accuracy = (found.argmax(axis=1) == codes).mean()
    assert accuracy == pytest.approx(chance, abs=4 * np.sqrt(chance * (1 - chance) / 6000))
    np.testing.assert_array_equal(found, by_share("stratified", codes, folds, 1))
