"""Words a description: the family's sentences among those that every seller copies."""

from dataclasses import replace

from tools.demo_shop.statistics import BY_CODE
from tools.demo_shop.typing_habits import (
    ACCENTS_KEPT,
    ENTITY_RATE,
    TAG_RATE,
    joined,
    with_accents,
    with_entities,
    with_slip,
)
from tools.demo_shop.vocabulary import Template, compiled
from tools.demo_shop.wording import Product, Wording

# Percentile -> length, as a share of the class's median.
_SPREAD = {0: 0.04, 1: 0.07, 5: 0.1, 25: 0.47, 50: 1.02, 75: 1.3, 95: 2.8, 99: 4.0, 100: 5.0}
_MEDIAN_WHERE_UNKNOWN = 120.0
_SHORT = 70.0
_SHORTEST_WITH_ENTITIES = 20
TITLE_REPEATED = 0.3
FAMILY_SENTENCES = 0.28
# Share of sentences about a book that say nothing of its plot, where any do.
_PLOTLESS = {2705: 0.3, 10: 0.6}
_MARKETPLACE = (
    "{crossnoun} {crosstopic} {crosstopic}.",
    "{crossnoun}, {crosstopic}.",
)


def _target_chars(wording: Wording, product: Product) -> float:
    median = BY_CODE[product.code].description_chars or _MEDIAN_WHERE_UNKNOWN
    return median * wording.draws.percentile(_SPREAD)


def _sentence(wording: Wording, product: Product) -> str:
    draws, family, language = wording.draws, product.family, product.language
    at = draws.unit()
    phrases = wording.vocabulary.phrases[language]
    if family.kind:
        if at > _PLOTLESS.get(product.code, 1.0):
            return wording.word("plot", product)
        return wording.fill(compiled(draws.pick(phrases["flaws"])), product, again=True)
    if at < FAMILY_SENTENCES:
        own: tuple[Template, ...] = family.sentences.get(language) or ()
        if own:
            return wording.fill(draws.pick(own), product, again=True)
    if at > 0.93 and language == "fr":
        return wording.fill(compiled(draws.pick(_MARKETPLACE)), product)
    return wording.fill(compiled(draws.pick(phrases["generic"])), product, again=True)


def _short(wording: Wording, product: Product, target: float) -> list[str]:
    phrases = wording.vocabulary.phrases[product.language]
    values = phrases["flaws"] if product.family.kind else phrases["short"]
    if target < 12:
        return [
            wording.draws.pick(("neuf", "tbe", "vf", "bon", "fr ed", "rare", "occasion", "photo"))
        ]
    result: list[str] = []
    while sum(map(len, result)) < target - 8 or not result:
        result.append(wording.fill(compiled(wording.draws.pick(values)), product, again=True))
    return result


def word_description(wording: Wording, product: Product, title: str) -> str:
    """Return a description.

    Parameters
    ----------
    wording : Wording
        Fills the templates.
    product : Product
        Whose title has been worded (its names are used again).
    title : str
        The designation: sellers often begin with it.

    Returns
    -------
    str
        Not empty.
    """
    draws = wording.draws
    product = replace(product, taste=0)
    target = _target_chars(wording, product)
    sentences = [title] if target > 1.5 * len(title) and draws.chance(TITLE_REPEATED) else []
    if target < _SHORT:
        sentences += _short(wording, product, target)
    length = sum(map(len, sentences))
    while length < target - 42 or not sentences:
        sentences.append(_sentence(wording, product))
        length += len(sentences[-1]) + 1
    return _typed(wording, product, sentences)


def _typed(wording: Wording, product: Product, sentences: list[str]) -> str:
    draws = wording.draws
    text = joined(draws, sentences, tags=draws.chance(TAG_RATE))
    if product.language == "fr" and draws.chance(ACCENTS_KEPT):
        text = with_accents(text, wording.vocabulary.accents)
    for _ in range(int(len(text) * draws.unit() / 300)):
        text = with_slip(draws, text)
    encode = len(text) >= _SHORTEST_WITH_ENTITIES and draws.chance(ENTITY_RATE)
    return with_entities(draws, text) if encode else text
