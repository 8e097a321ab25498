"""Codes, labels and themes: the one reader of ``labels_map.json`` and ``theme_map.json``.

A labels map is ``{"10": "Books"}`` or ``{"10": {"fr": "Livres", "en": "Books"}}``; a theme map is
``{"books": {"fr": "Livres", "en": "Books", "codes": [10, 2705]}}`` and may be left out.
"""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from src.errors import ConfigError
from src.i18n import LANGUAGES

NO_THEME = "other"


@dataclasses.dataclass(frozen=True)
class Labels:
    """The classes of a catalogue, ordered by code, and their themes."""

    names: Mapping[int, Mapping[str, str]]  # by code and language
    themes: Mapping[int, str]  # key of each code's theme
    theme_names: Mapping[str, Mapping[str, str]]  # by theme and language

    @property
    def codes(self) -> tuple[int, ...]:
        """All known codes, ascending."""
        return tuple(self.names)

    def label(self, code: int, language: str = "en") -> str:
        """Return the label of a code; an unknown code is returned as text."""
        names = self.names.get(int(code))
        return names[language] if names else str(code)

    def theme(self, code: int) -> str:
        """Return the theme key of a code."""
        return self.themes.get(int(code), NO_THEME)

    def theme_label(self, theme: str, language: str = "en") -> str:
        """Return the label of a theme."""
        names = self.theme_names.get(theme)
        return names[language] if names else theme


def load_labels(labels_map: Path, theme_map: Path | None = None) -> Labels:
    """Read the maps; without a file of themes every code is in "other".

    A map that is missing, no JSON, or that holds a code that is no integer is a ConfigError.
    """
    raw = _read_json(labels_map)
    names = {
        _code(key, labels_map): _by_language(value, key, labels_map) for key, value in raw.items()
    }
    if not names:
        raise ConfigError.of(labels_map, "it names no code")
    names = dict(sorted(names.items()))
    themes: dict[int, str] = {}
    theme_names: dict[str, dict[str, str]] = {}
    if theme_map is not None and theme_map.is_file():
        for theme, entry in _read_json(theme_map).items():
            if not isinstance(entry, dict) or not isinstance(entry.get("codes"), list):
                raise ConfigError.of(theme_map, f"theme {theme!r} has no list 'codes'")
            theme_names[theme] = _by_language(entry, theme, theme_map)
            themes |= {_code(code, theme_map): theme for code in entry["codes"]}
    return Labels(names, {code: themes.get(code, NO_THEME) for code in names}, theme_names)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as e:
        raise ConfigError.of(path, "the file does not exist") from e
    except (OSError, ValueError) as e:
        raise ConfigError.of(path, f"not readable as JSON ({e})") from e
    if not isinstance(content, dict):
        raise ConfigError.of(path, f"expected an object, found a {type(content).__name__}")
    return content


def _code(key: object, path: Path) -> int:
    try:
        return int(str(key))
    except ValueError as e:
        raise ConfigError.of(path, f"code {key!r} is no integer") from e


def _by_language(value: object, key: object, path: Path) -> dict[str, str]:
    if isinstance(value, str) and value:
        return dict.fromkeys(LANGUAGES, value)
    if isinstance(value, dict):
        given = {lang: value[lang] for lang in LANGUAGES if isinstance(value.get(lang), str)}
        if given:
            fallback = next(iter(given.values()))
            return {lang: given.get(lang, fallback) for lang in LANGUAGES}
    raise ConfigError.of(path, f"{key!r} has no label: expected a text, or one each in fr and en")
