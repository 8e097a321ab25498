"""Reads the word lists of ``vocabulary/*.txt`` into frozen values.

The files are INI: a section a product family (or a language, or a title style), lists separated by
";", sentences one a line. They are read once a process.
"""

import configparser
import re
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

LANGUAGES = ("fr", "en", "de", "nl", "es", "it")
_FOLDER = Path(__file__).parent / "vocabulary"
_FAMILY_FILES = ("gaming", "figures", "toys", "childcare", "home", "garden", "paper_food", "books")
_SLOT = re.compile(r"\{(\w+)\}")

Template = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Family:
    """Products that are called and described alike, whichever classes sell them.

    Attributes
    ----------
    name, picture, style, kind : str
        Its own name, its drawing, its title style, its grammar of book titles ("" for things).
    mix : dict of int to int
        Class code -> weight inside that class.
    words : dict of str to tuple of str
        "fr", "en" ... for nouns, "attr", "attr_en", "topic" for the rest.
    sentences : dict of str to tuple of Template
        By language.
    """

    name: str
    picture: str
    style: str
    kind: str
    mix: dict[int, int]
    words: dict[str, tuple[str, ...]]
    sentences: dict[str, tuple[Template, ...]]

    def list_of(self, word: str, language: str) -> tuple[str, ...]:
        """Return the words in a language, else in English, else in French."""
        if word == "noun":
            return self.words.get(language) or self.words.get("en") or self.words["fr"]
        if language == "fr" or f"{word}_en" not in self.words:
            return self.words[word]
        return self.words[f"{word}_en"]


@dataclass(frozen=True)
class Vocabulary:
    """All the words of the shop.

    Attributes
    ----------
    families : tuple of Family
    grammar, phrases, styles, worlds : dict of str to dict of str to tuple
        Section -> key -> words (grammar of books, worlds of games) or templates.
    accents : dict of str to str
        A word without its accents -> the word as it should be written.
    """

    families: tuple[Family, ...]
    grammar: dict[str, dict[str, tuple[str, ...]]]
    worlds: dict[str, tuple[str, ...]]
    phrases: dict[str, dict[str, tuple[str, ...]]]
    styles: dict[str, dict[str, tuple[Template, ...]]]
    accents: dict[str, str]


@cache
def compiled(text: str) -> Template:
    """Split "a {noun} b" into (literal, slot) pairs; the last slot is empty.

    Examples
    --------
    >>> compiled("un {noun} neuf")
    (('un ', 'noun'), (' neuf', ''))
    """
    parts = _SLOT.split(text)
    return tuple(zip(parts[0::2], [*parts[1::2], ""], strict=True))


def _sections(name: str) -> dict[str, dict[str, str]]:
    parser = configparser.RawConfigParser(delimiters=("=",), comment_prefixes=("#",))
    parser.read_string((_FOLDER / f"{name}.txt").read_text(encoding="utf-8"))
    return {section: dict(parser[section]) for section in parser.sections()}


def _listed(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(";") if word.strip())


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def _family(name: str, keys: dict[str, str]) -> Family:
    mix = {int(c): int(w) for c, w in (pair.split(":") for pair in keys["mix"].split())}
    plain = {"mix", "picture", "style", "kind"}
    says = {key: _lines(text) for key, text in keys.items() if key.startswith("say")}
    return Family(
        name=name,
        picture=keys["picture"],
        style=keys["style"],
        kind=keys.get("kind", ""),
        mix=mix,
        words={k: _listed(t) for k, t in keys.items() if k not in plain and k not in says},
        sentences={
            key.partition("_")[2] or "fr": tuple(compiled(line) for line in lines)
            for key, lines in says.items()
        },
    )


@lru_cache(maxsize=1)
def load_vocabulary() -> Vocabulary:
    """Read every word list.

    Returns
    -------
    Vocabulary
    """
    families = [
        _family(name, keys)
        for file in _FAMILY_FILES
        for name, keys in _sections(file).items()
        if "mix" in keys
    ]
    books = {name: keys for name, keys in _sections("books").items() if "mix" not in keys}
    accents = (_FOLDER / "accents.txt").read_text(encoding="utf-8").splitlines()
    words = [word for line in accents if not line.startswith("#") for word in line.split()]
    return Vocabulary(
        families=tuple(families),
        grammar={name: {k: _listed(t) for k, t in keys.items()} for name, keys in books.items()},
        worlds={k: _listed(t) for k, t in _sections("worlds")["games"].items()},
        phrases={
            name: {k: _lines(t) if k == "generic" else _listed(t) for k, t in keys.items()}
            for name, keys in _sections("phrases").items()
        },
        styles={
            name: {k: tuple(compiled(line) for line in _listed(t)) for k, t in keys.items()}
            for name, keys in _sections("styles").items()
        },
        accents={unaccented(word): word for word in words},
    )


@lru_cache(maxsize=1)
def syllables() -> dict[str, tuple[str, ...]]:
    """Return the parts of invented names: "onset", "nucleus", "coda", "ending"."""
    return {kind: tuple(text.split()) for kind, text in _sections("syllables")["syllables"].items()}


def picture_lines() -> dict[str, tuple[str, ...]]:
    """Return the drawings: picture name -> one line of strokes a variant."""
    return {name: _lines(text) for name, text in _sections("pictures")["pictures"].items()}


_PLAIN = str.maketrans("àâäéèêëîïôöùûüçœ", "aaaeeeeiioouuuco")


def unaccented(word: str) -> str:
    """Return a French word without its accents."""
    return word.translate(_PLAIN)
