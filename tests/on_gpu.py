"""Fine-tuning and embedding on a graphics card: rates, memory, and the same digits after a kill.

    python -m tests.on_gpu            # ResNet50 and a network of camembert-base's size
    python -m tests.on_gpu --tiny     # tiny ones, on whatever there is

Weights and rows are random, with something to learn in them. The exit code is 1 where training does
not lower the loss, or a training that was killed and went on does not give the same digits.
"""

from __future__ import annotations

import argparse
import dataclasses
import logging
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from src.features.networks.export import build_onnx, export_onnx
from src.features.networks.fine_tuning import fine_tune
from src.features.networks.runtime import choose_device, start_engine
from src.features.networks.text_network import text_network_from_config
from src.features.networks.trainer import Arrays, FineTuning, Rows, TrainingRows
from src.features.networks.weights import weights_from_onnx

N_CLASSES = 10
UNITS = ("images", "texts")


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How large everything is."""

    network: str
    image_px: int
    layers: int
    width: int
    tokens: int
    batch_size: int
    n_batches: int


FULL = Sizes("resnet50", 224, 12, 768, 128, 256, 20)
# For a kill: a checkpoint is written after every batch.
SHORT = Sizes("resnet50", 224, 3, 768, 128, 64, 8)
TINY = Sizes("resnet18", 32, 2, 32, 16, 16, 8)


class Drawn:
    """Rows drawn at random, a tint or some words a class; keeps when they were read."""

    def __init__(self, unit: str, sizes: Sizes) -> None:
        rng, n = np.random.default_rng(0), sizes.batch_size * sizes.n_batches
        self.codes = np.arange(n) % N_CLASSES
        self.calls: list[tuple[float, int]] = []
        kinds = np.arange(20 * N_CLASSES) % N_CLASSES
        if unit == "images":
            side = sizes.image_px
            pool = rng.integers(0, 200, (len(kinds), side, side, 3), dtype=np.uint8)
            pool += (kinds * 5).astype(np.uint8)[:, None, None, None]
            self.pool: Arrays = (pool,)
        else:
            pool_ids = rng.integers(100, 1_000, (len(kinds), sizes.tokens))
            pool_ids[:, ::4] = 10 + kinds[:, None]
            self.pool = (pool_ids, np.ones_like(pool_ids))
        self.rows = TrainingRows(self.read, self.codes, f"{unit} {sizes}", unit=unit)

    def read(self, rows: Rows, batch_size: int) -> Iterator[tuple[Rows, Arrays]]:
        """Yield batches of the pool."""
        self.calls.append((time.perf_counter(), len(rows)))
        for start in range(0, len(rows), batch_size):
            part = rows[start : start + batch_size]
            yield part, tuple(array[part % len(array)] for array in self.pool)

    def rate(self) -> float:
        """Return rows a second of the last epoch: from its first read to that of validation."""
        (began, n), (ended, _) = self.calls[-2:]
        return n / (ended - began)


def main(argv: list[str] | None = None) -> int:
    """Measure, print a table; return the exit code."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--tiny", action="store_true", help="seconds on a processor")
    options.add_argument("--killed", nargs=2, metavar=("UNIT", "FOLDER"), help=argparse.SUPPRESS)
    args = options.parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    short = TINY if args.tiny else SHORT
    if args.killed:
        tune(args.killed[0], short, Path(args.killed[1]))
        return 0
    device = choose_device("auto")
    print(f"{device}: {card() if device == 'cuda' else 'no graphics card'}", flush=True)
    reached = [measure(unit, TINY if args.tiny else FULL, device) for unit in UNITS]
    reached += [resume(unit, short, ["--tiny"] * args.tiny) for unit in UNITS]
    return 0 if all(reached) else 1


def card() -> str:
    """Return the name of the graphics card and of torch."""
    import torch

    return f"{torch.cuda.get_device_name()}, torch {torch.__version__}"


def peak_gb(device: str) -> float:
    """Return the most memory of the card since the last call, in GB (10^9 bytes)."""
    import torch

    if device != "cuda":
        return 0.0
    found = float(torch.cuda.max_memory_allocated()) / 1e9
    torch.cuda.reset_peak_memory_stats()
    return found


def start(unit: str, sizes: Sizes) -> bytes:
    """Return the network that training starts from."""
    if unit == "images":
        return build_onnx(sizes.network, "random", image_size_px=sizes.image_px)
    import torch

    torch.manual_seed(0)
    config: dict[str, Any] = {
        "model_type": "camembert",
        "vocab_size": 32_005 if sizes.width > 100 else 1_000,
        "hidden_size": sizes.width,
        "intermediate_size": 4 * sizes.width,
        "num_hidden_layers": sizes.layers,
        "num_attention_heads": 12 if sizes.width > 100 else 2,
        "max_position_embeddings": 514,
    }
    return export_onnx(text_network_from_config(config, "mean"))


def tune(
    unit: str, sizes: Sizes, folder: Path | None = None, drawn: Drawn | None = None
) -> tuple[bytes, dict[str, Any]]:
    """Train all blocks for three epochs, with a checkpoint after each batch in a folder."""
    settings = FineTuning(
        n_blocks=0,
        epochs=3,
        patience=3,
        batch_size=sizes.batch_size,
        learning_rate=1e-3 if unit == "images" else 1e-4,
        checkpoint_s=0.0 if folder else 60.0,
    )
    rows = (drawn or Drawn(unit, sizes)).rows
    return fine_tune(start(unit, sizes), rows, settings, folder=folder)


def measure(unit: str, sizes: Sizes, device: str) -> bool:
    """Print rates and memory of training and of embedding; say whether the loss fell."""
    drawn = Drawn(unit, sizes)
    tuned, history = tune(unit, sizes, drawn=drawn)
    losses = [epoch["loss"] for epoch in history["epochs"]]
    line = f"{unit:<7}{{:<9}}{{:>9.0f}} {unit}/s {{:>6.1f}} GB  {{}}"
    size = f"{len(tuned) / 1e6:.0f} MB, batches of {sizes.batch_size}"
    fell = f"{size}, validation loss {losses[0]:.3f} to {losses[-1]:.3f}"
    print(line.format("training", drawn.rate(), peak_gb(device), fell), flush=True)
    engine = start_engine(tuned, runtime="torch")
    names = ("images",) if unit == "images" else ("input_ids", "attention_mask")
    for warm in (True, False):
        began, n = time.perf_counter(), 0
        order = np.arange(sizes.batch_size * (2 if warm else sizes.n_batches))
        for rows, arrays in drawn.read(order, sizes.batch_size):
            inputs = arrays[0] if unit == "images" else dict(zip(names, arrays, strict=True))
            engine(inputs, False)
            n += len(rows)
    rate = n / (time.perf_counter() - began)
    print(line.format("embedding", rate, peak_gb(device), size), flush=True)
    return bool(losses[-1] < losses[0])


def resume(unit: str, sizes: Sizes, options: list[str]) -> bool:
    """Kill a training in a process of its own, go on, and compare with one that was not killed."""
    whole = tune(unit, sizes)[0]
    with tempfile.TemporaryDirectory() as name:
        command = [sys.executable, "-m", "tests.on_gpu", "--killed", unit, name, *options]
        process = subprocess.Popen(command)  # noqa: S603
        while not list(Path(name).glob("*.pt")) and process.poll() is None:
            time.sleep(0.01)
        process.kill()
        killed = process.wait() != 0
        resumed = tune(unit, sizes, Path(name))[0]
        killed &= len(list(Path(name).glob("*.pt"))) == 1  # and it was the one to go on from
    one, other = weights_from_onnx(whole), weights_from_onnx(resumed)
    off = max(float(np.abs(one[key] - other[key]).max()) for key in one)
    same = killed and resumed == whole
    found = "the same digits" if same else f"weights off by {off:.1e} (killed: {killed})"
    print(f"{unit:<7}killed and resumed: {found}", flush=True)
    return same


if __name__ == "__main__":
    sys.exit(main())
