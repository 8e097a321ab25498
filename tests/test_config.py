"""The file and the tree agree, key by key, and what does not fit is refused by name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
from pydantic import ValidationError

from src.artifacts.names import Folder
from src.config import DEFAULT_CONFIG, REPOSITORY, Config, find_line, load_config, nearest
from src.config_model import ClassifierName
from src.errors import ConfigError
from src.files import read_toml


def leaves(table: dict, prefix: str = "") -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in table.items():
        name = f"{prefix}{key}"
        found |= leaves(value, f"{name}.") if isinstance(value, dict) else {name: value}
    return found


def test_a_file_as_the_editor_of_windows_saves_it(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_bytes(b"\xef\xbb\xbf[compute]\r\nseed = 7\r\n")
    assert load_config(file).compute.seed == 7


def test_the_documented_defaults_are_the_defaults(tmp_path: Path) -> None:
    documented = leaves(read_toml(DEFAULT_CONFIG))
    assert documented.keys() == leaves(Config().model_dump()).keys()
    assert load_config() == Config()
    empty = tmp_path / "empty.toml"
    empty.touch()
    assert load_config(empty) == Config()


@pytest.mark.parametrize("name", ["smoke", "quality", "gpu"])
def test_a_profile_holds_only_what_differs(name: str) -> None:
    file = REPOSITORY / "config" / f"{name}.toml"
    defaults = leaves(read_toml(DEFAULT_CONFIG))
    same = [key for key, value in leaves(read_toml(file)).items() if defaults[key] == value]
    assert same == []
    load_config(file)


def test_every_key_is_read_by_the_code() -> None:
    places = ("src", "etl", "scripts", "tools", "streamlit_app")
    files = [path for place in places for path in (REPOSITORY / place).rglob("*.py")]
    code = "\n".join(
        p.read_text() for p in files if p.stem not in {"config", "config_model"}
    ) + "\n".join(re.findall(r"cfg\.paths\.\w+", DEFAULT_CONFIG.read_text()))
    code += "".join(f" .{folder}_dir" for folder in get_args(Folder))  # read by their names
    unread = []
    for key in leaves(read_toml(DEFAULT_CONFIG)):
        section, _, name = key.rpartition(".")
        if section.removeprefix("model.") in get_args(ClassifierName):
            continue  # handed whole to the estimator, which refuses names that it does not know
        # Branches and experts are read by their names, whichever there are.
        named = re.fullmatch(r".*(weights)|model\.(late_fusion)", section)
        wanted = next(filter(None, named.groups())) if named else name
        if not re.search(rf"\.{wanted}\b", code):
            unread.append(key)
    assert unread == []


def test_every_key_has_a_comment() -> None:
    """A key's own block of lines (up to the blank line or header above) holds a comment."""
    uncommented = []
    commented = False
    for line in DEFAULT_CONFIG.read_text().splitlines():
        if line.startswith("#"):
            commented = True
        elif not line or line.startswith("["):
            commented = line.startswith("[model.") or (commented and line.startswith("["))
        elif not commented:
            uncommented.append(line)
    assert uncommented == []


def test_paths_are_absolute_and_below_the_workspace(tmp_path: Path) -> None:
    cfg = load_config(overrides=[f"paths.workspace={tmp_path}"])
    assert cfg.paths.import_dir == tmp_path / "import"
    assert cfg.images.train_dir == tmp_path / "data/images/images/image_train"
    assert cfg.paths.labels_map == REPOSITORY / "config/labels_map.json"
    given = load_config(overrides=[f"paths.import_dir={tmp_path / 'elsewhere'}"])
    assert given.paths.import_dir == tmp_path / "elsewhere"


@pytest.mark.parametrize("folder", [".", "..", "/"])
def test_a_folder_that_holds_the_workspace_is_refused(folder: str) -> None:
    """The cache tool deletes below it."""
    with pytest.raises(ConfigError, match=r"paths\.cache_dir.*holds the workspace itself"):
        load_config(overrides=[f"paths.cache_dir={folder}"])


def test_digest_changes_with_settings_not_with_places(tmp_path: Path) -> None:
    plain = load_config().digest()
    assert re.fullmatch(r"[0-9a-f]{16}", plain)
    assert load_config(overrides=[f"paths.workspace={tmp_path}"]).digest() == plain
    assert load_config(overrides=["compute.seed=43"]).digest() != plain


def test_tree_is_frozen() -> None:
    cfg = load_config()
    with pytest.raises(ValidationError, match="frozen"):
        cfg.compute.seed = 3  # type: ignore[misc]


TEXT = """
[paths]
import_dir = "a/b"

[data]
holdout = 0.25
source = "csv"
use_corrections = true

[features.text]
ngram_range = [1, 3]

[fusion.weights]
text = 2
"""


def read(tmp_path: Path, text: str = TEXT, *overrides: str) -> Config:
    path = tmp_path / "settings.toml"
    path.write_text(text)
    return load_config(path, overrides)


def changed(cfg: Config) -> dict[str, object]:
    """Return the settings that differ from the defaults."""
    defaults = leaves(Config().model_dump())
    return {key: v for key, v in leaves(cfg.model_dump()).items() if defaults[key] != v}


def test_a_file_changes_what_it_holds_and_nothing_else(tmp_path: Path) -> None:
    assert changed(read(tmp_path)) == {
        "paths.import_dir": REPOSITORY / "a/b",
        "data.holdout": 0.25,
        "data.source": "csv",
        "data.use_corrections": True,
        "features.text.ngram_range": (1, 3),
        "fusion.weights.text": 2.0,
    }


def test_overrides_reach_nested_keys_and_take_bare_words(tmp_path: Path) -> None:
    options = ["model.late_fusion.text=logreg", "features.text.weights.lexicon=2.5",
               "features.text.char.ngram_range=[3, 4]", "data.source = 'postgres'"]  # fmt: skip
    assert changed(read(tmp_path, "", *options)) == {
        "model.late_fusion.text": "logreg",
        "features.text.weights.lexicon": 2.5,
        "features.text.char.ngram_range": (3, 4),
    }
    assert read(tmp_path, TEXT, *options).data.source == "postgres"


def test_a_weight_of_any_name_is_read(tmp_path: Path) -> None:
    """Which names are branches is for the registry to say, where they are known."""
    cfg = read(tmp_path, TEXT, "fusion.weights.sound=1")
    assert cfg.fusion.weights == {**Config().fusion.weights, "text": 2.0, "sound": 1.0}


@pytest.mark.parametrize(
    ("line", "instead", "message"),
    [
        ("holdout", "holdoutt", r"settings\.toml:6: key 'data\.holdoutt': unknown.*'holdout'\?"),
        ("[data]", "[dataa]", r"settings\.toml:5: key 'dataa': unknown key; did you mean 'data'"),
        ("holdout = 0.25", "holdout = 1.5", r"settings\.toml:6: .*found 1\.5.*equal to 0\.5"),
        ("holdout = 0.25", "holdout = 0", r"found 0, expected greater than or equal to 0\.01"),
        ("holdout = 0.25", "holdout = true", r"'data\.holdout': found True, expected a number"),
        (
            "holdout = 0.25",
            'holdout = "0.25"',
            r"'data\.holdout': found '0\.25', expected a number",
        ),
        ("holdout = 0.25", "holdout = nan", r"found nan, expected a finite number"),
        ("corrections = true", "corrections = 1", r"found 1, expected true or false"),
        ('source = "csv"', 'source = "cvs"', r"found 'cvs'; did you mean 'csv'"),
        (
            "[1, 3]",
            "[1, 2, 3]",
            r"'features\.text\.ngram_range': found \[1, 2, 3\], expected 2 values",
        ),
        ("[1, 3]", "[1]", r"'features\.text\.ngram_range': found \[1\], expected one value more"),
        ("[1, 3]", "[0, 3]", r"ngram_range': found 0, expected greater than or equal to 1"),
        ("[1, 3]", "[1.0, 3]", r"ngram_range': found 1\.0, expected a whole number"),
        (
            "[1, 3]",
            "1",
            r"found 1, expected a list, as in --set 'features\.text\.ngram_range=\[1\]'",
        ),
        ("[1, 3]", "[3, 1]", r"ngram_range': the first is above the second: 3, 1"),
        ('"a/b"', "3", r"key 'paths\.import_dir': found 3, expected a path"),
        ("text = 2", 'text = "2"', r"key 'fusion\.weights\.text': found '2', expected a number"),
    ],
)
def test_refused_by_name(tmp_path: Path, line: str, instead: str, message: str) -> None:
    assert line in TEXT
    with pytest.raises(ConfigError, match=message):
        read(tmp_path, TEXT.replace(line, instead, 1))


def test_every_fault_is_named_at_once(tmp_path: Path) -> None:
    text = TEXT.replace("0.25", "2").replace("[paths]", "[pahts]")
    with pytest.raises(ConfigError, match=r"toml:6: key 'data\.holdout'.*\n.*toml:2: key 'pahts'"):
        read(tmp_path, text)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.sourc=csv", r"--set, over .*'data\.sourc': unknown key; did you mean 'source'"),
        ("dta.source=csv", r"--set, over .*'dta': unknown key; did you mean 'data'"),
        ("data", r"--set data: expected KEY=VALUE"),
        ("features.image.networks=vit", r"found 'vit', expected a list, .*networks=\[\"vit\"\]'"),
        ("features.image.networks=[vit,resnet18]", r"networks=\[\"vit\", \"resnet18\"\]'"),
        (
            "features.image.networks=[1]",
            r"key 'features\.image\.networks': found 1, expected a text",
        ),
        ("monitoring.alert.webhook=mail", r"found 'mail', expected a text as \^\(https"),
        ("tracking.uri=http://me:secret@a", r"expected a text as \^\[\^@\]\*\$"),
        ("data.holdout.x=1", r"'holdout' in .* is a value, not a section"),
        ("model=1", r"key 'model': found 1, expected a section"),
        ("fusion.weights=1", r"key 'fusion\.weights': found 1, expected a section"),
    ],
)
def test_refused_overrides(tmp_path: Path, override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read(tmp_path, TEXT, override)


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: the configuration can't be read"):
        load_config(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match=r"settings\.toml: not valid TOML.*line 1"):
        read(tmp_path, "flag = = 1")
    (tmp_path / "latin.toml").write_bytes(b"# \xe9\n")
    with pytest.raises(ConfigError, match=r"latin\.toml: .*can't be read"):
        load_config(tmp_path / "latin.toml")


def test_find_line_knows_sections() -> None:
    text = "flag = true\n\n[inner]\nshare = 0.25\n'mode' = 1\n"
    assert find_line(text, "flag") == 1
    assert find_line(text, "inner.mode") == 5
    assert find_line(text, "mode") is None
    assert find_line(text, "inner") == 3


def test_nearest_lists_all_when_none_is_close() -> None:
    assert nearest("zzz", ["b", "a"]) == "valid: a, b"


def test_settings_that_are_not_the_defaults() -> None:
    """No path, no place of a secret; where runs are logged changes neither them nor the digest."""
    given = ["model.name=logreg", "features.text.weights.tfidf_word=0.5", "cv.n_folds=4"]
    silent = [
        "tracking.uri=https://mlflow/secret",
        "monitoring.alert.webhook=https://hook/secret",
        "paths.workspace=/somewhere",
    ]
    plain, cfg = load_config(overrides=given), load_config(overrides=[*given, *silent])
    expected = {"model.name": "logreg", "features.text.weights.tfidf_word": 0.5, "cv.n_folds": 4}
    assert cfg.changes() == plain.changes() == expected
    assert load_config().changes() == {}
    assert "secret" not in str(cfg.flat())
    assert cfg.flat()["features.text.ngram_range"] == [1, 2]
    tracked = load_config(overrides=[*given, silent[0]])
    assert tracked.digest() == plain.digest() != load_config().digest()
