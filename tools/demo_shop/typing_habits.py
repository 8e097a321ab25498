"""How sellers type: accents, capitals, slips of the keyboard, plurals, HTML and entities."""

import re
from collections.abc import Mapping, Sequence

from tools.demo_shop.draws import Draws

ACCENTS_KEPT = 0.78
TITLE_TYPO_RATE = 0.14
ENTITY_RATE = 0.62
TAG_RATE = 0.255
_WORD = re.compile(r"[a-z]{3,}")
_NAMED = {
    "à": "agrave", "â": "acirc", "ä": "auml", "ç": "ccedil", "é": "eacute", "è": "egrave",
    "ê": "ecirc", "ë": "euml", "î": "icirc", "ï": "iuml", "ô": "ocirc", "ö": "ouml",
    "ù": "ugrave", "û": "ucirc", "ü": "uuml", "ß": "szlig", "œ": "oelig",
}  # fmt: skip
_ENTITIES = {ord(char): f"&{name};" for char, name in _NAMED.items()} | {ord("'"): "&#39;"}
_OPENINGS = ("<br />", "<br>", "<br/>", "<p>", "<li>", "<div>", "<b>", "<br", "<p align=left>")


def with_accents(text: str, accents: Mapping[str, str]) -> str:
    """Write the words of the list with their accents.

    Examples
    --------
    >>> with_accents("un bebe", {"bebe": "bébé"})
    'un bébé'
    """
    return _WORD.sub(lambda found: accents.get(found.group(), found.group()), text)


def with_slip(draws: Draws, text: str) -> str:
    """Let the finger slip once: a letter is lost, doubled or swapped with the next one."""
    at = draws.between(1, max(1, len(text) - 2))
    if not text[at : at + 2].isalpha():
        return text
    kind = draws.below(3)
    if kind == 0:
        return text[:at] + text[at + 1 :]
    if kind == 1:
        return text[:at] + text[at] + text[at:]
    return text[:at] + text[at + 1] + text[at] + text[at + 2 :]


def title_case(draws: Draws, text: str) -> str:
    """Capitalise a title as its seller does: sentence, every word, all capitals or nothing."""
    at = draws.unit()
    if at < 0.42:
        return text[:1].upper() + text[1:]
    if at < 0.86:
        return " ".join(word[:1].upper() + word[1:] for word in text.split(" "))
    if at < 0.9:
        return text.upper()
    return text.lower() if at < 0.95 else text


def hyphens(draws: Draws, text: str) -> str:
    """Write "porte-cles" as its seller does: with a hyphen, a space or nothing between."""
    if "-" not in text or draws.chance(0.6):
        return text
    return re.sub(r"(?<=[a-z])-(?=[a-z])", draws.pick((" ", "")), text)


def joined(draws: Draws, sentences: Sequence[str], *, tags: bool) -> str:
    """Put sentences together: as plain text or as HTML that nobody validated."""
    if not tags:
        return draws.pick((" ", " ", " ", "\n")).join(sentences)
    opening = draws.pick(_OPENINGS)
    if opening == "<li>":
        return "<ul>" + "".join(f"<li>{text}</li>" for text in sentences) + "</ul>"
    if opening in ("<p>", "<div>", "<b>"):
        closing = f"</{opening[1:]}" if draws.chance(0.85) else ""
        return "".join(f"{opening}{text}{closing}" for text in sentences)
    return f" {opening} ".join([*sentences, ""])


def with_entities(draws: Draws, text: str) -> str:
    """Encode accents and apostrophes as entities, and some spaces too."""
    encoded = text.translate(_ENTITIES)
    if encoded == text or draws.chance(0.3):
        at = draws.below(len(text) or 1)
        space = encoded.find(" ", at)
        place = space if space >= 0 else len(encoded)
        encoded = f"{encoded[:place]}&nbsp;{encoded[place + 1 :]}"
    return encoded
