"""The scripted model: the offline world, in whichever role the prompt asks for.

It reads the rendered prompt, as a real model would, and knows nothing else: which role it plays stands in the prompt's title,
what it knows in the prompt's sections. Bare chat messages, without a prompt, are answered as a *policy* of the world:

    scripted:tailored   infers who the user is from the messages and replies accordingly (the oracle)
    scripted:plain      an answer for anybody (also what bare `scripted` is)
    scripted:constant   always the same words         \\
    scripted:parrot     the user's last message        } strategies that a sound judge ranks low
    scripted:dump       recites all that it knows     /

What a policy around a model adds is no message of a person: the world answers the person, as it would without. It is none the
better for being reminded or criticised; told who the user is, by the prompt of a tailored reply, bare `scripted` knows it.

Its tokens are words: a token ends with every space and line end.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from aloe_hub import prompts
from aloe_hub.chat.base import ChatReply, ChatRequest
from aloe_hub.chat.pieces import before
from aloe_hub.errors import ChatError, UsageError
from aloe_hub.prompts.additions import answered_at, bare
from aloe_hub.types import Message
from aloe_hub.world import WORLD_VERSION as WORLD_VERSION
from aloe_hub.world import judging, speaking
from aloe_hub.world.understanding import Known, mentions, read_messages, read_personality, read_profile, topic_of

Sections = Mapping[str, str]

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

    def __post_init__(self) -> None:
        if self.policy is not None and self.policy not in POLICIES:
            known = ", ".join(f"scripted:{name}" for name in POLICIES)
            raise UsageError(f"model 'scripted:{self.policy}': no such policy; known: scripted, {known}")

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
        role = _ROLES.get(last.partition("\n")[0])
        sections = prompts.sections(last) if role is not None and self.policy is None else {}
        if role is not None and sections:
            try:
                return role(sections, random)
            except (KeyError, ValueError) as error:
                raise ChatError(f"scripted: a prompt without what its role needs ({error}): {last[:60]!r}") from None
        if all(message.role != "user" for message in request.messages):
            raise ChatError("scripted: no message of a user to answer")
        return POLICIES[self.policy or "plain"](bare(request.messages), random)


def _tokens(text: str) -> int:
    return text.count(" ") + text.count("\n") + (text[-1:] not in " \n")  # what nothing ends is a token too


def _profiles(sections: Sections, random: Random) -> str:
    return prompts.listed([speaking.profile_text(random) for _ in range(int(sections["HOW MANY"]))])


def _personalities(sections: Sections, random: Random) -> str:
    return prompts.listed([speaking.personality_text(random) for _ in range(int(sections["HOW MANY"]))])


def _user(sections: Sections, random: Random) -> str:
    persona = Known(read_profile(sections["PROFILE"]), read_personality(sections["PERSONALITY"]))
    return speaking.user_message(random, persona, _said_by_user(prompts.messages(sections.get("CONVERSATION", ""))))


def _inferrer(sections: Sections, random: Random) -> str:
    known = read_messages(_said_by_user(prompts.messages(sections["CONVERSATION"])))
    profile, personality = (text or "unknown" for text in speaking.statement(known))
    return f"Profile: {profile}\nPersonality: {personality}"


def _tailored(sections: Sections, random: Random) -> str:
    known = Known(read_profile(sections["INFERRED PROFILE"]), read_personality(sections["INFERRED PERSONALITY"]))
    return speaking.tailored_reply(random, topic_of(sections["MESSAGE"]), known)


def _plain(sections: Sections, random: Random) -> str:
    return speaking.plain_reply(random, topic_of(sections["MESSAGE"]))


def _pairwise_judge(sections: Sections, random: Random) -> str:
    first, second = (_judgement(sections, sections[reply]) for reply in ("REPLY 1", "REPLY 2"))
    gap = first.score - second.score
    verdict = "tie" if abs(gap) < judging.TIE_BELOW else "1" if gap > 0 else "2"
    return f"Reply 1: {first.reasons()}\nReply 2: {second.reasons()}\nVerdict: {verdict}"


def _benchmark_judge(sections: Sections, random: Random) -> str:
    judgement = _judgement(sections, sections["REPLY"])
    return f"{judgement.reasons()}\nScore: {judgement.score:g}"


def _judgement(sections: Sections, reply: str) -> judging.Judgement:
    spoken = prompts.messages(sections["CONVERSATION"])
    earlier = tuple((user.content, said.content) for user, said in zip(spoken[::2], spoken[1::2], strict=True))
    return judging.judge(sections["PROFILE"], sections["PERSONALITY"], earlier, sections["MESSAGE"], reply)


def _selector(sections: Sections, random: Random) -> str:
    """Counts what of the inferred profile a reply takes up: the world's judge has no part in what a policy says."""
    named = set(mentions(sections["REPLY"]))
    facts = [fact for fact in read_profile(sections["INFERRED PROFILE"]) if (fact.kind, fact.value) in named]
    return f"It takes up {len(facts)} of what is known.\nScore: {1 + min(len(facts), 4)}"


def _said_by_user(messages: Sequence[Message]) -> list[str]:
    return [message.content for message in messages if message.role == "user"]


def _policy_tailored(messages: Sequence[Message], random: Random) -> str:
    said = _said_by_user(messages)
    return speaking.tailored_reply(random, topic_of(said[-1]), read_messages(said))


def _policy_plain(messages: Sequence[Message], random: Random) -> str:
    return speaking.plain_reply(random, topic_of(messages[-1].content))


def _policy_constant(messages: Sequence[Message], random: Random) -> str:
    return speaking.constant_reply()


def _policy_parrot(messages: Sequence[Message], random: Random) -> str:
    return messages[-1].content


def _policy_dump(messages: Sequence[Message], random: Random) -> str:
    return speaking.dump_reply(random, read_messages(_said_by_user(messages)))


POLICIES: dict[str, Callable[[Sequence[Message], Random], str]] = {
    "tailored": _policy_tailored,
    "plain": _policy_plain,
    "constant": _policy_constant,
    "parrot": _policy_parrot,
    "dump": _policy_dump,
}

_ROLES: dict[str, Callable[[Sections, Random], str]] = {
    f"# {prompts.load(name).title}": play
    for name, play in (
        ("profile_generator", _profiles),
        ("personality_generator", _personalities),
        ("user_opening", _user),
        ("user_continuing", _user),
        ("inferrer", _inferrer),
        ("tailored_reply", _tailored),
        ("plain_reply", _plain),
        ("pairwise_judge", _pairwise_judge),
        ("benchmark_judge", _benchmark_judge),
        ("selector", _selector),
    )
}
