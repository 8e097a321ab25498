"""Slots of books, magazines, games, cards and licences: titles, people, dates, worlds."""

from tools.demo_shop.names import invented
from tools.demo_shop.vocabulary import compiled
from tools.demo_shop.wording import Product, Slot, Wording

_KINDS = ("academic", "novel", "essay", "practical", "youth")
_TITLE_LISTS = frozenset({"science", "noun_ac", "lit", "litf", "place"})
_ENDS = {"fr": "e", "de": "e", "en": "", "nl": "e", "es": "a", "it": "a"}


def title(wording: Wording, product: Product) -> str:
    """Return the title of a book in the product's language."""
    kind = product.family.kind
    if kind not in _KINDS:
        kind = wording.tilted("book.kind", _KINDS, product)
    patterns = wording.vocabulary.grammar[product.language][kind]
    pattern = wording.tilted(f"{product.language}.{kind}", patterns, product)
    return wording.fill(compiled(pattern), product).capitalize()


def author(wording: Wording, product: Product) -> str:
    """Return a first name and an invented surname, or the surname alone."""
    surname = wording.proper("author", product, own=0.28).capitalize()
    if wording.draws.chance(0.3):
        return surname
    return f"{wording.word('first', product)} {surname}"


def place(wording: Wording, product: Product) -> str:
    """Return a town, known or not."""
    if wording.draws.chance(0.5):
        return wording.proper("place", product, own=0.25).capitalize()
    values = wording.vocabulary.grammar["common"]["place"]
    return wording.tilted("place", values, product)


def science(wording: Wording, product: Product) -> str:
    """Return a field of knowledge; one in four is a learned compound that few books are about."""
    common = wording.vocabulary.grammar["common"]
    if wording.draws.chance(0.25):
        head = wording.tilted("prefix", common["prefix"], product)
        tail = wording.tilted("suffix", common["suffix"], product)
        stem = f"{head}{tail}"
        return stem if product.language == "fr" else stem[:-1] + _ENDS[product.language]
    values = wording.vocabulary.grammar[product.language]["science"]
    return wording.tilted(f"{product.language}.science", values, product)


def publisher(wording: Wording, product: Product) -> str:
    """Return a publisher's name."""
    return wording.proper("publisher", product, own=0.2).capitalize()


def magazine(wording: Wording, product: Product) -> str:
    """Return the name of a periodical: a famous one or one of the endless small ones."""
    values = wording.vocabulary.grammar[product.language]["mag"]
    if wording.draws.chance(0.6):
        return wording.tilted(f"{product.language}.mag", values, product)
    return wording.proper("mag", product, own=0.35).capitalize()


def headline(wording: Wording, product: Product) -> str:
    """Return a headline."""
    return _pattern("headline", wording, product)


def plot(wording: Wording, product: Product) -> str:
    """Return a sentence about what a book tells."""
    return _pattern("plot", wording, product)


def _pattern(key: str, wording: Wording, product: Product) -> str:
    patterns = wording.vocabulary.grammar[product.language][key]
    pattern = wording.tilted(f"{product.language}.{key}", patterns, product)
    return wording.fill(compiled(pattern), product)


def year(wording: Wording, product: Product) -> str:
    """Return a year; periodicals are old."""
    old = product.code == 2280
    return str(wording.draws.between(1890, 1999) if old else wording.draws.between(1950, 2018))


def date(wording: Wording, product: Product) -> str:
    """Return a date in digits or in words."""
    draws = wording.draws
    day, at_year = draws.between(1, 28), year(wording, product)
    if draws.chance(0.7):
        return f"{day:02d}/{draws.between(1, 12):02d}/{at_year}"
    return f"{day} {wording.word('month', product)} {at_year}"


def number(wording: Wording, product: Product) -> str:
    """Return the number of an issue or of a card."""
    return str(wording.draws.between(1, 4000 if wording.draws.chance(0.4) else 250))


def isbn(wording: Wording, product: Product) -> str:
    """Return the ten digits after 978."""
    return str(wording.draws.between(2_000_000_000, 9_999_999_999))


def game(wording: Wording, product: Product) -> str:
    """Return the title of a video game: its words are few, its combinations endless."""
    patterns = wording.vocabulary.worlds["pattern"]
    pattern = wording.tilted("game.pattern", patterns, product)
    return wording.fill(compiled(pattern), product).capitalize()


def world(wording: Wording, product: Product) -> str:
    """Return the invented name that a game, a card or a licence is about."""
    return wording.proper("world", product).capitalize()


def platform(wording: Wording, product: Product) -> str:
    """Return what an accessory or a game is for."""
    if product.code not in (40, 50, 60, 2462, 2905):
        return f"{wording.word('brand', product)} {wording.word('code', product)}"
    return wording.tilted("platform", wording.vocabulary.worlds["platform"], product)


def series(wording: Wording, product: Product) -> str:
    """Return a licence: Star Wars or one that only collectors know."""
    if wording.draws.chance(0.45):
        key = {1160: "tcg", 1180: "wargame"}.get(product.code, "wiki")
        return wording.tilted(key, wording.vocabulary.worlds[key], product)
    return wording.proper("world", product).capitalize()


def card_name(wording: Wording, product: Product) -> str:
    """Return what is written on a trading card: a creature or a player."""
    suffix = "" if product.language == "fr" else "_en"
    if wording.draws.chance(0.4):
        return author(wording, product)
    creature = wording.word(f"creature{suffix}", product)
    if wording.draws.chance(0.5):
        return f"{wording.word('name', product)} {creature}"
    kind = wording.word(f"creature_adj{suffix}", product)
    return f"{creature} {kind}" if product.language == "fr" else f"{kind} {creature}"


def card_set(wording: Wording, product: Product) -> str:
    """Return the name of an expansion."""
    return wording.proper("cardset", product, own=0.8).capitalize()


def card_code(wording: Wording, product: Product) -> str:
    """Return the number of a card inside its expansion: "kyfo-fr031"."""
    head = invented("cardcode", wording.draws.rank(0.9))[:4]
    country = product.language if wording.draws.chance(0.7) else "en"
    return f"{head}-{country}{wording.draws.between(1, 99):03d}"


CULTURE: dict[str, Slot] = {
    "title": title,
    "title2": title,
    "author": author,
    "place": place,
    "science": science,
    "publisher": publisher,
    "mag": magazine,
    "headline": headline,
    "plot": plot,
    "year": year,
    "date": date,
    "num": number,
    "isbn": isbn,
    "game": game,
    "world": world,
    "platform": platform,
    "series": series,
    "cardname": card_name,
    "cardset": card_set,
    "cardcode": card_code,
}
