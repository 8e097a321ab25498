"""Image and services, as far as they can be checked without a Docker engine."""

from __future__ import annotations

import ast
import re
from typing import Any

import pytest
import yaml

from etl.postgres_server import Server
from src.config import REPOSITORY
from src.data import postgres

DOCKERFILE = (REPOSITORY / "Dockerfile").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    text = (REPOSITORY / "docker-compose.yml").read_text(encoding="utf-8")
    return yaml.safe_load(text)["services"]


@pytest.mark.parametrize(("name", "port"), [("api", 8000), ("app", 8501)])
def test_services_can_write_images_alone_and_are_nobody(
    services: dict[str, dict[str, Any]], name: str, port: int
) -> None:
    service = services[name]
    assert service["profiles"] == ["app"]
    assert (service["user"], service["read_only"], service["cap_drop"]) == ("10001", True, ["ALL"])
    writable = [volume for volume in service["volumes"] if not volume.endswith(":ro")]
    assert writable == ["./data/feedback:/project/data/feedback"]  # images of corrections
    assert "./artifacts:/project/artifacts:ro" in service["volumes"]
    assert service["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert service["depends_on"]["postgres"]["condition"] == "service_healthy"
    assert f":{port}/" in service["environment"]["HEALTH_URL"]
    script = next(word for word in service["command"] if word.endswith(".py"))
    assert script.split("/")[0] in copied()


@pytest.mark.parametrize("name", ["api", "app"])
@pytest.mark.parametrize("password", ["p@ss/w%rd?#: é", "50%", "a:b@c"])
def test_a_password_of_any_characters_reaches_the_database(
    services: dict[str, dict[str, Any]],
    name: str,
    password: str,
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As compose puts it there: `${APP_POSTGRES_PASSWORD:-...}` becomes the value, as it stands."""
    variables = {
        key: value.replace("${APP_POSTGRES_PASSWORD:-rakuten_app}", password)
        for key, value in services[name]["environment"].items()
    }
    url = variables["DATABASE_URL"].replace("postgres:5432", f"localhost:{server.port}")
    literal = password.replace("'", "''")
    with postgres.connect(server.url()) as connection:
        connection.execute(f"CREATE ROLE mlops_{name} LOGIN PASSWORD '{literal}'")  # type: ignore[arg-type]
    try:
        monkeypatch.setenv("PGPASSWORD", variables["PGPASSWORD"])
        with postgres.connect(url.replace("rakuten_app@", f"mlops_{name}@")) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    finally:
        monkeypatch.undo()
        with postgres.connect(server.url()) as connection:
            connection.execute(f"DROP ROLE mlops_{name}")  # type: ignore[arg-type]


def test_the_database_comes_without_a_profile(services: dict[str, dict[str, Any]]) -> None:
    assert "profiles" not in services["postgres"]


def copied() -> set[str]:
    """What the image holds of the repository."""
    return set(re.findall(r"^COPY (\w+) \1$", DOCKERFILE, re.MULTILINE))


def test_the_image_runs_as_a_user_and_holds_no_secret() -> None:
    _, build, image = DOCKERFILE.split("\nFROM ")
    assert "pip install" in build
    assert "pip install" not in image
    assert re.search(r"^USER 10001$", image, re.MULTILINE)
    assert copied() == {"config", "src", "scripts", "streamlit_app"}
    assert not re.search(r"(?i)(password|api_key|token)\s*=", DOCKERFILE)


def test_the_build_is_sent_nothing_but_what_it_copies() -> None:
    lines = (REPOSITORY / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    sent = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    given = re.search(r"^COPY (.*) \./$", DOCKERFILE, re.MULTILINE)
    assert given is not None
    assert sent == copied() | set(given[1].split())


def test_the_image_installs_what_serving_needs_in_tested_versions() -> None:
    assert re.findall(r"pip install (.*)", DOCKERFILE) == [
        '--no-cache-dir -c constraints.txt ".[${EXTRAS}]"'
    ]
    assert re.findall(r"^ARG (.*)", DOCKERFILE, re.MULTILINE) == ['EXTRAS="serve,app"']


def test_a_cluster_is_reached_from_this_machine_alone_and_changes_no_image(
    services: dict[str, dict[str, Any]],
) -> None:
    scheduler, worker = services["scheduler"], services["worker"]
    assert scheduler["profiles"] == worker["profiles"] == ["cluster"]
    assert all(port.startswith("127.0.0.1:") for port in scheduler["ports"])
    assert worker["volumes"] == ["./data:${PWD}/data:ro"]
    assert scheduler["build"]["args"] == {"EXTRAS": "train,cluster"}
    assert scheduler["image"] == worker["image"]


def test_the_health_check_is_a_program() -> None:
    code = re.search(r'HEALTHCHECK.*?"(import .*?)"\]', DOCKERFILE, re.DOTALL)
    assert code is not None
    ast.parse(code[1])


def test_monitoring_has_a_profile_of_its_own_and_stays_on_this_machine(
    services: dict[str, dict[str, Any]],
) -> None:
    for name, port in (("prometheus", 9090), ("grafana", 3000)):
        service = services[name]
        assert service["profiles"] == ["monitoring"]
        assert service["ports"] == [f"127.0.0.1:{port}:{port}"]
        for volume in service["volumes"]:
            source, _, mode = volume.partition(":")
            if source.startswith("./"):
                assert (REPOSITORY / source).exists(), volume
                assert mode.endswith(":ro"), volume
