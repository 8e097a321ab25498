"""The team's profiles, read from ``assets/team.json``: the one file to edit for a team of your own.

Each profile has ``name``, ``role`` and ``about`` (a text, or one each in fr and en), and may have
``works_on`` (a list of texts) and ``link`` (an https address).
"""

import dataclasses
import html
import json
from pathlib import Path
from typing import Any

from src.errors import ConfigError
from src.palette import THEME_COLORS

TEAM_FILE = Path(__file__).parent / "assets" / "team.json"


@dataclasses.dataclass(frozen=True)
class Member:
    """One profile, in one language."""

    name: str
    role: str
    about: str
    works_on: tuple[str, ...] = ()
    link: str = ""

    @property
    def initials(self) -> str:
        """First letters of the first two words of the name."""
        return "".join(word[0] for word in self.name.split()[:2]).upper()


def load_members(language: str, path: Path = TEAM_FILE) -> tuple[Member, ...]:
    """Read the profiles; one without a text, or with a link that is not https, is a ConfigError."""
    try:
        profiles = json.loads(path.read_text(encoding="utf-8-sig"))
        return tuple(_member(profile, language) for profile in profiles)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as e:
        raise ConfigError(
            f"{path}: expected a list of profiles with name, role and about, found {e!r}",
            next_command="cat streamlit_app/assets/team.json",
        ) from e


def _member(profile: dict[str, Any], language: str) -> Member:
    name, role, about = (_text(profile[field], language) for field in ("name", "role", "about"))
    link = profile.get("link", "")
    if link and not link.startswith("https://"):
        raise ValueError(f"link {link!r} does not start with https://")
    return Member(name, role, about, tuple(map(str, profile.get("works_on", []))), link)


def _text(value: str | dict[str, str], language: str) -> str:
    text = value if isinstance(value, str) else value[language]
    if not text.strip():
        raise ValueError("an empty text")
    return text


def profile_card(member: Member, number: int) -> str:
    """Return HTML of a profile; `number` chooses its color."""
    color = THEME_COLORS[number % len(THEME_COLORS)]
    name = html.escape(member.name)
    if member.link:
        name = f'<a href="{html.escape(member.link)}">{name}</a>'
    places = "".join(f"<code>{html.escape(place)}</code> " for place in member.works_on)
    return (
        f'<article class="member" style="--theme:{color}"><i>{html.escape(member.initials)}</i>'
        f"<h2>{name}</h2><b>{html.escape(member.role)}</b><p>{html.escape(member.about)}</p>"
        f"<footer>{places}</footer></article>"
    )
