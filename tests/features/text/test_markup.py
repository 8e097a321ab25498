"""HTML, entities and emoji in product texts."""

from __future__ import annotations

import html
import unicodedata
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.features.text.markup import _EMOJI_WORDS, spell_emoji, strip_markup
from tests.growth import cpu_growth


class _Text(HTMLParser):
    """The standard library's parser, each tag giving a space: the oracle on sound HTML."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []

    def handle_data(self, data: str) -> None:
        self.parts.append(data)


def parse(text: str) -> list[str]:
    parser = _Text()
    parser.feed(text)
    parser.close()
    return " ".join(parser.parts).split()


@pytest.mark.parametrize(
    "text",
    [
        "<p>Un <b>jeu</b><br/>de cartes</p>",
        "<ul><li>un</li><li>deux</li></ul><!-- <b>caché</b> --> trois",
        "<a href=\"x\" title='a b'>lien</a>&nbsp;&eacute;t&#233; &#xe9; 5&nbsp;&euro; R&amp;D",
        "<IMG SRC=x><H1>titre</H1>\n\ttexte &lt;3",
        "a < b, 3 > 2 et 5 < 6",
        "<!DOCTYPE html><html><body>corps</body></html>",
    ],
)
def test_sound_html_is_read_as_the_standard_parser_reads_it(text: str) -> None:
    assert strip_markup(text).split() == parse(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ligne<br>suivante", "ligne suivante"),  # never "lignesuivante"
        ("&amp;lt;br&amp;gt;double &amp;eacute;chapp&amp;eacute;", "double échappé"),
        ("&lt;p&gt;une fois&lt;/p&gt;", "une fois"),
        ("&amp;amp;amp;eacute;", "&eacute;"),  # deeper than an accident
        ("sans point-virgule &eacute t&eacute", "sans point-virgule é té"),
        ("coupé au milieu <span sty", "coupé au milieu"),
        ("x <y est du texte", "x <y est du texte"),
        ("<script>var a = '<b>';</script>reste<style>p {}</style>", "reste"),
        ("<script>jamais fermé", "jamais fermé"),
        ("<style>a</style><script>b<script>c</script>d", "d"),
        ("<!-- jamais fermé", "-- jamais fermé"),
        ("je t'aime <3 & toi", "je t'aime <3 & toi"),
        ("", ""),
    ],
)
def test_broken_html(text: str, words: str) -> None:
    result = strip_markup(text).split()
    assert result == words.split() or result == ["<!" + words.split()[0], *words.split()[1:]]


@given(st.text(st.sampled_from("<>&;/!-ab #x1é\x00\ud800"), max_size=60))
def test_no_text_breaks_it_and_text_without_markup_is_left_alone(text: str) -> None:
    assert isinstance(strip_markup(text), str)
    plain = text.replace("<", "").replace("&", "")
    assert strip_markup(plain) == plain
    assert strip_markup(html.escape(plain)) == plain or "&" in html.escape(plain)


@pytest.mark.parametrize(
    "piece", ["<", "<!--", "&", "&amp;", "<a ", "<script>", "<p", "-->", "<style>x</script>", "&#"]
)
def test_a_text_made_to_be_slow_takes_linear_time(piece: str) -> None:
    assert cpu_growth(strip_markup, piece, 1_000_000) < 32  # 8 where linear, 64 where quadratic


def test_emoji_become_words() -> None:
    assert spell_emoji("manette 🎮🎮").split() == "manette jeu vidéo jeu vidéo".split()  # noqa: SIM905
    assert spell_emoji("❤️ cœur") == " cœur   cœur"  # the variation selector becomes a space
    assert spell_emoji("🦩").split() == unicodedata.name("🦩").lower().split()
    assert spell_emoji("✔neuf★★➤promo").split() == ["neuf", "promo"]
    assert spell_emoji("👍🏽").split() == ["thumbs", "up", "sign"]
    assert spell_emoji("ascii :-)") == "ascii :-)"
    assert spell_emoji("été 日本 €") == "été 日本 €"


def test_every_known_emoji_is_found() -> None:
    for sign, words in _EMOJI_WORDS.items():
        assert spell_emoji(f"é{sign}").split() == ["é", *words.split()]
