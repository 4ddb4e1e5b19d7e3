"""The model, the attention and the trainer that a cell of `bench/gpu.py` asks for."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from datasets import concatenate_datasets
from peft import LoraConfig
from training import tokenizer, tree  # type: ignore[import-not-found]  # beside this file
from transformers import AttentionInterface, Qwen2Config, Qwen2ForCausalLM
from transformers.integrations.sdpa_attention import repeat_kv
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

from aloe_hub.training import TreeDPOTrainer, TreeSFTTrainer
from aloe_hub.training.tree import attention

if TYPE_CHECKING:
    from bench.gpu import Cell


@contextmanager
def attention_of(cell: Cell) -> Iterator[None]:
    """What the cell's name says of attention."""
    before = attention.FLEX_ON
    if cell.who == "tree-branches":
        attention.FLEX_ON = ()
    try:
        yield
    finally:
        attention.FLEX_ON = before


def trainer_of(cell: Cell, dry: bool, *, trees: int, dtype: str = "bfloat16") -> Any:  # noqa: ANN401
    data = concatenate_datasets([tree(cell.kind, cell.turns, number) for number in range(trees)])
    if not cell.ours:  # every tree's first turn, every tree's second …: rows of a batch are of one length or nearly
        data = data.select([number * cell.turns + turn for turn in range(cell.turns) for number in range(trees)])
    kinds = {"dpo": (DPOConfig, DPOTrainer, TreeDPOTrainer), "sft": (SFTConfig, SFTTrainer, TreeSFTTrainer)}[cell.kind]
    options: dict[str, Any] = {}
    if cell.who in ("trl-flash", "trl-flex", "trl-unpadded"):
        options["padding_free"] = True
    kept = "float32" if cell.full else dtype
    others: dict[str, Any] = {}
    if not cell.full:
        # Away from zero, so that the whole gradient shows.
        others["peft_config"] = LoraConfig(
            r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False
        )
    elif cell.kind == "dpo":
        others["ref_model"] = model_of(cell, dry, kept)
    trainer = kinds[2 if cell.ours else 1](
        model=model_of(cell, dry, kept),
        args=kinds[0](
            output_dir=str(Path(tempfile.gettempdir(), "bench-gpu-trainer")),
            per_device_train_batch_size=min(cell.batch, trees) * cell.turns if cell.ours else cell.batch,
            train_sampling_strategy="sequential",
            max_length=None,
            gradient_checkpointing=cell.checkpointing,
            bf16=dtype == "bfloat16",
            use_cpu=dry,
            report_to=[],
            disable_tqdm=True,
            **options,
        ),
        train_dataset=data,
        processing_class=tokenizer(),
        **others,
    )
    if cell.checkpointing:
        trainer.model.gradient_checkpointing_enable({"use_reentrant": False})
        trainer.model.enable_input_require_grads()
    trainer.model.train()
    return trainer


def model_of(cell: Cell, dry: bool, dtype: str) -> Any:  # noqa: ANN401
    """The weights are those of bfloat16 whatever the type, so that two types differ by arithmetic alone."""
    shape: dict[str, Any] = {"hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24, "num_attention_heads": 14}
    shape |= {"num_key_value_heads": 2, "vocab_size": 151936}
    if dry:
        shape |= {"hidden_size": 56, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 7}
        shape |= {"num_key_value_heads": 1, "vocab_size": 4000}
    config = Qwen2Config(**shape, max_position_embeddings=32768, tie_word_embeddings=True, pad_token_id=0)
    if cell.who == "trl-flash":
        AttentionInterface.register("torch_varlen", flash)
    config._attn_implementation = {"trl-flash": "torch_varlen", "trl-flex": "flex_attention"}.get(cell.who, "sdpa")
    torch.manual_seed(0)
    with torch.device("cpu" if dry else "cuda"):
        model: Any = Qwen2ForCausalLM(config)
    return model.to(torch.bfloat16).to(getattr(torch, dtype))


def flash(module: Any, query: Any, key: Any, value: Any, mask: Any, scaling: float, **others: Any) -> Any:  # noqa: ANN401
    """Rows without padding over torch's own flash kernels: what flash-attention does, where that is not installed."""
    from torch.nn.attention.varlen import varlen_attn  # not in every torch

    groups = query.shape[1] // key.shape[1]
    each = [one[0].transpose(0, 1).to(value.dtype) for one in (query, repeat_kv(key, groups), repeat_kv(value, groups))]
    edges, longest = others["cu_seq_lens_q"], others["max_length_q"]
    # Causal, in the words of one version of torch or another.
    causal = {"window_size": (-1, 0)} if "window_size" in signature(varlen_attn).parameters else {"is_causal": True}
    attend: Any = varlen_attn
    return attend(*each, edges, edges, longest, longest, scale=scaling, **causal)[None], None
