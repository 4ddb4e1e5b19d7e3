"""The scripted model: the offline world, in whichever role the prompt asks for.

It reads the rendered prompt, as a real model would, and knows nothing else: which role it plays stands in the prompt's title,
what it knows in the prompt's sections. Bare chat messages, without a prompt, are answered as a *policy* of the world:

    scripted:tailored     infers who the user is from the messages and replies accordingly (the oracle)
    scripted:plain        an answer for anybody (also what bare `scripted` is)
    scripted:memoryless   as the oracle, from the last message alone       \\
    scripted:facts        the oracle's content without its manner           } half of what it takes
    scripted:style        the oracle's manner without its content          /
    scripted:constant     always the same words         \\
    scripted:parrot       the user's last message        } strategies that a sound judge ranks low
    scripted:dump         recites all that it knows     /
    scripted:leak         is told who the user is            \\  by the benchmark, a side channel that no real policy has:
    scripted:stranger     is told that they are another     /  they play nowhere else

`scripted:judge-1` plays the roles of `scripted`, and judges as version 1 of the world's judge did. `scripted:user?wording=train`
plays them too, and as the user has but some of the world's wordings, or shows less than others (`world/manner.py`).
`scripted:biased?position=.3` plays them, and as the judge has known faults (`world/biases.py`).

What a policy around a model adds is no message of a person: the world answers the person, as it would without. It is none the
better for being reminded or criticised; told who the user is, by the prompt of a tailored reply, bare `scripted` knows it.

Its tokens are words: a token ends with every space and line end.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from aloe_hub import prompts
from aloe_hub.chat.base import ChatReply, ChatRequest
from aloe_hub.chat.judges import PAIRWISE, SCORING, exchanges, pairwise
from aloe_hub.chat.pieces import before
from aloe_hub.errors import ChatError, UsageError
from aloe_hub.model_string import TAKES_OPTIONS
from aloe_hub.prompts.additions import answered_at, bare
from aloe_hub.rubrics import BEFORE
from aloe_hub.types import Message, Persona
from aloe_hub.world import JUDGE_VERSION as JUDGE_VERSION
from aloe_hub.world import WORLD_VERSION as WORLD_VERSION
from aloe_hub.world import changing as changing
from aloe_hub.world import judging as judging
from aloe_hub.world import revealing as revealing
from aloe_hub.world import speaking
from aloe_hub.world.biases import Biases
from aloe_hub.world.manner import Manner
from aloe_hub.world.strategies import HANDED as HANDED
from aloe_hub.world.strategies import STRATEGIES, knowing
from aloe_hub.world.understanding import Known, mentions, read_messages, read_personality, read_profile, topic_of

Sections = Mapping[str, str]
POLICIES = STRATEGIES
# Play any role as `scripted` does, but judge as the world's judge once did, so that an old run ends as it began.
EARLIER_JUDGES = {f"judge-{version}": version for version in judging.VERSIONS if version < JUDGE_VERSION}

_TOKEN = re.compile(r"[^ \n]*[ \n]|[^ \n]+")


@dataclass(frozen=True, slots=True)
class Scripted:
    """A `Chat` over the scripted world; equal requests get equal answers.

    >>> import asyncio
    >>> from aloe_hub.chat.base import ChatRequest, Sampling
    >>> hello = ChatRequest((Message("user", "Any dinner ideas?"),), Sampling(), seed=1, role="policy")
    >>> asyncio.run(Scripted("parrot").complete(hello))
    ChatReply(text='Any dinner ideas?', cut=False, tokens_in=3, tokens_out=3, thoughts=0)
    """

    policy: str | None = None
    told: Persona | None = None  # of a policy in `HANDED`: who it is to take the user for
    options: tuple[tuple[str, str], ...] = field(default=(), repr=False)  # how users speak, or how the judge is biased

    def __post_init__(self) -> None:
        if self.policy in HANDED and self.told is None:
            raise UsageError(
                f"model {f'scripted:{self.policy}'!r}: the benchmark tells it a persona, which nobody else does; it opens "
                f"alone, as aloe evaluate --policy scripted:{self.policy}"
            )
        if self.policy is not None and self.policy not in (known_names := (*POLICIES, *HANDED, *EARLIER_JUDGES, *TAKES_OPTIONS)):
            known = ", ".join(f"scripted:{name}" for name in known_names)
            raise UsageError(f"model {f'scripted:{self.policy}'!r}: no such policy; known: scripted, {known}")
        (Biases if self.policy == "biased" else Manner).read(self.options)

    async def complete(self, request: ChatRequest) -> ChatReply:
        await asyncio.sleep(0)  # let others have their turn, and Ctrl-C be heard, as a model that takes its time would
        return self._reply(request)

    async def stream(self, request: ChatRequest, say: Callable[[str], None]) -> ChatReply:
        reply = self._reply(request)
        for token in _TOKEN.findall(reply.text):
            await asyncio.sleep(0)
            say(token)
        return reply

    def _reply(self, request: ChatRequest) -> ChatReply:
        text = self._text(request)
        most = request.sampling.max_tokens
        said = _tokens(text)
        if cut := said > most:
            text, said = "".join(_TOKEN.findall(text)[:most]), most
        if request.sampling.stop:
            text, stopped = before(text, request.sampling.stop)
            cut, said = cut and not stopped, _tokens(text)
        return ChatReply(text, cut, sum(_tokens(message.content) for message in request.messages), said)

    def _text(self, request: ChatRequest) -> str:
        random = Random(request.seed)
        last = request.messages[answered_at(request.messages)].content
        title = last.partition("\n")[0]
        plays = title in (*_USERS, *_ROLES, *_JUDGED) and self.policy in (None, *TAKES_OPTIONS, *EARLIER_JUDGES)
        if sections := prompts.sections(last) if plays else {}:
            try:
                biased = self.policy == "biased"
                if title in _JUDGED:
                    version = EARLIER_JUDGES.get(self.policy or "", JUDGE_VERSION)
                    return _judged(title, sections, version, random, Biases.read(self.options) if biased else None)
                if title in _USERS:
                    return _user(sections, random, Manner.read(() if biased else self.options))
                return _ROLES[title](sections, random)
            except (KeyError, ValueError) as error:
                raise ChatError(f"scripted: a prompt without what its role needs ({error}): {last[:60]!r}") from None
        if all(message.role != "user" for message in request.messages):
            raise ChatError("scripted: no message of a user to answer")
        said = _said_by_user(bare(request.messages))
        if self.told is not None:
            return knowing(random, said, _known(self.told.profile, self.told.personality))
        return POLICIES.get(self.policy or "", POLICIES["plain"])(random, said)


def _tokens(text: str) -> int:
    return text.count(" ") + text.count("\n") + (text[-1:] not in " \n")  # what nothing ends is a token too


def _generator(text: Callable[[Random], str]) -> Callable[[Sections, Random], str]:
    return lambda sections, random: prompts.listed([text(random) for _ in range(int(sections["HOW MANY"]))])


def _user(sections: Sections, random: Random, manner: Manner) -> str:
    persona = _known(sections["PROFILE"], sections["PERSONALITY"])
    earlier = _said_by_user(prompts.messages(sections.get("CONVERSATION", "")))
    return speaking.user_message(random, persona, earlier, int(sections.get("HOW MANY", 2)), manner)


def _inferrer(sections: Sections, random: Random) -> str:
    known = read_messages(_said_by_user(prompts.messages(sections["CONVERSATION"])))
    profile, personality = (text or "unknown" for text in speaking.statement(known))
    return f"Profile: {profile}\nPersonality: {personality}"


def _tailored(sections: Sections, random: Random) -> str:
    known = _known(sections["INFERRED PROFILE"], sections["INFERRED PERSONALITY"])
    return speaking.tailored_reply(random, topic_of(sections["MESSAGE"]), known)


def _revised(sections: Sections, random: Random) -> str:
    """The oracle's reply. The world's users never say what they missed, so that what they said then is no hint."""
    earlier = _said_by_user(prompts.messages(sections["CONVERSATION"]))
    return speaking.tailored_reply(random, topic_of(sections["MESSAGE"]), read_messages([*earlier, sections["MESSAGE"]]))


def _plain(sections: Sections, random: Random) -> str:
    return speaking.plain_reply(random, topic_of(sections["MESSAGE"]))


def _judged(title: str, sections: Sections, version: int, random: Random, biases: Biases | None) -> str:
    """The answer of a version of the judge, or of one with biases."""
    if title == PAIRWISE:
        first, second = (_judgement(sections, sections[reply], version) for reply in ("REPLY 1", "REPLY 2"))
        if biases is not None:
            return pairwise(first, second, 1 if biases.first_wins(first, second, random) else -1)
        return pairwise(first, second, first.score - second.score, judging.TIE_BELOW)
    if title == _SATISFACTION:  # of somebody of whom the messages tell all, the one after the reply among them
        earlier = _said_by_user(prompts.messages(sections["CONVERSATION"]))
        told = read_messages([*earlier, sections["MESSAGE"], sections["WHAT THE USER SAID THEN"]])
        profile, personality = speaking.statement(told)
        sections = {**sections, "PROFILE": profile, "PERSONALITY": personality}
    found = _judgement(sections, sections["REPLY"], version)
    if biases is not None:
        found = biases.scored(found, random)
    return SCORING.get(title, BEFORE).answer(found.reasons(), found.criteria, found.score)


def _judgement(sections: Sections, reply: str, version: int) -> judging.Judgement:
    return judging.judge(sections["PROFILE"], sections["PERSONALITY"], exchanges(sections), sections["MESSAGE"], reply, version)


def _known(profile: str, personality: str) -> Known:
    return Known(read_profile(profile), read_personality(personality))


def _selector(sections: Sections, random: Random) -> str:
    """Counts what of the inferred profile a reply takes up: the world's judge has no part in what a policy says."""
    named = set(mentions(sections["REPLY"]))
    facts = [fact for fact in read_profile(sections["INFERRED PROFILE"]) if (fact.kind, fact.value) in named]
    return f"It takes up {len(facts)} of what is known.\nScore: {1 + min(len(facts), 4)}"


def _said_by_user(messages: Sequence[Message]) -> list[str]:
    return [message.content for message in messages if message.role == "user"]


_USERS = tuple(f"# {prompts.load(name).title}" for name in ("user_opening", "user_continuing", "user_cold"))
_ROLES: dict[str, Callable[[Sections, Random], str]] = {
    f"# {prompts.load(name).title}": play
    for name, play in (
        ("profile_generator", _generator(speaking.profile_text)),
        ("personality_generator", _generator(speaking.personality_text)),
        ("inferrer", _inferrer),
        ("tailored_reply", _tailored),
        ("revised_reply", _revised),
        ("plain_reply", _plain),
        ("selector", _selector),
    )
}
_SATISFACTION = f"# {prompts.load('satisfaction').title}"
_JUDGED = (PAIRWISE, *SCORING, _SATISFACTION)
