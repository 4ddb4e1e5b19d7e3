"""How each role is asked: render its prompt, call its model, read the answer. `chat.asking` asks again where it has to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, combinations
from typing import Any

from aloe_hub import parsing, prompts
from aloe_hub.chat.asking import ATTEMPTS as ATTEMPTS
from aloe_hub.chat.asking import SAMPLING as SAMPLING
from aloe_hub.chat.asking import Call as Call
from aloe_hub.chat.asking import ask as ask
from aloe_hub.chat.asking import inferred as inferred
from aloe_hub.chat.asking import prompted as prompted
from aloe_hub.chat.asking import tailored_prompt as tailored_prompt
from aloe_hub.chat.base import Chat
from aloe_hub.chat.traffic import Traffic
from aloe_hub.chat.wrappers import Tuned
from aloe_hub.errors import ParseError
from aloe_hub.files.settings import extra_fields
from aloe_hub.parsing import Judged
from aloe_hub.rubrics import DEFAULT, RUBRICS, Rubric
from aloe_hub.text import is_blank
from aloe_hub.types import Exchange, Message, Persona, Reply, Verdict

Changes = Mapping[str, Any]  # fields of `Sampling`, by name
GREETINGS = ("Hi.", "Hello.", "Hey there.")


@dataclass(frozen=True, slots=True)
class Cast:
    """Who plays which role. `policy`: sample both replies of a fork from this model, on the bare chat messages."""

    user: Chat
    inferrer: Chat
    tailored: Chat
    plain: Chat
    judge: Chat
    policy: Chat | None = None

    @classmethod
    def of(
        cls,
        models: Mapping[str, str],
        traffic: Traffic,
        sampling: Mapping[str, Changes] | None = None,
        structured: bool = False,
        judge: str = "pairwise_judge",
    ) -> Cast:
        """A cast from model strings by role; `sampling` and `structured` are as in the settings of the stage.

        judge: the prompt that it is asked with.
        """
        answers = {"judge": judge, "inferrer": "inferrer"} if structured else {}
        return cls(**{role: tuned(traffic.open(model), role, sampling, answers.get(role)) for role, model in models.items()})


def tuned(chat: Chat, role: str, sampling: Mapping[str, Changes] | None, prompt: str | None = None) -> Chat:
    """`chat`, asked as the settings' `sampling` says of `role`; for JSON of the schema of a `prompt`, if one is named."""
    changes = dict((sampling or {}).get(role, {}))
    if "stop" in changes:
        changes["stop"] = tuple(changes["stop"])
    if "extra_body" in changes:
        changes["extra_body"] = json.dumps(extra_fields(role, changes["extra_body"]))
    return Tuned(chat, changes, parsing.SCHEMAS[prompt] if prompt else None) if changes or prompt else chat


async def user_message(chat: Chat, persona: Persona, spoken: Sequence[Message], call: Call, at_most: int | None = None) -> str:
    """What the simulated user, who knows the full persona, writes next. `at_most`: how many things it may let show; who counts
    them opens with a bare greeting, which no model is asked for."""
    fields = {"profile": persona.profile, "personality": persona.personality}
    if at_most is not None:
        if not spoken:
            return GREETINGS[call.seed("user", "", 0) % len(GREETINGS)]
        prompt = prompted("user_cold", **fields, conversation=prompts.conversation(spoken), count=str(at_most))
    elif spoken:
        prompt = prompted("user_continuing", **fields, conversation=prompts.conversation(spoken))
    else:
        prompt = prompted("user_opening", **fields)
    return (await ask(chat, "user", prompt, call, parsing.message))[0]


async def tailored_reply(
    chat: Chat, spoken: Sequence[Message], message: str, known: Persona, call: Call, sample: str = ""
) -> str:
    """A reply that knows the inferred part of the persona."""
    return (await ask(chat, "tailored", tailored_prompt(spoken, message, known), call, parsing.message, sample))[0]


async def plain_reply(chat: Chat, spoken: Sequence[Message], message: str, call: Call, sample: str = "") -> str:
    """A reply that knows nothing but the conversation."""
    prompt = prompted("plain_reply", conversation=prompts.conversation(spoken), message=message)
    return (await ask(chat, "plain", prompt, call, parsing.message, sample))[0]


async def policy_reply(
    chat: Chat,
    messages: Sequence[Message],
    call: Call,
    sample: str = "",
    temperature: float | None = None,
    *,
    cut_too: bool = False,
) -> str:
    """A reply of a policy: it sees the bare chat messages, never a role prompt."""
    return (await ask(chat, "policy", messages, call, parsing.reply, sample, temperature, cut_too=cut_too))[0]


def pairwise_prompt(persona: Persona, spoken: Sequence[Message], message: str, replies: tuple[str, str]) -> tuple[Message, ...]:
    """What the judge is asked about two replies, in that order."""
    return prompted(
        "pairwise_judge",
        profile=persona.profile,
        personality=persona.personality,
        conversation=prompts.conversation(spoken),
        message=message,
        first=replies[0],
        second=replies[1],
    )


async def both_orders(
    chat: Chat,
    persona: Persona,
    spoken: Sequence[Message],
    message: str,
    replies: tuple[str, str],
    call: Call,
    places: tuple[int, int] = (0, 1),
) -> tuple[Verdict, Verdict]:
    """What the judge says of two replies in either order, as choices of a reply. Two equal ones are a tie that costs no call.

    places: which of a fork's replies they are.
    """

    async def verdict(first: int, second: int) -> Verdict:
        """None: a tie, or no attempt could be read, which costs nobody the tree; the text tells which."""
        order = f"{places[first]}{places[second]}"
        if replies[0] == replies[1]:
            return Verdict(order, None, "")
        prompt = pairwise_prompt(persona, spoken, message, (replies[first], replies[second]))
        try:
            position, text = await ask(chat, "judge", prompt, call, parsing.verdict, order)
        except ParseError as error:
            position, text = None, "(blank)" if is_blank(error.text) else error.text
        return Verdict(order, None if position is None else places[(first, second)[position]], text)

    forward, backward = await asyncio.gather(verdict(0, 1), verdict(1, 0))
    return forward, backward


async def ranked(
    chat: Chat, persona: Persona, spoken: Sequence[Message], fork: Exchange, call: Call, *, by_scores: bool = False
) -> Exchange:
    """The fork with what the judge says of its replies: of each two in both orders, or a score of each.

    Replies that are equal are not compared, and are scored once.
    """
    texts = [reply.text for reply in fork.replies]
    if by_scores:
        different = fork.different()
        asked = (scored(judged(chat, persona, spoken, fork.user, texts[place], call, order=str(place))) for place in different)
        said = dict(zip((texts[place] for place in different), await asyncio.gather(*asked), strict=True))
        replies = tuple(Reply(reply.source, reply.text, *said[reply.text][:2]) for reply in fork.replies)
        return replace(fork, replies=replies, verdicts=())
    places = fork.different() if len(texts) > 2 else (0, 1)
    compared = (
        both_orders(chat, persona, spoken, fork.user, (texts[one], texts[other]), call, (one, other))
        for one, other in combinations(places, 2)
    )
    bare = tuple(Reply(reply.source, reply.text) for reply in fork.replies)
    return replace(fork, replies=bare, verdicts=tuple(chain.from_iterable(await asyncio.gather(*compared))))


async def scored(asked: Awaitable[tuple[Judged, str]]) -> tuple[float | None, str, Mapping[str, float | None]]:
    """What `judged` says, as (score, text, criteria); without score and criteria where no attempt could be read."""
    try:
        said, text = await asked
    except ParseError as error:
        return None, error.text, {}
    return said.score, text, said.criteria


async def judged(
    chat: Chat,
    persona: Persona,
    spoken: Sequence[Message],
    message: str,
    reply: str,
    call: Call,
    rubric: Rubric = RUBRICS[DEFAULT],
    order: str = "",
) -> tuple[Judged, str]:
    """What the benchmark judge says of one reply by a rubric, and its text. `order`: which reply, where several are scored."""
    data = {
        "profile": persona.profile,
        "personality": persona.personality,
        "conversation": prompts.conversation(spoken),
        "message": message,
        "reply": reply,
    }
    prompt = prompted(rubric.prompt, **{name: data[name] for name in prompts.load(rubric.prompt).fields})
    return await ask(chat, "judge", prompt, call, lambda text: parsing.judged(text, rubric), order)
