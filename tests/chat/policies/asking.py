"""What the tests of policies share: a chat to answer, and models that are heard."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from aloe_hub.chat import policies
from aloe_hub.chat.base import ChatReply, ChatRequest, Sampling
from aloe_hub.model_string import ModelString
from aloe_hub.types import Message

SUSHI = Message("user", "I love sushi. Any dinner ideas?")
ROLLS = Message("assistant", "Make some rolls.")
RUN = Message("user", "I run every morning. Which shoes?")
SHOES = Message("assistant", "Light ones.")
ASKED = Message("user", "I live alone. What can I cook tonight?")
CHAT = (SUSHI, ROLLS, RUN, SHOES, ASKED)
SAMPLING = Sampling(temperature=0.7, max_tokens=99)


@dataclass
class Heard:
    """Says what `say` makes of the request, and remembers what it was asked."""

    say: Callable[[ChatRequest], str] = lambda request: f"said {request.seed}"
    requests: list[ChatRequest] = field(default_factory=list)

    async def complete(self, request):
        self.requests.append(request)
        await asyncio.sleep(0)
        return ChatReply(self.say(request), tokens_in=10, tokens_out=2)


def opened(model, **models):
    """The policy that a model string names, around the chats `scripted:m`, `scripted:n` and `scripted:s`; and these by name."""
    chats = {name: models.get(name, Heard()) for name in ("m", "n", "s")}
    return policies.open_policy(ModelString.parse(model), lambda name: nested(name, chats)), chats


def nested(name, chats):
    named = ModelString.parse(name)
    return policies.open_policy(named, lambda one: nested(one, chats)) if named.inner else chats[named.policy]


def ask(chat, messages=CHAT, seed=7, **changes):
    return asyncio.run(chat.complete(ChatRequest(tuple(messages), SAMPLING, seed, "policy", **changes)))
