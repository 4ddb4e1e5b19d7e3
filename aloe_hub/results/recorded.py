"""Recorded chats beyond one assistant: those who stayed as long as somebody asks for, and all assistants together."""

from __future__ import annotations

from collections.abc import Sequence

from aloe_hub.results.counts import PolicyReport
from aloe_hub.results.policies import Scored


def only_stayed(scored: Scored, turns: int) -> Scored:
    """Of recorded chats the first `turns` turns, and only those with at least as many ratings; anything else as it is."""
    if not scored.is_recorded:
        return scored
    stayed = [chat for chat, scores in scored.scores.items() if sum(score is not None for score in scores) >= turns]
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
