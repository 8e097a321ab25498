"""Titles that several products share: the same offer twice, or two sellers who say the same."""

from collections.abc import Sequence

from tools.demo_shop.draws import Draws
from tools.demo_shop.statistics import DUPLICATE_TITLES

SAME_DESCRIPTION = 0.55
SAME_CLASS = 0.85
# A repetition counts only inside one file: a copy of a test title in the training file does not.
_SEEN_SHARE = 0.86


def repeat_titles(
    draws: Draws, codes: Sequence[int], texts: Sequence[tuple[str, str]]
) -> list[tuple[str, str]]:
    """Replace titles by earlier ones until the real share of titles is a repeated one.

    Parameters
    ----------
    draws : Draws
        Source of every choice.
    codes : sequence of int, length n
        True class of every product.
    texts : sequence of (str, str), length n
        Title and description; chance repetitions count toward the share.

    Returns
    -------
    list of (str, str), length n
    """
    result = list(texts)
    chance_repeats = len(texts) - len({title for title, _ in texts})
    missing = max(0, round(DUPLICATE_TITLES / _SEEN_SHARE * len(texts)) - chance_repeats)
    by_class: dict[int, list[int]] = {}
    for row, code in enumerate(codes):
        by_class.setdefault(code, []).append(row)
    for _ in range(missing):
        row = draws.below(len(texts))
        peers = by_class[codes[row]] if draws.chance(SAME_CLASS) else range(len(texts))
        source_title, source_description = texts[draws.pick(peers)]
        description = texts[row][1]
        if description and source_description and draws.chance(SAME_DESCRIPTION):
            description = source_description
        result[row] = (source_title, description)
    return result
