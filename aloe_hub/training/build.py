"""TRL's trainer for one training: the model on its device, its adapter, the options, and the rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import PrinterCallback, Trainer, TrainerCallback, set_seed

from aloe_hub.errors import UsageError
from aloe_hub.loading import load_adapter, load_model
from aloe_hub.training.base import Adapter, Base
from aloe_hub.training.rewards import Asked
from aloe_hub.training.settings import TrainSettings, config_of
from aloe_hub.training.teacher import load_teacher
from aloe_hub.training.tree import TreeCutTrainer, TreeDPOTrainer, TreeGuidedTrainer, TreeRankTrainer, TreeSFTTrainer
from aloe_hub.types import Row


def build_trainer(
    settings: TrainSettings,
    base: Base,
    adapter: Adapter | None,
    rows: tuple[Sequence[Row], Sequence[Row]],
    *,
    max_length: int,
    output: Path,
    callbacks: Sequence[TrainerCallback],
    asked: Asked | None = None,
    teacher: Adapter | None = None,
) -> Trainer:
    """The trainer, ready to train on the first of `rows` and to measure on the second.

    In DPO and rank with an adapter, TRL copies it as the reference; with a new one the base itself is; with all weights a second
    copy is. The same are the teacher in SDFT, and the reference in GRPO. max_length: of a row, in SDFT and GRPO of a prompt.
    asked: in GRPO alone, and always. teacher: that of the settings, as it was found.

    Raises:
        UsageError: TRL, transformers or PEFT refuse an option, or a combination of them.
    """
    device = "cpu" if on_cpu(settings) else None
    # Under bfloat16 a small step on a bfloat16 weight is rounded away: weights that are trained are kept in float32.
    dtype = "float32" if settings.full else "auto"
    with refusals():
        config: Any = config_of(settings.method)(**_options(settings, max_length, output, evaluates=bool(rows[1])))
    kind: Any = {"sft": TreeSFTTrainer, "dpo": TreeDPOTrainer, "rank": TreeRankTrainer}.get(settings.method)
    others: dict[str, Any] = {"tree": settings.tree}
    if settings.method == "sdft":
        from aloe_hub.training.sdft import Distiller, check_options

        check_options(config)
        _check_sampling(config, len(rows[0]))
        kind, others = Distiller, {"from_adapter": adapter is not None, "teacher": None}
    if settings.method == "grpo":
        from aloe_hub.training import grpo

        assert asked is not None
        _check_sampling(config, len(rows[0]))
        grpo.check_options(config, asked)
        kind, others["asked"] = grpo.Reinforcer, asked
    if settings.criticised:
        kind = TreeCutTrainer
    model: Any = load_model(base.source, dtype=dtype, device=device)
    if teacher is not None:
        kind = TreeGuidedTrainer
        guidance = 1.0 if settings.guidance is None else settings.guidance
        others |= load_teacher(teacher.source, dtype=dtype, device=device) | {"guidance": guidance}
    if adapter is not None:
        model = load_adapter(model, adapter.source, trainable=True)
    elif not settings.full:
        with refusals():
            others["peft_config"] = LoraConfig(**settings.lora, task_type="CAUSAL_LM", revision=base.source.revision)
    elif settings.method in ("dpo", "rank") and not settings.options.get("precompute_ref_log_probs"):
        others["ref_model"] = load_model(base.source, dtype=dtype, device=device)
    elif settings.method == "sdft":
        others["teacher"] = load_model(base.source, dtype=dtype, device=device)
    set_seed(settings.seed)  # a new adapter begins at random, which TRL seeds by itself from 1.15 on
    with refusals():
        trainer: Trainer = kind(
            model=model,
            args=config,
            train_dataset=Dataset.from_list(list(rows[0])),
            eval_dataset=Dataset.from_list(list(rows[1])) if rows[1] else None,
            processing_class=base.tokenizer,
            callbacks=list(callbacks),
            **others,
        )
    trainer.remove_callback(PrinterCallback)  # prints every log to standard output
    return trainer


def on_cpu(settings: TrainSettings) -> bool:
    return bool(settings.options.get("use_cpu")) or not torch.accelerator.is_available()


def _options(settings: TrainSettings, max_length: int, output: Path, *, evaluates: bool) -> dict[str, Any]:
    """What was set, and what depends on the machine and on the data."""
    cpu = on_cpu(settings)
    options: dict[str, Any] = {
        "use_cpu": cpu,
        "bf16": not cpu and torch.cuda.is_available() and torch.cuda.is_bf16_supported() and not settings.options.get("fp16"),
        # It saves memory, which a GPU is short of, and costs time, which a CPU is short of.
        "gradient_checkpointing": not cpu,
        "dataloader_pin_memory": not cpu,
        "ddp_find_unused_parameters": False,  # every weight that is trained is used, but in a mixture of experts
        "per_device_eval_batch_size": settings.options["per_device_train_batch_size"],
    }
    options |= settings.options
    length = {"sdft": {"max_prompt_length": max_length}, "grpo": {}}.get(settings.method, {"max_length": max_length})
    options |= {"output_dir": str(output), "seed": settings.seed, "disable_tqdm": True} | length
    if not evaluates and options.get("eval_strategy", "no") != "no":
        raise UsageError("eval_strategy: no tree is set aside to measure on; give trees of more profiles, or a larger eval_share")
    return options


def _check_sampling(config: Any, rows: int) -> None:  # noqa: ANN401 - of SDFT or GRPO, which have no base of their own
    """Raises: UsageError: options with which a stopped training could not go on, or not one step could be made of the rows."""
    kept_for = (config.steps_per_generation or 1) * config.num_iterations
    if config.gradient_accumulation_steps % kept_for:
        raise UsageError(
            f"num_iterations {config.num_iterations}, steps_per_generation {config.steps_per_generation}: replies would be kept "
            "from one step to the next, and are in no checkpoint; leave both out"
        )
    wanted = (config.generation_batch_size or 0) // config.num_generations
    if rows < wanted:
        raise UsageError(f"--batch-size: a step takes {wanted} rows, and there are {rows}; TRL would train on none; lower it")


@contextmanager
def refusals() -> Iterator[None]:
    """What TRL, transformers or PEFT say of options that they refuse, as one line."""
    try:
        yield
    except (ValueError, TypeError, ImportError, RuntimeError) as error:
        # A RuntimeError is a refusal if no code stands behind it, or the package for a place that --report-to names.
        if isinstance(error, RuntimeError) and not isinstance(error, NotImplementedError) and "to be installed" not in str(error):
            raise
        raise UsageError(f"these options are refused: {' '.join(str(error).split())[:300]}") from error
