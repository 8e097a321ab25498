"""The figure of what each block gives to each class: ``results/shap/shap_blocks.png``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from src.evaluation.figures import MARK, as_png, new_figure
from src.evaluation.shap.blocks import ALL_CLASSES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito's colours: told apart by readers who see red and green alike.
COLOURS = (
    "#0072B2", "#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#D55E00", "#F0E442", "#332288",
)  # fmt: skip
GREY = "#999999"
DARK = {"#0072B2", "#D55E00", "#332288"}
LEAST_SHARE = 0.01
LEAST_WRITTEN = 0.08


@as_png
def draw_blocks(
    summary: pd.DataFrame, labels: Mapping[str, str], *, synthetic: bool = False
) -> Figure:
    """Draw `summarise` as a PNG: one bar a class, cut into its blocks.

    `labels` name the classes; those that are missing are written as they are. Blocks under 1 % of
    the whole are drawn together as "other".
    """
    sizes = _wide(summary)
    figure = new_figure(10.0, 1.6 + 0.29 * len(sizes))
    axes = figure.subplots()
    total = sizes.sum(axis=1)
    colours = dict(zip(sizes, COLOURS, strict=False)) | {"other": GREY}
    sizes.plot.barh(
        stacked=True, ax=axes, color=[colours[block] for block in sizes], width=0.78, legend=False
    )
    containers: Any = axes.containers
    for bars, (block, width) in zip(containers, sizes.items(), strict=True):
        shares = width / total.where(total > 0, 1.0)
        written = (shares >= LEAST_WRITTEN) & (width > 0.04 * total.max())
        texts = [
            f"{share:.0%}" if told else "" for share, told in zip(shares, written, strict=True)
        ]
        ink = "white" if colours[block] in DARK else "black"
        axes.bar_label(bars, texts, label_type="center", fontsize=7, color=ink)
    axes.set_yticks(range(len(sizes)), [_label(name, labels) for name in sizes.index], fontsize=8)
    axes.axhline(0.5, color="black", linewidth=0.6)
    axes.set_ylim(len(sizes) - 0.5, -0.5)
    axes.set(xlabel="mean size of a block's contribution to the class's margin (SHAP)", ylabel="")
    if synthetic:
        axes.set_title(
            "SYNTHETIC / SYNTHÉTIQUE", loc="right", fontsize=9, fontweight="bold", color="white",
            backgroundcolor=MARK,
        )  # fmt: skip
    axes.spines[["top", "right"]].set_visible(False)
    figure.set_layout_engine("constrained")
    figure.legend(loc="outside upper center", ncols=4, frameon=False, fontsize=8)
    return figure


def _wide(summary: pd.DataFrame) -> pd.DataFrame:
    """One row a class, all classes first; one column a block, the largest first, "other" last."""
    named = summary.assign(**{"class": summary["class"].astype(str)})
    classes = named["class"].unique().tolist()
    sizes = named.pivot_table(index="class", columns="block", values="mean_abs").loc[classes]
    overall = sizes.loc[ALL_CLASSES].sort_values(ascending=False, kind="stable")
    share = overall / max(overall.sum(), 1e-30)
    kept = share.index[share >= LEAST_SHARE][: len(COLOURS)]
    wide = sizes[kept]
    rest = sizes.drop(columns=kept)
    return wide.assign(other=rest.sum(axis=1)) if rest.shape[1] else wide


def _label(name: str, labels: Mapping[str, str]) -> str:
    if name == ALL_CLASSES:
        return "all classes (mean)"
    label = labels.get(name, "")
    return f"{label[:38]}  {name}" if label else name
