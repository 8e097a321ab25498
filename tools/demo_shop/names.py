"""Invented proper names: brands, series, people, places, shops, publishers and codes.

Real catalogues keep bringing names that were never seen before. A namespace ("brand:pool") has
endless names; name number k is always the same one, and namespaces differ in their favourite
syllables, so that character n-grams can guess where an unseen name belongs, as they do in reality.
"""

from functools import cache, lru_cache

from tools.demo_shop.draws import Draws, stable_seed
from tools.demo_shop.vocabulary import syllables

# How many onsets, nuclei, codas and endings a namespace uses.
_FAVOURITES = {"onset": 13, "nucleus": 6, "coda": 8, "ending": 7}


@cache
def _habits(namespace: str) -> tuple[tuple[str, ...], ...]:
    """Return the namespace's favourite onsets, nuclei, codas and endings."""
    draws = Draws(stable_seed("habits", namespace), block=64)
    pools = syllables()
    return tuple(tuple(draws.shuffled(pools[kind])[:n]) for kind, n in _FAVOURITES.items())


@lru_cache(maxsize=400_000)
def invented(namespace: str, number: int) -> str:
    """Return the ``number``-th lower-case name of a namespace.

    Examples
    --------
    >>> invented("brand", 7) == invented("brand", 7)
    True
    """
    onsets, nuclei, codas, endings = _habits(namespace)
    draws = Draws(stable_seed("name", namespace, number), block=12)
    syllables = 1 + (draws.unit() < 0.45)
    parts: list[str] = []
    for _ in range(syllables):
        parts += [draws.pick(onsets), draws.pick(nuclei)]
        if draws.chance(0.3):
            parts.append(draws.pick(codas))
    parts.append(draws.pick(endings) if draws.chance(0.6) else draws.pick(codas))
    return "".join(parts)


def article_code(draws: Draws, namespace: str) -> str:
    """Return an article number in the namespace's own form: "hx-2041", "S210", "VL0032B".

    The letters come from a short Zipfian list, the digits are nearly always new.
    """
    prefix = invented(f"code:{namespace}", draws.rank(1.1))[: draws.between(1, 3)]
    digits = str(draws.between(10, 99999))
    form = draws.below(4)
    if form == 0:
        return f"{prefix.upper()}{digits}"
    if form == 1:
        return f"{prefix}-{digits}"
    if form == 2:
        return digits.zfill(5)
    return f"{prefix.upper()}{digits}{draws.pick('abcdefxs').upper()}"
