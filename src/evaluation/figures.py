"""The figures of a report, as PNG bytes: confusions, reliability, selective accuracy, F1 a class.

Every one is a ``Figure`` of its own, drawn by Agg: no window, no global state, so threads of a
service may draw. Titles and axes are French or English.
"""

from __future__ import annotations

import dataclasses
import functools
import io
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ParamSpec

import numpy as np
import pandas as pd

from src.i18n import Translator, translator
from src.labels import Labels
from src.palette import theme_color

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Arguments = ParamSpec("Arguments")

DPI = 110
INK, FAINT, MARK = "#222222", "#c8ccd0", "#c0392b"
BAR, BAR_BELOW = "#3b78b5", "#9dbfe0"


@dataclasses.dataclass(frozen=True)
class Caption:
    """What every figure says of its origin; `split` is "holdout", "oof" or "train"."""

    kind: str
    split: str
    rows: int
    synthetic: bool
    language: str = "en"

    @property
    def translator(self) -> Translator:
        """Words and numbers of the caption's language."""
        return translator(self.language)

    def word(self, key: str, **values: object) -> str:
        """Return a text of the section ``[figures]``."""
        return self.translator(f"figures.{key}", **values)

    def title(self, name: str) -> str:
        """Return the title: what is shown, of which model, on which rows."""
        rows = f"{self.translator.number(self.rows)} {self.word('rows')}"
        return f"{self.word(name)}\n{self.kind}, {self.word(self.split)}, {rows}"


def as_png(draw: Callable[Arguments, Figure]) -> Callable[Arguments, bytes]:
    """Return a function that draws and returns the PNG, cut to what is drawn: no label is lost."""

    @functools.wraps(draw)
    def draw_png(*args: Arguments.args, **kwargs: Arguments.kwargs) -> bytes:
        buffer = io.BytesIO()
        figure = draw(*args, **kwargs)
        figure.savefig(buffer, format="png", dpi=DPI, bbox_inches="tight", pad_inches=0.25)
        return buffer.getvalue()

    return draw_png


@as_png
def confusion_figure(shares: pd.DataFrame, labels: Labels, caption: Caption) -> Figure:
    """Draw `confusion_percent` as a heat map, classes of a theme side by side."""
    from matplotlib.colors import PowerNorm

    codes = by_theme(shares.columns, labels)
    cells = shares.loc[codes, codes].to_numpy()
    side = 0.36 * len(codes)
    figure = new_figure(side + 4.6, side + 4.2)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    # The square root shows a confusion of 4 % at a fifth of the scale instead of a twenty-fifth.
    norm = PowerNorm(gamma=0.5, vmin=0.0, vmax=100.0)
    shown = axes.imshow(cells, cmap="Blues", norm=norm, aspect="equal")
    for row, column in np.argwhere(cells >= 1.0):
        value = cells[row, column]
        ink = "white" if value > 45 else INK
        axes.text(
            column, row, f"{value:.0f}", ha="center", va="center", fontsize=8, color=ink
        )  # fmt: skip
    names = [f"{labels.label(code, caption.language)}  {code}" for code in codes]
    axes.set_yticks(range(len(codes)), names, fontsize=9.5)
    axes.set_xticks(range(len(codes)), names, fontsize=9.5, rotation=90)
    _rule_off_themes(axes, [labels.theme(code) for code in codes])
    axes.set_xlabel(caption.word("predicted"), fontsize=12)
    axes.set_ylabel(caption.word("true"), fontsize=12)
    bar = figure.colorbar(shown, ax=axes, fraction=0.03, pad=0.015, ticks=[0, 1, 5, 20, 50, 100])
    bar.set_label(caption.word("row_percent"), fontsize=11)
    return _finish(figure, axes, "confusion", caption, title_size=17)


@as_png
def reliability_figure(bins: pd.DataFrame, caption: Caption) -> Figure:
    """Draw `reliability`: accuracy by confidence above, rows by confidence below."""
    figure = new_figure(7.2, 7.4)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    width = bins["high"] - bins["low"]
    edges = {"align": "edge", "edgecolor": "white", "linewidth": 1.0}
    above.bar(bins["low"], bins["accuracy"], width, color=BAR, **edges)
    perfect = {"color": INK, "linewidth": 1.2, "linestyle": "--"}
    above.plot([0, 1], [0, 1], label=caption.word("perfect"), **perfect)
    dots = {"color": MARK, "markersize": 6, "linestyle": "", "label": caption.word("bin")}
    above.plot(bins["confidence"], bins["accuracy"], marker="o", **dots)
    below.legend(
        *above.get_legend_handles_labels(), loc="upper center", bbox_to_anchor=(0.5, -0.4),
        ncols=2, frameon=False, fontsize=10,
    )  # fmt: skip
    below.bar(bins["low"], bins["rows"], width, color=BAR_BELOW, **edges)
    above.set(xlim=(0, 1), ylim=(0, 1.02), ylabel=caption.word("accuracy"))
    below.set(xlabel=caption.word("confidence"), ylabel=caption.word("rows"))
    for axis in (above.yaxis, above.xaxis):
        axis.set_major_formatter(lambda value, _: caption.translator.percent(value, 0))
    below.yaxis.set_major_formatter(lambda value, _: caption.translator.number(value))
    _tidy(above, below)
    return _finish(figure, above, "reliability", caption)


@as_png
def selective_figure(
    curve: pd.DataFrame, decision: Mapping[str, Any], caption: Caption
) -> Figure:  # fmt: skip
    """Draw `selective`: accuracy by coverage, with the decision's threshold and target marked.

    The decision's accuracy is None where nothing is accepted.
    """
    percent = caption.translator.percent
    figure = new_figure(8.2, 5.6)
    axes = figure.subplots()
    axes.plot(curve["coverage"], curve["accuracy"], color=BAR, linewidth=2.4)
    target = decision["target_accuracy"]
    axes.axhline(target, color=INK, linewidth=1.0, linestyle="--")
    lowest = min(curve["accuracy"].min(), target)
    axes.set(xlim=(0, 1.01), ylim=(max(0.0, lowest - 0.06), 1.01))
    text = caption.word("target", target=percent(target))
    axes.text(0.012, target - 0.004, text, va="top", fontsize=10, color=INK)
    if decision["accuracy"] is not None:
        label = caption.word(
            "decision",
            threshold=caption.translator.number(decision["threshold"], 2),
            coverage=percent(decision["coverage"], 0),
            accuracy=percent(decision["accuracy"]),
        )
        place = (decision["coverage"], decision["accuracy"])
        axes.plot(*place, "o", color=MARK, markersize=9, label=label)
        axes.legend(loc="lower left", frameon=False, fontsize=10.5)
    axes.set_xlabel(caption.word("coverage"))
    axes.set_ylabel(caption.word("accuracy"))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: percent(value, 0))
    _tidy(axes)
    return _finish(figure, axes, "selective", caption)


@as_png
def class_figure(by_class: pd.DataFrame, labels: Labels, caption: Caption) -> Figure:
    """Draw F1 of each class that has rows, the best on top, coloured by theme.

    Columns prdtypecode, f1, f1_low, f1_high, support.
    """
    number = caption.translator.number
    table = by_class[by_class["support"] > 0].sort_values("f1", kind="stable")
    codes, f1 = table["prdtypecode"].tolist(), table["f1"].to_numpy()
    colours = theme_colours(labels)
    places = np.arange(len(codes))
    figure = new_figure(11.0, 1.6 + 0.31 * len(codes))
    axes = figure.subplots()
    # A percentile interval need not hold its value where a class has a handful of rows.
    errors = np.maximum([f1 - table["f1_low"], table["f1_high"] - f1], 0.0)
    bars = [colours[labels.theme(code)] for code in codes]
    axes.barh(places, f1, color=bars, xerr=errors, ecolor=INK, capsize=2.5, height=0.74)
    axes.set_yticks(
        places, [f"{labels.label(c, caption.language)}  {c}" for c in codes], fontsize=10
    )
    rows = [number(n) for n in table["support"]]
    for place, text in enumerate(rows):
        axes.text(1.075, place, text, ha="right", va="center", fontsize=9, color=INK)
    axes.text(1.075, len(codes) - 0.35, caption.word("rows"), ha="right", va="bottom", fontsize=9)
    axes.set(xlim=(0, 1.01), ylim=(-0.6, len(codes) - 0.4), xlabel=caption.word("f1"))
    axes.set_xticks(np.linspace(0, 1, 6))
    axes.xaxis.set_major_formatter(lambda value, _: number(value, 1))
    _tidy(axes)
    _add_theme_legend(axes, codes, labels, caption)
    return _finish(figure, axes, "per_class", caption)


def by_theme(codes: pd.Index, labels: Labels) -> list[int]:
    """Return the codes in the order of the themes' map, ascending inside a theme."""
    order = {theme: place for place, theme in enumerate(labels.theme_names)}
    return sorted(map(int, codes), key=lambda c: (order.get(labels.theme(c), len(order)), c))


def theme_colours(labels: Labels) -> dict[str, str]:
    """Return one colour a theme, the same in every figure."""
    themes = dict.fromkeys([*labels.theme_names, *labels.themes.values(), labels.theme(-1)])
    return {theme: theme_color(theme, list(labels.theme_names)) for theme in themes}


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure of that size, in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def _rule_off_themes(axes: Axes, themes: list[str]) -> None:
    """Draw a line wherever the theme changes, and square the blocks on the diagonal."""
    ends = [i for i in range(1, len(themes)) if themes[i] != themes[i - 1]]
    for end in ends:
        axes.axhline(end - 0.5, color=FAINT, linewidth=0.8)
        axes.axvline(end - 0.5, color=FAINT, linewidth=0.8)
    for start, end in zip([0, *ends], [*ends, len(themes)], strict=True):
        corners = np.array([start, end, end, start, start]) - 0.5
        axes.plot(corners, np.roll(corners, 1), color=INK, linewidth=1.2)


def _add_theme_legend(axes: Axes, codes: list[int], labels: Labels, caption: Caption) -> None:
    from matplotlib.patches import Patch

    colours, present = theme_colours(labels), {labels.theme(code) for code in codes}
    handles = [
        Patch(color=colour, label=labels.theme_label(theme, caption.language))
        for theme, colour in colours.items()
        if theme in present
    ]
    axes.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(1.08, 1.0), frameon=False, fontsize=10,
        title=caption.word("themes"),
    )  # fmt: skip


def _tidy(*many: Axes) -> None:
    for axes in many:
        axes.grid(visible=True, color=FAINT, linewidth=0.6)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)


def _finish(
    figure: Figure, axes: Axes, name: str, caption: Caption, title_size: int = 13
) -> Figure:
    """Set title and, above it, the banner."""
    axes.set_title(caption.title(name), fontsize=title_size, loc="left", color=INK, pad=14)
    if caption.synthetic:
        axes.annotate(
            "SYNTHETIC / SYNTHÉTIQUE", (0.0, 1.0), xytext=(4, 22 + 3 * title_size), ha="left",
            xycoords="axes fraction", textcoords="offset points", va="bottom", color="white",
            fontsize=10, fontweight="bold",
            bbox={"boxstyle": "square,pad=0.35", "facecolor": MARK, "lw": 0},
        )  # fmt: skip
    return figure
