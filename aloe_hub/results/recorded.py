"""Recorded chats beyond one assistant: those who stayed as long as somebody asks for, and all assistants together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from aloe_hub.errors import AloeError
from aloe_hub.results.counts import PolicyReport
from aloe_hub.results.policies import Scored, Talk


def who_stayed(scored: Sequence[Scored], turns: int, run: Path) -> list[Scored]:
    """Of recorded chats the first `turns` turns, and only those with at least as many ratings; anything else as it is.

    Raises:
        AloeError: no chat of the run has as many.
    """
    talks = [talk for one in scored if one.is_recorded for talk in one.talks.values()]
    most = max(map(_ratings, talks), default=turns)
    if most < turns:
        raise AloeError(f"--stayed {turns}: no chat in {run} has more than {most} ratings; give {most} or fewer")
    return [one for one in (_only_stayed(one, turns) for one in scored) if one.talks]


def _ratings(talk: Talk) -> int:
    return sum(score is not None for score in talk.scores)


def _only_stayed(scored: Scored, turns: int) -> Scored:
    if not scored.is_recorded:
        return scored
    stayed = ((chat, talk) for chat, talk in scored.talks.items() if _ratings(talk) >= turns)
    return replace(scored, talks={chat: replace(talk, scores=talk.scores[:turns]) for chat, talk in stayed})


def together(scored: Sequence[Scored]) -> PolicyReport | None:
    """The chats of all assistants as if of one; None where there are not several, or none were recorded."""
    if len(scored) < 2 or not all(one.is_recorded for one in scored):
        return None
    # By user, so that no number depends on what the assistants are called.
    talks = sorted((item for one in scored for item in one.talks.items()), key=lambda item: item[1].profile)
    return Scored(scored[0].path, scored[0].rubric, f"all {len(scored)} assistants", dict(talks)).report()
