"""Product texts as they are read: no HTML, no entities, nothing that can't be seen.

Sellers paste broken HTML and entities escaped twice. Every pattern here is linear in the length of
the text, also on text made to be slow, and each is guarded by a cheap look for the character that
it needs.
"""

import html as entities
import re

from src.files import visible

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

_CDATA = re.compile(r"<!\[CDATA\[|\]\]>", re.IGNORECASE)
# Where a word may be broken: no space, and nothing that is seen.
_WORD_BREAK = re.compile(r"</?wbr\s*/?>", re.IGNORECASE)
_MARKS = "™®©"


def plain_text(text: str, *, html: bool = True, normalize: bool = True) -> str:
    """Return a seller's text as it is read: no markup, each character in one form, single spaces.

    Two texts that look alike are equal afterwards; whatever measures a text starts from here.

    >>> plain_text("<![CDATA[Pis&shy;cine <b>gonflable</b>]]>")
    'Piscine gonflable'
    """
    text = _one_form(text) if normalize else text
    if html and ("<" in text or "&" in text):
        text = strip_markup(text)
        text = _one_form(text) if normalize else text
    return " ".join(text.split())


def _one_form(text: str) -> str:
    for mark in _MARKS:
        text = text.replace(mark, " ")
    return visible(text)


def strip_markup(text: str) -> str:
    """Replace HTML tags by spaces and entities by their characters.

    Contents of comments, scripts and styles are gone; line breaks never glue words.

    >>> strip_markup("Lot<br>de 4 &amp;eacute;toiles <b>neuves")
    'Lot de 4 étoiles  neuves'
    """
    for _ in range(MAX_ESCAPE_DEPTH):
        if "<" in text:
            text = _strip_tags(text)
        if "&" not in text:
            break
        unescaped = entities.unescape(text)
        if unescaped == text:
            break
        text = unescaped
    return _strip_tags(text) if "<" in text else text


def _strip_tags(text: str) -> str:
    if "<!--" in text:
        text = _cut_comments(text)
    if "![" in text:
        text = _CDATA.sub(" ", text)
    if _HIDDEN_START.search(text):
        text = _cut_hidden(text)
    text = _WORD_BREAK.sub("", text)
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
