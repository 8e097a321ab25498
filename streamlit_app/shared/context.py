"""What every page needs: settings, files, and words, class names and colors in one language."""

import dataclasses
import html
from datetime import datetime

from src import palette
from src.artifacts.store import ArtifactStore, ServedRun
from src.config import Config
from src.i18n import NARROW_SPACE, Translator, translator
from src.labels import Labels

# Probabilities nearer to 0 or 1 than this are shown as "< 0.1%" and "> 99.9%".
MIN_SHOWN = 0.001


@dataclasses.dataclass(frozen=True)
class Context:
    """Settings and files of the platform, shown in one language; no `run` before the first."""

    language: str
    cfg: Config
    store: ArtifactStore
    labels: Labels
    run: ServedRun | None

    @property
    def words(self) -> Translator:
        """Texts and numbers of the language."""
        return translator(self.language)

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
        return (
            self.labels.theme_label(key, self.language)
            if known
            else self.words("app.word.other_theme")
        )

    def theme_keys(self) -> list[str]:
        """Return the themes that have classes, in the order of the theme map."""
        used = set(self.labels.themes.values())
        ordered = [key for key in self.labels.theme_names if key in used]
        return ordered + sorted(used - set(ordered))

    def theme_colors(self) -> dict[str, str]:
        """Return theme name -> color, the same on every page."""
        ordered = list(self.labels.theme_names)
        return {
            self.theme_label(key): palette.theme_color(key, ordered) for key in self.theme_keys()
        }

    def color(self, code: int) -> str:
        """Return the color of a class: that of its theme."""
        return palette.theme_color(self.labels.theme(code), list(self.labels.theme_names))

    def time(self, iso: str, *, seconds: bool = False) -> str:
        """Return a time, ISO 8601 in UTC, as the language writes it, without its zone."""
        shape = "%d/%m/%Y %H:%M" if self.language == "fr" else "%Y-%m-%d %H:%M"
        return datetime.fromisoformat(iso).strftime(shape + ":%S" * seconds)

    def probability(self, value: float) -> str:
        """Return a probability as HTML; one that is not quite 1 is never written as 100%."""
        if MIN_SHOWN <= value <= 1 - MIN_SHOWN or value in {0.0, 1.0}:
            return self.words.percent(value)
        sign, bound = ("&lt;", MIN_SHOWN) if value < MIN_SHOWN else ("&gt;", 1 - MIN_SHOWN)
        return f"{sign}{NARROW_SPACE}{self.words.percent(bound)}"

    def kind(self, name: str) -> str:
        """Return the name of a kind of model for people."""
        return str(self.words.section("app.kinds").get(name, name))

    def branch(self, name: str) -> tuple[str, str]:
        """Return the name of a branch for people, and what it reads."""
        title, text = self.words.section("app.branches").get(name, (name, ""))
        return title, text

    def chip(self, code: int) -> str:
        """Return HTML for a class's name on its theme's color."""
        name = html.escape(self.label(code))
        return f'<span class="chip" style="--theme:{self.color(code)}" title="{code}">{name}</span>'
