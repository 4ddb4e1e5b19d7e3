"""Rows of a dataset on the Hub: `--data org/name[:config[:split]][@revision]`, ours or any of TRL's own forms.

    prompt, chosen, rejected      preference, explicit; texts or messages
    chosen, rejected              preference, implicit: two conversations with one beginning
    prompt, completion            texts or messages
    prompt, completions, ranks    ranked replies; each a text or messages, perhaps with scores
    prompt, privileged_context    a text or messages, and what a teacher is told beside them
    messages                      a conversation: each of its replies is a row, after what was said before it

TRL: https://huggingface.co/docs/trl/dataset_formats
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from aloe_hub.errors import DataError, UsageError
from aloe_hub.hub_dataset import dataset_named, open_dataset
from aloe_hub.training.record import Method
from aloe_hub.trl_forms import messages_of, preference
from aloe_hub.types import Row

KEPT = ("tree_id", "persona_id", "turn")
BELIEVED = ("weight", "objective")  # of pairs and of ranked replies: how much a row counts, and what it was judged by
# Of the methods that have rows: GRPO takes trees.
CONFIG: dict[Method, str] = {"sft": "sft", "dpo": "pairs", "rank": "ranked", "sdft": "distill"}
COMPLETIONS: dict[Method, tuple[str, ...]] = {"sft": ("completion",), "dpo": ("chosen", "rejected"), "rank": (), "sdft": ()}
NEEDED = COMPLETIONS | {"rank": ("completions", "ranks"), "sdft": ("privileged_context",)}  # beside the prompt
FORMS: dict[Method, str] = {
    "sft": "prompt and completion, or messages",
    "dpo": "prompt, chosen and rejected, or chosen and rejected",
    "rank": "prompt, completions and ranks",
    "sdft": "prompt and privileged_context",
}


def dataset_rows(data: str, method: Method) -> tuple[Iterator[Row], Row]:
    """The rows of a dataset at one commit, which is found first: what `main` is today, it may not be tomorrow; and where that is.

    Without a config it is ours for the method, `sft`, `pairs`, `ranked` or `distill`, or else `default`.

    Raises:
        UsageError: `data` is a file, or no name of a dataset.
        DataError: there is no such dataset, config or split; or, while the rows are read, one that is in none of the forms.
        AloeError: the Hub cannot be reached or refuses.
    """
    if Path(data).is_file():
        raise UsageError(
            f"--data {data}: a file, not a dataset on the Hub; copy it to RUN/{CONFIG[method]}.jsonl and give --run RUN instead"
        )
    name = dataset_named(data)
    rows, choice, revision = open_dataset(name, (CONFIG[method], "default"), "go online, or train from --run DIR")
    if next(rows_of(dict.fromkeys(rows.column_names), method), None) is None:
        missing = [name for name in ("prompt", *NEEDED[method]) if name not in rows.column_names]
        raise DataError(
            f"--data {data}: config {choice!r} has no column {', '.join(missing)}; it has {', '.join(rows.column_names)}; "
            f"wanted: {FORMS[method]}"
        )
    origin = {"dataset": name.repo, "revision": revision}
    if name.config:
        origin |= {"config": choice, "split": name.split or "train"}
    return (found for row in rows for found in rows_of(row, method)), origin


def rows_of(row: Mapping[str, Any], method: Method) -> Iterator[Row]:
    """The training rows in one row of a dataset; none where it has none of the forms. What is in the columns is not checked.

    >>> [row["completion"] for row in rows_of({"prompt": "Hi.", "completion": "Hello."}, "sft")]
    [[{'role': 'assistant', 'content': 'Hello.'}]]
    """
    ids = {name: row[name] for name in (*KEPT, *BELIEVED) if row.get(name) is not None}
    if method == "dpo":
        found = preference(row)
        if found is not None:
            yield ids | dict(zip(("prompt", "chosen", "rejected"), found, strict=True))
    elif row.keys() >= {"prompt", *NEEDED[method]}:
        others = {name: messages_of(row[name], "assistant") for name in COMPLETIONS[method]}
        if method == "sdft":
            others["privileged_context"] = row["privileged_context"]
        if method == "rank":
            replies = row["completions"] or ()
            others = {"completions": [messages_of(reply, "assistant") for reply in replies], "ranks": row["ranks"]}
            others |= {"scores": row.get("scores"), "criticisms": row.get("criticisms")}
        yield ids | {"prompt": messages_of(row["prompt"], "user")} | others
    elif method == "sft" and "messages" in row:
        messages = row["messages"] or []
        ids = {"tree_id": hashlib.sha256(repr(messages).encode("utf-8", "replace")).hexdigest()[:16]} | ids
        replies = [at for at, message in enumerate(messages) if isinstance(message, dict) and message.get("role") == "assistant"]
        for turn, at in enumerate(replies):
            yield ids | {"turn": turn, "prompt": messages[:at], "completion": [messages[at]]}
        if not replies:
            yield ids | {"prompt": messages, "completion": None}
