"""Labels that people correct change what the next training learns, and it says what that gained."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import numpy as np
import pytest

from src.artifacts import history
from src.artifacts.store import ArtifactStore
from src.config import Config
from src.evaluation.paired import pair_answers, score_differences
from tests.runs.test_promotion import command


@pytest.mark.slow
def test_a_corrected_label_is_learned_and_before_and_after_are_told(
    configure: Callable[..., Config],
) -> None:
    """People take the classes that the list of doubtful labels suggests."""
    cfg = configure()
    train = ("train_pipeline.py", cfg, "--source", "csv", "--set", "debug.sample_rows=0")
    first = command(*train)
    assert first.returncode == 0, first.stderr
    assert "before  " not in first.stdout
    store = ArtifactStore(cfg.paths)
    old, before = store.served_run().run_id, store.load(store.unseen).set_index("productid")
    issues = store.load(store.label_issues).head(15)
    assert len(issues) > 5
    lines = [
        {
            "productid": row.productid,
            "prdtypecode": row.suggested,
            "created_at": "2026-01-01T00:00:00+00:00",
        }
        for row in issues.itertuples()
    ]
    store.history.with_name("feedback.jsonl").write_text("\n".join(map(json.dumps, lines)))
    again = command(*train, "--set", "data.use_corrections=true")
    assert again.returncode in (0, 1), again.stderr
    run_id = re.search(r"^after   (\S+)$", again.stdout, re.M)
    assert run_id is not None, again.stdout
    later = ArtifactStore(cfg.paths, run_id[1])
    after = later.load(later.unseen)
    corrected = after.set_index("productid").loc[issues["productid"], "prdtypecode"]
    assert corrected.tolist() == issues["suggested"].tolist()
    others = ~after["productid"].isin(issues["productid"])
    known = before.loc[after.loc[others, "productid"], "prdtypecode"].to_numpy()
    assert np.array_equal(after.loc[others, "prdtypecode"], known)
    told = f"scored against people's labels where they gave one ({len(issues)} used)"
    assert told in again.stdout
    # Both runs on the same labels, those of people; the figures are those of the paired bootstrap.
    expected = score_differences(pair_answers(before.reset_index(), after))
    told = re.search(r"^  f1_weighted +(\S+) +(\S+) +([+-][\d.]+)", again.stdout, re.M)
    assert told is not None
    assert [float(value) for value in told.groups()] == [
        round(expected.loc["f1_weighted", name], 4) for name in ("a", "b", "difference")
    ]
    assert not np.array_equal(*(weights(ArtifactStore(cfg.paths, run)) for run in (old, run_id[1])))
    event = next(e for e in history.read(cfg.paths) if e["run_id"] == run_id[1])
    assert (event["event"], event["corrections"]) == ("trained", len(issues))
    assert event["settings"]["data.use_corrections"] is True


def weights(store: ArtifactStore) -> np.ndarray:
    model = store.load(store.model("linear_svc", "final"))
    return np.asarray(model.experts_["all"][-1].classifier_.coef_)
