"""Markup and pictures in product texts, turned into plain words: HTML, entities, emoji.

Sellers paste broken HTML, entities escaped twice and emoji as bullets. Every pattern here is
linear in the length of the text, also on text made to be slow, and each is guarded by a cheap
look for the character that it needs.
"""

from __future__ import annotations

import html
import re
import unicodedata
from functools import lru_cache

# "<" counts as a tag only before a letter, "/", "!" or "?": "a < b" and "<3" are text.
_TAG = re.compile(r"<[/!?]?[a-zA-Z!?\[][^<>]*>|<!-*>")
# A description cut in the middle of a tag: known names only, for "x <y" may be text.
_CUT_TAG = re.compile(
    r"</?(?:a|b|br|div|em|font|h[1-6]|hr|i|img|li|ol|p|span|strong|table|td|th|tr|u|ul)\b[^<>]*\Z",
    re.IGNORECASE,
)
_HIDDEN_START = re.compile(r"<(script|style)\b", re.IGNORECASE)
_HIDDEN_END = {
    name: re.compile(rf"</{name}\b[^<>]*>", re.IGNORECASE) for name in ("script", "style")
}
# "&amp;amp;eacute;" is three deep; what is deeper is not an accident of escaping.
MAX_ESCAPE_DEPTH = 3

_EMOJI = re.compile(
    "[\u2600-\u27bf\u2b00-\u2bff\ufe0f\u200d\U0001f000-\U0001faff\U000e0020-\U000e007f]"
)
# Pictures that sellers use, as the catalogue's words; "" where a sign is only a bullet.
_EMOJI_WORDS = {
    "❤": "cœur", "💕": "cœur", "💖": "cœur", "🎮": "jeu vidéo", "🕹": "manette jeu vidéo",
    "📚": "livres", "📖": "livre", "📕": "livre", "📗": "livre", "📘": "livre", "📙": "livre",
    "🧸": "peluche", "🧩": "puzzle", "🎲": "jeu de société", "🃏": "carte", "🎴": "carte",
    "🪀": "jouet", "🪁": "cerf-volant", "🎁": "cadeau", "🎄": "noël", "🎅": "père noël",
    "🎃": "halloween", "👶": "bébé", "🍼": "biberon bébé", "👕": "t-shirt", "👗": "robe",
    "👟": "chaussures", "👜": "sac", "🎒": "sac à dos", "🛏": "lit", "🛋": "canapé",
    "🪑": "chaise", "🖼": "tableau", "🕯": "bougie", "💡": "lampe", "🔦": "lampe torche",
    "🔋": "batterie", "🔌": "prise électrique", "📱": "téléphone", "💻": "ordinateur",
    "🖨": "imprimante", "📷": "appareil photo", "🎧": "casque audio", "🎵": "musique",
    "🎸": "guitare", "🐶": "chien", "🐱": "chat", "🐾": "animaux", "🐟": "poisson",
    "🌱": "plante", "🌿": "plante", "🌸": "fleur", "🌹": "rose", "🌳": "arbre", "🔨": "outil",
    "🔧": "outil", "🏊": "piscine", "🏖": "plage", "🚗": "voiture", "🚲": "vélo", "🚂": "train",
    "✈": "avion", "🚁": "hélicoptère", "🤖": "robot", "🦖": "dinosaure", "🦄": "licorne",
    "⚽": "football", "🏀": "basketball", "☕": "café", "🍫": "chocolat", "🍷": "vin",
    "✏": "crayon", "✒": "stylo", "✂": "ciseaux", "☂": "parapluie", "☀": "soleil", "❄": "neige",
}  # fmt: skip


def strip_markup(text: str) -> str:
    """Replace HTML tags by spaces and entities by their characters.

    Returns
    -------
    str
        Contents of comments, scripts and styles are gone; line breaks never glue words.

    Examples
    --------
    >>> strip_markup("Lot<br>de 4 &amp;eacute;toiles <b>neuves")
    'Lot de 4 étoiles  neuves'
    """
    for _ in range(MAX_ESCAPE_DEPTH):
        if "<" in text:
            text = _strip_tags(text)
        if "&" not in text:
            break
        unescaped = html.unescape(text)
        if unescaped == text:
            break
        text = unescaped
    return _strip_tags(text) if "<" in text else text


def _strip_tags(text: str) -> str:
    if "<!--" in text:
        text = _cut_comments(text)
    if _HIDDEN_START.search(text):
        text = _cut_hidden(text)
    return _CUT_TAG.sub(" ", _TAG.sub(" ", text))


def _cut_comments(text: str) -> str:
    """Drop ``<!-- ... -->``; an unclosed one is left to the tag pattern."""
    parts, start = [], 0
    while (opening := text.find("<!--", start)) >= 0:
        closing = text.find("-->", opening + 4)
        if closing < 0:
            break
        parts.append(text[start:opening])
        start = closing + 3
    return " ".join([*parts, text[start:]])


def _cut_hidden(text: str) -> str:
    """Drop scripts and styles with what is in them; an unclosed one keeps its contents."""
    parts, start, closed = [], 0, dict.fromkeys(_HIDDEN_END, True)
    for opening in _HIDDEN_START.finditer(text):
        name = opening[1].lower()
        if opening.start() < start or not closed[name]:
            continue
        closing = _HIDDEN_END[name].search(text, opening.end())
        closed[name] = closing is not None
        if closing is not None:
            parts.append(text[start : opening.start()])
            start = closing.end()
    return " ".join([*parts, text[start:]])


def spell_emoji(text: str) -> str:
    """Replace emoji by words: the catalogue's French ones, else the Unicode name.

    Dingbats and arrows are bullets: they become spaces. So do joiners and skin tones.

    Examples
    --------
    >>> spell_emoji("🎮✔neuf").split()
    ['jeu', 'vidéo', 'neuf']
    """
    if text.isascii():
        return text
    return _EMOJI.sub(lambda match: _emoji_words(match[0]), text)


@lru_cache(maxsize=4096)
def _emoji_words(sign: str) -> str:
    known = _EMOJI_WORDS.get(sign)
    if known is not None:
        return f" {known} "
    is_picture = "\U0001f300" <= sign <= "\U0001faff" and not "\U0001f3fb" <= sign <= "\U0001f3ff"
    if not is_picture:
        return " "
    return f" {unicodedata.name(sign, '').lower()} "
