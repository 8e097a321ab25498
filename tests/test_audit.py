"""The audit of dependencies: what fails, what is accepted, and what was not audited."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from src.config import REPOSITORY
from tests import audit

BAD = {
    "name": "oldlib", "version": "1.0",
    "vulns": [{"id": "PYSEC-2026-1", "aliases": ["CVE-2026-1"], "fix_versions": ["1.1"]}],
}  # fmt: skip
GOOD = {"name": "newlib", "version": "2.0", "vulns": []}
SILENT = {"name": "other", "skip_reason": "Dependency not found on PyPI"}


def test_a_finding_fails_until_somebody_has_given_a_reason() -> None:
    assert audit.judge([GOOD, BAD], {}) == (
        ["oldlib 1.0: PYSEC-2026-1 CVE-2026-1: mended in: 1.1",
         "2 packages audited, 1 findings that nobody has judged"], 1,
    )  # fmt: skip
    lines, status = audit.judge([BAD], audit.accepted("| `CVE-2026-1` | not called here |\n"))
    assert (lines[0], status) == (
        "oldlib 1.0: PYSEC-2026-1 CVE-2026-1: accepted: not called here", 0
    )  # fmt: skip


def test_what_the_service_does_not_know_is_said_and_fails_nothing() -> None:
    lines, status = audit.judge([GOOD, SILENT], {})
    assert status == 0
    assert lines[0] == "NOT AUDITED: the service says nothing of 1 packages: other"
    assert lines[1].startswith("1 packages audited, 0 findings")


@pytest.mark.parametrize("program", ["echo could not connect >&2; exit 1", "echo '{}'"])
def test_a_service_that_can_not_be_asked_is_said(
    program: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    auditor = tmp_path / "pip-audit"
    auditor.write_text(f"#!/bin/sh\n{program}\n")
    auditor.chmod(0o755)
    for name in (str(auditor), str(tmp_path / "none")):
        assert audit.main(name) == 0
        assert capsys.readouterr().out.startswith("NOT AUDITED: ")


def test_every_accepted_finding_has_a_reason_and_ci_audits_and_renews() -> None:
    notes = (REPOSITORY / "docs" / "security.md").read_text(encoding="utf-8")
    assert "## Accepted findings" in notes
    listed = re.findall(r"^\| `(?:CVE|GHSA|PYSEC)-", notes, re.MULTILINE)
    assert len(listed) == len(audit.accepted(notes))
    assert "make audit" in (REPOSITORY / ".ci" / "run").read_text()
    workflow = yaml.safe_load((REPOSITORY / ".github/workflows/constraints.yml").read_text())
    assert "schedule" in workflow[True]  # YAML 1.1 reads the key "on" so
    steps = [step.get("run", "") for step in workflow["jobs"]["renew"]["steps"]]
    assert any("make constraints" in step for step in steps)
    assert ".ci/run" in steps  # as every push
