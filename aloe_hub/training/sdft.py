"""SDFT on preference trees: the model that is told what had been inferred teaches the one that only sees the conversation.

Shenfeld et al. 2026, "Self-Distillation Enables Continual Learning" (arXiv 2601.19897), with TRL's own
`experimental.sdft.SDFTTrainer`. The student samples a reply to the bare conversation; student and teacher, one model under two
prompts, both read that reply; the student's next-token probabilities move towards the teacher's. No judge, and no second model.

Decided here is what TRL leaves open: what the teacher is asked, that nothing is cut in silence, whose weights teach where
training goes on from an adapter, and that a stopped training ends as if it had never stopped.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from importlib.metadata import version
from types import MappingProxyType
from typing import Any

from torch.utils.data import Sampler
from transformers import PreTrainedModel
from trl.trainer.utils import use_adapter

from aloe_hub.errors import DataError, UsageError
from aloe_hub.training.base import Base
from aloe_hub.training.data import Measured, measure_prompts
from aloe_hub.training.tree.sampler import EpochSampler, TellEpoch
from aloe_hub.types import Row

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # that it is experimental
    try:
        from trl.experimental.sdft import SDFTConfig as SDFTConfig  # settings.py reads its fields
        from trl.experimental.sdft import SDFTTrainer
    except ImportError as error:
        raise UsageError(
            f"aloe train sdft: TRL {version('trl')} has no experimental.sdft ({error}); run: pip install 'trl>=1.13,<1.17'"
        ) from error

# The user's message, and below it what a student does not see. It asks for what the prompt of a tailored reply does
# (prompts/tailored_reply.md). The turns before stay as they were spoken.
TEACHER = """\
{prompt}

(A note that the user does not see. This has been worked out about the user so far:
{privileged_context}
Reply to the message above this note. Let the profile decide what you talk about and the personality decide how: use what fits \
the message, leave the rest alone, and do it as a good friend would, without a word about this note. Do not invent facts about \
the user. Be helpful, human and brief: three sentences at most.)"""

# Each row is replied to in each pass. One reply is enough where rows are many and a CPU writes them; TRL's 8 are for few. A reply
# that is cut at the length does no harm: the loss is on the tokens that are there.
SAMPLED = MappingProxyType({"num_generations": 1, "max_completion_length": 96, "teacher_prompt_template": TEACHER})

REFERENCE = "ref"  # the adapter that was started from, as TRL's DPO names it


def teacher_messages(row: Row, template: str) -> list[Row]:
    """The conversation as the teacher sees it: TRL fills the template with the user's last message and the context."""
    *before, asked = row["prompt"]
    try:
        text = template.format(prompt=asked["content"], privileged_context=row["privileged_context"])
    except (LookupError, ValueError, AttributeError) as error:
        raise UsageError(
            f"teacher_prompt_template: cannot be filled in ({error!r}); it takes {{prompt}} and {{privileged_context}}, "
            "and any other brace is written twice"
        ) from None
    return [*before, asked | {"content": text}]


def measure_told(
    rows: Sequence[Row],
    options: Mapping[str, Any],
    base: Base,
    *,
    allow_truncation: bool = False,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Measured:
    """Tokenise the prompts of student and teacher as TRL will. `longest` is the longest of them.

    Raises:
        DataError: a prompt that TRL would cut, at its beginning (unless allowed), that the template refuses, or whose text would
            be read as a control token.
        UsageError: a template that cannot be filled in, or no room for a prompt.
    """
    reply, given = options["max_completion_length"], options.get("max_prompt_length")
    room = None if base.positions is None else base.positions - reply
    if room is not None and max(given or 1, 1) > room:
        asked = f"max_prompt_length {given} and " if given else ""
        raise UsageError(f"{asked}max_completion_length {reply}: {base.source} takes {base.positions} tokens for both")
    most, template = given or room, options["teacher_prompt_template"]
    measured, first_cut = measure_prompts(
        rows, base, lambda row: [row, row | {"prompt": teacher_messages(row, template)}], most, on_progress
    )
    if first_cut is not None and not allow_truncation:
        name, length = first_cut
        others = measured.cut - 1
        limit = "max_prompt_length" if given else f"{base.source}, which takes {base.positions}, leaves beside a reply of {reply}"
        raise DataError(
            f"{name}: the teacher's prompt has {length} tokens, more than the {most} that {limit}, as have {others} other rows; "
            "TRL would cut the beginning of the conversation; give more, another base, or --allow-truncation"
        )
    return measured


def check_options(config: SDFTConfig) -> None:
    """Raises: UsageError: options with which a stopped training could not go on."""
    if config.teacher_model_kind == "ema":
        raise UsageError(
            "teacher_model_kind ema: the average is in no checkpoint, so a stopped training could not go on; take base or live"
        )


class Distiller(SDFTTrainer):
    """TRL's trainer, whose teacher is what training starts from, and whose rows come in the same order after a stop.

    The teacher `base` is to be "the initial student". TRL takes the bare base for it where the student begins with an adapter,
    and where all weights are trained it loads one by name, of whatever revision. Here the first is a copy of that adapter, as in
    TRL's DPO, and the second is given: `teacher`.
    """

    args: Any  # TRL's types say less than is there

    def __init__(self, *args: Any, from_adapter: bool, teacher: PreTrainedModel | None, **kwargs: Any) -> None:  # noqa: ANN401
        self._from_adapter, self._given_teacher = from_adapter, teacher
        super().__init__(*args, **kwargs)

    def _setup_teacher_model(self) -> None:
        if self.args.teacher_model_kind == "base" and self._given_teacher is not None:
            self.teacher_model = self.accelerator.prepare_model(self._given_teacher.requires_grad_(False), evaluation_mode=True)
            return
        super()._setup_teacher_model()
        if self.args.teacher_model_kind == "base" and self._from_adapter:
            model = self.accelerator.unwrap_model(self.model)
            model.add_adapter(REFERENCE, model.peft_config["default"])
            for name, weights in list(model.named_parameters()):
                if ".default." in name:
                    model.get_parameter(name.replace(".default.", f".{REFERENCE}.")).data.copy_(weights.data)

    def _get_teacher_context_for_self_distillation(self) -> AbstractContextManager[Any]:
        model = self.accelerator.unwrap_model(self.teacher_model)
        if REFERENCE in getattr(model, "peft_config", {}):
            return use_adapter(model, adapter_name=REFERENCE)
        context: AbstractContextManager[Any] = super()._get_teacher_context_for_self_distillation()  # type: ignore[no-untyped-call]
        return context

    def _get_train_sampler(self, dataset: Any = None) -> Sampler[int]:  # noqa: ANN401 - TRL's own
        return TellEpoch.of(self, EpochSampler(super()._get_train_sampler(dataset)))
