"""Slots of things: nouns, attributes, colours, sizes, brands, codes, shops."""

from tools.demo_shop.labels import NEIGHBOURS
from tools.demo_shop.names import article_code, invented
from tools.demo_shop.vocabulary import compiled
from tools.demo_shop.wording import Product, Slot, Wording

CROSS_OWN_CLASS = 0.5
_PLURAL_RATE = 0.12
_COMPOUND_RATE = 0.1
_PART_RATE = 0.07
_LONGEST_NOUN = 30
_CAPACITIES = ("250 g", "500 g", "1 kg", "100 g", "75 cl", "1 l", "33 cl", "200 g", "1,5 kg")


def _noun_in(wording: Wording, product: Product, language: str) -> str:
    family = product.family
    if "fr" not in family.words:
        return wording.word("title", product)
    nouns = family.list_of("noun", language)
    noun = wording.tilted(f"{family.name}.{language}", nouns, product)
    draws = wording.draws
    if draws.chance(_PLURAL_RATE) and not noun.endswith(("s", "x")):
        noun += "s"
    if language in ("de", "nl") and draws.chance(_COMPOUND_RATE):
        other = wording.tilted(f"{family.name}.{language}", nouns, product)
        noun = f"{other}{noun.lower()}".replace(" ", "")
    if "{" in noun:
        return wording.fill(compiled(noun), product)
    return noun


def noun(wording: Wording, product: Product) -> str:
    """Return what the product is called.

    Some products are named after another one: "housse pour table de jardin" is linen.
    """
    own = _noun_in(wording, product, product.language)
    phrases = wording.vocabulary.phrases[product.language]
    if "part" in phrases and wording.draws.chance(_PART_RATE):
        other = crossnoun(wording, product)
        if other and len(other) < _LONGEST_NOUN:
            return f"{_phrase('part', wording, product)} {other}"
    return own


def noun_en(wording: Wording, product: Product) -> str:
    """Return what the product is called in English (importers mix languages)."""
    return _noun_in(wording, product, "en")


def _listed(word: str, wording: Wording, product: Product) -> str:
    family = product.family
    if word not in family.words:
        return wording.word("adj", product)
    values = family.list_of(word, product.language)
    return wording.tilted(f"{family.name}.{word}.{product.language}", values, product)


def attr(wording: Wording, product: Product) -> str:
    """Return a quality of the product."""
    return _listed("attr", wording, product)


def topic(wording: Wording, product: Product) -> str:
    """Return a word of the product's surroundings."""
    if product.language in ("fr", "es", "it"):
        return _listed("topic", wording, product)
    return noun(wording, product)


def _phrase(key: str, wording: Wording, product: Product) -> str:
    values = wording.vocabulary.phrases[product.language][key]
    return wording.tilted(f"{product.language}.{key}", values, product)


def color(wording: Wording, product: Product) -> str:
    """Return a colour."""
    return _phrase("color", wording, product)


def material(wording: Wording, product: Product) -> str:
    """Return a material."""
    return _phrase("material", wording, product)


def brand(wording: Wording, product: Product) -> str:
    """Return a brand, capitalised."""
    if wording.draws.chance(0.35):
        space, steepness = f"brand:{product.family.name}", 0.9
        return invented(space, wording.draws.rank(steepness)).capitalize()
    return wording.proper("brand", product).capitalize()


def name(wording: Wording, product: Product) -> str:
    """Return the proper name of a model, a person or a hero."""
    return wording.proper("name", product).capitalize()


def shop(wording: Wording, product: Product) -> str:
    """Return the seller's name."""
    return wording.proper("shop", product, own=0.3).capitalize()


def code(wording: Wording, product: Product) -> str:
    """Return an article number."""
    space = product.family.name if wording.draws.chance(0.6) else str(product.code)
    return article_code(wording.draws, space)


def dim(wording: Wording, product: Product) -> str:
    """Return "120 x 60 x 45 cm"."""
    draws = wording.draws
    sides = [str(draws.between(5, 250)) for _ in range(draws.between(2, 3))]
    cross = draws.pick((" x ", "x", " * ", "*"))
    return cross.join(sides) + draws.pick((" cm", "cm", " mm", ""))


def size(wording: Wording, product: Product) -> str:
    """Return one measure with its unit."""
    draws = wording.draws
    amount = draws.between(1, 200)
    return f"{amount}{draws.pick((' ', ''))}{draws.pick(('cm', 'mm', 'm', 'pcs', 'w', 'v', 'ml'))}"


def weight(wording: Wording, product: Product) -> str:
    """Return how much is in a pack."""
    return wording.draws.pick(_CAPACITIES)


def small_number(wording: Wording, product: Product) -> str:
    """Return 2 to 12."""
    return str(wording.draws.between(2, 12))


def larger_number(wording: Wording, product: Product) -> str:
    """Return 13 to 60: the end of a range."""
    return str(wording.draws.between(13, 60))


def _cross(word: str, wording: Wording, product: Product) -> str:
    """Return a word of another product: of the same class, or of one that people mix up with it."""
    draws = wording.draws
    same = draws.chance(CROSS_OWN_CLASS)
    other = product.code if same else draws.pick(NEIGHBOURS[product.code])
    stranger = Product(other, wording.family_for(other), product.language)
    if word == "noun":
        return _noun_in(wording, stranger, product.language)
    return wording.word(word, stranger)


def crossnoun(wording: Wording, product: Product) -> str:
    """Return another product that the shop advertises."""
    return _cross("noun", wording, product)


def crosstopic(wording: Wording, product: Product) -> str:
    """Return a use that the seller claims, whatever he sells."""
    return _cross("topic", wording, product)


THINGS: dict[str, Slot] = {
    "noun": noun,
    "noun_en": noun_en,
    "attr": attr,
    "topic": topic,
    "topic_en": topic,
    "color": color,
    "material": material,
    "brand": brand,
    "name": name,
    "shop": shop,
    "code": code,
    "dim": dim,
    "size": size,
    "weight": weight,
    "n": small_number,
    "m": larger_number,
    "crossnoun": crossnoun,
    "crosstopic": crosstopic,
}
