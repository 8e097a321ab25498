"""The drift report's words in French and English, and how numbers and languages are written."""

from __future__ import annotations

import html
from typing import NamedTuple


class Words(NamedTuple):
    """One text in both languages."""

    fr: str
    en: str


SIGNALS = {
    "title_length": Words("Longueur du titre (caractères)", "Title length (characters)"),
    "description_length": Words(
        "Longueur de la description (caractères)", "Description length (characters)"
    ),
    "unknown_words": Words("Mots inconnus du modèle", "Words unknown to the model"),
    "image_aspect_ratio_log": Words(
        "Forme de l'image (log largeur/hauteur)", "Picture shape (log width/height)"
    ),
    "image_gray_mean": Words("Clarté de l'image", "Picture brightness"),
    "image_entropy": Words("Richesse de l'image (bits)", "Picture richness (bits)"),
    "image_occupancy": Words("Place du produit dans l'image", "Product's share of the picture"),
    "image_border_white_share": Words("Bord blanc de l'image", "White border of the picture"),
    "image_saturation_mean": Words("Saturation des couleurs", "Colour saturation"),
    "image_edge_density": Words("Finesse des détails", "Fineness of detail"),
    "confidence": Words("Confiance du modèle", "Model's confidence"),
    "doubt": Words("Hésitation du modèle (nats)", "Model's doubt (nats)"),
    "missing_description": Words("Produits sans description", "Products without description"),
    "missing_image": Words("Produits sans image", "Products without picture"),
    "language": Words("Langue des textes", "Language of the texts"),
    "predicted": Words("Catégories prédites", "Predicted categories"),
    "class_mix": Words("Mélange des catégories", "Mix of categories"),
    "embedding": Words("Contenu des images (réseau)", "Content of the pictures (network)"),
}
# Numbers that are shares, written in per cent.
SHARES = {
    "unknown_words", "image_gray_mean", "image_occupancy", "image_border_white_share",
    "image_saturation_mean", "image_edge_density", "confidence",
}  # fmt: skip
LANGUAGE_NAMES = {
    "fr": Words("français", "French"),
    "en": Words("anglais", "English"),
    "de": Words("allemand", "German"),
    "nl": Words("néerlandais", "Dutch"),
    "it": Words("italien", "Italian"),
    "es": Words("espagnol", "Spanish"),
    "other": Words("autre ou inconnue", "other or unknown"),
}
STATISTICS = {
    "number": "KS",
    "flag": "Δ",
    "category": "χ²",
    "mix": "max |z|",
    "embedding": "T²",
}


def both(fr: str, en: str) -> str:
    """Return the HTML of a text in both languages, of which one is shown; parts are HTML."""
    if fr == en:
        return fr
    return f'<span class="fr" lang="fr">{fr}</span><span class="en" lang="en">{en}</span>'


def words(of: Words) -> str:
    """Return the HTML of a text of this module, escaped."""
    return both(html.escape(of.fr), html.escape(of.en))


def number(path: str, value: float | None, style: str) -> str:
    """Return the HTML of a number of the report, with its path and full value for machines.

    Parameters
    ----------
    path : str
        Where the number is in the report's JSON, as "findings.0.statistic".
    value : float or None
        None is a dash.
    style : {"percent", "points", "count", "decimal", "odds"}
        How it is written; "points" is a signed difference of shares, "odds" turns a p-value into
        "once in n".
    """
    if value is None:
        return "–"
    shown = both(_written(value, style, "fr"), _written(value, style, "en"))
    return f'<data data-path="{html.escape(path)}" value="{value!r}">{shown}</data>'


def _decimal(value: float) -> str:
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 0.001 else f"{value:.4f}"


def _written(value: float, style: str, language: str) -> str:
    percent = "\N{NO-BREAK SPACE}%" if language == "fr" else "%"
    text = {
        "percent": lambda: f"{100 * value:.1f}{percent}",
        "points": lambda: f"{100 * value:+.1f}",
        "count": lambda: f"{value:,.0f}",
        "decimal": lambda: _decimal(value),
        "odds": lambda: f"{1 / value:,.0f}",
    }[style]()
    if language == "fr":
        text = text.replace(",", "\N{NARROW NO-BREAK SPACE}").replace(".", ",")
    return text.replace("-", "\N{MINUS SIGN}")
