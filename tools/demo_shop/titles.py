"""Words a designation: a template of the family's style, as long as the class is used to."""

from tools.demo_shop.draws import Draws
from tools.demo_shop.statistics import BY_CODE, ENTITIES_IN_TITLE
from tools.demo_shop.typing_habits import (
    ACCENTS_KEPT,
    TITLE_TYPO_RATE,
    hyphens,
    title_case,
    with_accents,
    with_entities,
    with_slip,
)
from tools.demo_shop.vocabulary import Template, compiled
from tools.demo_shop.wording import Product, Wording

# Percentile -> length, as a share of the class's median.
_SPREAD = {0: 0.3, 1: 0.36, 5: 0.48, 25: 0.76, 50: 1.0, 75: 1.3, 95: 1.62, 99: 2.2, 100: 3.0}
_TRIES = 4
_LONGEST = 250
_BOOK_EXTRAS = (
    " - {publisher}", " ({year})", " : {title2}", " - {author}", ", tome {n}", " - {title2}",
    " - edition {year}", " / {author}",
)  # fmt: skip
_EXTRAS = {
    "press": (" - {headline}", " / {headline}", " - {headline}", " {month} {year}"),
    "book": _BOOK_EXTRAS,
    "game": (" ({attr})", " - {attr}", " - {game}", " {platform}", " {noun}"),
    "thing": (
        " {attr}", " {color}", " {topic}", " {noun}", " {size}", " - {code}", " {material}",
        " pour {topic}", " {dim}", ", {attr}", " {attr} {color}", " {noun} {attr}",
        " en {material}", " et {noun}", " avec {attr}", " de {color}", " a {topic} et {topic}",
        " {n} x {size}",
    ),
    "thing_en": (" {attr}", " {color}", " {noun}", " {size}", " {code}", " for {topic_en}"),
}  # fmt: skip


def _extras(product: Product) -> tuple[str, ...]:
    if product.family.kind == "press":
        return _EXTRAS["press"]
    if product.family.kind:
        return _EXTRAS["book"]
    if product.family.style in ("game", "lot_game", "console", "download"):
        return _EXTRAS["game"]
    return _EXTRAS["thing" if product.language == "fr" else "thing_en"]


def _template(wording: Wording, product: Product) -> Template:
    by_language = wording.vocabulary.styles[product.family.style]
    fallback = by_language["fr"] if product.language in ("es", "it") else by_language.get("en")
    templates = by_language.get(product.language) or fallback or by_language["fr"]
    return wording.draws.pick(templates)


def _core(wording: Wording, product: Product, target: float) -> str:
    """Return the first title that is not much too long, else the shortest of the tries."""
    shortest = ""
    for _ in range(_TRIES):
        product.kept.clear()
        text = wording.fill(_template(wording, product), product)
        if len(text) <= 1.15 * target:
            return text
        if not shortest or len(text) < len(shortest):
            shortest = text
    return shortest


def word_title(wording: Wording, product: Product) -> str:
    """Return a designation for a product.

    Parameters
    ----------
    wording : Wording
        Fills the templates.
    product : Product
        Gains the names of its title in ``kept``.

    Returns
    -------
    str
        At most 250 characters, as the shop allows.
    """
    draws = wording.draws
    target = BY_CODE[product.code].title_chars * draws.percentile(_SPREAD)
    text = _core(wording, product, target)
    extras = _extras(product)
    while len(text) < target - 6:
        text += wording.fill(compiled(draws.pick(extras)), product)
    return _typed(draws, wording, text[:_LONGEST].strip(), french=product.language == "fr")


def _typed(draws: Draws, wording: Wording, text: str, *, french: bool) -> str:
    if french and draws.chance(ACCENTS_KEPT):
        text = with_accents(text, wording.vocabulary.accents)
    if draws.chance(TITLE_TYPO_RATE):
        text = with_slip(draws, text)
    text = title_case(draws, hyphens(draws, text))
    return with_entities(draws, text) if draws.chance(ENTITIES_IN_TITLE) else text
