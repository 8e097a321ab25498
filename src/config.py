"""Read ``config/config.toml`` into the tree of ``config_model.py``.

A file need only hold what differs from the defaults. What does not fit is refused by name: the
dotted key, file and line, and for an unknown key the nearest valid one.
"""

import difflib
import json
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from src.config_model import REPOSITORY, Config, Paths, TextFeatures
from src.errors import ConfigError
from src.files import read_toml

__all__ = ["DEFAULT_CONFIG", "REPOSITORY", "Config", "Paths", "TextFeatures", "load_config"]

DEFAULT_CONFIG = REPOSITORY / "config" / "config.toml"


def load_config(path: Path | None = None, overrides: Sequence[str] = ()) -> Config:
    """Read a configuration file, by default that of the repository, and lay overrides over it.

    An override is ``section.key=value`` as given to ``--set``: TOML, or a bare word as a string.

    Raises
    ------
    ConfigError
        The file can't be read or a key is unknown, mistyped or out of range.

    Examples
    --------
    >>> load_config(overrides=["model.name=logreg"]).model.name
    'logreg'
    """
    path = path or DEFAULT_CONFIG
    table = _read(path)
    for override in overrides:
        _lay_over(table, override, path)
    try:
        return Config.model_validate(table)
    except ValidationError as e:
        faults = [describe_fault(dict(error), Config) for error in e.errors()]
        lines = [f"{_place(path, key, overrides)}: key '{key}': {what}" for key, what in faults]
        raise ConfigError("\n".join(lines), next_command=_show(path, faults[0][0])) from e


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


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_toml(path)
    except (OSError, UnicodeDecodeError) as e:
        raise ConfigError(
            f"{path}: the configuration can't be read ({e}); expected a UTF-8 TOML file",
            next_command="python scripts/train_pipeline.py --help",
        ) from e
    except ValueError as e:
        raise ConfigError(f"{path}: not valid TOML: {e}", next_command=_show(path)) from e


def _lay_over(table: dict[str, Any], override: str, path: Path) -> None:
    key, equals, raw = override.partition("=")
    if not equals or not key.strip():
        problem = "expected KEY=VALUE, for example --set model.name=logreg"
        raise ConfigError(f"--set {override}: {problem}", next_command=_show(path))
    *sections, name = key.strip().split(".")
    for section in sections:
        table = table.setdefault(section, {})
        if not isinstance(table, dict):
            problem = f"'{section}' in {path} is a value, not a section"
            raise ConfigError(f"--set {override}: {problem}", next_command=_show(path))
    try:
        table[name] = read_toml(f"value = {raw.strip()}")["value"]
    except ValueError:
        table[name] = raw.strip()  # a bare word


def describe_fault(error: dict[str, Any], model: Any) -> tuple[str, str]:  # noqa: ANN401
    """Return the dotted key of an error of pydantic in a model, and what is wrong in our words."""
    *sections, name = [part for part in error["loc"] if isinstance(part, str)]
    key, found, kind = ".".join([*sections, name]), error["input"], error["type"]
    if kind == "extra_forbidden":
        for section in sections:
            model = model.model_fields[section].annotation
        return key, f"unknown key; {nearest(name, list(model.model_fields))}"
    if kind == "literal_error":
        choices = re.findall("'([^']*)'", error["ctx"]["expected"])
        return key, f"found {found!r}; {nearest(str(found), choices)}"
    if kind == "value_error":
        return key, str(error["ctx"]["error"])
    if kind == "missing" and error["loc"][-1] == name:
        return key, "missing"
    listed = f"{key}={_as_list(str(found))}"
    listed = f"--set '{listed}'" if model is Config else listed
    expected = {
        "model_type": "a section",
        "dict_type": "a section",
        "path_type": "a path",
        "bool_type": "true or false",
        "int_type": "a whole number",
        "float_type": "a number",
        "string_type": "a text",
        "string_pattern_mismatch": f"a text as {error.get('ctx', {}).get('pattern')}",
        "tuple_type": f"a list, as in {listed}",
        "too_long": f"{error.get('ctx', {}).get('max_length')} values",
        "missing": "one value more",
    }.get(kind, error["msg"].removeprefix("Input should be "))
    shown = re.sub(r"//[^\s'\"]*@", "//***@", repr(found))  # an address with a password
    return key, f"found {shown}, expected {expected}"


def _as_list(found: str) -> str:
    """Return what was meant by a list without its brackets, or without quotes in them."""
    parts = [part.strip(" '\"") for part in found.strip("[]").split(",")]
    return f"[{', '.join(part if part.isdigit() else json.dumps(part) for part in parts)}]"


def _place(path: Path, key: str, overrides: Sequence[str]) -> str:
    """Return where the value of a key comes from: file and line, or the command line."""
    given = [override.partition("=")[0].strip() for override in overrides]
    if any(name == key or name.startswith(f"{key}.") for name in given):
        return f"--set, over {path}"
    line = find_line(path.read_text(encoding="utf-8-sig"), key)
    return f"{path}:{line}" if line else f"{path}"


def _show(path: Path, key: str = "") -> str:
    """Return the command that prints the section of `key`, or the whole file."""
    path = path.resolve()
    section = key.rpartition(".")[0]
    if find_line(path.read_text(encoding="utf-8-sig"), section) is None:
        return f"cat {shlex.quote(str(path))}"
    pattern = section.replace(".", "\\.")
    return f"sed -n '/^\\[{pattern}\\]/,/^$/p' {shlex.quote(str(path))}"
