"""The maps of codes, labels and themes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from src.config import load_config
from src.errors import ConfigError
from src.labels import Labels, load_labels


def write(path: Path, content: object) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_shipped_maps() -> None:
    cfg = load_config()
    labels = load_labels(cfg.paths.labels_map, cfg.paths.theme_map)
    assert len(labels.codes) == 27
    assert labels.codes == tuple(sorted(labels.codes))
    assert labels.label(2583, "fr") == "Piscines et accessoires"
    assert labels.label(2583) == "Swimming pools and accessories"
    assert labels.theme(2583) == "garden"
    assert len(labels.theme_names) == 9
    assert set(labels.themes.values()) == set(labels.theme_names)


def test_plain_and_bilingual_labels(tmp_path: Path) -> None:
    names = write(tmp_path / "l.json", {"20": "admin", "3": {"fr": "trois"}})
    themes = write(tmp_path / "t.json", {"few": {"fr": "peu", "codes": [3]}})
    assert load_labels(names, themes) == Labels(
        {3: {"fr": "trois", "en": "trois"}, 20: {"fr": "admin", "en": "admin"}},
        {3: "few", 20: "other"},
        {"few": {"fr": "peu", "en": "peu"}},
    )
    # As Windows' editor saves it.
    marked = write(tmp_path / "marked.json", "\ufeff" + names.read_text().replace("{", "{\r\n"))
    assert load_labels(marked, themes) == load_labels(names, themes)


def test_unknown_code_and_absent_theme_map(tmp_path: Path) -> None:
    labels = load_labels(write(tmp_path / "l.json", {"1": "one"}), tmp_path)
    assert labels.label(99) == "99"
    assert labels.theme(99) == "other"
    assert labels.theme_label("other") == "other"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", r"l\.json: not readable as JSON"),
        ([], r"l\.json: expected an object, found a list"),
        ({}, r"l\.json: it names no code"),
        ({"a": "x"}, r"code 'a' is no integer"),
        ({"1": ""}, r"'1' has no label"),
        ({"1": {"de": "eins"}}, r"'1' has no label"),
    ],
)
def test_refused_labels(tmp_path: Path, content: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_labels(write(tmp_path / "l.json", content))


def test_refused_theme_and_missing_file(tmp_path: Path) -> None:
    names = write(tmp_path / "l.json", {"1": "one"})
    with pytest.raises(ConfigError, match=r"t\.json: theme 'x' has no list 'codes'"):
        load_labels(names, write(tmp_path / "t.json", {"x": {"en": "x"}}))
    with pytest.raises(ConfigError, match=r"none\.json: the file does not exist"):
        load_labels(tmp_path / "none.json")
