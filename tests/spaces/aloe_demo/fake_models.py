"""Models for tests: some that speak in pieces, that wait to be let go, that fail."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from models import TITLES, Missing, Models, Part
from talk import answered

from aloe_hub.chat.base import Chat, ChatReply, ChatRequest, Sampling
from aloe_hub.chat.scripted import Scripted
from aloe_hub.errors import ChatError

SAMPLING = Sampling(temperature=0.0)


def fake_models(**chats) -> Models:
    """The scripted world, a plain and a tailored policy, but for the given chats; None: it is not there."""
    cast = {"base": Scripted("plain"), "aligned": Scripted("tailored")} | chats
    parts = {}
    for name, title in TITLES.items():
        chat = cast.get(name, Scripted())
        parts[name] = Part(title, name, chat or Missing(f"{title} is not there: {name}: no such model"))
    return Models(**parts)


async def last(values):
    found = None
    async for value in values:
        found = value
    return found


def said(talk, *messages, among=None, tries=0):
    """The talk after these messages."""
    for message in messages:
        stop = asyncio.Event()
        talk = asyncio.run(last(answered(talk, message, among or fake_models(), SAMPLING, 30, stop, tries=tries)))
    return talk


@dataclass
class Whole:
    """Says one text, all at once."""

    say: Callable[[ChatRequest], str]
    requests: list[ChatRequest] = field(default_factory=list)

    async def complete(self, request: ChatRequest) -> ChatReply:
        self.requests.append(request)
        return ChatReply(self.say(request))


@dataclass
class Speaking:
    """Says pieces, and between them waits until it is let go on. `ended`: how many of its calls are over, however they ended."""

    pieces: tuple[str, ...]
    go: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    ended: int = 0

    async def complete(self, request: ChatRequest) -> ChatReply:
        return await self.stream(request, lambda piece: None)

    async def stream(self, request: ChatRequest, say: Callable[[str], None]) -> ChatReply:
        try:
            for piece in self.pieces:
                await self.go.acquire()
                say(piece)
            await self.go.acquire()
            return ChatReply("".join(self.pieces))
        finally:
            self.ended += 1


@dataclass
class Failing:
    """Never answers."""

    error: Exception = field(default_factory=lambda: ChatError("http://127.0.0.1:9/v1#m: refused"))

    async def complete(self, request: ChatRequest) -> ChatReply:
        raise self.error


@dataclass
class Slow:
    """Answers as another does, later, and word by word. `ended`: how many of its calls are over, however they ended."""

    inner: Chat = field(default_factory=Scripted)
    seconds: float = 0.05
    ended: int = 0

    async def complete(self, request: ChatRequest) -> ChatReply:
        return await self.stream(request, lambda piece: None)

    async def stream(self, request: ChatRequest, say: Callable[[str], None]) -> ChatReply:
        try:
            reply = await self.inner.complete(request)
            for word in reply.text.split(" "):
                await asyncio.sleep(self.seconds)
                say(f"{word} ")
            return reply
        finally:
            self.ended += 1
