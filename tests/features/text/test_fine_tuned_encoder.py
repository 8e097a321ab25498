"""A tuned text encoder: what it learns, that it can be killed, and that it serves without torch."""

import logging
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from src.errors import UsageError
from src.features.cnn_features import CNNFeaturizer, FineTunedCNN
from src.features.networks.trainer import FineTuning
from src.features.networks.weights import weights_from_onnx
from src.features.text.encoder import FineTunedEncoder, TextEncoder

# Words of the small tokenizer.
KINDS = ("Piscine gonflable", "livres romans", "enfants BLEUE")
EXTRA = ("pour", "lot", "de", "4", "anciens", "&")
SETTINGS = FineTuning(n_blocks=0, epochs=4, batch_size=8, learning_rate=1e-3, device="cpu")
LONG = SETTINGS.model_copy(update={"epochs": 6, "patience": 6, "accumulate": 2})


def products(n: int, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Titles of one word of their kind and three that say nothing, some with a description."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3
    titles = [
        " ".join(rng.permutation([rng.choice(KINDS[kind].split()), *rng.choice(EXTRA, 3)]))
        for kind in y
    ]
    described = [" ".join(rng.choice(EXTRA, rng.integers(0, 12))) for _ in y]
    table = {"designation": titles, "description": described, "has_text": True}
    return pd.DataFrame(table), y


def untuned(folder: Path) -> TextEncoder:
    place = folder.parent / "networks"
    return TextEncoder(folder, place, device="cpu", runtime="onnxruntime", max_tokens=32)


def tuned_on(
    folder: Path, settings: FineTuning, n: int = 120, checkpoints: Path | None = None
) -> FineTunedEncoder:
    return FineTunedEncoder(untuned(folder), settings, checkpoints).fit(*products(n))


def accuracy(tuned: FineTunedEncoder) -> float:
    """Of the nearest class mean, on products that nothing was trained on."""
    X, y = products(60)
    values = tuned.transform(X)
    means = np.stack([values[y == kind].mean(axis=0) for kind in range(3)])
    other, codes = products(60, seed=9)
    distances = ((tuned.transform(other)[:, None] - means) ** 2).sum(axis=2)
    return float((distances.argmin(axis=1) == codes).mean())


def changed_tensors(tuned: FineTunedEncoder) -> dict[str, np.ndarray]:
    """What was added to each tensor that training changed; there are the same tensors as before."""
    before, after = (weights_from_onnx(e.onnx_) for e in (tuned.featurizer, tuned.featurizer_))
    assert before.keys() == after.keys()
    added = {name: after[name] - before[name] for name in before}
    return {name: values for name, values in added.items() if values.any()}


def test_all_weights_learn(encoder_folder: Path) -> None:
    settings = SETTINGS.model_copy(update={"epochs": 6, "learning_rate": 1e-2})
    tuned = tuned_on(encoder_folder, settings)
    assert min(epoch["loss"] for epoch in tuned.history_["epochs"]) < np.log(3) / 2
    assert accuracy(tuned) >= 0.9
    assert {name.split(".")[1] for name in changed_tensors(tuned)} == {"embeddings", "encoder"}


def test_low_ranks_are_merged_into_the_weights(encoder_folder: Path) -> None:
    settings = SETTINGS.model_copy(update={"lora_rank": 4, "learning_rate": 1e-2})
    tuned = tuned_on(encoder_folder, settings)
    losses = [epoch["train_loss"] for epoch in tuned.history_["epochs"]]
    assert losses == sorted(losses, reverse=True)
    changed = changed_tensors(tuned)
    # Six linear layers in each of two blocks.
    assert len(changed) == 12
    assert {int(np.linalg.matrix_rank(added, tol=1e-5)) for added in changed.values()} == {4}


@pytest.mark.slow
def test_a_killed_training_goes_on_and_gives_the_same_digits(
    encoder_folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = tuned_on(encoder_folder, LONG)
    process = subprocess.Popen([sys.executable, __file__, str(encoder_folder), str(tmp_path)])
    while not list(tmp_path.glob("*.pt")) and process.poll() is None:
        time.sleep(0.01)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    with caplog.at_level(logging.INFO):
        resumed = tuned_on(encoder_folder, LONG, checkpoints=tmp_path)
    assert "fine-tuning goes on from" in caplog.text
    assert resumed.featurizer_.onnx_ == whole.featurizer_.onnx_
    assert resumed.history_ == whole.history_


def test_a_tuned_encoder_serves_without_torch(encoder_folder: Path, tmp_path: Path) -> None:
    X, y = products(60)
    X.loc[3, ["designation", "description"]] = ""
    X.loc[3, "has_text"] = False
    tuned = clone(tuned_on(encoder_folder, SETTINGS.model_copy(update={"epochs": 1}))).fit(X, y)
    assert tuned.history_["n_train"] < 59
    (tmp_path / "tuned.pkl").write_bytes(pickle.dumps((tuned, X)))
    serve = (
        "import pickle, sys, numpy as np\n"
        "tuned, X = pickle.load(open(sys.argv[1], 'rb'))\n"
        "np.save(sys.argv[2], tuned.transform(X))\n"
        "assert not {'torch', 'transformers', 'onnx'} & set(sys.modules)\n"
    )
    paths = [str(tmp_path / name) for name in ("tuned.pkl", "served.npy")]
    subprocess.run([sys.executable, "-c", serve, *paths], check=True)
    served = np.load(paths[1])
    np.testing.assert_array_equal(served, tuned.transform(X))
    assert not served[3].any()
    assert np.linalg.norm(served[4]) == pytest.approx(1)


def test_low_ranks_need_linear_layers_and_blocks_that_are_there(encoder_folder: Path) -> None:
    encoder = untuned(encoder_folder)
    FineTunedEncoder(encoder, SETTINGS.model_copy(update={"n_blocks": 3, "lora_rank": 2})).check()
    many = FineTunedEncoder(encoder, SETTINGS.model_copy(update={"n_blocks": 9}))
    with pytest.raises(UsageError, match=r"text.encoder.fine_tune.n_blocks = 9: .* has 3 blocks"):
        many.check()
    images = CNNFeaturizer("resnet18", weights="random", image_size_px=32, device="cpu")
    without = FineTunedCNN(images, SETTINGS.model_copy(update={"lora_rank": 2}))
    with pytest.raises(UsageError, match="lora_rank = 2: the blocks have no linear layer"):
        without.check()


if __name__ == "__main__":  # the process that is killed
    often = LONG.model_copy(update={"checkpoint_s": 0.0})
    tuned_on(Path(sys.argv[1]), often, checkpoints=Path(sys.argv[2]))
