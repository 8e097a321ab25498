"""The pictures: every number on them recomputed, no label cut, none over another."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image
from sklearn.metrics import confusion_matrix, f1_score

from src.evaluation import figures
from src.evaluation.confusion import confusion_counts, confusion_percent
from src.evaluation.figures import Caption
from src.evaluation.metrics import reliability, score_by_class, selective
from src.labels import Labels

if TYPE_CHECKING:
    from tests.evaluation.conftest import Answers

DECISION = {"threshold": 0.62, "target_accuracy": 0.95, "coverage": 0.4, "accuracy": 0.9512}
LANGUAGES = ("en", "fr")


def many_classes(n: int) -> Labels:
    """A catalogue of n classes with long names and no themes."""
    names = {
        code: {"fr": f"Classe au nom plutôt long {code}", "en": f"Class of a longish name {code}"}
        for code in range(1000, 1000 + n)
    }
    return Labels(names, {}, {})


def draw_all(answers: Answers, labels: Labels, caption: Caption) -> dict[str, Figure]:
    """Draw the four pictures, before they are turned into bytes."""
    y, predicted, classes = answers.y, answers.predicted, answers.classes
    by_class = score_by_class(y, predicted, classes)
    by_class = by_class.assign(f1_low=by_class["f1"] * 0.9, f1_high=by_class["f1"] * 1.05)
    shares = confusion_percent(confusion_counts(y, predicted, classes))
    bins, curve = (f(y, answers.proba, classes) for f in (reliability, selective))
    return {
        "confusion": figures.confusion_figure.__wrapped__(shares, labels, caption),
        "reliability": figures.reliability_figure.__wrapped__(bins, caption),
        "selective": figures.selective_figure.__wrapped__(curve, DECISION, caption),
        "class": figures.class_figure.__wrapped__(by_class, labels, caption),
    }


@pytest.fixture(scope="module")
def drawn(answers: Answers, labels: Labels) -> dict[str, Figure]:
    caption = Caption("late_fusion", "holdout", len(answers.y), synthetic=False)
    return draw_all(answers, labels, caption)


def texts(figure: Figure) -> list[Text]:
    return [t for t in figure.findobj(Text) if t.get_text().strip() and t.get_visible()]


def collisions(many: list[Text]) -> list[tuple[int, int]]:
    """Pairs of texts whose boxes overlap by more than a pixel."""
    left, bottom, right, top = np.array([t.get_window_extent().extents for t in many]).T
    wide = np.minimum.outer(right, right) - np.maximum.outer(left, left)
    high = np.minimum.outer(top, top) - np.maximum.outer(bottom, bottom)
    return [(i, j) for i, j in np.argwhere((wide > 1) & (high > 1)).tolist() if i < j]


def test_heat_map_shows_the_percentages(
    answers: Answers, labels: Labels, drawn: dict[str, Figure]
) -> None:
    axes = drawn["confusion"].axes[0]
    order = [int(t.get_text().split()[-1]) for t in axes.get_yticklabels()]
    assert sorted(order) == answers.classes.tolist()
    themes = [theme for theme, _ in itertools.groupby(order, key=labels.theme)]
    assert themes == list(labels.theme_names)  # each once: classes of a theme lie together
    shares = 100 * confusion_matrix(answers.y, answers.predicted, labels=order, normalize="true")
    expected = {
        (column, row): f"{shares[row, column]:.0f}"
        for row, column in itertools.product(range(27), repeat=2)
        if shares[row, column] >= 1
    }
    assert {(int(t._x), int(t._y)): t.get_text() for t in axes.texts} == expected
    np.testing.assert_allclose(axes.images[0].get_array(), shares)


def test_bars_are_the_librarys_f1(
    answers: Answers, labels: Labels, drawn: dict[str, Figure]
) -> None:
    axes = drawn["class"].axes[0]
    codes = [int(t.get_text().split()[-1]) for t in axes.get_yticklabels()]
    widths = [bar.get_width() for bar in axes.patches]
    expected = f1_score(answers.y, answers.predicted, average=None, labels=codes)
    np.testing.assert_allclose(widths, expected)
    assert widths == sorted(widths)
    support = pd.Series(answers.y).value_counts()
    assert [t.get_text() for t in axes.texts[:27]] == [str(support[code]) for code in codes]
    colours = {
        labels.theme(c): bar.get_facecolor() for c, bar in zip(codes, axes.patches, strict=True)
    }
    assert len(set(colours.values())) == 9


def test_reliability_and_selective_show_their_tables(
    answers: Answers, drawn: dict[str, Figure]
) -> None:
    right, top = answers.predicted == answers.y, answers.proba.max(axis=1)
    above, below = drawn["reliability"].axes
    for accuracy, rows in zip(above.patches, below.patches, strict=True):
        low = accuracy.get_x()
        inside = (top > low) & (top <= low + 0.1 + 1e-9)
        assert rows.get_height() == inside.sum()
        assert accuracy.get_height() == pytest.approx(right[inside].mean())
    axes = drawn["selective"].axes[0]
    coverage, accuracy = axes.lines[0].get_data()
    accepted = top >= 0.5
    place = np.argmin(np.abs(coverage - accepted.mean()))
    assert accuracy[place] == pytest.approx(right[accepted].mean())
    assert [float(v[0]) for v in axes.lines[2].get_data()] == [0.4, 0.9512]
    legend = axes.get_legend().get_texts()[0].get_text()
    assert legend == "threshold 0.62: 40% answered, 95.1% of them right"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("n_classes", [27, 49])
def test_no_label_is_small_or_lies_over_another(
    answers: Answers,
    draw_answers: Callable[..., Answers],
    labels: Labels,
    n_classes: int,
    language: str,
) -> None:
    if n_classes != 27:
        labels = many_classes(n_classes)
        answers = draw_answers(np.array(labels.codes), 1500)
    caption = Caption("late_fusion", "train", len(answers.y), synthetic=True, language=language)
    for name, figure in draw_all(answers, labels, caption).items():
        figure.draw_without_rendering()
        shown = [t.get_text() for t in texts(figure)]
        assert min(t.get_fontsize() for t in texts(figure)) >= 8
        assert [(shown[i], shown[j]) for i, j in collisions(texts(figure))] == [], name
        for code in answers.classes if name in {"confusion", "class"} else ():
            assert f"{labels.label(code, language)}  {code}" in shown


@pytest.mark.parametrize("language", LANGUAGES)
def test_train_and_synthetic_are_told(answers: Answers, labels: Labels, language: str) -> None:
    for synthetic, split in ((True, "train"), (False, "holdout")):
        caption = Caption("logreg", split, len(answers.y), synthetic, language)
        for figure in draw_all(answers, labels, caption).values():
            told = " ".join(t.get_text() for t in texts(figure))
            assert ("TRAIN" in told) == (split == "train")
            assert ("SYNTHETIC / SYNTHÉTIQUE" in told) == synthetic
            assert ("1\u202f500 lignes" if language == "fr" else "1,500 rows") in told


def test_the_bytes_are_a_png_with_white_around(answers: Answers) -> None:
    bins = reliability(answers.y, answers.proba, answers.classes)
    caption = Caption("late_fusion", "oof", len(answers.y), synthetic=True)
    picture = Image.open(io.BytesIO(figures.reliability_figure(bins, caption))).convert("RGB")
    pixels = np.asarray(picture)
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    assert picture.format is None  # converted; it was readable
    assert (edge == 255).all()
    assert min(picture.size) > 500


def test_nothing_accepted_and_no_row() -> None:
    curve = pd.DataFrame({"threshold": [0.0], "coverage": [1.0], "accuracy": [0.4]})
    nothing = {**DECISION, "threshold": 1.01, "coverage": 0.0, "accuracy": None}
    caption = Caption("late_fusion", "holdout", 10, synthetic=False)
    figure = figures.selective_figure.__wrapped__(curve, nothing, caption)
    assert figure.axes[0].get_legend() is None
