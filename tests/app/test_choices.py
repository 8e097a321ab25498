"""What is chosen is a code: every widget of every page keeps it when the language is switched."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from src.config import Config
from src.labels import Labels
from tests.app.test_pages import EVERY, press

Page = Callable[..., AppTest]
OF_OPTIONS = ("selectbox", "select_slider", "button_group")
OF_VALUES = ("toggle", "text_input", "text_area", "number_input")


def shown(test: AppTest) -> dict[str, Any]:
    """Return what each widget holds, by its key without the language."""
    widgets = [widget for kind in (*OF_OPTIONS, *OF_VALUES) for widget in test.get(kind)]
    return {str(widget.key).partition(":")[0]: widget.value for widget in widgets}


def change_everything(test: AppTest, codes: list[Any]) -> None:
    """Choose something else in every widget but the section, which has other widgets."""
    for widget in (widget for kind in OF_OPTIONS for widget in test.get(kind)):
        if "_section" in widget.key:
            continue
        named = {}
        for code in codes:
            with contextlib.suppress(KeyError, TypeError, ValueError, AttributeError):
                named[widget.format_func(code)] = code
        others = [named[name] for name in widget.options if name in named]
        widget.set_value(next(code for code in others[::-1] if code != widget.value))
    for toggle in test.toggle:
        toggle.set_value(not toggle.value)
    for text in (*test.text_input, *test.text_area):
        text.set_value("Piscine gonflable ronde")
    test.run()


@pytest.mark.parametrize(("name", "section"), EVERY)
def test_opens_in_both_languages_and_every_widget_keeps_its_choice_through_a_switch(
    page: Page, finished: Config, labels: Labels, name: str, section: str
) -> None:
    """The codes that any widget offers are tried by name: a page that adds others must add them."""
    codes = [
        *labels.codes, *labels.theme_names, "theme", "class", "language", "has_image",
        "has_description", "accuracy", "f1_weighted", "csv", "excel", "classes", "themes",
        *(step / 100 for step in range(101)), "2026-01-01_shop", "2026-01-02_shop",
        *("fixed", "broken", "other"),
        *(folder.name for folder in finished.paths.artifacts_dir.glob("runs/*")),
    ]  # fmt: skip
    state = {f"{name}_section": section} if section else {}
    test = page(finished, name, "fr", **state)
    assert not test.exception
    assert not test.error
    switch(test, "en")
    if section == "one":
        test.text_input[0].set_value("Piscine gonflable ronde 3 m")
        press(test, "Predict")
    before = shown(test)
    change_everything(test, codes)
    chosen = shown(test)
    assert [key for key in before if key in chosen and chosen[key] == before[key]] == [
        key for key in before if "_section" in key
    ]
    for language in ("fr", "fr", "en"):
        switch(test, language)
        assert shown(test) == chosen


def switch(test: AppTest, language: str) -> None:
    test.session_state["language"] = language
    test.run()
    assert not test.exception
    assert not test.error


def test_a_correction_chosen_before_the_switch_is_the_one_that_is_kept(
    page: Page, finished: Config, monkeypatch: pytest.MonkeyPatch, free_port: int
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"postgres://u:p@127.0.0.1:{free_port}/none")
    test = page(finished, "predict", ask_title="Console de jeu")
    press(test, "Predict")
    next(box for box in test.selectbox if box.key == "right_class_1:en").set_value(2220).run()
    test.session_state["language"] = "fr"
    test.run()
    press(test, "Corriger l'étiquette")
    lines = (finished.paths.results_dir / "feedback.jsonl").read_text().splitlines()
    assert '"prdtypecode": 2220' in lines[-1]
    test.run()
    assert "Corriger l'étiquette" not in [button.label for button in test.button]


@pytest.mark.parametrize(("name", "section"), [("exploration", "gallery"), ("predict", "one")])
def test_what_was_chosen_and_written_outlives_leaving_the_page(
    page: Page, finished: Config, labels: Labels, name: str, section: str
) -> None:
    test = page(finished, name, **{f"{name}_section": section})
    change_everything(test, [*labels.codes])
    chosen = shown(test)
    for other in ("team", name):
        test.session_state["page"] = other
        test.run()
    assert shown(test) == chosen


def test_a_view_is_opened_by_its_address(page: Page, finished: Config) -> None:
    test = page(
        finished, "diagnostics",
        address_asked={"section": "confusions", "scope": "classes", "true": "10",
                       "predicted": "2403"},
    )  # fmt: skip
    assert shown(test) == {
        "diagnostics_section": "confusions", "scope": "classes", "only_wrong": True,
        "cell_true_classes": "10", "cell_predicted_classes": "2403",
    }  # fmt: skip
    assert test.session_state["address_shown"]["true"] == "10"
