"""A chat server that answers as real servers and real models do, and what a run should make of each way.

    python tests/dialects.py PORT

The model that a request names picks the dialect: `http://127.0.0.1:PORT/v1#think`. The content is the scripted world's, so a run
through a dialect whose content is the same as ever must end with the same rows, byte for byte.
"""

import asyncio
import gzip
import json
import re
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

from aloe_hub.chat.base import ChatRequest, Sampling
from aloe_hub.chat.scripted import Scripted
from aloe_hub.types import Message

# same: the rows of a clean run; whole: complete, with other content; at once: ends in one line after the first answers;
# again: asked again as often as `--attempts` says, then ends in one line; unread: every conversation fails, and says so.
Ends = Literal["same", "whole", "at once", "again", "unread"]


@dataclass(frozen=True)
class Dialect:
    """`answer(text, body)`: what is sent for the scripted world's `text`. `says`: what the command's last words match.

    `options`: what a user adds to the commands for that server.
    """

    ends: Ends
    answer: Callable[[str, dict[str, Any]], "Sent"]
    says: str = ""
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sent:
    """An answer on the wire: JSON, or bytes as they are."""

    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    def bytes(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


def said(message: dict[str, Any] | str, finish: str | None = "stop", **more: Any) -> Sent:
    """A chat completion; `more` are further fields of the whole answer."""
    message = {"content": message} if isinstance(message, str) else message
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    usage = {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18}
    return Sent({"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage} | more)


def error(message: str, status: int = 400, **more: Any) -> Sent:
    return Sent({"error": {"message": message, **more}}, status)


def refusing(parameter: str, message: str, when: Callable[[dict[str, Any]], bool]) -> Callable[[str, dict[str, Any]], Sent]:
    """A server that does not take a parameter, or not with that value."""

    def answer(text: str, body: dict[str, Any]) -> Sent:
        if when(body):
            return error(message, type="invalid_request_error", param=parameter, code="unsupported_parameter")
        return said(text)

    return answer


MISTRAL = {
    "model",
    "messages",
    "temperature",
    "top_p",
    "max_tokens",
    "stop",
    "random_seed",
    "stream",
    "safe_prompt",
    "n",
    "response_format",
}


def mistral(text: str, body: dict[str, Any]) -> Sent:
    extra = [
        {"type": "extra_forbidden", "loc": ["body", key], "msg": "Extra inputs are not permitted"}
        for key in body
        if key not in MISTRAL
    ]
    return Sent({"object": "error", "message": {"detail": extra}, "type": "invalid_request_error"}, 422) if extra else said(text)


def harmony(text: str) -> str:
    return f"<|channel|>analysis<|message|>We need a plan. Score: 2<|end|><|start|>assistant<|channel|>final<|message|>{text}"


PLAN = "Okay, the task is to do what was asked. Let me plan it in two steps.\n1. look at the data\n2. write\nScore: 1\nVerdict: 2"


def as_stream(text: str, _: dict[str, Any]) -> Sent:
    """A server that streams although nobody asked it to."""
    chunk = {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": "stop"}]}
    return Sent(
        f": PROCESSING\n\ndata: {json.dumps(chunk)}\n\ndata: [DONE]\n\n".encode(), headers={"Content-Type": "text/event-stream"}
    )


def judging(change: Callable[[str], str]) -> Callable[[str, dict[str, Any]], Sent]:
    """A judge that ends its answer in another typography; every other role as ever."""
    return lambda text, _: said(change(text) if re.search(r"(?m)^(Score|Verdict): ", text) else text)


def values_of(text: str) -> dict[str, str]:
    """What an answer of the world's judge or inferrer says, by its labels in small letters."""
    return {name.lower(): value for name, value in re.findall(r"(?m)^([A-Z][a-z]+): (.*)$", text)}


def as_json(text: str) -> str:
    values: dict[str, Any] = {"reason": "fits"} | values_of(text)
    for name, value in values.items():
        values[name] = json.loads(value) if re.fullmatch(r"[\d.]+", value) else {"yes": True, "no": False}.get(value, value)
    return json.dumps(values)


def structured(text: str, body: dict[str, Any]) -> Sent:
    """A server that holds the answer to the schema that it was sent; where an answer has a form, it insists on one."""
    if "response_format" not in body:
        return error("which schema?") if re.search(r"(?m)^(Score|Verdict|Profile): ", text) else said(text)
    form = body["response_format"]
    schema = form["schema"] if form["type"] == "json_object" else form["json_schema"]["schema"]
    values = values_of(text) | {"reasons": re.sub(r"(?m)^[A-Z][a-z]+: .*$", "", text).strip()}
    read: dict[str, Callable[[str], Any]] = {"number": float, "boolean": lambda value: value == "yes", "string": str}
    return said(json.dumps({name: read[one["type"]](values[name]) for name, one in schema["properties"].items()}))


def llama_cpp(text: str, body: dict[str, Any]) -> Sent:
    """llama-cpp-python's server 0.3.36, which calls a form that it does not know an error of its own."""
    if body.get("response_format", {}).get("type") == "json_schema":
        where = "{'type': 'literal_error', 'loc': ('body', 'response_format', 'type'), 'input': 'json_schema'"
        return error(f"1 validation error: {where}, 'msg': \"Input should be 'text' or 'json_object'\"}}", 500)
    return structured(text, body)


DIALECTS: dict[str, Dialect] = {
    "clean": Dialect("same", lambda text, _: said(text)),
    # thoughts
    "think": Dialect("same", lambda text, _: said(f"<think>\n{PLAN}\n</think>\n\n{text}")),
    "thinking-tag": Dialect("same", lambda text, _: said(f"<thinking>{PLAN}</thinking>\n{text}")),
    "bracket-think": Dialect("same", lambda text, _: said(f"[THINK]{PLAN}[/THINK]{text}")),
    "half-think": Dialect("same", lambda text, _: said(f"{PLAN}\n</think>\n\n{text}")),
    "empty-think": Dialect("same", lambda text, _: said(f"<think>\n\n</think>\n\n{text}")),
    "harmony": Dialect("same", lambda text, _: said(harmony(text))),
    "reasoning-field": Dialect(
        "same", lambda text, _: said({"content": text, "reasoning_content": PLAN, "tool_calls": None, "refusal": None})
    ),
    "thinking-part": Dialect(
        "same",
        lambda text, _: said(
            {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": PLAN}]}, {"type": "text", "text": text}]}
        ),
    ),
    "open-think": Dialect("unread", lambda text, _: said(f"<think>\n{PLAN}"), "think"),
    "only-reasoning": Dialect("at once", lambda text, _: said({"content": None, "reasoning_content": text}), "reasoning"),
    # forms of the content
    "text-parts": Dialect("same", lambda text, _: said({"content": [{"type": "text", "text": text}]})),
    "end-token": Dialect("same", lambda text, _: said(f"{text}<|im_end|>")),
    "end-token-llama": Dialect("same", lambda text, _: said(f"{text}<|eot_id|>")),
    "half-emoji": Dialect("whole", lambda text, _: said(f"{text} \ud83d!")),
    "half-emoji-end": Dialect("whole", lambda text, _: said(f"{text} \ud83d", usage=None)),
    "nul": Dialect("whole", lambda text, _: said(f"{text}\x00")),
    # ends
    "null-finish": Dialect("same", lambda text, _: said(text, None)),
    "eos-finish": Dialect("same", lambda text, _: said(text, "eos_token")),
    "end-turn": Dialect("same", lambda text, _: said(text, "end_turn")),
    "cut": Dialect("unread", lambda text, _: said(text[: len(text) // 2], "MAX_TOKENS"), "max_tokens|cut"),
    "error-finish": Dialect("again", lambda text, _: said(text[: len(text) // 2], "error"), "error"),
    "choice-error": Dialect(
        "again",
        lambda text, _: Sent(
            {
                "choices": [
                    {
                        "message": {"content": text[:20]},
                        "finish_reason": "error",
                        "error": {"code": 502, "message": "Upstream dropped"},
                    }
                ]
            }
        ),
        "Upstream dropped",
    ),
    "filter": Dialect("at once", lambda text, _: said("", "content_filter"), "content_filter|filter"),
    "refusal": Dialect(
        "at once", lambda text, _: said({"content": None, "refusal": "I can't help with that."}), "I can't help with that"
    ),
    "tool-call": Dialect(
        "at once",
        lambda text, _: said(
            {"content": None, "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f"}}]}, "tool_calls"
        ),
        "tool",
    ),
    # errors
    "error-in-200": Dialect(
        "again", lambda text, _: error("rate limit exceeded upstream", 200, code=429), "rate limit exceeded upstream"
    ),
    "auth-in-200": Dialect(
        "at once", lambda text, _: error("No auth credentials found", 200, code=401), "No auth credentials found"
    ),
    "quota": Dialect(
        "at once",
        lambda text, _: error("You exceeded your current quota", 429, code="insufficient_quota"),
        "exceeded your current quota",
    ),
    "no-money": Dialect("at once", lambda text, _: error("Insufficient Balance", 402), "Insufficient Balance"),
    "overloaded": Dialect("again", lambda text, _: error("Overloaded", 529, type="overloaded_error"), "Overloaded"),
    "too-large": Dialect(
        "at once", lambda text, _: Sent(b"<html><head><title>413 Request Entity Too Large</title></head></html>", 413), "413"
    ),
    "context": Dialect(
        "at once",
        lambda text, _: Sent({"object": "error", "message": "maximum context length is 8 tokens", "code": 400}, 400),
        "context length",
    ),
    # parameters
    "no-max-tokens": Dialect(
        "at once",
        refusing(
            "max_tokens", "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.", lambda b: "max_tokens" in b
        ),
        "max_completion_tokens",
    ),
    "fixed-temperature": Dialect(
        "at once",
        refusing(
            "temperature",
            "Unsupported value: 'temperature' does not support 0.9.",
            lambda b: b.get("temperature") not in (None, 1),
        ),
        "--extra-body",
    ),
    "no-seed": Dialect("at once", mistral, "--extra-body"),
    "max-completion-tokens": Dialect(
        "same",
        refusing("max_tokens", "Unsupported parameter: 'max_tokens'", lambda b: b.get("max_completion_tokens", 0) < 256),
        options=("--extra-body", '{"max_tokens": "max_completion_tokens"}'),
    ),
    "left-out-temperature": Dialect(
        "same",
        refusing("temperature", "Unsupported value: 'temperature'", lambda b: "temperature" in b),
        options=("--extra-body", '{"temperature": null}'),
    ),
    "random-seed": Dialect("whole", mistral, options=("--extra-body", '{"seed": null, "random_seed": 7}')),
    "structured": Dialect("same", structured, options=("--structured",)),
    "schema-in-object": Dialect("same", llama_cpp, options=("--structured",)),
    "no-schema": Dialect(
        "at once",
        refusing("response_format", "Unknown parameter: 'response_format'", lambda b: "response_format" in b),
        r"--extra-body '\{\"response_format\": null\}'",
        options=("--structured",),
    ),
    "one-of-two": Dialect(
        "same",
        refusing("top_p", "`temperature` and `top_p` cannot both be specified.", lambda b: "temperature" in b and "top_p" in b),
    ),
    # the line
    "gzip": Dialect("same", lambda text, _: Sent(gzip.compress(said(text).bytes()), headers={"Content-Encoding": "gzip"})),
    "leading-blanks": Dialect("same", lambda text, _: Sent(b"\n\n\n   " + said(text).bytes())),
    "no-usage": Dialect("same", lambda text, _: Sent({"choices": [{"message": {"role": "assistant", "content": text}}]})),
    "null-usage": Dialect("same", lambda text, _: said(text, usage=None)),
    "unasked-stream": Dialect("same", as_stream),
    # judges
    "judge-out-of": Dialect("same", judging(lambda t: re.sub(r"Score: ([\d.]+)\s*$", r"Score: \1 out of 5", t))),
    "judge-trailing": Dialect("same", judging(lambda t: f"{t}\n\nThe reply is friendly and to the point.")),
    "judge-heading": Dialect("same", judging(lambda t: re.sub(r"(?m)^(Score|Verdict):", r"### \1:", t))),
    "judge-reply": Dialect("same", judging(lambda t: re.sub(r"Verdict: (\d)", r"Verdict: Reply \1", t))),
    "judge-explains": Dialect("same", judging(lambda t: re.sub(r"(Score|Verdict): (\S+)\s*$", r"\1: \2 (mostly fitting)", t))),
    "judge-full-width": Dialect("same", judging(lambda t: re.sub(r"(Score|Verdict): ", "\\1\N{FULLWIDTH COLON}", t))),
    "judge-json": Dialect("same", judging(as_json)),
    "judge-fence": Dialect("same", judging(lambda t: re.sub(r"(?m)^((Score|Verdict): \S+)\s*\Z", r"```\n\1\n```", t))),
    "judge-final": Dialect("same", judging(lambda t: re.sub(r"(?m)^(Score|Verdict):", r"**Final \1:**", t))),
}


class DialectServer(ThreadingHTTPServer):
    """`asked` counts the requests by dialect; `bodies` keeps the last body of each."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.scripted = Scripted(None)
        self.asked: Counter[str] = Counter()
        self.bodies: dict[str, dict[str, Any]] = {}

    def handle_error(self, *_: object) -> None:
        """A client that was stopped has hung up."""

    def name(self, dialect: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1#{dialect}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: DialectServer

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        sent_bytes = self.rfile.read(int(self.headers["Content-Length"]))
        if not sent_bytes:  # a client that was stopped
            return
        body = json.loads(sent_bytes)
        dialect = body["model"]
        self.server.asked[dialect] += 1
        self.server.bodies[dialect] = body
        messages = tuple(Message(message["role"], message["content"]) for message in body["messages"])
        request = ChatRequest(messages, Sampling(), body.get("seed") or 1, "policy")
        sent = DIALECTS[dialect].answer(asyncio.run(self.server.scripted.complete(request)).text, body)
        raw = sent.bytes()
        self.send_response(sent.status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(raw)), **sent.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)


@contextmanager
def speaking(port: int = 0) -> Iterator[DialectServer]:
    with DialectServer(port) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


if __name__ == "__main__":
    with DialectServer(int(sys.argv[1])) as server:
        server.serve_forever()
