"""Which classes a shop confuses, how many products each has, and which labels are wrong."""

from tools.demo_shop.draws import Draws, cumulative
from tools.demo_shop.statistics import CLASSES

# Classes that share words, brands and customers; those of one group borrow names from each other.
GROUPS = {
    "books": (10, 2705, 2403, 2280),
    "games": (40, 50, 60, 2462, 2905),
    "figures": (1140, 1180, 1160),
    "toys": (1280, 1281, 1300, 1302),
    "care": (1320, 1301, 2220),
    "home": (1560, 2060, 1920),
    "garden": (2582, 2585, 2583),
    "paper": (2522,),
    "food": (1940,),
}
GROUP_OF = {code: name for name, codes in GROUPS.items() for code in codes}

# Where a wrong label comes from: class -> the classes whose products wear its label by mistake.
NEIGHBOURS = {
    10: (2705, 2403, 2280, 1281),
    2705: (10, 2403),
    2403: (10, 2280, 2705),
    2280: (10, 2403),
    40: (10, 2462, 50, 1281),
    50: (40, 2462, 60),
    60: (50, 2462),
    2462: (40, 50, 60),
    2905: (40,),
    1140: (1280, 1180, 1160, 1281),
    1160: (1281, 1140),
    1180: (1281, 1140, 1280, 40),
    1280: (1281, 1140, 1300, 1302, 1320),
    1281: (1280, 1302, 2060, 10),
    1300: (1280,),
    1301: (1320,),
    1302: (1280, 1281, 2060, 2585),
    1320: (1280, 1560, 2060),
    1560: (2060, 2582, 2585, 1320),
    1920: (2060, 1560),
    1940: (2220, 10),
    2060: (1560, 2585, 1920, 2582),
    2220: (2585, 1280),
    2522: (2060, 2280),
    2582: (1560, 2060, 2585),
    2583: (2585,),
    2585: (2060, 2582, 1560, 1302),
}
# 3 % of all labels are wrong, nearly all of them in the classes that people do confuse.
_NOISE = {
    **dict.fromkeys((10, 1281), 0.08),
    **dict.fromkeys((1180,), 0.06),
    **dict.fromkeys((40, 2705, 1280), 0.055),
    **dict.fromkeys((2403, 2280, 1140, 2582, 2585, 2060, 1302, 1320, 2462, 1560), 0.035),
    **dict.fromkeys((2905, 1301, 1300, 2583), 0.004),
}
_NOISE_ELSEWHERE = 0.02


def class_quotas(rows: int) -> dict[int, int]:
    """Share out rows over the classes at their real shares (largest remainders).

    Parameters
    ----------
    rows : int
        How many products.

    Returns
    -------
    dict of int to int
        Code -> products; they sum to ``rows``.
    """
    total = sum(figures.n_train for figures in CLASSES)
    exact = {figures.code: figures.n_train * rows / total for figures in CLASSES}
    quotas = {code: int(share) for code, share in exact.items()}
    by_remainder = sorted(exact, key=lambda code: (quotas[code] - exact[code], code))
    for code in by_remainder[: rows - sum(quotas.values())]:
        quotas[code] += 1
    return quotas


def shuffled_labels(draws: Draws, rows: int) -> list[int]:
    """Return ``rows`` labels at the real shares in a random order."""
    return draws.shuffled([code for code, n in class_quotas(rows).items() for _ in range(n)])


def true_class(draws: Draws, label: int) -> int:
    """Return the class that a product with this label is really of."""
    if not draws.chance(_NOISE.get(label, _NOISE_ELSEWHERE)):
        return label
    nearest_first = NEIGHBOURS[label]
    return draws.weighted(
        nearest_first, cumulative([1 / (i + 1) for i in range(len(nearest_first))])
    )
