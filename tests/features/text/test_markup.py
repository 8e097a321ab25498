"""HTML and entities in product texts."""

from __future__ import annotations

import html
import unicodedata
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.config import load_config
from src.features.text.markup import strip_markup
from src.files import visible
from src.pipelines.text_pipeline import build, table_extractors
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
        ("<![CDATA[Piscine <b>ronde</b>]]> neuve", "Piscine ronde neuve"),
        ("<![cdata[coupé", "coupé"),
        ("a [1]]> b", "a [1]]> b"),
        ("gon<wbr>flable", "gonflable"),
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


FORMS = [
    "Pis\u00adcine gon\u200bflable 1\u00a0299,00\u202f€, \ufeffe\u0301te\u0301 ﬁn ＸＬ",
    "<![CDATA[Piscine gonflable 1 299,00 €, été fin XL]]>",
    "Pis&shy;cine gon<wbr>flable 1&nbsp;299,00 &euro;, &eacute;t&eacute; fin\u2009XL",
    "&lt;b&gt;Piscine&lt;/b&gt; gonflable 1 299,00 €, été fi\ufe0fn X\u034fL",
]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_text_gives_the_same_digits(form: str) -> None:
    products = pd.DataFrame({"designation": ["Piscine gonflable 1 299,00 €, été fin XL", form]})
    products["description"] = products["designation"]
    stats = ("text_stats", "text_stats_pro")
    cfg = load_config(overrides=[f"features.text.weights.{name}=1.0" for name in stats])
    blocks = [branch.extractor for branch in build(cfg) if branch.extractor is not None]
    assert len(blocks) == 2
    for extractor in (*table_extractors(cfg), *blocks):
        for name, values in extractor.extract(products).items():
            np.testing.assert_array_equal(values[1], values[0], err_msg=name)


def test_no_character_that_shows_nothing_is_left() -> None:
    formats = [chr(c) for c in range(0x110000) if unicodedata.category(chr(c)) == "Cf"]
    selectors = [chr(c) for c in (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0), 0x180B)]
    assert len(formats) > 150
    for sign in [*formats, *selectors, "\u034f", "\u115f", "\u3164", "\uffa0"]:
        assert visible(f"pis{sign}cine") == "piscine", hex(ord(sign))


def test_what_is_seen_stays() -> None:
    signs = "".join(chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000)
    once = visible(signs)
    assert visible(once) == once
    assert all(sign in once for sign in "aé日🎮₿ßœ«»–✔")
