"""The whole training as a process of its own, beside the same job written the plain way.

Half an hour and more at full size, so it runs only where it is asked for: ``--sections training``.
"""

from __future__ import annotations

import dataclasses
import os
import sys
import time
from pathlib import Path

from src.config import REPOSITORY
from tools.benchmarks.figure import Figure

PLAIN = """
import sys
import pandas as pd
from pathlib import Path
from scipy.sparse import hstack
from sklearn.calibration import CalibratedClassifierCV
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import f1_score, log_loss
from sklearn.model_selection import train_test_split
from sklearn.svm import LinearSVC

folder = Path(sys.argv[1])
x = pd.read_csv(folder / "X_train_update.csv", index_col=0, keep_default_na=False)
y = pd.read_csv(folder / "Y_train_CVw08PX.csv", index_col=0)["prdtypecode"]
text = x["designation"] + " " + x["description"]
train, test, y_train, y_test = train_test_split(text, y, test_size=0.15, stratify=y, random_state=0)
options = {"min_df": 2, "sublinear_tf": True, "max_features": 300_000}
views = [
    TfidfVectorizer(ngram_range=(1, 2), **options),
    TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), **options),
]
fitted = hstack([view.fit_transform(train) for view in views]).tocsr()
model = CalibratedClassifierCV(LinearSVC(C=0.5), cv=5).fit(fitted, y_train)
proba = model.predict_proba(hstack([view.transform(test) for view in views]).tocsr())
predicted = model.classes_[proba.argmax(axis=1)]
print(f"{f1_score(y_test, predicted, average='weighted'):.4f} {log_loss(y_test, proba):.4f}")
"""


@dataclasses.dataclass(frozen=True)
class Usage:
    """What a process took: seconds of wall time, peak memory in GB (10^9 bytes), exit code."""

    elapsed_s: float
    peak_gb: float
    exit_code: int


def measure(work: Path, rows: int) -> list[Figure]:
    """Train on the shop in ``work/import``: the plain way, the linear SVM, late fusion."""
    full = rows >= 80_000  # the targets are those of 84,916 rows
    plain = run([sys.executable, "-c", PLAIN, str(work / "import")])
    figures = []
    for name, kind, minutes in (
        ("linear_svc, ingest to score", "linear_svc", 6),
        ("late_fusion with its refit", "late_fusion", 15),
    ):
        used = run(train_command(work, kind))
        reached = used.exit_code == 0 and (not full or used.elapsed_s < 60 * minutes)
        target = f"under {minutes} min; {used.peak_gb:.1f} GB, plain {plain.peak_gb:.1f} GB"
        figures.append(Figure(f"train {name}", used.elapsed_s, plain.elapsed_s, target, reached))
    return figures


def train_command(work: Path, kind: str) -> list[str]:
    """Return the command that trains on the shop, in a workspace of its own."""
    command = [sys.executable, str(REPOSITORY / "scripts" / "train_pipeline.py"), "--force"]
    settings = {
        "paths.workspace": work / "workspace",
        "paths.import_dir": work / "import",
        "data.source": "csv",
        "model.name": kind,
    }
    for key, value in settings.items():
        command += ["--set", f"{key}={value}"]
    return command


def run(command: list[str]) -> Usage:
    """Run a command and return what it took; what it says goes to stderr."""
    started = time.perf_counter()
    process = os.posix_spawn(
        command[0], command, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, 2, 1)]
    )
    _, status, used = os.wait4(process, 0)
    elapsed_s = time.perf_counter() - started
    return Usage(elapsed_s, used.ru_maxrss * 1024 / 1e9, os.waitstatus_to_exitcode(status))
