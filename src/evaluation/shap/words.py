"""Contributions of n-grams brought back to the words of a text, and to places in the raw text.

An n-gram's contribution is split evenly over its occurrences, and an occurrence's over the words
that it covers: a bigram gives half to each word, a character n-gram all to the word it lies in.
What the words of a text got adds up to what its n-grams contributed.
"""

import dataclasses
import html
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from src.features.tfidf.vectorizers import TfidfBase, TfidfChars, TfidfWords
from src.files import visible

Occurrence: TypeAlias = tuple[str, tuple[int, ...]]
"""An n-gram, and the positions of the words that it covers."""

# The ends of CDATA, a tag (as the cleaner knows them), an entity (perhaps escaped twice), or a
# character with the accents that follow it.
_UNIT = re.compile(
    r"<!\[CDATA\[|\]\]>|<[/!?]?[a-zA-Z!?\[][^<>]*>|&(?:amp;)*#?\w+;|.[\u0300-\u036f]*", re.DOTALL
)
_NO_WORD = re.compile(r"\W*")
# How far a word is searched where the next word of the raw text is another: stop words were
# dropped there, or an emoji was spelled.
WINDOW = 60


@dataclasses.dataclass(frozen=True)
class Span:
    """Characters ``start`` (included) to ``stop`` (excluded) of a raw text, and their score."""

    start: int
    stop: int
    score: float


def occurrences(counter: TfidfBase, words: Sequence[str]) -> Iterator[Occurrence]:
    """Give every n-gram occurrence of a text, known to the vocabulary or not.

    `words` are the text cut at white space, as `counter` preprocesses it.

    >>> list(occurrences(TfidfWords(ngram_range=(2, 2)), ["jeu", "de", "cartes"]))
    [('jeu de', (0, 1)), ('de cartes', (1, 2))]
    """
    low, high = counter.ngram_range
    if isinstance(counter, TfidfChars):
        for position, word in enumerate(words):
            for gram in _pieces(f" {word} ", low, high):
                yield gram, (position,)
    elif isinstance(counter, TfidfWords):
        find = re.compile(counter.token_pattern).findall
        tokens = [(token, place) for place, word in enumerate(words) for token in find(word)]
        for size in range(low, high + 1):
            for start in range(len(tokens) - size + 1):
                some = tokens[start : start + size]
                yield " ".join(token for token, _ in some), tuple(place for _, place in some)


def _pieces(padded: str, low: int, high: int) -> Iterator[str]:
    for size in range(low, high + 1):
        if size >= len(padded):
            yield padded  # shorter than the n-gram: counted once, as in scikit-learn
            return
        for start in range(len(padded) - size + 1):
            yield padded[start : start + size]


def share_out(
    counted: Sequence[Occurrence], contributions: Mapping[str, float], n_words: int
) -> np.ndarray:
    """Split the contributions of n-grams over the words that they cover, shape (n_words,).

    Occurrences of n-grams without a contribution count nothing.
    """
    times = Counter(gram for gram, _ in counted)
    scores = np.zeros(n_words)
    for gram, places in counted:
        if gram in contributions:
            for place in places:
                scores[place] += contributions[gram] / times[gram] / len(places)
    return scores


def place_scores(text: str, words: Sequence[str], scores: Sequence[float]) -> list[Span]:
    """Find where the words of a clean text stand in the raw one: in order, without overlap.

    A word that the cleaner made up (an emoji's name, a translation) has no place and is left out;
    words that share a character share a span.

    >>> place_scores("<b>Câble</b> 25mm", ["câble", "25", "mm"], [0.5, 0.25, 0.25])[0]
    Span(start=3, stop=8, score=0.5)
    """
    spans: list[Span] = []
    for place, score in zip(find_places(text, words), scores, strict=True):
        if place is None:
            continue
        span = Span(*place, float(score))
        if spans and span.start < spans[-1].stop:
            last = spans.pop()
            span = Span(last.start, max(last.stop, span.stop), last.score + span.score)
        spans.append(span)
    return spans


def find_places(text: str, words: Sequence[str]) -> list[tuple[int, int] | None]:
    """Return where each word of a clean text stands in the raw one; None where it does not."""
    folded, starts, stops = _fold(text)
    places: list[tuple[int, int] | None] = []
    at = 0
    for word in words:
        spelled = word.casefold()
        begin = _find(folded, spelled, at)
        if begin is None:
            places.append(None)
            continue
        at = begin + len(spelled)
        places.append((starts[begin], stops[at - 1]))
    return places


def _find(folded: str, word: str, at: int) -> int | None:
    following = _NO_WORD.match(folded, at)
    if following and folded.startswith(word, following.end()):
        return following.end()
    match = re.compile(rf"(?<!\w){re.escape(word)}").search(folded, at, at + WINDOW)
    return match.start() if match else None


def _fold(text: str) -> tuple[str, list[int], list[int]]:
    """Spell a raw text as the cleaner does, and say where each character came from."""
    letters: list[str] = []
    starts: list[int] = []
    stops: list[int] = []
    for unit in _UNIT.finditer(text):
        spelled = _spell(unit[0])
        letters.append(spelled)
        starts += [unit.start()] * len(spelled)
        stops += [unit.end()] * len(spelled)
    return "".join(letters), starts, stops


def _spell(unit: str) -> str:
    if len(unit) == 1 and unit.isascii():
        return unit.lower()
    if unit.startswith("<") or unit == "]]>":
        return " " * (len(unit) > 1)
    while unit.startswith("&") and (plain := html.unescape(unit)) != unit:
        unit = plain
    return visible(unit).casefold().replace("×", "x")
