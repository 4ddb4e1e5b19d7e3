"""What the world's judge finds in a reply, as an answer by each rubric.

A score of 1 to 5 is `Judgement.score`, rounded where decimals are not asked for. A criterion looks at one thing that `judging`
sees, in the words of the rubric's own prompt.
"""

from __future__ import annotations

from aloe_hub.world.judging import FEWEST_WORDS, MOST_WORDS, Judgement


def by_aloe_hub(found: Judgement) -> str:
    """A manner for anybody is style 3: it neither suits nor offends. What a user has not said is not theirs to be told."""
    content = 1 + found.on_topic + 1.5 * min(2, found.fitting) - 0.75 * found.contradictions - 0.5 * found.irrelevant
    quality = 5 - 2 * found.repeats - 2 * found.echoes - found.said_before - 0.05 * max(0, found.words - MOST_WORDS)
    lines = (
        f"Style: {_on_five(3 + 2 * found.style)}",
        f"Content: {_on_five(content)}",
        f"Quality: {_on_five(quality if found.words >= FEWEST_WORDS else 1)}",
        f"Overreach: {_yes(found.unrevealed + found.contradictions > 0)}",
        f"Score: {found.score:g}",
    )
    return "\n".join((found.reasons(), *lines))


def by_score_alone(found: Judgement) -> str:
    return f"{found.reasons()}\nScore: {found.score:g}"


def by_aloe(found: Judgement) -> str:
    """A whole number, and no word beside it."""
    return f"Score: {round(found.score)}"


def by_rlpa(found: Judgement) -> str:
    lines = (
        f"Naturalness: {_yes(FEWEST_WORDS <= found.words <= MOST_WORDS and not found.repeats)}",
        f"Relevance: {_yes(found.fitting > 0 and found.irrelevant == 0)}",
        f"Logic: {_yes(found.on_topic and found.contradictions == 0)}",
        f"Engagement: {_yes(found.style >= 0)}",
        f"Informativeness: {_yes(not found.echoes and not found.said_before)}",
    )
    return "\n".join((found.reasons(), *lines))


def _on_five(value: float) -> str:
    return f"{round(min(5.0, max(1.0, value)), 2):g}"


def _yes(holds: bool) -> str:
    return "yes" if holds else "no"
