"""The model card, line by line against the metrics it is made of."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from src.evaluation.model_card import model_card

SLICE = {"f1_weighted": 0.7, "rows": 40, "intervals": {"f1_weighted": [0.6, 0.78]}}
METRICS: dict[str, Any] = {
    "kind": "late_fusion",
    "run_id": "20260101T000000.000-abcdef",
    "snapshot": "ab" * 32,
    "synthetic": True,
    "rows": 1500,
    "f1_weighted": 0.80126,
    "f1_macro": 0.75,
    "accuracy": 0.81,
    "top3": 0.95,
    "log_loss": 0.612345,
    "ece": 0.01234,
    "theme_accuracy": 0.9,
    "experts": [],
    "intervals": {"f1_weighted": [0.7904, 0.8111], "accuracy": [0.8, 0.82]},
    "decision": {"threshold": 0.71, "target_accuracy": 0.95, "coverage": 0.6251, "accuracy": 0.948},
    "slices": {
        "language": {
            "nl": SLICE,
            "de": {**SLICE, "f1_weighted": 0.65, "rows": 29},
            "fr": {**SLICE, "f1_weighted": 0.81, "intervals": {"f1_weighted": [0.79, 0.83]}},
        },
        "has_image": {"false": {**SLICE, "f1_weighted": 0.5, "rows": 1234}},
        "has_description": {},
        "theme": {
            "books": {**SLICE, "f1_weighted": 0.9, "intervals": {"f1_weighted": [0.88, 0.92]}},
            "games": {**SLICE, "f1_weighted": 0.8, "intervals": {"f1_weighted": [0.78, 0.82]}},
        },
    },
}
BY_CLASS = pd.DataFrame(
    {
        "prdtypecode": [10, 40, 2583],
        "label": ["Books | old", "Games", "A label that goes on and on until it no longer fits"],
        "f1": [0.9, 0.0, 0.55],
        "support": [700, 0, 800],
    }
)
ABOUT: dict[str, Any] = {
    "config": "0123456789abcdef",
    "train_rows": 10_000,
    "rows_with_image": 9_876,
    "corrections": "12 labels changed by corrections",
}


def lines(metrics: dict[str, Any] | None = None, about: dict[str, Any] = ABOUT) -> list[str]:
    return model_card(metrics or METRICS, BY_CLASS, **about).splitlines()


def section(title: str, given: list[str]) -> list[str]:
    start = given.index(f"## {title}") + 2
    ends = [at for at in range(start, len(given)) if given[at].startswith("## ")]
    return given[start : ends[0] - 1] if ends else given[start:]


def test_the_data() -> None:
    assert section("Data", lines()) == [
        "* run `20260101T000000.000-abcdef`, configuration `0123456789abcdef`",
        "* data hash (SHA256 of the three files):",
        f"  `{'ab' * 32}`",
        "* source: the demo shop",
        "* 10,000 labelled products, 98.8% of them with an image",
        "* 1,500 of them held out: stratified by class, duplicates kept together",
        "* labels: official; 12 labels changed by corrections",
    ]


def test_the_scores_are_those_of_the_file() -> None:
    assert section("Scores on products it had not seen", lines()) == [
        "| score | value | 95 % interval |",
        "|---|---|---|",
        "| weighted F1 | 0.8013 | 0.7904 to 0.8111 |",
        "| macro F1 | 0.7500 |  |",
        "| accuracy | 0.8100 | 0.8000 to 0.8200 |",
        "| theme accuracy | 0.9000 |  |",
        "| top-3 accuracy | 0.9500 |  |",
        "| log-loss | 0.6123 |  |",
        "| ECE (10 bins) | 0.0123 |  |",
    ]


def test_a_catalogue_without_themes_has_no_score_of_them() -> None:
    without = {**METRICS, "slices": {**METRICS["slices"], "theme": {"other": SLICE}}}
    assert "theme accuracy" not in model_card(without, BY_CLASS, **ABOUT)


def test_what_each_expert_adds() -> None:
    assert "What each expert adds" not in "\n".join(lines())
    expert = {
        "expert": "image", "rows": 1500, "log_loss": 1.25, "accuracy": 0.6, "fit_s": 12.25,
        "adds_log_loss": [0.12, 0.1, 0.14], "adds_accuracy": [0.031, -0.02, 0.04], "mb": 31.5,
        "ms": 8.4,
    }  # fmt: skip
    assert section("What each expert adds", lines({**METRICS, "experts": [expert]}))[-1] == (
        "| image | 1,500 | 1.2500 | 0.1200 [0.1000, 0.1400] | 0.0310 [-0.0200, 0.0400] "
        "| 12.2 | 31.5 | 8.40 |"
    )


def test_probabilities_and_review() -> None:
    told = " ".join(section("Probabilities and review", lines()))
    assert "off by 0.0123 on average" in told
    assert "Below a probability of 0.7100 a product is marked for review" in told
    assert "for an accuracy of 95.0%." in told
    assert "it accepts 62.5% of the products, and 94.8% of these are right." in told
    without = {**METRICS["decision"], "threshold": None, "coverage": 0.0, "accuracy": None}
    told = " ".join(section("Probabilities and review", lines({**METRICS, "decision": without})))
    assert told.endswith("No threshold reaches an accuracy of 95.0% on out-of-fold rows: every "
                         "product is marked for review.")  # fmt: skip
    nobody = {**METRICS["decision"], "coverage": 0.0, "accuracy": None}
    told = " ".join(section("Probabilities and review", lines({**METRICS, "decision": nobody})))
    assert "accepts 0.0% of the products, and none of these are right" in told


def test_weak_slices_are_those_below_by_more_than_chance() -> None:
    assert section("Where it is weak", lines()) == [
        "Slices of 30 rows or more whose interval lies below the overall weighted F1:",
        "",
        "| slice | weighted F1 | rows |",
        "|---|---|---|",
        "| with an image: false | 0.5000 | 1,234 |",
        "| language: nl | 0.7000 | 40 |",
        "",
        "The weakest classes:",
        "",
        "| class | F1 | rows held out |",
        "|---|---|---|",
        "| 2583 A label that goes on and on until it no [...] | 0.5500 | 800 |",
        "| 10 Books / old | 0.9000 | 700 |",
    ]
    even = section(
        "Where it is weak", lines({**METRICS, "slices": dict.fromkeys(METRICS["slices"], {})})
    )
    assert even[0].startswith("No slice's interval lies below the overall weighted F1.")
    assert even[2] == "| class | F1 | rows held out |"


def test_official_data_has_no_banner_and_its_own_terms() -> None:
    about = {"config": "c", "train_rows": 5, "rows_with_image": 5, "corrections": ""}
    demo, official = lines(), lines({**METRICS, "synthetic": False}, about)
    assert demo[2].startswith("> **SYNTHETIC**: trained and scored on products that the demo shop")
    assert [line for line in official if "SYNTHETIC" in line] == []
    assert "* source: the official files" in official
    assert "* labels: official" in official
    assert "terms of whoever gave it" in " ".join(section("Licence", official))


def test_every_class_is_listed_and_no_line_is_wider_than_a_terminal() -> None:
    given = lines()
    assert section("Classes", given)[:2] == ["* 10 Books / old", "* 40 Games"]
    assert max(map(len, given)) <= 80
    assert given[0] == "# Model card: late_fusion"
    assert [line for line in given if line.startswith("## ")] == [
        "## Data",
        "## Scores on products it had not seen",
        "## Probabilities and review",
        "## Where it is weak",
        "## Limits",
        "## Train it again",
        "## Licence",
        "## Classes",
    ]


def test_a_card_can_be_made_from_the_file_as_read_back() -> None:
    assert lines(json.loads(json.dumps(METRICS))) == lines()
