"""Pictures: statistics, fingerprints and embeddings, in pictures a second."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tools.benchmarks.figure import Figure, timed

N_PICTURES = 1_000
BATCH = 32


def measure(work: Path, rows: int) -> list[Figure]:  # noqa: ARG001  the number of pictures is fixed
    """Draw `N_PICTURES` demo pictures and time each way of looking at them."""
    from src.features.cnn_features import CNNFeaturizer
    from src.features.image.statistics import ImageStatsCombinedFeaturizer

    paths = _draw(work)
    stats_s = timed(lambda: ImageStatsCombinedFeaturizer().extract(paths))[0]
    rate = len(paths) / stats_s
    what = f"image statistics, {len(paths):,} pictures"
    figures = [Figure(what, stats_s, None, f"700/s ({rate:.0f}/s)", rate >= 700)]
    network = CNNFeaturizer(cache_dir=work / "networks", batch_size=BATCH)
    decoded = next(network.load_batches(paths[:BATCH], BATCH))[1]
    network.engine(decoded, False)  # loads the runtime, outside the clock
    ours_s = timed(lambda: network.extract(paths))[0]
    bare_s = timed(lambda: [network.engine(decoded, False) for _ in range(len(paths) // BATCH)])[0]
    bare_s *= len(paths) / (len(paths) // BATCH * BATCH)
    target = f"0.8 of bare ({bare_s / ours_s:.2f}), {len(paths) / ours_s:.0f}/s"
    what = "Lite2 embeddings, decoding included"
    return [*figures, Figure(what, ours_s, bare_s, target, bare_s / ours_s >= 0.8)]


def _draw(work: Path) -> list[str]:
    from tools.demo_shop.catalogue import draw_catalogue
    from tools.demo_shop.picture_files import write_pictures
    from tools.demo_shop.picture_plan import plan_pictures

    folder = work / "pictures"
    write_pictures(plan_pictures(draw_catalogue(N_PICTURES, 1), N_PICTURES), folder, 0)
    found = sorted(str(path) for path in folder.rglob("*.jpg"))
    return list(np.array(found))
