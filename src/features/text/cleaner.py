"""Product texts made comparable: one spelling, one case, words that carry meaning.

``TextCleaner`` is an extractor: what it gives for a product depends on that product and on the
cleaner's own settings alone, so its results are kept in a cache addressed by both. Each step has
its switch. Steps that look at single words (stop words, translation, stemming, units) run once a
distinct word, not once an occurrence.
"""

import hashlib
import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import metadata
from importlib.util import find_spec
from itertools import chain

from src.features.text.language import LANGUAGES, detect_languages
from src.features.text.markup import plain_text
from src.files import encodable

VERSION = 2

SNOWBALL_NAMES = {
    "fr": "french", "en": "english", "de": "german", "nl": "dutch", "it": "italian",
    "es": "spanish",
}  # fmt: skip
TEXTS_PER_CHUNK = 2000
# Of texts whose language is none of the six.
DEFAULT_LANGUAGE = "fr"

_WORD = re.compile(r"\d+(?:[.,]\d+)+\w*|\w+")
_UNITS = (
    "mm|cm|dm|km|m|mg|kg|g|ml|cl|dl|l|mah|ah|wh|kwh|kw|w|v|hz|khz|mhz|ghz|go|gb|mo|mb|to|tb|"
    "ans|mois|jours|heures|min|years|jahre|jaar|anni|pcs|pc|pieces|pièces|p|k|lumens|lm|psi|bar"
)
# "25mm" and "4x25mm" are read as "25 mm" and "4 x 25 mm"; "ps4", "4k" of a name stay as they are.
_NUMBER = r"\d+(?:[.,]\d+)*"
_MEASURE = re.compile(rf"({_NUMBER}(?:x{_NUMBER})*)({_UNITS})?")
# "l" and "m" after a number are litres and metres, not the article of "l'eau": glued to their
# number they pass the stop words, and are set apart again afterwards.
_LOOSE_UNIT = re.compile(r"(?<=\d)\s+(?=[lmg]\b(?!['’]))")
_ALWAYS_KEPT = frozenset({"x", "mm", "cm", "dm", "km", "kg", "mg", "ml", "cl", "dl", "gb", "mb"})


@lru_cache(maxsize=16)
def stop_words_of(language: str) -> frozenset[str]:
    """Give a language's stop words as tokens: case-folded, cut at apostrophes, no digits."""
    from stop_words import get_stop_words

    words: set[str] = set()
    for entry in get_stop_words(language):
        words.update(re.findall(r"\w+", unicodedata.normalize("NFKC", entry).casefold()))
    return frozenset(word for word in words if word.isalpha()) - _ALWAYS_KEPT


@lru_cache(maxsize=16)
def stemmer_of(language: str, *, library: str = "auto") -> Callable[[list[str]], list[str]]:
    """Give a function that stems a list of words.

    PyStemmer is about eight times faster; nltk's Snowball takes its place where it is missing.
    """
    if library == "auto":
        library = stemming_library()
    if library == "PyStemmer":
        import Stemmer

        # Snowball 3 gave the name "dutch" to another algorithm than the one nltk knows.
        names = {"dutch": "dutch_porter"} if "dutch_porter" in Stemmer.algorithms() else {}
        name = SNOWBALL_NAMES[language]
        stem_words: Callable[[list[str]], list[str]] = Stemmer.Stemmer(
            names.get(name, name)
        ).stemWords
        return stem_words
    from nltk.stem.snowball import SnowballStemmer

    stem = SnowballStemmer(SNOWBALL_NAMES[language]).stem
    return lambda words: [stem(word) for word in words]


def stemming_library() -> str:
    """Name the library that stems here: "PyStemmer" where it is installed, else "nltk"."""
    return "PyStemmer" if find_spec("Stemmer") else "nltk"


@dataclass(frozen=True)
class TextCleaner:
    """Clean product texts, step by step; each has its switch.

    >>> cleaner = TextCleaner(translations={"toy": "jouet"}, stop_words=True)
    >>> cleaner.clean(["<p>The toy for PS4&nbsp;– 4x25mm"], ["en"])
    ['jouet ps4 4 x 25 mm']
    """

    html: bool = True  # tags to spaces, entities to characters
    normalize: bool = True  # what a person sees alone, one code a character: `files.visible`
    casefold: bool = True  # lower case, also for "ß" and "İ"
    units: bool = True  # "4x25mm" to "4 x 25 mm"
    stop_words: bool = False  # drop those of the text's language
    # Whole words, lower case, to French, in every language. Empty: off.
    translations: Mapping[str, str] = field(default_factory=dict)
    stemming: bool = False  # by the text's language; translated words are French

    def settings(self) -> dict[str, object]:
        """Give everything that the result depends on beside the text: the cache's key."""
        listed = json.dumps(dict(sorted(self.translations.items())), ensure_ascii=False)
        values: dict[str, object] = {
            name: getattr(self, name)
            for name in self.__dataclass_fields__
            if name != "translations"
        }
        values["translations_sha256"] = hashlib.sha256(listed.encode()).hexdigest()
        values["version"] = VERSION
        values["unicode"] = unicodedata.unidata_version
        if self.stop_words:
            values["stop_words_version"] = metadata.version("stop-words")
        if self.stemming:
            library = stemming_library()
            values["stemmer"] = f"{library} {metadata.version(library)}"
        return values

    def clean(self, texts: Sequence[str], languages: Sequence[str] | None = None) -> list[str]:
        """Return each text as tokens joined by one space; None detects languages where needed."""
        plain = [self._plain(text) for text in texts]
        if not (self.stop_words or self.stemming):
            languages = [DEFAULT_LANGUAGE] * len(plain)
        elif languages is None:
            languages = detect_languages(plain)
        tables: dict[str, dict[str, str]] = {code: {} for code in LANGUAGES}
        cleaned: list[str] = []
        for start in range(0, len(plain), TEXTS_PER_CHUNK):
            stop = start + TEXTS_PER_CHUNK
            cleaned += self._clean_chunk(plain[start:stop], languages[start:stop], tables)
        return cleaned

    def _plain(self, text: str) -> str:
        """Do what depends on characters, not on words."""
        text = plain_text(text, html=self.html, normalize=self.normalize)
        # A lone surrogate can't be written to any file or database.
        text = encodable(text)
        if self.units and "×" in text:
            text = text.replace("×", " x ")
        return text.casefold() if self.casefold else text

    def _clean_chunk(
        self, texts: Sequence[str], languages: Sequence[str], tables: dict[str, dict[str, str]]
    ) -> list[str]:
        """Replace words through a table a language, which grows by what was not yet seen.

        Its keys stand between spaces and may hold several words: most are cut once, not at every
        occurrence.
        """
        if self.units and self.stop_words:
            texts = [_LOOSE_UNIT.sub("", text) for text in texts]
        chunk_lists = [text.split() for text in texts]
        codes = [code if code in tables else DEFAULT_LANGUAGE for code in languages]
        by_language: dict[str, set[str]] = {}
        for code, chunks in zip(codes, chunk_lists, strict=True):
            by_language.setdefault(code, set()).update(chunks)
        for code, seen in by_language.items():
            new = {chunk: _WORD.findall(chunk) for chunk in seen - tables[code].keys()}
            words = self._replacements(set(chain.from_iterable(new.values())), code)
            tables[code] |= {
                chunk: " ".join(filter(None, map(words.__getitem__, tokens)))
                for chunk, tokens in new.items()
            }
        return [
            " ".join(filter(None, map(tables[code].__getitem__, chunks)))
            for code, chunks in zip(codes, chunk_lists, strict=True)
        ]

    def _replacements(self, words: Iterable[str], language: str) -> dict[str, str]:
        """Say what each word becomes; "" drops it."""
        table: dict[str, str] = {}
        to_stem: dict[str, list[str]] = {language: [], "fr": []}
        dropped = stop_words_of(language) if self.stop_words else frozenset()
        for word in words:
            key = word if self.casefold else word.casefold()
            if key in dropped:
                table[word] = ""
            elif key in self.translations:
                table[word] = self.translations[key].casefold()
                to_stem["fr"].append(word)
            elif word[0].isdigit():
                table[word] = self._spell_number(word)
            else:
                table[word] = word
                to_stem[language].append(word)
        if self.stemming:
            for code, candidates in to_stem.items():
                self._stem(table, candidates, code)
        return table

    def _spell_number(self, word: str) -> str:
        measure = _MEASURE.fullmatch(word) if self.units else None
        if measure is None:
            return word
        spaced = measure[1].replace("x", " x ")
        return f"{spaced} {measure[2]}" if measure[2] else spaced

    def _stem(self, table: dict[str, str], words: list[str], language: str) -> None:
        """Stem the replacements of some words in place; a translation may be several words."""
        stem_words = stemmer_of(language)
        parts = [table[word].split() or [table[word]] for word in words]
        stems = iter(stem_words([part for part_list in parts for part in part_list]))
        for word, part_list in zip(words, parts, strict=True):
            table[word] = " ".join(next(stems) for _ in part_list)
