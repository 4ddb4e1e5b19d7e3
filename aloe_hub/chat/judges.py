"""What the judges have in common that are no language models: the prompts that they know, and the forms of their answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from aloe_hub import prompts
from aloe_hub.rubrics import BEFORE, RUBRICS

PAIRWISE = f"# {prompts.load('pairwise_judge').title}"
SCORING = {f"# {prompts.load(rubric.prompt).title}": rubric for rubric in (*RUBRICS.values(), BEFORE)}


class Judgement(Protocol):
    """What was found in a reply."""

    def reasons(self) -> str: ...


def exchanges(sections: Mapping[str, str]) -> tuple[tuple[str, str], ...] | None:
    """(user, assistant) before the message; None where the prompt does not show them."""
    if "CONVERSATION" not in sections:
        return None
    spoken = prompts.messages(sections["CONVERSATION"])
    return tuple((user.content, said.content) for user, said in zip(spoken[::2], spoken[1::2], strict=True))


def pairwise(first: Judgement, second: Judgement, gap: float, tie_below: float = 0.0) -> str:
    """The verdict on two replies, of which the first is better by `gap`."""
    verdict = "tie" if abs(gap) < tie_below else "1" if gap > 0 else "2"
    return f"Reply 1: {first.reasons()}\nReply 2: {second.reasons()}\nVerdict: {verdict}"
