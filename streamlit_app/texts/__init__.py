"""Every word of the screens, French and English side by side."""

from __future__ import annotations

from streamlit_app.texts import diagnostics, exploration, frame, method, predict, team

LANGUAGES = ("fr", "en")
TEXTS: dict[str, tuple[str, str]] = {
    **frame.TEXTS,
    **exploration.TEXTS,
    **method.TEXTS,
    **diagnostics.TEXTS,
    **predict.TEXTS,
    **team.TEXTS,
}


def say(key: str, language: str, **values: object) -> str:
    """Return a text in a language.

    Parameters
    ----------
    key : str
        One of `TEXTS`.
    language : {"fr", "en"}
    values
        What stands in the text's braces.

    Examples
    --------
    >>> say("page.team", "fr")
    'Équipe'
    """
    text = TEXTS[key][LANGUAGES.index(language)]
    return text.format(**values) if values else text
