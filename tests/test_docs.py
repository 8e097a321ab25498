"""The documents can't drift: what they name exists, what they quote is said by the code."""

from __future__ import annotations

import re
import subprocess

import pytest

from src.config import REPOSITORY, load_config
from src.data.csv_files import X_COLUMNS, X_TEST, X_TRAIN, Y_TRAIN
from src.pipelines.registry import branch_weights

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
PAGES = {p.name: p.read_text(encoding="utf-8") for p in (REPOSITORY / "docs").glob("*.md")}
# What tells how to use it: experiments tell of what is no more.
GUIDE = "\n".join([README, *(text for name, text in PAGES.items() if name != "experiments.md")])
ARCHITECTURE = (REPOSITORY / "docs/architecture.md").read_text(encoding="utf-8")
CODE = "\n".join(
    path.read_text(encoding="utf-8")
    for place in ("src", "etl", "scripts", "tools", "sql")
    for path in sorted((REPOSITORY / place).rglob("*"))
    if path.suffix in {".py", ".sql"}
) + (REPOSITORY / "init.sh").read_text(encoding="utf-8")


def test_every_script_it_names_exists() -> None:
    named = set(re.findall(r"\b(?:scripts|tools|etl|sql|src|config|tests)/[\w/.]+\.\w+", GUIDE))
    assert {"scripts/train_pipeline.py", "config/config.toml"} <= named
    assert sorted(name for name in named if not (REPOSITORY / name).exists()) == []


@pytest.mark.parametrize("name", ["README.md", *(f"docs/{name}" for name in sorted(PAGES))])
def test_every_link_leads_to_a_page(name: str) -> None:
    page = REPOSITORY / name
    links = re.findall(r"\]\((?!http|#)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_first_page_leads_to_every_other() -> None:
    assert {name for name in PAGES if f"(docs/{name})" not in README} == set()


def test_the_folder_of_the_official_files_says_what_belongs_there() -> None:
    """Names and columns are those that the load expects; Git keeps the page and nothing else."""
    rows = re.findall(
        r"\| `(\w+\.csv)` \| `([\w,]+)` \|", (REPOSITORY / "import/README.md").read_text()
    )
    expected = {X_TRAIN: ",".join(X_COLUMNS), Y_TRAIN: "prdtypecode", X_TEST: ",".join(X_COLUMNS)}
    assert dict(rows) == expected
    paths = ["import/README.md", *(f"import/{name}" for name in expected)]
    command = ["git", "check-ignore", "--no-index", *paths]
    ignored = subprocess.run(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, check=True)
    assert ignored.stdout.split() == paths[1:]


def test_every_path_of_the_architecture_exists() -> None:
    inside = "scripts|tools|etl|sql|src|config|tests|docs|streamlit_app"
    named = set(re.findall(rf"\b(?:{inside})/[\w/.]*\w", ARCHITECTURE))
    assert {"src/pipelines/table.py", "src/models/gating.py", "sql/03_items.sql"} <= named
    assert sorted(name for name in named if not (REPOSITORY / name).exists()) == []


def test_every_name_that_the_architecture_puts_into_a_file_is_there() -> None:
    """ "`src/x.py`: ... `NAME`" of the table of additions, where NAME is an identifier."""
    table = ARCHITECTURE[ARCHITECTURE.index("| what | where |") : ARCHITECTURE.index("## Twenty")]
    places = re.findall(r"`(\w[\w/]*\.py)`(?::| \()[^`|;]*`([A-Za-z_.]+)`", table)
    assert len(places) >= 5
    for file, name in places:
        source = (REPOSITORY / file).read_text(encoding="utf-8")
        assert all(part in source for part in name.split(".")), (file, name)


def test_the_architecture_draws_the_order_that_the_linter_holds() -> None:
    contracts = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    block = re.search(r'name = "the rooms of src".*?layers = \[(.*?)\n\]', contracts, re.DOTALL)
    assert block is not None
    rooms = [r for r in re.findall(r"\(?\w+\)?", block[1]) if not r.startswith("(")]
    start = ARCHITECTURE.index("-> src:")
    drawn = re.findall(r"\w+", ARCHITECTURE[start + 7 : ARCHITECTURE.index("```", start)])
    assert drawn == rooms


def test_every_make_target_it_names_exists() -> None:
    makefile = (REPOSITORY / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    named = set(re.findall(r"(?:`|^)make ([a-z]+)", GUIDE, re.MULTILINE))
    assert {"demo", "test", "lint"} <= named <= targets


def test_every_setting_it_shows_is_accepted() -> None:
    given = [match for match in re.findall(r"--set ([\w.]+=[\w./]+)", GUIDE) if "..." not in match]
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


@pytest.mark.parametrize("name", ["security.md", "faults.md"])
def test_every_test_that_a_table_names_exists(name: str) -> None:
    text = (REPOSITORY / "docs" / name).read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", text)
    assert len(named) > 15
    for file, function in named:
        assert f"def {function}" in (REPOSITORY / file).read_text(encoding="utf-8"), function


def test_every_stage_is_told() -> None:
    modules = sorted((REPOSITORY / "src/pipeline_steps").glob("stage*.py"))
    assert [module.name for module in modules if module.name not in README] == []
