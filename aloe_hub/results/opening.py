"""What a benchmark found, in three sentences: what was compared, what rose and by how much, what it does not show.

Every number in them stands in the run's report as well: nothing is computed here.
"""

from __future__ import annotations

from collections.abc import Sequence

from aloe_hub.results.audited import in_short
from aloe_hub.results.counts import ORACLE, PLAIN, Paired, RunReport, is_scripted
from aloe_hub.results.formatting import counted, p_value, share, with_interval
from aloe_hub.results.trained import base_of, trained_from

LEVEL = 0.05  # of p by Holm, over all pairs of the run


def sentences(run: RunReport) -> tuple[str, ...]:
    """Three, or none of a run without a benchmark."""
    return (_compared(run), _rose(run), _does_not_show(run)) if run.policies else ()


def made_with(run: RunReport) -> str:
    """The day and the version. Of a run that does not say when it began it is the day of its newest file, and called so."""
    date, version = run.made_with.get("date"), run.made_with.get("aloe_hub")
    day = f"begun {date}" if date else run.newest and f"newest file of {run.newest}, since run.toml holds no date"
    return "; ".join(filter(None, (day, version and f"made with aloe-hub {version}")))


def called(run: RunReport, policy: str) -> str:
    """A policy in a sentence: of an adapter of the base only what the adapter is called, where no other is called so."""
    names = [_short(one.policy) for one in run.policies]
    return _short(policy) if names.count(_short(policy)) == 1 else policy


def verdict(run: RunReport, paired: Paired) -> str:
    """
    What one policy adds to another, such as "dpo adds nothing significant to sft: +0.00 [−0.05, +0.05], p 0.912 by Holm".
    """
    policy, other = called(run, paired.policy), called(run, paired.baseline)
    found = with_interval(paired.result.difference, paired.result.difference_ci, 2, sign=True)
    if not _shows(paired):
        said = f"{policy} adds nothing significant to {other}"
    else:
        said = f"{policy} is {'better' if paired.result.difference > 0 else 'worse'} than {other}"
    return f"{said}: {found}, p {p_value(paired.p_holm)} by Holm"


def _compared(run: RunReport) -> str:
    names = [policy.policy for policy in run.policies]
    base = base_of(names)
    trained = trained_from(base, names)
    if run.is_recorded:
        who = counted(len(names), "assistant")
    elif base is None:
        who = counted(len(names), "policy", "policies")
    else:
        others = len(names) - len(trained) - 1
        who = f"{base}, {counted(len(trained), 'training')} of it ({_listed([called(run, one) for one in trained])})"
        who += f" and {counted(others, 'other policy', 'other policies')}" if others else ""
    most = max(run.policies, key=lambda policy: policy.conversations)
    over = counted(most.conversations, "conversation" if run.is_recorded else "held-out persona")
    turns = max(policy.last for policy in run.policies)
    points = f"points from {run.rubric.shown_scale[0]} to {run.rubric.shown_scale[1]}"
    scenario = f" ({'; '.join(run.scenario.values())})" if run.scenario else ""
    return f"Compared: {who}, on {over}{scenario} over {counted(turns, 'turn')}, in {points}; {run.made_by('evaluate')}."


def _rose(run: RunReport) -> str:
    if not run.comparisons:
        only = run.policies[0]
        found = with_interval(only.scores.avg, only.scores.avg_ci, 2)
        return f"There is nothing to compare {only.policy} with: its AVG is {found}, its IR {_ir(only.policy, run)} a turn."
    names = [policy.policy for policy in run.policies]
    base = run.comparisons[0].baseline
    # What was trained is what the run is about; where nothing was, what is no script; else all.
    asked = trained_from(base_of(names), names) or [name for name in names if not is_scripted(name)]
    mine = [paired for paired in run.comparisons if paired.policy in asked] or list(run.comparisons)
    best = max(
        mine, key=lambda paired: paired.result.difference if paired.result.difference == paired.result.difference else -9e9
    )
    gain = with_interval(best.result.difference, best.result.difference_ci, 2, sign=True)
    by = f"{gain}, p {p_value(best.p_holm)} by Holm"
    if not _shows(best) or best.result.difference <= 0:
        said = f"Nothing rose significantly above {base}: the largest difference in AVG is {by} ({called(run, best.policy)})"
    else:
        said = f"AVG rose by {by}, from {base} to {called(run, best.policy)}, and IR is {_ir(best.policy, run)} a turn"
        gap = next(policy.gap for policy in run.policies if policy.policy == best.policy)
        if gap:
            said += f"; it stands at {share(gap.closed, gap.closed_ci)} of the way from {PLAIN} to {ORACLE}"
    return "; ".join((said, *(verdict(run, paired) for paired in run.neighbours))) + "."


def _does_not_show(run: RunReport) -> str:
    if run.is_recorded:
        return (
            "It does not show that an assistant was the cause: people chose whom to talk with and when to leave, and those who "
            "stay may be the more satisfied."
        )
    if run.is_test_bed("evaluate"):
        limits = "how any of these would do with people, or with language outside of the scripted world's"
    else:
        limits = "how any of these would do with people: users are simulated, and the judge has tastes of its own"
    audit = in_short(run.audit, run.model("evaluate", "judge"))
    seeds = "one training each, so what another seed would give is in no interval" if run.neighbours else ""
    return f"It does not show {'; '.join(part for part in (limits, seeds, audit) if part)}."


def _shows(paired: Paired) -> bool:
    low, high = paired.result.difference_ci
    return paired.p_holm < LEVEL and (low > 0 or high < 0)


def _ir(policy: str, run: RunReport) -> str:
    scores = next(one.scores for one in run.policies if one.policy == policy)
    return with_interval(scores.ir, scores.ir_ci, 3, sign=True)


def _short(policy: str) -> str:
    return policy.rpartition("+")[2].rstrip("/").rpartition("/")[2] if "+" in policy and "(" not in policy else policy


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
