"""What the TOML reader accepts, and how it names what it refuses."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

import pytest

from src.errors import ConfigError
from src.typed_toml import Range, build_tree, find_line, nearest, read_toml


@dataclasses.dataclass(frozen=True)
class Inner:
    share: Annotated[float, Range(0.0, 1.0)]
    mode: Literal["fast", "slow"]
    pair: tuple[int, int]
    names: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Tree:
    flag: bool
    where: Path
    weights: dict[str, float]
    inner: Inner


TEXT = """
flag = true
where = "a/b"

[weights]
x = 1
y = 0.5

[inner]
share = 0.25
mode = "fast"
pair = [1, 2]
names = ["a", "b", "c"]
"""


def read(tmp_path: Path, text: str = TEXT, *overrides: str) -> Tree:
    path = tmp_path / "settings.toml"
    path.write_text(text)
    return build_tree(Tree, read_toml(path, overrides))


def test_whole_tree(tmp_path: Path) -> None:
    inner = Inner(0.25, "fast", (1, 2), ("a", "b", "c"))
    assert read(tmp_path) == Tree(True, Path("a/b"), {"x": 1.0, "y": 0.5}, inner)


def test_overrides_reach_nested_keys_and_take_bare_words(tmp_path: Path) -> None:
    tree = read(tmp_path, TEXT, "inner.mode=slow", "weights.x=2.5", "inner.pair=[3, 4]")
    assert tree.inner == Inner(0.25, "slow", (3, 4), ("a", "b", "c"))
    assert tree.weights == {"x": 2.5, "y": 0.5}


@pytest.mark.parametrize(
    ("line", "instead", "message"),
    [
        ("flag = true", "flagg = true", r"settings\.toml:2: key 'flagg'.*did you mean 'flag'"),
        ("flag = true", "", r"settings\.toml: key 'flag': missing"),
        ("flag = true", "flag = 1", r"key 'flag': expected bool, found 1"),
        ("share = 0.25", "share = 1.5", r"settings\.toml:10: .*found 1\.5.*between 0 and 1"),
        ("share = 0.25", "share = true", r"key 'inner\.share': expected float, found True"),
        ("share = 0.25", "share = nan", r"found nan, expected between 0 and 1"),
        ('mode = "fast"', 'mode = "fest"', r"found 'fest'; did you mean 'fast'"),
        ("pair = [1, 2]", "pair = [1, 2, 3]", r"key 'inner\.pair': expected 2 values, found 3"),
        ("pair = [1, 2]", "pair = 1", r"key 'inner\.pair': expected a list, found 1"),
        ('names = ["a", "b", "c"]', "names = [1]", r"expected str, found 1"),
        ('where = "a/b"', "where = 3", r"key 'where': expected a path, found 3"),
        ("x = 1", 'x = "1"', r"key 'weights\.x': expected float, found '1'"),
    ],
)
def test_refused_by_name(tmp_path: Path, line: str, instead: str, message: str) -> None:
    assert line in TEXT
    with pytest.raises(ConfigError, match=message):
        read(tmp_path, TEXT.replace(line, instead, 1))


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("inner.mod=slow", r"--set, over .*'inner\.mod': unknown key; did you mean 'mode'"),
        ("iner.mode=slow", r"--set, over .*'iner': unknown key; did you mean 'inner'"),
        ("flag", r"--set flag: expected KEY=VALUE"),
        ("flag.x=1", r"'flag' in .* is a value, not a section"),
        ("inner=1", r"key 'inner': expected a section, found 1"),
        ("weights=1", r"key 'weights': expected a section, found 1"),
    ],
)
def test_refused_overrides(tmp_path: Path, override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read(tmp_path, TEXT, override)


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: the configuration can't be read"):
        read_toml(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match=r"settings\.toml: not valid TOML.*line 1"):
        read(tmp_path, "flag = = 1")
    (tmp_path / "latin.toml").write_bytes(b"# \xe9\n")
    with pytest.raises(ConfigError, match=r"latin\.toml: .*can't be read"):
        read_toml(tmp_path / "latin.toml")


def test_find_line_knows_sections() -> None:
    assert find_line(TEXT, "flag") == 2
    assert find_line(TEXT, "inner.mode") == 11
    assert find_line(TEXT, "mode") is None
    assert find_line(TEXT, "inner") == 9


def test_nearest_lists_all_when_none_is_close() -> None:
    assert nearest("zzz", ["b", "a"]) == "valid: a, b"
