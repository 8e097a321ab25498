"""Inline SVG of the drift report: bars before and now, ranges of a distribution.

Widths are in per cent, so a chart fits a phone and a sheet of paper; what must be read is HTML
text beside it. Colours tell the reference (grey) from the lot (blue), and so do the positions.
"""

from __future__ import annotations

from collections.abc import Sequence

BEFORE, NOW = "#9aa3ad", "#1f6feb"


def bars(before: float, now: float, largest: float) -> str:
    """Return two bars, the reference's above the lot's.

    Parameters
    ----------
    before, now : float
        Shares.
    largest : float
        The share that takes the whole width.
    """
    scale = 100 / max(largest, 1e-9)
    return (
        '<svg class="bars" role="img" aria-hidden="true" width="100%" height="22">'
        f'<rect y="1" width="{before * scale:.2f}%" height="9" fill="{BEFORE}"/>'
        f'<rect y="12" width="{now * scale:.2f}%" height="9" fill="{NOW}"/></svg>'
    )


def ranges(before: Sequence[float], now: Sequence[float]) -> str:
    """Return the ranges of two distributions: 5 to 95 % as a line, the middle half as a box.

    Parameters
    ----------
    before, now : sequence of 5 floats
        Quantiles 5, 25, 50, 75 and 95 %.
    """
    low, high = min(before[0], now[0]), max(before[-1], now[-1])
    span = (high - low) or 1.0

    def at(value: float) -> float:
        return 1 + 98 * (value - low) / span

    def one(quantiles: Sequence[float], y: int, colour: str) -> str:
        q05, q25, q50, q75, q95 = map(at, quantiles)
        return (
            f'<line x1="{q05:.2f}%" x2="{q95:.2f}%" y1="{y}" y2="{y}" stroke="{colour}" '
            'stroke-width="2"/>'
            f'<rect x="{q25:.2f}%" width="{max(q75 - q25, 0.4):.2f}%" y="{y - 6}" height="12" '
            f'fill="{colour}"/>'
            f'<line x1="{q50:.2f}%" x2="{q50:.2f}%" y1="{y - 8}" y2="{y + 8}" stroke="#111" '
            'stroke-width="2"/>'
        )

    return (
        '<svg class="ranges" role="img" aria-hidden="true" width="100%" height="44">'
        f"{one(before, 11, BEFORE)}{one(now, 33, NOW)}</svg>"
    )
