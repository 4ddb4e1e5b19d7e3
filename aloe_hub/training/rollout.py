"""Whole conversations as TRL's rollouts: the model replies, the simulated user answers, turn after turn.

A conversation is one row: the prompt is the opening, the completion all that follows, and what is not the model's own (the
user's messages, what the chat template puts around them) is masked. Replies stay the tokens that were sampled: nothing is
tokenised again, so that what is trained is what was said. Therefore the template must not rewrite what stands in the history.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from aloe_hub.chat.asking import Call
from aloe_hub.errors import ChatError, ParseError, UsageError
from aloe_hub.stages import roles
from aloe_hub.training.rewards import Asked, Replied
from aloe_hub.types import Message, Row

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from aloe_hub.training.grpo import Reinforcer

log = logging.getLogger("aloe_hub")
_REPLY = "zqREPLYqz"  # no template has it, and none trims it


class Talk:
    """One conversation as it grows."""

    def __init__(self, row: Row, call: Call, prompt: Sequence[int]) -> None:
        self.row = row
        self.call = call
        self.prompt = list(prompt)
        self.completion: list[int] = []
        self.mask: list[int] = []  # 1: the model's own
        self.spoken = tuple(Message(one["role"], one["content"]) for one in row["prompt"])
        self.rewards: list[dict[str, float | None]] = []
        self.over = False

    def add(self, ids: Sequence[int], own: int) -> None:
        self.completion += ids
        self.mask += [own] * len(ids)


class Rollout:
    """`rollout_func` of TRL: prompts come already repeated for each group, and the trainer knows their rows."""

    def __init__(self, asked: Asked, tokenizer: PreTrainedTokenizerBase) -> None:
        self._asked = asked
        self._tokenizer: Any = tokenizer
        self._told = False

    def __call__(self, prompts: Sequence[Any], trainer: Reinforcer) -> dict[str, Any]:
        sample: Any = trainer._generate_single_turn
        step = trainer.state.global_step
        ends = set(getattr(trainer, "eos_token_ids", [self._tokenizer.eos_token_id]))  # TRL before 1.15 knows this one alone
        ids = self._tokenizer.apply_chat_template(list(prompts), add_generation_prompt=True, tokenize=True, return_dict=True)
        talks = [
            Talk(row, self._asked.call(row, 0, step), prompt)
            for row, prompt in zip(trainer._inputs, ids["input_ids"], strict=True)
        ]
        for turn in range(self._asked.online.turns):
            going = [talk for talk in talks if not talk.over]
            if not going:
                break
            sampled, _ = sample([talk.prompt + talk.completion for talk in going], None, {}, 1)
            for talk, reply in zip(going, sampled, strict=True):
                talk.add(reply, own=1)
            last = turn + 1 == self._asked.online.turns
            said = self._tokenizer.batch_decode(sampled, skip_special_tokens=True)  # tokens of thinking are no special ones
            self._asked.run(self._answered(going, said, turn, last=last))
            for talk in going:
                if not talk.over:
                    self._go_on(talk, trainer, ends)
        fields: dict[str, Any] = {"prompt_ids": [talk.prompt for talk in talks], "logprobs": None}
        fields |= {"completion_ids": [talk.completion for talk in talks], "env_mask": [talk.mask for talk in talks]}
        names = self._asked.online.weights
        return fields | {f"{name}_scores": [[turn[name] for turn in talk.rewards] for talk in talks] for name in names}

    async def _answered(self, talks: Sequence[Talk], replies: Sequence[str], turn: int, *, last: bool) -> None:
        """Score the replies and, unless they are the last ones, let the users answer, at the same time."""
        calls = [Call(talk.call.conversation, turn) for talk in talks]
        said = [Replied(talk.row, talk.spoken, raw) for talk, raw in zip(talks, replies, strict=True)]
        for talk, reply in zip(talks, said, strict=True):
            talk.spoken = (*talk.spoken, Message("assistant", reply.text))
        users = [] if last else [self._user(talk, Call(talk.call.conversation, turn + 1)) for talk in talks]
        rewards, messages = await asyncio.gather(self._asked.rewards(said, calls), asyncio.gather(*users))
        for number, talk in enumerate(talks):
            talk.rewards.append(dict(rewards[number]))
            answer = None if last else messages[number]
            talk.over = answer is None
            if answer is not None:
                talk.spoken = (*talk.spoken, Message("user", answer))

    async def _user(self, talk: Talk, call: Call) -> str | None:
        """What the user says next; None, which ends the conversation, where nothing can be read or nobody answers."""
        assert self._asked.user is not None
        if not talk.spoken[-1].content:
            return None
        try:
            return await roles.user_message(self._asked.user, Replied(talk.row, (), "").persona, talk.spoken, call)
        except (ParseError, ChatError) as error:
            if not self._told:
                self._told = True
                log.warning("a simulated user said nothing that can be used (%s); such a conversation ends there", error)
            return None

    def _go_on(self, talk: Talk, trainer: Reinforcer, ends: set[int]) -> None:
        """Add what the template puts between a reply and the next one, the user's message with it; end where there is no room."""
        between = between_replies(self._tokenizer, talk.spoken)
        if talk.completion[-1] in ends and between[:1] == talk.completion[-1:]:
            between = between[1:]
        most = getattr(trainer.model.config, "max_position_embeddings", None)
        length = len(talk.prompt) + len(talk.completion) + len(between)
        if most is not None and length + trainer.max_completion_length > most:
            talk.over = True
        else:
            talk.add(between, own=0)


def between_replies(tokenizer: Any, spoken: Sequence[Message]) -> list[int]:  # noqa: ANN401 - a tokenizer of transformers
    """The tokens from the end of the last reply to where the next one begins."""
    *before, _, asked = (one.to_row() for one in spoken)
    told = [*before, {"role": "assistant", "content": _REPLY}, asked]
    text = str(tokenizer.apply_chat_template(told, add_generation_prompt=True, tokenize=False))
    found: list[int] = tokenizer(text.rpartition(_REPLY)[2], add_special_tokens=False)["input_ids"]
    return found


def check_template(tokenizer: Any, name: str) -> None:  # noqa: ANN401
    """Raises: UsageError: its chat template writes a reply in another way once the conversation goes on."""
    user, reply = {"role": "user", "content": "Hi."}, {"role": "assistant", "content": _REPLY}

    def written(messages: list[Row]) -> str:
        return str(tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False))

    begins = written([user])
    if not written([user, reply, user]).startswith(begins + _REPLY) or not written([user, reply, user, reply, user]).startswith(
        written([user, reply, user]) + _REPLY
    ):
        raise UsageError(
            f"--level conversation: the chat template of {name} rewrites the history, so a conversation is no one row; give "
            "--level turn, or --chat-template-kwargs with which it does not"
        )
