"""The language of a product's text, among those that the catalogue is written in.

py3langid is limited to six languages: on titles of a few words a closed choice is right far more
often than one among 97. What it is not sure of, and what has no letters, is "other".
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from src.files import encodable

VERSION = 2
LANGUAGES = ("fr", "en", "de", "nl", "it", "es")
OTHER = "other"
LANGUAGE_NAMES = (*LANGUAGES, OTHER)

# Probability among the six (equal chances: 0.167); brand names and single words give 0.17 to 0.35.
MIN_CONFIDENCE = 0.35
# The first sentences tell the language; reading on costs time in proportion and changes nothing.
MAX_CHARS = 200


@lru_cache(maxsize=1)
def _identifier() -> Any:  # noqa: ANN401 - py3langid has no type hints
    """Load the model once (a few hundred milliseconds), at the first text."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(list(LANGUAGES))
    return identifier


def detect_languages(texts: Sequence[str]) -> list[str]:
    """Name the language of each text: one of `LANGUAGE_NAMES`.

    >>> detect_languages(["Jeu de société pour enfants", "12 345", "the lord of the rings"])
    ['fr', 'other', 'en']
    """
    classify = _identifier().classify
    languages = []
    for text in texts:
        # Capitals and digits carry no language; surrogates can't be encoded.
        start = encodable(text[:MAX_CHARS].lower())
        if not any(map(str.isalpha, start)):
            languages.append(OTHER)
            continue
        language, confidence = classify(start)
        languages.append(language if confidence >= MIN_CONFIDENCE else OTHER)
    return languages
