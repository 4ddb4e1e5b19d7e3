"""Scores for recorded conversations, by a judge that is named by a model string.

    python examples/judge_transcripts.py [TRANSCRIPTS.jsonl [JUDGE]]

A line of the file is a conversation: `{"profile": …, "personality": …, "messages": [{"role": …, "content": …}, …]}`. The judge
gets the benchmark's own prompt for every reply. Without a file, three conversations of the scripted world are judged by it; any
other judge is `hub:org/model` or `http://host:port/v1#model`.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from aloe_hub import parsing, prompts
from aloe_hub.chat import open_chat
from aloe_hub.chat.base import Chat, ChatRequest, Sampling
from aloe_hub.errors import ParseError
from aloe_hub.scoring import score
from aloe_hub.types import Message

Talk = dict[str, Any]

PERSONA = {
    "profile": "She is a 41-year-old bus driver from Lagos. She is saving for a sewing machine.",
    "personality": "She is generous with praise. She gets bored by long explanations and asks for the short version.",
}
FIRST = "I am saving for a sewing machine. What should I do on a rainy evening?"
SECOND = "Long texts tire me. How do I keep learning?"
PLAIN = "Stay indoors without feeling bad today. Make a cozy corner with pillows. Share a blanket and some stories. Good luck."
FITTING = "Learn together with somebody else. You are saving for a sewing machine, so build on that."
EXAMPLE: list[Talk] = [
    {
        **PERSONA,
        "messages": [
            {"role": "user", "content": FIRST},
            {"role": "assistant", "content": PLAIN},
            {"role": "user", "content": SECOND},
            {"role": "assistant", "content": last},
        ],
    }
    for last in (FITTING, PLAIN, "I see.")
]


async def judged(judge: Chat, talk: Talk, spoken: list[Message]) -> float | None:
    """The score of the last of `spoken`; None where the judge's answer cannot be read: never a guess."""
    prompt = prompts.load("benchmark_judge").render(
        profile=str(talk["profile"]),
        personality=str(talk["personality"]),
        conversation=prompts.conversation(spoken[:-2]),
        message=spoken[-2].content,
        reply=spoken[-1].content,
    )
    request = ChatRequest((Message("user", prompt),), Sampling(temperature=0.0, max_tokens=256), seed=0, role="judge")
    try:
        return parsing.score((await judge.complete(request)).text)
    except ParseError:
        return None


async def all_scores(judge: Chat, talks: list[Talk]) -> list[list[float | None]]:
    """A row for each conversation, a score for each reply; all are asked for at once."""
    said = [[Message(**message) for message in talk["messages"]] for talk in talks]
    return [
        list(await asyncio.gather(*(judged(judge, talk, messages[:end]) for end in range(2, len(messages) + 1, 2))))
        for talk, messages in zip(talks, said, strict=True)
    ]


if __name__ == "__main__":
    talks = [json.loads(line) for line in Path(sys.argv[1]).read_text("utf-8").splitlines()] if len(sys.argv) > 1 else EXAMPLE
    found = asyncio.run(all_scores(open_chat(sys.argv[2] if len(sys.argv) > 2 else "scripted"), talks))
    print("scores:", found)
    print(score(found, cluster_ids=[str(talk["profile"]) for talk in talks]))
