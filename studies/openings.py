"""What a real model says to people, before and after training, side by side, for somebody to read.

    python studies/openings.py --base models/smollm2 --adapter DIR --out docs/explanation/real-replies.md

Thirty openings in English that nobody wrote for the world of the test bed (openings.jsonl): what they are about, how the person
would like to be spoken to, and, in ten of them, three messages more that can be answered better by whoever listened. Drawn as the
study draws, at temperature 0.7 and top_p 0.9, one seed, nothing chosen. Each side hears its own earlier replies.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path

from aloe_hub.chat.base import Chat, ChatRequest, Sampling
from aloe_hub.chat.traffic import Traffic
from aloe_hub.types import Message

OPENINGS = Path(__file__).with_name("openings.jsonl")
SAID = Sampling(temperature=0.7, top_p=0.9, max_tokens=96)


async def talk(chat: Chat, said: list[str], seed: int) -> list[str]:
    """The replies to what somebody says, message after message."""
    spoken: tuple[Message, ...] = ()
    replies: list[str] = []
    for turn, text in enumerate(said):
        spoken = (*spoken, Message("user", text))
        reply = await chat.complete(ChatRequest(spoken, SAID, seed * 100 + turn, "policy"))
        replies.append(reply.text.strip() + (" …" if reply.cut else ""))
        spoken = (*spoken, Message("assistant", reply.text))
    return replies


def page(openings: list[list[str]], sides: dict[str, list[list[str]]]) -> str:
    """A section an opening; in a row what was said, and what each side answered."""
    lines = [f"| | {' | '.join(sides)} |", f"|---|{'---|' * len(sides)}"]
    for number, said in enumerate(openings):
        for turn, text in enumerate(said):
            cells = [_cell(replies[number][turn]) for replies in sides.values()]
            lines.append(f"| {'**' + str(number + 1) + '.** ' if turn == 0 else ''}{_cell(text)} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", required=True)
    parser.add_argument("--adapter", required=True)
    parser.add_argument("--out", type=Path, required=True, help="below its line `<!-- replies -->` the table is written anew")
    options = parser.parse_args()
    openings = [json.loads(line)["said"] for line in OPENINGS.read_text(encoding="utf-8").splitlines()]
    traffic = Traffic()

    async def every(model: str) -> list[list[str]]:
        chat = traffic.open(model)
        return list(await asyncio.gather(*(talk(chat, said, seed) for seed, said in enumerate(openings))))

    models = {"base": f"local:{options.base}", "adapter": f"local:{options.base}+{options.adapter}"}
    sides = {name: traffic.run(every(model)) for name, model in models.items()}
    mark = "<!-- replies -->\n"
    before = options.out.read_text(encoding="utf-8").partition(mark)[0] if options.out.exists() else ""
    options.out.write_text(f"{before}{mark}\n{page(openings, sides)}", encoding="utf-8")


if __name__ == "__main__":
    main()
