"""The loop closes: reviewed by keyboard, kept in PostgreSQL, trained on, compared in *Runs*."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from src.artifacts.store import ArtifactStore
from src.config import REPOSITORY, load_config
from src.labels import Labels
from tests.app.finished_run import write_config
from tests.app.test_browser import TIMEOUT_MS, serve, visits
from tests.app.test_review_page import press
from tests.conftest import Load

psycopg = pytest.importorskip("psycopg")
pytestmark = [pytest.mark.slow, pytest.mark.postgres]
REVIEWED = 12


def test_what_is_reviewed_is_trained_on_and_compared(
    browser: Any,  # noqa: ANN401
    database: str,
    load: Load,
    labels: Labels,
    tmp_path: Path,
) -> None:
    tool, train = (
        REPOSITORY / name for name in ("tools/make_demo_data.py", "scripts/train_pipeline.py")
    )
    shop = ["--rows", "420", "--images", "60", "--seed", "5", "--out", tmp_path / "import"]
    config = write_config(tmp_path, tmp_path)
    env = {**os.environ, "DATABASE_URL": database}
    settings = ["--config", config, "--set", "debug.sample_rows=0", "--set", "data.source=postgres"]
    settings += ["--set", "promotion.margin=0.02"]  # so few rows tell no smaller difference

    def run(*words: object) -> str:
        command = [sys.executable, *map(str, words)]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        assert done.returncode in (0, 1), done.stderr
        return done.stdout

    run(tool, *shop)
    assert load(database, tmp_path / "import", codes=labels.codes, rate=1.0).returncode == 0
    run(train, *settings)
    store = ArtifactStore(load_config(config).paths)
    before = store.served_run().run_id
    with serve(config, database) as address, visits(browser, address) as visit:
        ana = visit("review?author=Ana")
        for number in range(REVIEWED):
            press(ana, str(number % 5 + 1))
        assert ana.errors == []
        with psycopg.connect(database) as connection:
            reviewed, of_training = connection.execute(
                "SELECT count(*), count(*) FILTER (WHERE items.productid IS NOT NULL)"
                " FROM project.current_feedback AS said LEFT JOIN project.items USING (productid)"
            ).fetchone()
        assert reviewed == REVIEWED
        told = run(train, *settings, "--set", "data.use_corrections=true")
        after = (store.paths.artifacts_dir / "candidate").resolve().name
        after = store.served_run().run_id if after == "candidate" else after
        assert before != after, told
        assert f"before  {before}\nafter   {after}\n" in told
        assert f"where they gave one ({REVIEWED} used)" in told
        trained = next(
            e for e in _history(store) if e["run_id"] == after and e["event"] == "trained"
        )
        # Test products that were answered have no place in the catalogue: they are added rows.
        assert trained["corrections"] == REVIEWED
        assert of_training < REVIEWED
        assert {before, after} <= {e["run_id"] for e in _history(store)}
        address = f"runs?section=compare&before={before}&after={after}"
        runs = visit(address)
        runs.page.get_by_text("products that both runs answered").wait_for(timeout=TIMEOUT_MS)
        assert runs.page.get_by_text(f"used {REVIEWED} labels from people").count() == 1
        assert runs.errors == []


def _history(store: ArtifactStore) -> list[dict[str, Any]]:
    from src.artifacts import history

    return history.read(store.paths)
