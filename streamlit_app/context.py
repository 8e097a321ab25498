"""What every page needs to speak: language, words, class names, numbers with units, colours."""

from __future__ import annotations

import dataclasses
import html
from typing import Literal

from src.artifacts.store import ArtifactStore, ServedRun
from src.config import Config
from src.labels import Labels
from streamlit_app import theme
from streamlit_app.texts import TEXTS, say

Language = Literal["fr", "en"]
# French separates thousands by a narrow space that does not break the line.
NARROW = "\u202f"
NO_BREAK = "\u00a0"
# Probabilities nearer to 0 or 1 than this are told as "< 0.1 %" and "> 99.9 %".
LEAST_TOLD = 0.001


@dataclasses.dataclass(frozen=True)
class Context:
    """Settings and files of the platform, told in one language.

    Attributes
    ----------
    language : {"fr", "en"}
    cfg : Config
    store : ArtifactStore
    labels : Labels
    run : ServedRun or None
        None before the first training.
    """

    language: Language
    cfg: Config
    store: ArtifactStore
    labels: Labels
    run: ServedRun | None

    def say(self, key: str, **values: object) -> str:
        """Return the text of a key, with `values` filled in."""
        return say(key, self.language, **values)

    def label(self, code: int) -> str:
        """Return a class's name."""
        return self.labels.label(code, self.language)

    def named(self, code: int) -> str:
        """Return a class's name and, after it, its code."""
        return f"{self.label(code)} ({code})"

    def theme(self, code: int) -> str:
        """Return the name of a class's theme."""
        return self.theme_label(self.labels.theme(code))

    def theme_label(self, key: str) -> str:
        """Return the name of a theme."""
        known = key in self.labels.theme_names
        return self.labels.theme_label(key, self.language) if known else self.say("theme.other")

    def theme_keys(self) -> list[str]:
        """Return the themes that have classes, in the order of the theme map."""
        used = set(self.labels.themes.values())
        ordered = [key for key in self.labels.theme_names if key in used]
        return ordered + sorted(used - set(ordered))

    def theme_colors(self) -> dict[str, str]:
        """Return theme name -> colour, the same on every page."""
        return {
            self.theme_label(key): theme.color_of(key, list(self.labels.theme_names))
            for key in self.theme_keys()
        }

    def color(self, code: int) -> str:
        """Return the colour of a class: that of its theme."""
        return theme.color_of(self.labels.theme(code), list(self.labels.theme_names))

    def number(self, value: float, digits: int = 0) -> str:
        """Return a number as people of this language write it.

        Examples
        --------
        A thousand and a half is "1,000.5" in English, "1 000,5" in French.
        """
        text = f"{value:,.{digits}f}"
        if self.language == "en":
            return text
        return text.replace(",", NARROW).replace(".", ",")

    def percent(self, share: float, digits: int = 1) -> str:
        """Return a share as per cent: "12.3 %"."""
        return f"{self.number(100 * share, digits)}{NO_BREAK}%"

    def probability(self, value: float) -> str:
        """Return a probability as per cent; one that is not quite 1 is never written as 100 %."""
        if LEAST_TOLD <= value <= 1 - LEAST_TOLD or value in {0.0, 1.0}:
            return self.percent(value)
        low = value < LEAST_TOLD
        return (
            f"{'<' if low else '>'}{NO_BREAK}{self.percent(LEAST_TOLD if low else 1 - LEAST_TOLD)}"
        )

    def kind(self, name: str) -> str:
        """Return what people call a kind of model."""
        return self.say(f"kind.{name}") if f"kind.{name}" in TEXTS else name

    def branch(self, name: str) -> tuple[str, str]:
        """Return what people call a branch, and what it reads."""
        key = f"branch.{name}"
        if key not in TEXTS:
            return name, ""
        title, text = self.say(key).split("|")
        return title, text

    def chip(self, code: int) -> str:
        """Return HTML for a class's name on its theme's colour."""
        name = html.escape(self.label(code))
        return f'<span class="chip" style="--theme:{self.color(code)}" title="{code}">{name}</span>'
