"""GGUF files of tiny Llamas, written with the package gguf as llama.cpp's converter writes them."""

from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter, TokenType, quants
from transformers import AutoModelForCausalLM, AutoTokenizer

LAYER = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}
OTHERS = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
NO_QUANTIZATION = GGMLQuantizationType.F32


def save_gguf(
    model: Path,
    file: Path,
    *,
    kind: GGMLQuantizationType = NO_QUANTIZATION,
    architecture: str = "llama",
    leave_out: str | None = None,
) -> Path:
    """The Llama of a folder, which has one token a byte, as one GGUF file. `leave_out` is a tensor that it will lack."""
    config = AutoModelForCausalLM.from_pretrained(model).config
    writer = GGUFWriter(file, architecture)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    _add_tokenizer(writer, model)
    for name, weights in AutoModelForCausalLM.from_pretrained(model).state_dict().items():
        stem, _, suffix = name.rpartition(".")
        inner = stem.removeprefix("model.layers.").partition(".")
        packed = OTHERS.get(stem) or f"blk.{inner[0]}.{LAYER[inner[2]]}"
        if packed == leave_out:
            continue
        heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}.get(packed.rpartition(".")[2])
        values = weights.numpy() if heads is None else _interleaved(weights.numpy(), heads)
        quantized = values.ndim > 1
        data = quants.quantize(values, kind) if quantized else values
        writer.add_tensor(f"{packed}.{suffix}", data, raw_dtype=kind if quantized else NO_QUANTIZATION)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def _interleaved(values: np.ndarray, heads: int) -> np.ndarray:
    """llama.cpp turns neighbouring values together, transformers those of two halves."""
    rows = values.shape[0] // heads // 2
    return np.ascontiguousarray(values.reshape(heads, 2, rows, -1).swapaxes(1, 2).reshape(values.shape))


def _add_tokenizer(writer: GGUFWriter, model: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(model)
    tokens = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    special = set(tokenizer.get_added_vocab())
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_token_types([TokenType.CONTROL if token in special else TokenType.NORMAL for token in tokens])
    writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_pad_token_id(tokenizer.pad_token_id)
    if tokenizer.chat_template:
        writer.add_chat_template(tokenizer.chat_template)
