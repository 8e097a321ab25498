"""Which products have a picture, and whose."""

from __future__ import annotations

from collections import Counter

import pytest

from tools.demo_shop.catalogue import Catalogue, draw_catalogue
from tools.demo_shop.describe import shared_figures
from tools.demo_shop.picture_plan import PictureTask, plan_pictures
from tools.demo_shop.statistics import DUPLICATE_IMAGES, DUPLICATE_IMAGES_SAME_LABEL


@pytest.fixture(scope="module")
def shop() -> Catalogue:
    return draw_catalogue(6000, 2)


@pytest.fixture(scope="module")
def plan(shop: Catalogue) -> list[PictureTask]:
    return plan_pictures(shop, 6976)


def test_all_products_have_their_own_file(shop: Catalogue, plan: list[PictureTask]) -> None:
    expected = [
        f"images/image_{split}/image_{item.imageid}_product_{item.productid}.jpg"
        for split, items in (("train", shop.train), ("test", shop.test))
        for item in items
    ]
    assert [task.file for task in plan] == expected


def test_some_products_are_chosen_in_proportion(shop: Catalogue) -> None:
    plan = plan_pictures(shop, 700)
    splits = Counter(task.file.split("/")[1] for task in plan)
    assert splits == {"image_train": 602, "image_test": 98}
    assert len({task.file for task in plan}) == 700


def test_nobody_has_two_pictures(shop: Catalogue) -> None:
    assert len(plan_pictures(shop, 10**6)) == 6976
    assert plan_pictures(shop, 0) == []


def test_pictures_are_shared_as_often_as_the_real_ones(plan: list[PictureTask]) -> None:
    shared, agree = shared_figures(plan)
    assert shared.shop == pytest.approx(DUPLICATE_IMAGES, rel=0.05)
    assert agree.shop == pytest.approx(DUPLICATE_IMAGES_SAME_LABEL, rel=0.15)


def test_who_shares_a_picture_is_drawn_alike(plan: list[PictureTask]) -> None:
    groups: dict[int, list[PictureTask]] = {}
    for task in plan:
        groups.setdefault(task.source_seed, []).append(task)
    for group in groups.values():
        assert len({(task.code, task.picture, task.title) for task in group}) == 1
        assert {task.copied for task in group} == {len(group) > 1}


def test_a_few_files_are_broken(plan: list[PictureTask]) -> None:
    faults = Counter(task.fault for task in plan)
    assert set(faults) == {"", "missing", "empty", "truncated", "text", "placeholder"}
    assert 0.99 < faults[""] / len(plan) < 1
