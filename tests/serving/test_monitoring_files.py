"""Alert rules and dashboard of ``docs/monitoring/``: of metrics that a running service prints."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from src.config import REPOSITORY, Paths
from tests.conftest import find_free_port

FOLDER = REPOSITORY / "docs" / "monitoring"
# What Prometheus itself says of a target.
OF_PROMETHEUS = {"up"}
WORDS = {"by", "and", "or", "unless", "on", "le"}


def expressions() -> list[str]:
    """Every PromQL expression of rules and dashboard."""
    rules = yaml.safe_load((FOLDER / "alerts.yml").read_text(encoding="utf-8"))
    panels = json.loads((FOLDER / "grafana" / "dashboard.json").read_text(encoding="utf-8"))
    found = [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    return found + [t["expr"] for panel in panels["panels"] for t in panel.get("targets", ())]


def metrics_of(expression: str) -> set[str]:
    """The names of metrics in an expression, without functions, labels and numbers."""
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\bby \([^)]*\)", "", expression)
    return set(re.findall(r"\b[a-z_]+\b(?!\s*\()", bare)) - WORDS


@pytest.fixture(scope="module")
def printed(served_paths: Paths) -> Iterator[dict[str, str]]:
    """What the service's process prints under /metrics: the type of each metric."""
    port = find_free_port()
    env = {**os.environ, "DATABASE_URL": f"postgres://u:p@127.0.0.1:{find_free_port()}/none"}
    words = ["--port", str(port), "--set", f"paths.workspace={served_paths.workspace}"]
    command = [sys.executable, str(REPOSITORY / "scripts" / "serve_api.py"), *words]
    with subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL) as service:
        try:
            yield read_types(f"http://127.0.0.1:{port}/metrics", service)
        finally:
            service.terminate()


def read_types(url: str, service: subprocess.Popen[bytes]) -> dict[str, str]:
    until = time.monotonic() + 300
    while time.monotonic() < until and service.poll() is None:
        try:
            with urllib.request.urlopen(url) as answer:  # noqa: S310
                text = answer.read().decode()
            return dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"{url} did not answer")


def test_every_metric_is_one_that_the_service_prints(printed: dict[str, str]) -> None:
    names = set(printed) | OF_PROMETHEUS
    for name, kind in printed.items():
        if kind == "histogram":
            names |= {f"{name}_bucket", f"{name}_sum", f"{name}_count"}
    used = {metric for expression in expressions() for metric in metrics_of(expression)}
    assert used - names == set()
    assert {"requests_total", "request_seconds_bucket", "drift_psi"} < used


def test_the_alerts_are_those_that_were_asked_for() -> None:
    rules = yaml.safe_load((FOLDER / "alerts.yml").read_text(encoding="utf-8"))
    found = {rule["alert"]: rule for group in rules["groups"] for rule in group["rules"]}
    assert set(found) == {
        "ServiceDown", "ManyErrors", "SlowAnswers", "PredictionsLost", "ManyToReview",
        "AnswersDrift",
    }  # fmt: skip
    for rule in found.values():
        assert {"alert", "expr", "labels", "annotations"} <= set(rule)
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert "summary" in rule["annotations"]
    tested = yaml.safe_load((FOLDER / "alerts.test.yml").read_text(encoding="utf-8"))
    fired = [
        case["alertname"]
        for test in tested["tests"]
        for case in test["alert_rule_test"]
        if case.get("exp_alerts")
    ]
    assert sorted(fired) == sorted(found)


def test_promtool_finds_that_rules_fire_when_they_should() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("no promtool: sudo apt-get install -y --no-install-recommends prometheus")
    command = [promtool, "test", "rules", "alerts.test.yml"]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_and_grafana_find_what_they_are_given() -> None:
    """The files of the provisioning name each other as compose mounts them."""
    scrape = yaml.safe_load((FOLDER / "prometheus.yml").read_text(encoding="utf-8"))
    compose = yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text(encoding="utf-8"))
    mounted = {
        Path(part.split(":")[1])
        for name in ("prometheus", "grafana")
        for part in compose["services"][name]["volumes"]
    }
    assert {Path("/etc/prometheus") / file for file in scrape["rule_files"]} <= mounted
    (job,) = scrape["scrape_configs"]
    (key,) = compose["services"]["prometheus"]["configs"]
    assert job["authorization"]["credentials_file"] == key["target"]
    assert compose["configs"][key["source"]]["content"] == "${API_KEY:-none}"
    assert job["static_configs"][0]["targets"] == ["api:8000"]
    assert 'up{job="api"}' in expressions()[0]
    provisioning = FOLDER / "grafana" / "provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources/prometheus.yml").read_text())[
        "datasources"
    ]
    (provider,) = yaml.safe_load((provisioning / "dashboards/service.yml").read_text())["providers"]
    assert Path(provider["options"]["path"]) / "dashboard.json" in mounted
    dashboard: dict[str, Any] = json.loads((FOLDER / "grafana/dashboard.json").read_text())
    places = {panel["datasource"]["uid"] for panel in dashboard["panels"]}
    assert places == {source["uid"]}
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
