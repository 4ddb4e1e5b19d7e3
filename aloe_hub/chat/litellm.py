"""`litellm:PROVIDER/MODEL`: a model at one of the providers whose protocols the library LiteLLM keeps.

The library is a translator here and nothing else: it sends once, writes no logs, fetches and reports nothing of its own. Keys and
addresses are what it takes from its own environment variables, such as OPENAI_API_KEY and OPENAI_API_BASE.
"""

from __future__ import annotations

import asyncio
import logging
import re
import warnings
from os import environ
from typing import Any

from aloe_hub.chat.answers import reply_of
from aloe_hub.chat.base import ChatReply, ChatRequest
from aloe_hub.chat.endpoint import body_of
from aloe_hub.chat.endpoint_errors import readable, refusal, shown
from aloe_hub.chat.keys import Key
from aloe_hub.errors import ChatError, Refused
from aloe_hub.model_string import ModelString

environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # or importing it asks the network for prices
environ.setdefault("LITELLM_MODE", "PRODUCTION")  # or importing it reads a file .env into the environment

import litellm
from litellm.litellm_core_utils.logging_worker import GLOBAL_LOGGING_WORKER

litellm.telemetry = False
litellm.suppress_debug_info = True
litellm.disable_aiohttp_transport = True
# What it would tell its loggers waits in a queue that outlives the event loop, and there are no loggers.
GLOBAL_LOGGING_WORKER.ensure_initialized_and_enqueue = lambda async_coroutine: async_coroutine.close()
logging.getLogger("LiteLLM").setLevel(logging.CRITICAL)
warnings.filterwarnings("ignore", message="Pydantic serializer warnings", module="pydantic")

_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL", re.I)  # in the name of an environment variable
_LEAST_SECRET = 10  # characters: a shorter value is a switch, or a word that messages may hold
_FRAME = re.compile(r"^litellm\.\w+: |^\w+(?:Error|Exception)(?:: | - )|(?s:\s*Traceback \(most recent call last\).*)")


class LiteLLM:
    """A `Chat` through LiteLLM, in the event loop that first asks it; `close` ends its connections."""

    def __init__(self, model: ModelString, timeout: float) -> None:
        """`timeout` is in seconds, for a whole reply."""
        self.model = str(model)
        self._name = str(model.name)
        self._timeout = timeout
        self._keys = [Key(value) for name, value in environ.items() if _SECRET.search(name) and len(value) >= _LEAST_SECRET]

    async def complete(self, request: ChatRequest) -> ChatReply:
        async with readable(self.model, self._hidden), asyncio.timeout(self._timeout):
            try:
                # A parameter that the provider does not know is left out: that it knows which, is what the library is for.
                response = await litellm.acompletion(
                    **body_of(self._name, request), timeout=self._timeout, max_retries=0, num_retries=0, drop_params=True
                )
            except (TimeoutError, asyncio.CancelledError):
                raise
            except Exception as error:  # of a hundred providers: whatever they raise
                raise self._error(error) from None
            reply = reply_of(_as_sent(response.model_dump()), Key())
            if any(key.is_in(reply.text) for key in self._keys):
                raise ChatError("the reply holds a key of the environment; it is not kept")
            return reply

    async def close(self) -> None:
        await litellm.close_litellm_async_clients()
        litellm.in_memory_llm_clients_cache.flush_cache()

    def _error(self, error: Exception) -> ChatError:
        status = getattr(error, "status_code", None)
        words = str(error)
        while (bare := _FRAME.sub("", words)) != words:
            words = bare
        words = self._hidden(words) or type(error).__name__
        if not isinstance(status, int):
            return ChatError(shown(words))
        if status in (401, 403) or isinstance(error, litellm.UnsupportedParamsError):
            return Refused(
                f"{status} {shown(words)}; LiteLLM takes keys from the provider's own variable, such as OPENAI_API_KEY"
            )
        headers = getattr(error, "litellm_response_headers", None) or {}
        return refusal(status, words.encode("utf-8", "replace"), headers.get("retry-after"))

    def _hidden(self, text: str) -> str:
        for key in self._keys:
            text = key.hidden(text)
        return text


def _as_sent(answer: dict[str, Any]) -> dict[str, Any]:
    """The answer with what the library has put aside: a refusal, an error, the end under its own name (it takes unknown ones
    for good)."""
    for choice in answer.get("choices") or ():
        message, aside = choice.get("message") or {}, choice.get("provider_specific_fields") or {}
        message |= {"refusal": (message.get("provider_specific_fields") or {}).get("refusal")}
        choice |= {"error": aside.get("error"), "finish_reason": aside.get("native_finish_reason") or choice.get("finish_reason")}
    return answer
