r"""`semantic`: a judge that reads meaning, and plays no other role.

It is asked by the very prompts that a language model gets, pairwise and by every rubric, knows what stands in their sections
and nothing else, and answers as text in the form that they ask for. What it finds is a function of similarities of sentences by
all-MiniLM-L6-v2, which needs no network, and of counted signs of manner: judging.py says which, weights.toml how much each
counts.
Sampling means nothing to it. Equal prompts get equal answers, and neither order nor company of replies matters.

What it cannot do:

    * It compares sentences and follows no argument. A denial resembles what it denies: "I hate sushi" reveals "She loves sushi".
    * Numbers and names hardly count: "You are 45" resembles "She is 54 years old". What a reply makes up of a user is only
      found where it resembles a fact of the profile that was not told; any other invention passes.
    * It does not know whether advice is good, true or safe, and reads no grammar: a broken sentence about the right thing is
      fine.
    * Manner is counted by lists of English words and marks. A reply that is warm in other words is not seen to be, and one that
      says "Haha, dear" is taken for funny and warm: who trains on its verdicts for long may learn to sprinkle.
    * A fact in words of another field is missed: "I've been on the ward all night" does not tell that she is a nurse.
    * English alone; the first 256 tokens of a sentence.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from aloe_hub import prompts
from aloe_hub.chat.base import ChatReply, ChatRequest
from aloe_hub.chat.judges import PAIRWISE, SCORING, exchanges, pairwise
from aloe_hub.chat.policies import nearness
from aloe_hub.chat.semantic.judging import Judgement, Reader, weights
from aloe_hub.chat.semantic.reading import similarity_by
from aloe_hub.errors import ChatError

VERSION = int(weights()["version"])


class Semantic:
    """A `Chat` that judges."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def complete(self, request: ChatRequest) -> ChatReply:
        await asyncio.sleep(0)  # let others have their turn, and Ctrl-C be heard
        prompt = request.messages[-1].content
        title = prompt.partition("\n")[0]
        if title not in SCORING and title != PAIRWISE:
            raise ChatError(
                f"semantic: it judges, by the judges' prompts, and answers nothing else; it was asked {prompt[:60]!r}"
            )
        sections = prompts.sections(prompt)
        try:
            if title == PAIRWISE:
                first, second = (self._judged(sections, reply) for reply in ("REPLY 1", "REPLY 2"))
                return ChatReply(pairwise(first, second, first.worth - second.worth, weights()["limits"]["tie"]))
            found = self._judged(sections, "REPLY")
            return ChatReply(SCORING[title].answer(found.reasons(), found.criteria, found.score))
        except (KeyError, ValueError) as error:
            raise ChatError(f"semantic: a prompt without what a judge needs ({error}): {prompt[:60]!r}") from None

    def _judged(self, sections: Mapping[str, str], reply: str) -> Judgement:
        earlier = exchanges(sections)
        return self._reader.judge(sections["PROFILE"], sections["PERSONALITY"], earlier, sections["MESSAGE"], sections[reply])


def open_semantic() -> Semantic:
    """Raises: AloeError: the embedder is not installed."""
    return Semantic(Reader(similarity_by(nearness.embedder())))
