"""A model behind an endpoint: `hub:org/model[:provider]` and `http://host:port/v1#model`, both by huggingface_hub's own client.

A call is one request, sent once; what comes back is read in `endpoint_errors`. Sending again, waiting and counting are the
business of the wrappers.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from os import environ
from typing import Any
from urllib.parse import urlsplit

from huggingface_hub import AsyncInferenceClient, get_token

from aloe_hub.chat.base import ChatReply, ChatRequest
from aloe_hub.chat.endpoint_errors import KEY, readable, reply_of, whole
from aloe_hub.errors import AloeError, Refused, UsageError
from aloe_hub.model_string import ModelString

# The client keeps this many idle connections open; with more requests in flight on it, each further one costs a new one.
IN_FLIGHT_EACH = 20
# Without a key of its own the client would send the user's Hugging Face token to whatever server is named.
_NO_KEY = "none"


class Endpoint:
    """A `Chat` over HTTP, in the event loop that first asks it; `close` ends its connections."""

    def __init__(self, model: ModelString, timeout: float) -> None:
        """`timeout` is in seconds: for a whole reply, or for each silence of one that is streamed.

        Raises:
            AloeError: a model of the Hub, and no token to ask it with.
        """
        self.model = str(model)
        self._named = model
        self._timeout = timeout
        self._free: list[AsyncInferenceClient] = []
        self._clients: list[AsyncInferenceClient] = []
        self._key = _key_for(model)

    async def complete(self, request: ChatRequest) -> ChatReply:
        async with self._client() as client, readable(self.model, self._hidden), asyncio.timeout(self._timeout):
            answer = await self._sent(client, request)
        return reply_of(self.model, answer)

    async def stream(self, request: ChatRequest, say: Callable[[str], None]) -> ChatReply:
        said, cut, usage = [], False, None
        client = self._new_client()  # of its own: it keeps what it has streamed until it is closed
        try:
            async with readable(self.model, self._hidden):
                chunks = await self._sent(client, request, stream=True, stream_options={"include_usage": True})
                async for chunk in chunks:
                    usage = chunk.usage or usage
                    for choice in chunk.choices or ():
                        cut = cut or choice.finish_reason == "length"
                        if choice.delta.content:
                            said.append(choice.delta.content)
                            say(choice.delta.content)
        finally:
            await client.close()  # type: ignore[no-untyped-call]
        return whole(self.model, "".join(said), cut, usage)

    async def close(self) -> None:
        clients, self._clients, self._free = self._clients, [], []
        for client in clients:
            await client.close()  # type: ignore[no-untyped-call]

    def _hidden(self, text: str) -> str:
        """A server may repeat the key that it refuses."""
        return text.replace(self._key, "***") if self._key != _NO_KEY else text

    async def _sent(self, client: AsyncInferenceClient, request: ChatRequest, **how: Any) -> Any:  # noqa: ANN401 - an answer or a stream
        sampling = request.sampling
        try:
            return await client.chat_completion(
                messages=[{"role": message.role, "content": message.content} for message in request.messages],
                model=self._named.name,
                max_tokens=sampling.max_tokens,
                temperature=sampling.temperature,
                top_p=sampling.top_p,
                stop=list(sampling.stop) or None,
                seed=request.seed,
                **how,
            )
        except ValueError as error:
            # The client knows the Hub's providers, and refuses what they do not have before it sends anything.
            if self._named.address is None and not isinstance(error, UnicodeDecodeError | json.JSONDecodeError):
                raise Refused(self._hidden(f"{self.model}: {' '.join(str(error).split())}")) from None
            raise

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[AsyncInferenceClient]:
        """A client with a connection to spare."""
        if not self._free:
            client = self._new_client()
            self._clients.append(client)
            self._free.extend([client] * IN_FLIGHT_EACH)
        client = self._free.pop()
        try:
            yield client
        finally:
            if client in self._clients:  # not closed meanwhile
                self._free.append(client)

    def _new_client(self) -> AsyncInferenceClient:
        if self._named.address is not None:
            return AsyncInferenceClient(base_url=self._named.address, api_key=self._key, timeout=self._timeout)
        provider: Any = self._named.provider
        try:
            return AsyncInferenceClient(provider=provider, api_key=self._key, timeout=self._timeout)
        except ValueError as error:
            raise UsageError(f"model {self.model!r}: {error}") from None


def _key_for(model: ModelString) -> str:
    """The key of that very server, else the one for all servers; the Hub's token goes to the Hub alone."""
    if model.address is None:
        token = get_token()
        if token is None:
            raise AloeError(f"model {str(model)!r}: no token; log in with `hf auth login`, or set HF_TOKEN")
        return token
    host = re.sub(r"\W", "_", urlsplit(model.address).hostname or "").upper()
    return environ.get(f"{KEY}_{host}") or environ.get(KEY) or _NO_KEY
