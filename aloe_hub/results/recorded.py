"""Recorded chats beyond one assistant: those who stayed as long as somebody asks for, and all assistants together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from aloe_hub.errors import AloeError
from aloe_hub.results.counts import PolicyReport
from aloe_hub.results.policies import Scored


def who_stayed(scored: Sequence[Scored], turns: int, run: Path) -> list[Scored]:
    """Of recorded chats the first `turns` turns, and only those with at least as many ratings; anything else as it is.

    Raises:
        AloeError: no chat of the run has as many.
    """
    most = max((_ratings(scores) for one in scored if one.is_recorded for scores in one.scores.values()), default=None)
    if most is not None and most < turns:
        raise AloeError(f"--stayed {turns}: no chat in {run} has more than {most} ratings; give {most} or fewer")
    return [one for one in (_only_stayed(one, turns) for one in scored) if one.scores]


def _ratings(scores: Sequence[float | None]) -> int:
    return sum(score is not None for score in scores)


def _only_stayed(scored: Scored, turns: int) -> Scored:
    if not scored.is_recorded:
        return scored
    stayed = [chat for chat, scores in scored.scores.items() if _ratings(scores) >= turns]
    found = Scored(scored.path, scored.rubric)
    found.policy, found.samples = scored.policy, scored.samples
    found.scores = {chat: scored.scores[chat][:turns] for chat in stayed}
    found.profiles = {chat: scored.profiles[chat] for chat in stayed}
    found.unnamed = scored.unnamed.intersection(stayed)
    return found


def together(scored: Sequence[Scored]) -> PolicyReport | None:
    """The chats of all assistants as if of one; None where there are not several, or none were recorded."""
    if len(scored) < 2 or not all(one.is_recorded for one in scored):
        return None
    found = Scored(scored[0].path, scored[0].rubric)
    found.policy = f"all {len(scored)} assistants"
    for one in scored:
        found.scores |= one.scores
        found.profiles |= one.profiles
        found.unnamed |= one.unnamed
    # By user, so that no number depends on what the assistants are called.
    found.profiles = dict(sorted(found.profiles.items(), key=lambda item: item[1]))
    found.scores = {chat: found.scores[chat] for chat in found.profiles}
    return found.report()
