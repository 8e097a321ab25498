"""Text encoders of several families: exported and back, every parameter in one block."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from transformers import (
    BertConfig,
    CamembertConfig,
    DeepseekV2Config,
    DistilBertConfig,
    ModernBertConfig,
)
from transformers.models.auto.modeling_auto import AutoModel

from src.errors import BackboneError
from src.features.networks.export import export_onnx
from src.features.networks.text_network import build_text_network
from src.features.networks.weights import network_from_onnx

SMALL = {"vocab_size": 90, "num_hidden_layers": 2, "num_attention_heads": 2}
WIDTHS = {"hidden_size": 16, "intermediate_size": 24}
CONFIGS = {
    "bert": BertConfig(**SMALL, **WIDTHS, max_position_embeddings=40),
    "camembert": CamembertConfig(**SMALL, **WIDTHS, max_position_embeddings=42),
    "distilbert": DistilBertConfig(vocab_size=90, dim=16, n_layers=2, n_heads=2, hidden_dim=24),
    "modernbert": ModernBertConfig(
        **SMALL, **WIDTHS, pad_token_id=1, bos_token_id=2, eos_token_id=3, cls_token_id=2,
        sep_token_id=3,
    ),
}  # fmt: skip


@pytest.mark.parametrize("family", CONFIGS)
def test_export_and_back(tmp_path: Path, family: str) -> None:
    body = AutoModel.from_config(CONFIGS[family])
    body.save_pretrained(tmp_path)
    network = build_text_network(tmp_path, "mean")
    data = export_onnx(network)
    assert export_onnx(network) == data
    again, session = network_from_onnx(data), onnxruntime.InferenceSession(data)
    blocks = network.blocks()
    assert len(blocks) in {3, 4}  # embeddings, two layers, what is behind them
    parameters = [id(p) for block in blocks for p in block.parameters()]
    assert sorted(parameters) == sorted(id(p) for p in network.parameters())
    rng = np.random.default_rng(0)
    for n, tokens in ((1, 5), (3, 33)):  # both are free
        ids = rng.integers(4, 90, (n, tokens))
        mask = np.ones_like(ids)
        ids[-1, tokens // 2 :], mask[-1, tokens // 2 :] = 1, 0
        with torch.no_grad():
            inputs = torch.from_numpy(ids), torch.from_numpy(mask)
            expected = network(*inputs).numpy()
            np.testing.assert_allclose(again(*inputs).numpy(), expected, atol=1e-6)
        (found,) = session.run(None, {"input_ids": ids, "attention_mask": mask})
        np.testing.assert_allclose(found, expected, atol=1e-6)
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)


def test_an_encoder_without_an_onnx_form_is_named_and_switched_off(tmp_path: Path) -> None:
    """Its places are complex numbers, for which ONNX has no operation."""
    places = {"q_lora_rank": 8, "kv_lora_rank": 8, "qk_nope_head_dim": 4, "qk_rope_head_dim": 4}
    tokens = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    config = DeepseekV2Config(
        **SMALL, **WIDTHS, **places, **tokens, v_head_dim=4, first_k_dense_replace=2
    )
    AutoModel.from_config(config).save_pretrained(tmp_path)
    with pytest.raises(BackboneError) as caught:
        export_onnx(build_text_network(tmp_path, "mean"))
    assert caught.value.message.startswith("text: can't be exported to ONNX (Exporting the op")
    assert caught.value.next_command == "--set features.text.encoder.enabled=false"
