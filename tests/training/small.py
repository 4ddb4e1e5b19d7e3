"""What trainings in tests start from: a tiny chat model in a folder, and a run folder with rows of the scripted world."""

import json
import shutil
from pathlib import Path
from random import Random
from typing import Literal

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, TrainerCallback

from aloe_hub.cli.app import main
from aloe_hub.files.run_folder import RunFolder
from aloe_hub.stages.imports import import_authors
from aloe_hub.stages.pairing import Pairing
from aloe_hub.training.build import build_trainer
from aloe_hub.training.settings import TrainSettings, train_settings
from aloe_hub.training.tree.forward import trl_obstacle
from aloe_hub.types import Row
from aloe_hub.world.speaking import personality_text, profile_text

needs_fused = pytest.mark.skipif(trl_obstacle() is not None, reason="ranked replies and weights of pairs need TRL's fused head")
TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


def make_model(folder: Path, *, template: str | None = TEMPLATE, positions: int = 8192, eos: str = "<|end|>") -> Path:
    """A Llama of two layers that anything of transformers can load; the same bytes every time."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    raw = Tokenizer(models.BPE({letter: place for place, letter in enumerate(letters)}, []))
    raw.pre_tokenizer, raw.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, eos_token=eos, pad_token="<|pad|>")
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|user|>", "<|assistant|>", "<|system|>", "<|end|>"]})
    tokenizer.chat_template = template
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=positions,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
        pad_token_id=tokenizer.pad_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(name="base", scope="session")
def a_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("models") / "base")


@pytest.fixture(name="grown", scope="session")
def a_grown_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with 20 trees of two turns of the scripted world. To be looked at only: `rows` is for training in."""
    folder = RunFolder(tmp_path_factory.mktemp("grown") / "run")
    random = Random(7)
    texts = folder.path.with_name("texts")
    texts.mkdir()
    for name, text, number in (("profile", profile_text, 12), ("personality", personality_text, 8)):
        (texts / f"{name}.jsonl").write_text("".join(json.dumps(text(random)) + "\n" for _ in range(number)))
    import_authors(texts, folder, Pairing(pairings=2, test_profiles=2, test_personalities=2))
    assert main(["trees", "--run", str(folder.path), "--turns", "2"]) == 0
    return folder.path


@pytest.fixture(name="rows")
def rows_to_train_on(grown: Path, tmp_path: Path) -> RunFolder:
    """A run folder of the test's own, with the rows of `grown`."""
    run = RunFolder(tmp_path / "run")
    run.path.mkdir()
    for name in ("pairs.jsonl", "sft.jsonl", "distill.jsonl", "personas.jsonl", "trees.jsonl", "run.toml"):
        shutil.copy(grown / name, run.file(name))
    run.file("ranked.jsonl").write_text(
        "".join(json.dumps(ranked(json.loads(line))) + "\n" for line in run.file("pairs.jsonl").open())
    )
    return run


def ranked(pair: Row) -> Row:
    """A fork of three replies: those of a pair, and one that is as bad as the rejected one."""
    replies = [pair["rejected"], pair["chosen"], [{"role": "assistant", "content": "I do not know what you mean."}]]
    kept = {name: pair[name] for name in ("tree_id", "persona_id", "turn", "prompt")}
    return kept | {"completions": replies, "scores": [2.0, 4.5, 2.0], "ranks": [2, 1, 2]}


def settings(method: Literal["sft", "dpo", "rank", "sdft", "grpo"], base: Path, **by_hand: object) -> TrainSettings:
    """Few steps on few trees, each of them large enough to be seen in the weights."""
    quick = {"base": str(base), "limit": 6, "batch_size": 2, "lr": 1e-2, "eval_share": 0.2}
    if method in ("sdft", "grpo"):
        quick["max_completion_length"] = 8
    if method == "grpo":
        quick |= {"num_generations": 2, "batch_size": 4, "eval_share": 0.0}
    return train_settings(method, {}, quick | by_hand)


def stopped_after(steps, patched):
    """Trainings from now on stop when they have saved after so many steps."""

    class Stop(TrainerCallback):
        def on_save(self, args, state, control, **others):
            if state.global_step == steps:
                raise KeyboardInterrupt

    def stopping(*given, callbacks, **options):
        return build_trainer(*given, callbacks=[*callbacks, Stop()], **options)

    patched.setattr("aloe_hub.training.train.build_trainer", stopping)
