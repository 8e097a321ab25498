"""No secret in any output: every command runs with canaries, against servers that are not there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from etl.postgres_server import Server
from src.config import REPOSITORY, Paths, load_config
from src.errors import ConfigError, DataError, UsageError
from src.files import storage

CANARY = "kanarie"
DEAD = f"http://u:{CANARY}@127.0.0.1:1"
SECRETS = {
    "DATABASE_URL": f"postgres://u:{CANARY}@127.0.0.1:1/none",
    "POSTGRES_PASSWORD": CANARY, "APP_POSTGRES_PASSWORD": CANARY, "PGPASSWORD": CANARY,
    "API_KEY": CANARY, "ARTIFACT_KEY": CANARY, "SMTP_USER": CANARY, "SMTP_PASSWORD": CANARY,
    "ALERT_WEBHOOK": f"{DEAD}/{CANARY}", "MLFLOW_TRACKING_PASSWORD": CANARY,
    "MLFLOW_TRACKING_URI": DEAD, "AWS_SECRET_ACCESS_KEY": CANARY,
}  # fmt: skip
MAIL = [f"monitoring.alert.{setting}" for setting in
        ("smtp_host=127.0.0.1", "smtp_port=1", "sender=a@b.c", "recipients=['a@b.c']")]  # fmt: skip
COMMANDS = {
    "scripts/train_pipeline.py": ["--source", "postgres", "--verbose"],
    "scripts/train.py": ["--source", "postgres", "--verbose"],
    "scripts/predict.py": ["{table}"],
    "scripts/promote.py": ["--force", "--reason", "test"],
    "scripts/rollback.py": [],
    "scripts/serve_api.py": ["--port", "99999", "--verbose"],
    "tools/benchmark.py": ["--sections", "none"],
    "tools/check_pipeline_branches.py": [],
    "tools/clear_cache.py": ["--all", "--dry-run"],
    "tools/compare_runs.py": ["{table}", "{table}"],
    "tools/drift_report.py": ["--from-log", *(w for s in MAIL for w in ("--set", s))],
    "tools/make_demo_data.py": ["--rows", "none"],
    "tools/shap_block_aggregation.py": ["--shap_values", "{table}"],
    "tools/test_pipeline_sample.py": ["--source", "postgres"],
    "etl/app_role.py": [],
    "etl/convert_csv.py": ["{table}"],
    "etl/find_server.py": ["{folder}"],
    "etl/lines.py": ["feedback", "{table}"],
    "etl/manifest_and_hash.py": [],
    "etl/postgres_server.py": ["status", "--data", "{folder}"],
}
# Their very output is the address, or their settings are the command line's own.
TAKES_NO_SETTINGS = {"etl/postgres_server.py", "etl/convert_csv.py", "etl/lines.py"}
TAKES_NO_SETTINGS |= {"tools/make_demo_data.py", "tools/compare_runs.py"}
TAKES_NO_SETTINGS |= {"tools/shap_block_aggregation.py", "tools/benchmark.py"}


def run(words: list[str], **env: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), **SECRETS, **env}
    return subprocess.run(words, env=environment, capture_output=True, text=True, check=False)


def test_every_command_is_among_them() -> None:
    places = ("scripts", "tools", "etl")
    files = {f"{p}/{f.name}" for p in places for f in (REPOSITORY / p).glob("[a-z]*.py")}
    assert files == set(COMMANDS)


@pytest.mark.faults
@pytest.mark.parametrize("script", COMMANDS)
def test_no_command_shows_a_secret(script: str, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("wrong,header\n1,2\n")
    filled = [w.format(table=table, folder=tmp_path / "pg") for w in COMMANDS[script]]
    words = [sys.executable, str(REPOSITORY / script), *filled]
    if script not in TAKES_NO_SETTINGS:
        words += ["--set", f"paths.workspace={tmp_path}"]
    done = run(words)
    assert CANARY not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.faults
def test_a_run_and_its_files_hold_no_secret(demo_shop: Path, tmp_path: Path) -> None:
    """A whole training, with a tracking server and a database that do not answer."""
    shutil.copytree(demo_shop, tmp_path / "import")
    config = ["--config", str(REPOSITORY / "config" / "smoke.toml")]
    settings = ["tracking.uri=http://127.0.0.1:1", f"monitoring.alert.webhook={DEAD}"]
    settings += [f"paths.workspace={tmp_path}", "debug.sample_rows=0"]
    words = [*config, *(word for setting in settings for word in ("--set", setting)), "--verbose"]
    done = run([sys.executable, str(REPOSITORY / "scripts" / "train_pipeline.py"), *words])
    assert done.returncode == 0, done.stderr
    assert CANARY not in done.stdout + done.stderr
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert CANARY.encode() not in path.read_bytes(), path


def test_what_holds_a_secret_does_not_show_it() -> None:
    from src.serving.api import Services

    assert CANARY not in repr(Server(Path("/x"), 1, CANARY))
    nothing = dict.fromkeys(("model", "log", "feedback"))
    assert CANARY not in repr(Services(**nothing, api_key=CANARY))  # type: ignore[arg-type]


def test_an_address_with_a_password_is_refused_without_it() -> None:
    with pytest.raises(ConfigError, match=r"//\*\*\*@127") as caught:
        load_config(overrides=[f"tracking.uri={DEAD}"])
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("kind", ["http", "ftp", "s3"])
def test_other_storage_with_a_password_is_refused_without_it(kind: str) -> None:
    url = f"{kind}://u:{CANARY}/x@127.0.0.1:1/images"
    refused = "expected a URL without a password"
    with pytest.raises(UsageError, match=refused) as caught, storage(url):
        pass
    assert CANARY not in str(caught.value)
    with pytest.raises(ConfigError, match=refused) as named:
        load_config(overrides=[f"images.train_dir={url}"])
    assert CANARY not in str(named.value)


def test_other_storage_that_does_not_answer_is_a_sentence() -> None:
    with pytest.raises(DataError, match="can't be read"), storage("ftp://127.0.0.1:1/images"):
        pass


def test_the_key_of_the_file_env_is_the_services(tree: Path, served_paths: Paths) -> None:
    """What .env.example names works there, for the service and for the app."""
    shutil.copytree(REPOSITORY / "scripts", tree / "scripts")
    shutil.copytree(REPOSITORY / "streamlit_app", tree / "streamlit_app")
    (tree / ".env").write_text(f"API_KEY='{CANARY}'\n")
    place = f"paths.workspace={served_paths.workspace}"
    code = (
        "from scripts.serve_api import _services; from src.config import load_config\n"
        f"print(_services(load_config(overrides=[{place!r}]), None).api_key)\n"
        "from streamlit_app.shared.components import KEY_VARIABLE, read_settings\n"
        "print(read_settings()[KEY_VARIABLE])\n"
    )
    env = {k: v for k, v in os.environ.items() if k != "API_KEY"} | {"PYTHONPATH": str(tree)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, cwd=tree, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [CANARY, CANARY]
