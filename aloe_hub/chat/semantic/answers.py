"""What the semantic judge found, as an answer in the form that each prompt asks for."""

from __future__ import annotations

from aloe_hub.chat.semantic.judging import Judgement, weights


def by_aloe_hub(found: Judgement) -> str:
    """A manner for anybody is style 3. What a user has not said is overreach, and no part of the content."""
    quality = 5.0 - sum(cost for name, cost in found.faults.items() if name != "claimed")
    lines = (
        f"Style: {_on_five(3 + 2 * found.style)}",
        f"Content: {_on_five(1 + found.topic + 3 * found.content)}",
        f"Quality: {_on_five(1.0 if found.too_short else quality)}",
        f"Overreach: {_yes(_holds(found.claimed))}",
        f"Score: {found.score:g}",
    )
    return "\n".join((reasons(found), *lines))


def by_score_alone(found: Judgement) -> str:
    return f"{reasons(found)}\nScore: {found.score:g}"


def by_aloe(found: Judgement) -> str:
    """A whole number, and no word beside it."""
    return f"Score: {round(found.score)}"


def by_rlpa(found: Judgement) -> str:
    natural = not (found.too_short or found.too_long or _holds(found.repeated) or _holds(found.unreadable))
    lines = (
        f"Naturalness: {_yes(natural)}",
        f"Relevance: {_yes(_holds(found.content) and not _holds(found.stray))}",
        f"Logic: {_yes(_holds(found.topic) and not _holds(found.claimed))}",
        f"Engagement: {_yes(found.style >= 0)}",
        f"Informativeness: {_yes(not _holds(found.echo) and not _holds(found.said_before))}",
    )
    return "\n".join((reasons(found), *lines))


def pairwise(first: Judgement, second: Judgement) -> str:
    gap = first.worth - second.worth
    verdict = "tie" if abs(gap) < weights()["limits"]["tie"] else "1" if gap > 0 else "2"
    return f"Reply 1: {reasons(first)}\nReply 2: {reasons(second)}\nVerdict: {verdict}"


def reasons(found: Judgement) -> str:
    faults = [f"{name.replace('_', ' ')} {cost:.2f}" for name, cost in found.faults.items() if cost >= 0.005]
    faults += ["fewer words than a reply needs"] if found.too_short else []
    return (
        f"Topic {found.topic:.2f}, {found.used:.2f} revealed fact(s) used, style {found.style:+.2f}. "
        f"Faults: {', '.join(faults) or 'none'}."
    )


def _holds(share: float) -> bool:
    return bool(share >= weights()["limits"]["holds"])


def _on_five(value: float) -> str:
    return f"{round(min(5.0, max(1.0, value)), 2):g}"


def _yes(holds: bool) -> str:
    return "yes" if holds else "no"
