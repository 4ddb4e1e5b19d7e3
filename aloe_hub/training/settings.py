"""What an adapter is trained with: a few settings of ours, and any option of TRL, transformers and PEFT by its own name.

A recipe's table `[train]` holds what SFT and DPO share (the others take of it what they know), `[train.METHOD]` what is of one
method; what is given by hand wins. A name is looked up among ours, then among the fields of the method's config, then among those
of `LoraConfig`: a new option of those libraries can be set without a change here. A name that none of them knows is refused.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from types import MappingProxyType, NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from peft import LoraConfig
from transformers import TrainingArguments
from trl.trainer.dpo_config import DPOConfig
from trl.trainer.grpo_config import GRPOConfig
from trl.trainer.sft_config import SFTConfig

from aloe_hub.errors import UsageError
from aloe_hub.files.settings import at_least
from aloe_hub.source import Source
from aloe_hub.training.noise import options_of_noise
from aloe_hub.training.objectives import check_objectives
from aloe_hub.training.online import NAMES as ONLINE
from aloe_hub.training.online import Online
from aloe_hub.training.record import METHODS, Method
from aloe_hub.training.teacher import options_of_teaching
from aloe_hub.training.tree import RankConfig

SHARING: tuple[Method, ...] = ("sft", "dpo")  # a name in a recipe's [train] is known to both

# Short names of the command line, and what the libraries call them.
ALIASES = {
    "lr": "learning_rate",
    "epochs": "num_train_epochs",
    "batch_size": "per_device_train_batch_size",
    "lora_r": "r",
    "lora_targets": "target_modules",
}

# Every linear layer, since adapting the attention alone stays behind full fine-tuning (Dettmers et al. 2023, QLoRA, section 4);
# with all of them the rank matters little. alpha = 2 r is the usual scale. No dropout: TRL switches it off in DPO anyway, and
# one pass over a shared beginning can only stand for many if it is the same in all of them.
LORA = MappingProxyType({"r": 16, "lora_alpha": 32, "target_modules": "all-linear", "lora_dropout": 0.0})

# TRL's own learning rates are for full fine-tuning; an adapter, which starts at zero, wants about ten times as much.
LORA_LEARNING_RATE: Mapping[Method, float] = MappingProxyType(
    {"sft": 1e-4, "dpo": 1e-5, "rank": 1e-5, "sdft": 1e-4, "grpo": 1e-5}
)

# One pass: with a tree a persona, the texts are many and alike. A batch is a tree of the usual ten turns. A tenth of the way
# is what a kill may cost; two checkpoints are kept, so that one which was being written is no loss.
OPTIONS = MappingProxyType(
    {
        "num_train_epochs": 1,
        "per_device_train_batch_size": 10,
        "logging_steps": 0.01,
        "logging_nan_inf_filter": False,
        "save_steps": 0.1,
        "save_total_limit": 2,
        "report_to": "none",
    }
)

# A step of GRPO: eight replies to each of five prompts, half a tree. A little of the divergence from where it started, as in the
# paper (DeepSeekMath, arXiv 2402.03300, section 4.2): a judge that is a model has weak spots, and nobody has to look for them.
# `evaluate` measures on other people; so by default no tree is set aside, for whose replies a judge would have to be asked.
GRPO = MappingProxyType({"num_generations": 8, "per_device_train_batch_size": 40, "max_completion_length": 96, "beta": 0.04})

# Options that are settled elsewhere, and where.
REFUSED = {
    "output_dir": "give --run and --name",
    "resume_from_checkpoint": "give --resume",
    "model_init_kwargs": "the base is loaded by aloe-hub",
    "trust_remote_code": "code from a repo is never run",
    "chat_template_path": "the template is the tokenizer's own",
    "eos_token": "it is the tokenizer's own",
    "save_only_model": "a run could not go on from such a checkpoint",
    "disable_tqdm": "the progress bar is that of aloe",
    "base_model_name_or_path": "give --base",
    "revision": "give --base MODEL@REVISION",
    "inference_mode": "an adapter in training is never in it",
    "task_type": "it is a causal language model",
    "peft_type": "it is LoRA",
    "reward_weights": "give response_weight and profile_weight",
} | dict.fromkeys(
    ("push_to_hub", "hub_token", "hub_private_repo", "hub_model_id", "hub_strategy", "hub_always_push", "hub_revision"),
    "give --push org/name",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSettings:
    """What decides the adapter, beside the rows.

    data: a dataset on the Hub, `org/name` or `org/name@revision`; None for the rows of the run folder.
    adapter: where to start from; in DPO, rank and GRPO also the reference, in SDFT the teacher. None: a new one on the base.
    full: train all weights instead of an adapter.
    eval_share: share of the profiles whose trees are set aside to measure on.
    limit: only the first so many trees.
    clean_control_tokens: take control tokens out of the texts of rows, instead of refusing the rows.
    chat_template_kwargs: what the chat template is told, such as Qwen3's `enable_thinking`.
    online: of GRPO alone.
    noise: DPO's ε, the share of pairs that are the wrong way round, as `{"epsilon": 0.1, "source": "audit.json"}`.
    objectives: how much rows count by their column `objective`, such as `{"style": 0.5, "content": 1.0}`.
    teacher: of DPO, an adapter that DPO has made, and guidance how much its advantages count (ADPA's γ; None is 1).
    lora: options of `LoraConfig`, and `options` of the method's config of TRL, that were set: by default, by recipe, by hand.
    """

    method: Method
    base: str
    adapter: str | None = None
    data: str | None = None
    full: bool = False
    tree: bool = True
    allow_truncation: bool = False
    clean_control_tokens: bool = False
    chat_template_kwargs: dict[str, Any] = field(default_factory=dict)
    noise: dict[str, Any] = field(default_factory=dict)
    objectives: dict[str, Any] = field(default_factory=dict)
    teacher: str | None = None
    guidance: float | None = None
    eval_share: float = 0.05
    limit: int | None = None
    seed: int = 0
    online: Online | None = None
    lora: Mapping[str, Any] = field(default_factory=lambda: dict(LORA))
    options: Mapping[str, Any] = field(default_factory=lambda: dict(OPTIONS))

    def __post_init__(self) -> None:
        if self.full and self.adapter is not None:
            raise UsageError(f"--full --adapter {self.adapter}: all weights or an adapter; or merge it first, and give --base")
        if not 0 <= self.eval_share < 1:
            raise UsageError(f"eval_share {self.eval_share}: must be at least 0 and less than 1")
        if self.limit is not None:
            at_least("--limit", self.limit, 1)
        check_objectives(self.objectives, self.method, of_words=self.criticised)
        if self.criticised and self.allow_truncation:
            raise UsageError("--allow-truncation: loss_type cut compares a reply after two prompts, and they would be cut apart")
        if not 0 <= self.seed < 2**32:
            raise UsageError(f"--seed {self.seed}: must be at least 0 and less than 2**32")

    @property
    def criticised(self) -> bool:
        """Whether it learns from what a judge said in words."""
        return self.method == "rank" and "cut" in self.options.get("loss_type", ())

    @property
    def base_is_local(self) -> bool:
        """Whether the base is a folder of this machine, `pocket` or a GGUF: nobody else can load it with PEFT by that name."""
        source = Source.parse(self.base)
        return source.folder is not None or source.gguf is not None


_OURS = {
    name: kind for name, kind in get_type_hints(TrainSettings).items() if name not in ("method", "online", "lora", "options")
}


def train_settings(method: Method, recipe: Mapping[str, Any], by_hand: Mapping[str, Any]) -> TrainSettings:
    """Settings of one training: defaults, then the recipe's `[train]`, then its `[train.METHOD]`, then what was given by hand.

    by_hand: by name, ours or theirs; None means not given.

    Raises:
        UsageError: no base; a name that nobody knows, or a value of another type; options that contradict each other.
    """
    shared = {name: value for name, value in recipe.items() if name not in METHODS}
    given = _named({name: value for name, value in by_hand.items() if value is not None}, "by hand", (method,))
    known, of_lora = _known(method), _fields(LoraConfig)
    ours, online, lora, options = (dict[str, Any]() for _ in range(4))
    for where, table in (
        ("recipe, [train]", _named(shared, "recipe, [train]", SHARING)),
        (f"recipe, [train.{method}]", _named(recipe.get(method, {}), f"recipe, [train.{method}]", (method,))),
        ("by hand", given),
    ):
        for name in filter(known.__contains__, table):  # of what is shared, a method takes what it knows
            place = ours if name in _OURS else lora if name in of_lora else options
            place = online if method == "grpo" and name in ONLINE else place
            place[name] = _typed(name, table[name], known[name], where)
    if not ours.get("base"):
        raise UsageError("--base: name the model to train, such as --base Qwen/Qwen2.5-0.5B-Instruct or --base pocket")
    shaped = sorted(given.keys() & of_lora.keys())
    for name in ("full", "adapter"):
        if ours.get(name) and shaped:
            raise UsageError(
                f"--{name} and {shaped[0]} = {given[shaped[0]]!r}: a new adapter's shape, and no new adapter is made"
            )
    fresh = not ours.get("full") and not ours.get("adapter")
    own: dict[str, Any] = {} if ours.get("full") else {"learning_rate": LORA_LEARNING_RATE[method]}
    if method == "sdft":
        if given.get("tree"):
            raise UsageError(
                "--tree: is for sft, dpo and grpo; SDFT samples its replies, and no two rows share them; leave it out"
            )
        from aloe_hub.training.sdft import SAMPLED

        ours["tree"], own = False, SAMPLED | own
    if method == "grpo":
        if ours.get("full") and options.get("beta"):
            raise UsageError(
                f"--full --beta {options['beta']:g}: TRL would load the reference by name, of whatever revision; leave one out"
            )
        own = GRPO | ({"beta": 0.0} if ours.get("full") else {}) | own
        ours = {"online": Online(**online), "eval_share": 0.0} | ours
    if ours.get("noise"):
        options |= options_of_noise(method, ours["noise"]["epsilon"], options)
    options |= options_of_teaching(method, ours, options)
    return TrainSettings(method=method, **ours, lora=LORA | lora if fresh else {}, options=OPTIONS | own | options)


def config_of(method: Method) -> type[TrainingArguments]:
    """The options of a method's trainer.

    Raises:
        UsageError: this TRL has no such trainer.
    """
    if method == "sdft":
        from aloe_hub.training import sdft

        return sdft.SDFTConfig
    configs: dict[Method, type[TrainingArguments]] = {"sft": SFTConfig, "dpo": DPOConfig, "rank": RankConfig, "grpo": GRPOConfig}
    return configs[method]


def parsed_option(text: str) -> tuple[str, Any]:
    """`key=value` of --set: the value as TOML reads it, else as a text.

    >>> parsed_option("learning_rate=5e-6"), parsed_option("loss_type=ipo"), parsed_option("bf16=false")
    (('learning_rate', 5e-06), ('loss_type', 'ipo'), ('bf16', False))
    """
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise UsageError(f"--set {text!r}: expected key=value, such as --set warmup_steps=0.1")
    for read in (lambda: tomllib.loads(f"value = {value}")["value"], lambda: float(value)):
        with suppress(ValueError):
            return name.strip(), read()
    return name.strip(), value.strip()


def _named(table: object, where: str, methods: Iterable[Method]) -> dict[str, Any]:
    """The table with every name as its owner spells it; each must be known to all of `methods`."""
    if not isinstance(table, Mapping):
        raise UsageError(f"{where}: expected a table, found {table!r}")
    found: dict[str, Any] = {}
    for short, value in table.items():
        name: str = ALIASES.get(short) or short
        if name in REFUSED:
            raise UsageError(f"{where}: {short} cannot be set: {REFUSED[name]}")
        if name in found:
            raise UsageError(f"{where}: {name} is given twice")
        for method in methods:
            if name not in _known(method):
                raise UsageError(_unknown(short, method, where))
        found[name] = value
    return found


def _unknown(name: str, method: Method, where: str) -> str:
    if owners := [other for other in METHODS if other != method and name in _known(other)]:
        *others, last = owners
        named = f"{', '.join(others)} and {last}" if others else last
        return f"{where}: {name} is a setting of {named} alone" + (
            f"; put it into {' or '.join(f'[train.{owner}]' for owner in owners)}" if where.startswith("recipe") else ""
        )
    near = get_close_matches(name, [*_known(method), *ALIASES], n=3, cutoff=0.7)
    return f"{where}: unknown setting {name!r}; " + (
        f"near: {', '.join(near)}" if near else f"see the fields of {config_of(method).__name__} and LoraConfig"
    )


def _fields(config: type[Any]) -> dict[str, Any]:
    return {one.name: one.type for one in fields(config)}


def _known(method: Method) -> dict[str, Any]:
    """Every name that can be set, and its type."""
    return _fields(LoraConfig) | _fields(config_of(method)) | _OURS | (ONLINE if method == "grpo" else {})


def _typed(name: str, value: object, kind: object, where: str) -> object:
    """The value, if it may be one of `kind`; what is not plain (an enumeration, a table) is left to its library."""
    kinds = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    plain = {get_origin(one) or one for one in kinds}
    if isinstance(value, str) and name == "target_modules" and "," in value:
        return [part.strip() for part in value.split(",")]
    if list in plain and str not in plain and isinstance(value, str):
        return [value]
    if not plain <= {int, float, bool, str, list, dict, NoneType}:
        return value
    wanted = plain | ({int} if float in plain else set())
    if type(value) not in wanted:
        expected = " or ".join(sorted(one.__name__ for one in plain if one is not NoneType))
        raise UsageError(f"{where}: {name} = {value!r}: expected {expected}")
    return value
