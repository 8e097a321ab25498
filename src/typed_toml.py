"""Read a TOML file into a tree of frozen dataclasses, and refuse what does not fit by name.

The tree itself is in ``src/config.py``; nothing here knows what the keys mean. A field's annotation
is its rule: ``bool``, ``int``, ``float``, ``str``, ``Path``, ``Literal[...]``, ``tuple[T, ...]``,
``dict[str, T]``, another dataclass, or ``Annotated[T, Range(low, high)]``.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from src.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:  # Python 3.10 has no tomllib; tomli is the same parser.
    import tomli as tomllib

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Range:
    """Closed interval that a number must lie in; ``None`` leaves a side open."""

    low: float | None = None
    high: float | None = None

    def __contains__(self, value: float) -> bool:
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)

    def __str__(self) -> str:
        if self.high is None:
            return f"at least {self.low:g}"
        if self.low is None:
            return f"at most {self.high:g}"
        return f"between {self.low:g} and {self.high:g}"


Share = Annotated[float, Range(0.0, 1.0)]
Positive = Annotated[int, Range(1)]
NonNegative = Annotated[int, Range(0)]
Weight = Annotated[float, Range(0.0)]


@dataclasses.dataclass(frozen=True)
class TomlSource:
    """A parsed TOML file with the overrides of the command line laid over it.

    Attributes
    ----------
    path : Path
        The file, for messages.
    text : str
        Its text, in which the line of a key is looked up.
    table : dict
        Parsed content, overrides applied.
    overridden : frozenset of str
        Dotted keys that came from the command line.
    """

    path: Path
    text: str
    table: dict[str, Any]
    overridden: frozenset[str]

    def fault(self, key: str, problem: str) -> ConfigError:
        """Return the error for the dotted `key`, with the place it came from."""
        line = find_line(self.text, key)
        where = f"{self.path}:{line}" if line else f"{self.path}"
        if any(given == key or given.startswith(f"{key}.") for given in self.overridden):
            where = f"--set, over {self.path}"
        return ConfigError(
            f"{where}: key '{key}': {problem}", next_command=_show_command(self.path, key)
        )


def read_toml(path: Path, overrides: Sequence[str] = ()) -> TomlSource:
    """Parse `path` and lay ``section.key=value`` overrides over it.

    Raises
    ------
    ConfigError
        The file is missing or not TOML, or an override has no ``=``.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as e:
        raise ConfigError(
            f"{path}: the configuration can't be read ({e}); expected a UTF-8 TOML file",
            next_command="python scripts/train_pipeline.py --help",
        ) from e
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as e:
        raise ConfigError(f"{path}: not valid TOML: {e}", next_command=_show_command(path)) from e
    for override in overrides:
        _apply_override(table, override, path)
    keys = frozenset(override.split("=", 1)[0].strip() for override in overrides)
    return TomlSource(path, text, table, keys)


def build_tree(cls: type[T], source: TomlSource) -> T:
    """Build the dataclass `cls` from a source.

    Raises
    ------
    ConfigError
        A key is unknown, missing, of the wrong type or out of range; the message names it, the
        file, the line, and for an unknown key the nearest valid one.
    """
    return _build_table(cls, source.table, "", source)


def find_line(text: str, key: str) -> int | None:
    r"""Return the 1-based line that sets the dotted `key` in a TOML text, or None.

    >>> find_line("[model]\nname = 'logreg'\n", "model.name")
    2
    """
    section, _, name = key.rpartition(".")
    current = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if header := re.match(r"\s*\[([^\[\]]+)\]", line):
            current = header.group(1).strip()
            if current == key:
                return number
        elif current == section and re.match(rf"\s*[\"']?{re.escape(name)}[\"']?\s*=", line):
            return number
    return None


def nearest(name: str, choices: Sequence[str]) -> str:
    """Return a hint that names the closest choice, or all of them when none is close."""
    close = difflib.get_close_matches(name, choices, n=1, cutoff=0.5)
    return f"did you mean '{close[0]}'?" if close else f"valid: {', '.join(sorted(choices))}"


def _show_command(path: Path, key: str = "") -> str:
    """Return the command that prints the section of `key`, or the whole file."""
    path = path.resolve()
    if not path.is_file():
        return f"ls {shlex.quote(str(path.parent))}" if path.parent.is_dir() else "pwd"
    section = key.rpartition(".")[0]
    if find_line(path.read_text(encoding="utf-8", errors="replace"), section) is None:
        return f"cat {shlex.quote(str(path))}"
    pattern = section.replace(".", "\\.")
    return f"sed -n '/^\\[{pattern}\\]/,/^$/p' {shlex.quote(str(path))}"


def _apply_override(table: dict[str, Any], override: str, path: Path) -> None:
    key, equals, raw = override.partition("=")
    if not equals or not key.strip():
        raise ConfigError(
            f"--set {override}: expected KEY=VALUE, for example --set model.name=logreg",
            next_command=_show_command(path),
        )
    *sections, name = key.strip().split(".")
    inner = table
    for section in sections:
        inner = inner.setdefault(section, {})
        if not isinstance(inner, dict):
            raise ConfigError(
                f"--set {override}: '{section}' in {path} is a value, not a section",
                next_command=_show_command(path),
            )
    inner[name] = _parse_value(raw.strip())


def _parse_value(raw: str) -> object:
    """Parse a TOML value; what is not one is taken as a bare string."""
    try:
        return tomllib.loads(f"value = {raw}")["value"]
    except tomllib.TOMLDecodeError:
        return raw


def _build_table(cls: type[T], table: object, prefix: str, source: TomlSource) -> T:
    if not isinstance(table, dict):
        raise source.fault(prefix, f"expected a section, found {table!r}")
    hints = get_type_hints(cls, include_extras=True)
    names = [field.name for field in dataclasses.fields(cls) if field.init]  # type: ignore[arg-type]
    for name in table:
        if name not in names:
            raise source.fault(_join(prefix, name), f"unknown key; {nearest(name, names)}")
    values = {}
    for name in names:
        key = _join(prefix, name)
        if name not in table:
            raise source.fault(key, f"missing; add it to [{prefix or 'top level'}]")
        values[name] = _build_value(hints[name], table[name], key, source)
    return cls(**values)


def _build_value(rule: Any, value: object, key: str, source: TomlSource) -> Any:  # noqa: ANN401
    if dataclasses.is_dataclass(rule):
        return _build_table(rule, value, key, source)  # type: ignore[arg-type]
    origin = get_origin(rule)
    if origin is Annotated:
        base, limits = get_args(rule)
        built = _build_value(base, value, key, source)
        if built not in limits:
            raise source.fault(key, f"found {built!r}, expected {limits}")
        return built
    if origin is Literal:
        if value not in get_args(rule):
            hint = nearest(str(value), [str(choice) for choice in get_args(rule)])
            raise source.fault(key, f"found {value!r}; {hint}")
        return value
    if origin is tuple:
        return _build_tuple(get_args(rule), value, key, source)
    if origin is dict:
        if not isinstance(value, Mapping):
            raise source.fault(key, f"expected a section, found {value!r}")
        item = get_args(rule)[1]
        return {k: _build_value(item, v, _join(key, k), source) for k, v in value.items()}
    return _build_scalar(rule, value, key, source)


def _build_tuple(rules: tuple[Any, ...], value: object, key: str, source: TomlSource) -> tuple:
    if not isinstance(value, list):
        raise source.fault(key, f"expected a list, found {value!r}")
    if rules[-1] is Ellipsis:
        rules = (rules[0],) * len(value)
    if len(rules) != len(value):
        raise source.fault(key, f"expected {len(rules)} values, found {len(value)}")
    return tuple(_build_value(r, v, key, source) for r, v in zip(rules, value, strict=True))


def _build_scalar(rule: type, value: object, key: str, source: TomlSource) -> Any:  # noqa: ANN401
    if rule is Path and isinstance(value, str):
        return Path(value)
    if rule is float and type(value) is int:
        return float(value)
    if type(value) is not rule:  # bool is an int to isinstance; here it is not
        expected = "a path" if rule is Path else f"{rule.__name__}"
        raise source.fault(key, f"expected {expected}, found {value!r}")
    return value


def _join(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name
