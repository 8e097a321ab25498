"""Embeddings of texts: those of transformers itself, whatever runs them and whatever is beside."""

from __future__ import annotations

import hashlib
import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from transformers import AutoModel

from src.config import REPOSITORY
from src.errors import BackboneError, UsageError
from src.features.text.encoder import TextEncoder

PRODUCTS = [
    ("Piscine <b>BLEUE</b>", "pour 4 enfants"),
    ("Piscine bleue", ""),
    ("", "livres &amp; romans"),
    ("Lot de 4", " ".join(["livres anciens"] * 40)),
    ("", ""),
    ("\ud800 lot", ""),  # half a character: no file can hold it
]
READ = [  # what of it reaches the tokenizer
    ("query: Piscine BLEUE", "pour 4 enfants"),
    "query: Piscine bleue",
    "query: livres & romans",
    ("query: Lot de 4", PRODUCTS[3][1]),
    "query: ",
    "query: \ufffd lot",
]
TITLES, DESCRIPTIONS = zip(*PRODUCTS, strict=True)


@pytest.fixture
def encoder(encoder_folder: Path, tmp_path: Path) -> TextEncoder:
    return TextEncoder(encoder_folder, tmp_path, max_tokens=32, precision="fp32", device="cpu")


def expected_tokens(folder: Path) -> list[list[int]]:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    whole = [tokenizer.encode(*(text if isinstance(text, tuple) else (text,))).ids for text in READ]
    return [ids if len(ids) <= 32 else ids[:24] + ids[-8:] for ids in whole]


def expected_embeddings(folder: Path, pooling: str) -> np.ndarray:
    """One text at a time, without padding."""
    body, rows = AutoModel.from_pretrained(folder).eval(), []
    for ids in expected_tokens(folder):
        with torch.no_grad():
            states = body(input_ids=torch.tensor([ids])).last_hidden_state[0].numpy()
        row = states.mean(axis=0) if pooling == "mean" else states[0]
        rows.append(row / np.linalg.norm(row))
    return np.array(rows)


def test_the_pair_is_read_as_it_is_seen_and_cut_in_the_middle(
    encoder: TextEncoder, encoder_folder: Path
) -> None:
    found = [tokens.tolist() for tokens in encoder.tokenise(TITLES, DESCRIPTIONS)]
    assert found == expected_tokens(encoder_folder)
    assert len(found[3]) == 32
    assert found[0] != found[1]  # case counts


@pytest.mark.parametrize(
    ("runtime", "pooling"),
    [("onnxruntime", "mean"), ("onnxruntime", "cls"), ("openvino", "mean"), ("torch", "mean")],
)
def test_embeddings_are_those_of_transformers(
    encoder: TextEncoder, encoder_folder: Path, runtime: str, pooling: str
) -> None:
    encoder.runtime, encoder.pooling = runtime, pooling
    found = encoder.extract(TITLES, DESCRIPTIONS)
    assert found.dtype == np.float32
    assert encoder.names == tuple(map(str, range(24)))
    np.testing.assert_allclose(found, expected_embeddings(encoder_folder, pooling), atol=2e-6)


def test_a_product_alone_gets_what_it_gets_among_others(encoder: TextEncoder) -> None:
    encoder.batch_size = 2
    together = encoder.extract(TITLES, DESCRIPTIONS)
    for row, (title, description) in enumerate(PRODUCTS):
        np.testing.assert_allclose(
            encoder.extract([title], [description])[0], together[row], atol=1e-6
        )
    assert encoder.extract([], []).shape == (0, 24)


def test_batches_hold_one_padded_length_and_every_row_once(encoder: TextEncoder) -> None:
    encoder.batch_size = 2
    tokens = encoder.tokenise(TITLES, DESCRIPTIONS)
    rows = []
    for part, inputs in encoder.batches(tokens):
        rows += part.tolist()
        assert 1 <= len(part) <= 2
        longest = max(len(tokens[row]) for row in part)
        assert inputs["input_ids"].shape == (len(part), 16 if longest <= 16 else 32)
        lengths = [len(tokens[row]) for row in part]
        assert inputs["attention_mask"].sum(axis=1).tolist() == lengths
    assert sorted(rows) == list(range(len(PRODUCTS)))


WITHOUT = """
import pickle, sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "transformers", "onnx", "safetensors"):
            raise ImportError(name + " is blocked")
sys.meta_path.insert(0, Blocked())
from pathlib import Path
encoder = pickle.loads(Path(sys.argv[1]).read_bytes())
sys.stdout.buffer.write(encoder.extract(["Piscine bleue"], ["pour enfants"]).tobytes())
"""


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_a_pickle_answers_without_torch_and_without_its_folder(
    encoder_folder: Path, tmp_path: Path, runtime: str
) -> None:
    folder = shutil.copytree(encoder_folder, tmp_path / "model")
    encoder = TextEncoder(folder, tmp_path, runtime=runtime, precision="fp32", max_tokens=32)
    expected = encoder.extract(["Piscine bleue"], ["pour enfants"])
    (tmp_path / "encoder.pickle").write_bytes(pickle.dumps(encoder))
    shutil.rmtree(folder)
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, str(tmp_path / "encoder.pickle")],
        cwd=REPOSITORY, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    np.testing.assert_array_equal(np.frombuffer(done.stdout, np.float32), expected[0])


def test_settings_change_with_all_that_changes_a_value(
    encoder_folder: Path, tmp_path: Path
) -> None:
    def settings(**options: object) -> dict[str, str | int]:
        return TextEncoder(encoder_folder, tmp_path, max_tokens=32, **options).settings()  # type: ignore[arg-type]

    usual = settings()
    assert settings(batch_size=3) == usual
    for change in ({"pooling": "cls"}, {"prefix": ""}, {"precision": "fp32"}):
        if change.get("precision") != usual["precision"]:
            assert settings(**change) != usual


def test_it_tells_which_files_it_was_made_from(
    encoder: TextEncoder, encoder_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests = {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in encoder_folder.iterdir()}
    assert {"config.json", "tokenizer.json", "model.safetensors"} <= set(digests)
    assert encoder.origin() == {
        "model": str(encoder_folder),
        "precision": "fp32",
        "onnx_sha256": hashlib.sha256(encoder.onnx_).hexdigest(),
        "files": digests,
    }
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    encoder.device = "cuda"
    with pytest.raises(BackboneError, match="torch finds no graphics card"):
        encoder.check()
    encoder.device, encoder.runtime, encoder.precision = "cpu", "onnxruntime", "bf16"
    with pytest.raises(UsageError, match="'bf16' needs runtime openvino or torch"):
        encoder.check()


def test_it_is_exported_once(
    encoder_folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    first = TextEncoder(encoder_folder, tmp_path, max_tokens=32).prepare()
    assert "Loading weights" not in capfd.readouterr().err
    (kept,) = tmp_path.glob("text_*.onnx")
    written = kept.stat().st_mtime_ns
    assert TextEncoder(encoder_folder, tmp_path, max_tokens=32).prepare().onnx_ == first.onnx_
    assert kept.stat().st_mtime_ns == written


def test_mistakes_say_what_is_expected(encoder_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"max_tokens = 65: .* reads 64 tokens") as caught:
        TextEncoder(encoder_folder, tmp_path, max_tokens=65).prepare()
    assert caught.value.next_command == "--set features.text.encoder.max_tokens=64"
    with pytest.raises(BackboneError, match=r"nowhere/tokenizer\.json: can't be read") as lacking:
        TextEncoder(tmp_path / "nowhere", tmp_path).prepare()
    assert lacking.value.next_command == f"ls {tmp_path / 'nowhere'}"
    folder = shutil.copytree(encoder_folder, tmp_path / "model")
    (folder / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(BackboneError, match="can't be loaded"):
        TextEncoder(folder, tmp_path, max_tokens=32).prepare()
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 3}))
    shutil.copy(encoder_folder / "model.safetensors", folder)
    with pytest.raises(BackboneError, match=r"can't be loaded \(16 tensors are missing"):
        TextEncoder(folder, tmp_path, max_tokens=32).prepare()
    (folder / "config.json").write_text(json.dumps({**config, "vocab_size": 40}))
    highest = Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab_size() - 1
    with pytest.raises(BackboneError, match=rf"tokens up to {highest}, the network knows 40"):
        TextEncoder(folder, tmp_path, max_tokens=32).prepare()
    roberta = {**config, "model_type": "camembert", "pad_token_id": 1}
    (folder / "config.json").write_text(json.dumps(roberta))
    with pytest.raises(UsageError, match="reads 62 tokens"):
        TextEncoder(folder, tmp_path, max_tokens=64).prepare()


def test_a_card_that_is_missing_is_said_before_anything_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(BackboneError, match="device = 'cuda', but torch finds no graphics card"):
        TextEncoder(tmp_path / "nowhere", tmp_path, device="cuda").check()


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_no_text_without_special_tokens_is_read_as_padding(
    encoder_folder: Path, tmp_path: Path, runtime: str
) -> None:
    folder = shutil.copytree(encoder_folder, tmp_path / "model")
    plain = json.loads((folder / "tokenizer.json").read_text()) | {"post_processor": None}
    (folder / "tokenizer.json").write_text(json.dumps(plain))
    encoder = TextEncoder(folder, tmp_path, max_tokens=32, prefix="", runtime=runtime, device="cpu")
    assert [tokens.tolist() for tokens in encoder.tokenise([""], [""])] == [[0]]
    assert np.isfinite(encoder.extract(["", "lot"], ["", ""])).all()


def test_a_name_that_no_hub_answers_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_port: int
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{free_port}")
    with pytest.raises(BackboneError, match="no files of some/encoder.*a local folder"):
        TextEncoder("some/encoder@main", tmp_path).prepare()
    assert not list(tmp_path.rglob("*.json"))
