"""The forms of preferences that TRL and the datasets on the Hub know → a prompt and two replies, as messages.

    prompt, chosen, rejected      explicit; texts or messages. The two may repeat the prompt
    chosen, rejected              implicit: two conversations with one beginning, as messages or as transcripts
                                  ("\\n\\nHuman: … \\n\\nAssistant: …", as HH-RLHF has them)

TRL: https://huggingface.co/docs/trl/dataset_formats
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_SPEAKER = re.compile(r"(?:^|\n\n)(Human|Assistant):")
_ROLES = {"Human": "user", "Assistant": "assistant"}


def preference(row: Mapping[str, Any]) -> tuple[Any, Any, Any] | None:
    """(prompt, chosen, rejected), each as messages; None where the row is no preference. What is in the columns is not checked.

    >>> preference({"prompt": "Hi.", "chosen": "Hello.", "rejected": "What?"})[1]
    [{'role': 'assistant', 'content': 'Hello.'}]
    >>> transcripts = {"chosen": "\\n\\nHuman: Hi.\\n\\nAssistant: Hello.", "rejected": "\\n\\nHuman: Hi.\\n\\nAssistant: What?"}
    >>> [messages[0]["content"] for messages in preference(transcripts)]
    ['Hi.', 'Hello.', 'What?']
    """
    if not {"chosen", "rejected"} <= row.keys():
        return None
    chosen, rejected = (messages_of(row[name], "assistant") for name in ("chosen", "rejected"))
    if "prompt" not in row:
        return _with_one_beginning(chosen or [], rejected or [])
    prompt = messages_of(row["prompt"], "user")
    # UltraFeedback's usual dress: a text as the prompt, and two whole conversations that begin with it.
    whole = all(isinstance(one, list) and len(one) > 1 and _role(one[0]) in ("system", "user") for one in (chosen, rejected))
    return _with_one_beginning(chosen, rejected) if whole else (prompt, chosen, rejected)


def messages_of(value: object, role: str) -> Any:  # noqa: ANN401 - what others wrote, whatever it is
    """A transcript as its messages, another text as the one message of `role` that it is, and anything else as it stands."""
    if not isinstance(value, str):
        return value
    return transcript(value) or [{"role": role, "content": value}]


def transcript(text: str) -> list[dict[str, str]]:
    """The messages of "Human: …", "Assistant: …"; none where the text does not begin as one. Its end may wait for a reply.

    >>> transcript("\\n\\nHuman: Hi.\\n\\nAssistant:")
    [{'role': 'user', 'content': 'Hi.'}]
    """
    before, *parts = _SPEAKER.split(text)
    if before.strip() or len(parts) < 4:
        return []
    said = [{"role": _ROLES[who], "content": words.strip()} for who, words in zip(parts[::2], parts[1::2], strict=True)]
    return said if said[-1]["content"] else said[:-1]


def _with_one_beginning(chosen: Any, rejected: Any) -> tuple[Any, Any, Any]:  # noqa: ANN401
    pairs = enumerate(zip(chosen, rejected, strict=False))
    same = next((at for at, (a, b) in pairs if a != b), min(len(chosen), len(rejected)))
    return chosen[:same], chosen[same:], rejected[same:]


def _role(message: object) -> object:
    return message.get("role") if isinstance(message, dict) else None
