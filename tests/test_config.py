"""The configuration file and the tree agree, key by key."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from src.config import DEFAULT_CONFIG, REPOSITORY, Config, load_config
from src.errors import ConfigError
from src.typed_toml import read_toml

SMOKE = REPOSITORY / "config" / "smoke.toml"


def leaves(table: dict, prefix: str = "") -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in table.items():
        name = f"{prefix}{key}"
        found |= leaves(value, f"{name}.") if isinstance(value, dict) else {name: value}
    return found


def test_smoke_has_the_same_keys() -> None:
    assert leaves(read_toml(SMOKE).table).keys() == leaves(read_toml(DEFAULT_CONFIG).table).keys()
    assert load_config(SMOKE).debug.sample_rows == 600


def test_every_key_is_read_by_the_code() -> None:
    places = ("src", "etl", "scripts", "tools", "streamlit_app")
    files = [path for place in places for path in (REPOSITORY / place).rglob("*.py")]
    code = "\n".join(
        p.read_text() for p in files if p.stem not in {"config", "config_model"}
    ) + "\n".join(re.findall(r"cfg\.paths\.\w+", DEFAULT_CONFIG.read_text()))
    unread = []
    for key in leaves(read_toml(DEFAULT_CONFIG).table):
        section, _, name = key.rpartition(".")
        wanted = "weights" if section.endswith("weights") else name
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
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign"):
        cfg.compute.seed = 3  # type: ignore[misc]
    assert isinstance(cfg, Config)


def test_ngram_range_must_rise() -> None:
    with pytest.raises(ConfigError, match=r"ngram_range.*first is above the second: 3, 1"):
        load_config(overrides=["features.text.ngram_range=[3, 1]"])
