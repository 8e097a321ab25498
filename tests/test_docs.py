"""The README can't drift: what it names exists, what it quotes is said by the code."""

from __future__ import annotations

import re

import pytest

from src.config import REPOSITORY, load_config
from src.pipelines.registry import branch_weights

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
CODE = "\n".join(
    path.read_text(encoding="utf-8")
    for place in ("src", "etl", "scripts", "tools", "sql")
    for path in sorted((REPOSITORY / place).rglob("*"))
    if path.suffix in {".py", ".sql"}
) + (REPOSITORY / "init.sh").read_text(encoding="utf-8")


def test_every_script_it_names_exists() -> None:
    named = set(re.findall(r"\b(?:scripts|tools|etl|sql|src|config|tests)/[\w/.]+\.\w+", README))
    assert {"scripts/train_pipeline.py", "config/config.toml"} <= named
    assert sorted(name for name in named if not (REPOSITORY / name).exists()) == []


def test_every_make_target_it_names_exists() -> None:
    makefile = (REPOSITORY / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    named = set(re.findall(r"(?:`|^)make ([a-z]+)", README, re.MULTILINE))
    assert {"demo", "test", "lint"} <= named <= targets


def test_every_setting_it_shows_is_accepted() -> None:
    given = [match for match in re.findall(r"--set ([\w.]+=[\w./]+)", README) if "..." not in match]
    assert len(given) >= 3
    branch_weights(load_config(overrides=given))


def test_every_section_of_the_configuration_is_told() -> None:
    sections = set(re.findall(r"^\[(\w+)", (REPOSITORY / "config/config.toml").read_text(), re.M))
    assert {name for name in sections if f"[{name}" not in README} == set()


def faq_texts() -> list[str]:
    table = README[README.index("| text | why") :]
    return re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)


@pytest.mark.parametrize("text", faq_texts())
def test_every_message_of_the_faq_is_one_of_ours(text: str) -> None:
    words = re.sub(r"[\"']\s*\n\s*f?[\"']", "", CODE)
    assert text in words


def test_every_stage_is_told() -> None:
    modules = sorted((REPOSITORY / "src/pipeline_steps").glob("stage*.py"))
    assert [module.name for module in modules if module.name not in README] == []
