"""Profiles of the team: read, checked, escaped."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from src.errors import ConfigError
from streamlit_app.member import Member, load_members, profile_card


def test_the_shipped_profiles_speak_both_languages() -> None:
    french, english = load_members("fr"), load_members("en")
    assert [member.name for member in french] == ["Données", "Modèle", "Évaluation", "Service"]
    assert [member.name for member in english] == ["Data", "Model", "Evaluation", "Serving"]
    assert all(member.role and member.about and member.works_on for member in french)


def test_a_text_may_be_the_same_in_both_languages(tmp_path: Path) -> None:
    file = tmp_path / "team.json"
    profile = {"name": "Ada Lovelace", "role": "Maths", "about": {"fr": "Écrit.", "en": "Writes."}}
    file.write_text(json.dumps([{**profile, "link": "https://example.org"}]))
    expected = Member("Ada Lovelace", "Maths", "Writes.", (), "https://example.org")
    assert load_members("en", file) == (expected,)
    assert expected.initials == "AL"


@pytest.mark.parametrize(
    "content",
    [
        "no json",
        '[{"name": "A", "role": "B"}]',
        '[{"name": "A", "role": "", "about": "C"}]',
        '[{"name": "A", "role": "B", "about": {"fr": "C"}}]',
        '[{"name": "A", "role": "B", "about": "C", "link": "javascript:alert(1)"}]',
        "[7]",
    ],
)
def test_a_fault_names_the_file(tmp_path: Path, content: str) -> None:
    file = tmp_path / "team.json"
    file.write_text(content)
    with pytest.raises(ConfigError, match=r"team\.json: expected a list of profiles"):
        load_members("en", file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.json"):
        load_members("en", tmp_path / "none.json")


def test_a_card_escapes_what_it_shows() -> None:
    member = Member("<i>Eve</i>", "a & b", "<script>", ("x<y",), 'https://e.org/"onclick="')
    card = profile_card(member, 0)
    assert "&lt;script&gt;" in card
    assert "a &amp; b" in card
    assert "x&lt;y" in card
    assert 'https://e.org/&quot;onclick=&quot;"' in card
