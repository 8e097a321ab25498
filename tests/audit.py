"""Print the known vulnerabilities of constraints.txt: exit 1 for one that nobody has judged.

``docs/security.md`` lists those that do not concern this project, each with its reason. Where the
service of advisories says nothing of a package, it is named as not audited, and no failure.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parents[1]
# | CVE-2026-1 | why | below the heading: the one place.
_ACCEPTED = re.compile(r"^\| `([A-Z]+-[\w-]+)` \| (\S.*\S) \|$", re.MULTILINE)


def main(auditor: str) -> int:
    """Audit, print, return the exit code; `auditor` is the program pip-audit."""
    constraints = str(HERE / "constraints.txt")
    words = ["-r", constraints, "--no-deps", "--disable-pip", "--format", "json"]
    try:
        done = subprocess.run(
            [auditor, *words, "--progress-spinner", "off"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        found = json.loads(done.stdout)["dependencies"]
    except OSError as e:
        print(f"NOT AUDITED: pip-audit can't be run: {e}")
        return 0
    except (ValueError, KeyError):
        last = (done.stderr.strip().splitlines() or ["no word"])[-1]
        print(f"NOT AUDITED: the service of advisories can't be asked: {last[:300]}")
        return 0
    notes = (HERE / "docs" / "security.md").read_text(encoding="utf-8")
    lines, status = judge(found, accepted(notes))
    print("\n".join(lines))
    return status


def accepted(notes: str) -> dict[str, str]:
    """Return the advisories that were judged, with the reason."""
    return dict(_ACCEPTED.findall(notes))


def judge(found: list[dict[str, Any]], reasons: dict[str, str]) -> tuple[list[str], int]:
    """Return what to print of pip-audit's packages, and the exit code."""
    lines, open_findings = [], 0
    for package in found:
        for finding in package.get("vulns", []):
            names = [finding["id"], *finding["aliases"]]
            reason = next((reasons[name] for name in names if name in reasons), "")
            open_findings += not reason
            mended = ", ".join(finding["fix_versions"]) or "no version yet"
            says = f"accepted: {reason}" if reason else f"mended in: {mended}"
            lines.append(f"{package['name']} {package['version']}: {' '.join(names)}: {says}")
    unknown = [package["name"] for package in found if "skip_reason" in package]
    if unknown:
        names = ", ".join(unknown[:5]) + (", ..." if len(unknown) > 5 else "")
        lines.append(f"NOT AUDITED: the service says nothing of {len(unknown)} packages: {names}")
    audited = len(found) - len(unknown)
    lines.append(f"{audited} packages audited, {open_findings} findings that nobody has judged")
    return lines, int(open_findings > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
