"""Finished run folders as a table in the terminal, as JSON, and as one HTML file.

    report = read_runs([Path("runs/demo")])
    print_report(report, Console())
    write_html(report, Path("runs/demo/report.html"))

All three show the same numbers, each with its interval. A number that is undefined is shown as "–", and is null in the
JSON. A run whose judge or users are scripted says so wherever its numbers stand.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from aloe_hub.report import recorded, scenarios
from aloe_hub.report.html import write_html
from aloe_hub.results import opening
from aloe_hub.results.counts import ORACLE, PLAIN, Paired, PolicyReport, PoolStats, Report, RunReport
from aloe_hub.results.formatting import UNDEFINED, letter, number, p_value, percent, share, with_interval
from aloe_hub.results.pairwise import WINS, WinRate
from aloe_hub.results.read import read_runs
from aloe_hub.results.trees import NO_VERDICT, TreeStats
from aloe_hub.rubrics import Criterion
from aloe_hub.types import Row

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console
    from rich.table import Table

__all__ = ["Report", "print_report", "read_runs", "to_json", "write_html"]

BARS = "▁▂▃▄▅▆▇█"
CRITERIA = "Criteria: the mean over all replies; of what holds or does not, the percentage that holds."


def to_json(report: Report) -> str:
    """The numbers, without the texts, in an order that does not change; what is undefined is null."""
    return json.dumps({"runs": [_valid(_row(run)) for run in report.runs]}, indent=2, allow_nan=False, default=str)


def print_report(report: Report, console: Console) -> None:
    """The numbers, for the terminal."""
    from rich.text import Text

    if report.warning:
        console.print(Text(report.warning))
    for run in report.runs:
        console.print(Text(f"Run {run.name}", style="bold"))
        for part in _parts(run):
            console.print(Text(part) if isinstance(part, str) else part)


def _parts(run: RunReport) -> Iterator[str | Table]:
    """What is said of a run, line by line, and its tables."""
    yield from (opening.made_with(run), *opening.sentences(run))
    if run.policies:
        yield f"{run.made_by('evaluate')}; rubric {run.rubric.name}, {run.rubric.in_words}"
        if run.scenario:
            yield f"A scenario, not the ordinary benchmark: {'; '.join(run.scenario.values())}."
        # Names stand above the table, by letter: a model string is easily as long as the whole terminal is wide.
        for place, policy in enumerate(run.policies):
            line = f"  {letter(place)}  {sparkline(policy.scores.al[: policy.last], run.rubric.shown_scale)}  {policy.policy}"
            yield line + _steering(policy.steering)
        yield _policies(run)
        yield f"Brackets: 95% intervals over {run.intervals_over}. N-IR and R² describe curves."
        if run.is_recorded:
            yield "AL(k) is the mean over those who were still there at turn k."
        for place, policy in enumerate(run.policies):
            yield from (f"{letter(place)}: {line}" for line in _beside(run, policy))
        if any(policy.criteria for policy in run.policies):
            yield _criteria(run)
            yield CRITERIA
    if run.together:
        yield from recorded.lines_together(run.together)
    yield from scenarios.lines(run)
    yield from map(_comparison_line, run.comparisons)
    yield from (opening.verdict(run, paired) for paired in run.neighbours)
    yield from map(_win_rate_line, run.win_rates)
    if run.trees:
        yield _trees_line(run.trees)
        yield run.made_by("trees")
    if run.pool:
        yield _pool_line(run.pool)


def sparkline(values: Sequence[float], scale: tuple[float, float] = (1, 5)) -> str:
    """AL(k) over the whole scale, so that a flat curve looks flat.

    >>> sparkline([1, 2, 3, 4, 5, float("nan")])
    '▁▃▅▆█–'
    """
    low, high = scale
    steps = len(BARS) - 1
    return "".join(
        UNDEFINED if math.isnan(value) else BARS[math.floor((value - low) / (high - low) * steps + 0.5)] for value in values
    )


def _table(*names: str) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _policies(run: RunReport) -> Table:
    last = "last" if run.is_recorded else max(len(policy.scores.al) for policy in run.policies)
    table = _table("", "conver-\nsations", "AL(1)", f"AL({last})", "AVG", "IR", "N-IR", "R²", "missing")
    for place, policy in enumerate(run.policies):
        scores = policy.scores
        table.add_row(
            letter(place),
            str(policy.conversations),
            number(scores.al[0], 2),
            number(scores.al[policy.last - 1], 2),
            # The interval below its number: side by side they would not fit into 80 columns.
            with_interval(scores.avg, scores.avg_ci, 2, between="\n"),
            with_interval(scores.ir, scores.ir_ci, 3, between="\n", sign=True),
            number(scores.n_ir, 3, sign=True),
            number(scores.r2, 2),
            str(scores.missing),
        )
    return table


def _criteria(run: RunReport) -> Table:
    table = _table("", *(criterion.name for criterion in run.rubric.criteria))
    for place, policy in enumerate(run.policies):
        table.add_row(letter(place), *(_criterion(policy, criterion) for criterion in run.rubric.criteria))
    return table


def _criterion(policy: PolicyReport, criterion: Criterion) -> str:
    found = policy.criteria.get(criterion.name)
    return UNDEFINED if found is None else with_interval(found.avg, found.avg_ci, criterion.digits, between="\n")


def _beside(run: RunReport, policy: PolicyReport) -> Iterator[str]:
    """What else its numbers say, and what they do without; said only where there is something to say."""
    yield from recorded.lines(policy)
    if policy.gap:
        yield f"closes {share(policy.gap.closed, policy.gap.closed_ci)} of the gap from {PLAIN} to {ORACLE}"
    if policy.adaptation:
        slope = with_interval(policy.adaptation.slope, policy.adaptation.slope_ci, 2, sign=True)
        yield f"slope on R, in points for a whole persona revealed: {slope}"
    if policy.above_oracle:
        low, high = (number(end, 2, sign=True) for end in policy.above_oracle)
        yield f"AL(1) stands {low} to {high} above the oracle's, which knows all that the first message reveals: a leak"
    if policy.scores.ceiling:
        yield f"{percent(policy.scores.ceiling)} of the scores are {policy.rubric.shown_scale[1]}, the highest there is"
    if components := run.components(policy):
        yield f"standard deviations of AVG between conversations: {components}"
    if policy.avg_bounds:
        low, high = (number(end, 2) for end in policy.avg_bounds)
        lowest, highest = policy.rubric.shown_scale
        yield f"{policy.scores.missing} scores are missing; AVG is {low} if all of them were {lowest}, {high} if {highest}"
    if policy.failed:
        yield f"{policy.failed} conversations failed and are left out"


def _comparison_line(paired: Paired) -> str:
    gain = with_interval(paired.result.difference, paired.result.difference_ci, 2, sign=True)
    p, holm = p_value(paired.result.p), p_value(paired.p_holm)
    return f"AVG {gain}, p {p} (Holm {holm}), {paired.personas} personas: {paired.policy} minus {paired.baseline}"


def _win_rate_line(found: WinRate) -> str:
    first, second = found.policies
    low, high = found.rate_ci
    rate = f"Win rate {percent(found.rate)} [{percent(low)}, {percent(high)}], p {p_value(found.p)}: {first} over {second}"
    homes = " and ".join(percent(one) for one in found.by_host)
    counted = f"{found.count(*WINS)} decided, {found.ties} ties ({found.count('orders disagree')} since the orders disagree)"
    unread = f", {found.unread} without a verdict" if found.unread else ""
    return f"{rate}; {homes} in the conversations of either; {counted}{unread}"


def _trees_line(trees: TreeStats) -> str:
    several = f" of {trees.replies} replies, {percent(trees.decided)} decided" if trees.replies > 2 else ""
    unread = trees.count(NO_VERDICT)
    return (
        f"{trees.trees} trees ({trees.failed} failed), {trees.exchanges} forks{several}: {percent(trees.tie_rate)} ties, "
        f"tailored preferred in {percent(trees.tailored_preferred)} of the decided, "
        f"both orders agree in {percent(trees.order_agreement)}"
        + (f"; {unread} forks have no verdict, for the judge could not be read" if unread else "")
        + _steering(trees.steering)
    )


def _steering(replies: int) -> str:
    """Said only where there is something to say."""
    return f"; {replies} replies hold a line of the judge's, such as 'Score: 5'" if replies else ""


def _pool_line(pool: PoolStats) -> str:
    parts = [f"{count} {split}" for split, count in pool.personas.items()]
    line = f"{sum(pool.personas.values())} personas ({', '.join(parts)})" if parts else "no personas yet"
    for name, texts in (("profiles", pool.profiles), ("personalities", pool.personalities)):
        if texts:
            line += f"; {texts.kept} {name}, {texts.refused} refused"
            line += f", {texts.dropped} dropped as too short" if texts.dropped else ""
    return line


def _row(run: RunReport) -> Row:
    trees, pool = run.trees, run.pool
    return {
        "name": run.name,
        "scored_by": run.made_by("evaluate") if run.policies else None,
        "rubric": run.rubric.name if run.policies else None,
        "scale": run.rubric.shown_scale if run.policies else None,
        "scenario": run.scenario,
        "made_with": run.made_with,
        "opening": opening.sentences(run),
        "policies": [
            {
                "policy": policy.policy,
                "conversations": policy.conversations,
                "profiles": policy.profiles,
                **policy.scores.to_dict(),
                "avg_bounds": policy.avg_bounds,
                "criteria": {
                    name: {"avg": found.avg, "avg_ci": found.avg_ci, "al": found.al, "missing": found.missing}
                    for name, found in policy.criteria.items()
                },
                "failed": policy.failed,
                "steering": policy.steering,
                "gap": policy.gap and policy.gap.to_dict(),
                "adaptation": policy.adaptation and policy.adaptation.to_dict(),
                "al_1_above_oracle": policy.above_oracle,
                **scenarios.rows(run, policy),
                **recorded.row(policy),
            }
            for policy in run.policies
        ],
        "together": run.together
        and {"conversations": run.together.conversations} | run.together.scores.to_dict() | recorded.row(run.together),
        "comparisons": [_pair(paired) for paired in run.comparisons],
        "neighbours": [_pair(paired) for paired in run.neighbours],
        "pairs": [_pair(paired) for paired in run.pairs],
        "win_rates": [found.to_row() for found in run.win_rates],
        "judged_by": run.made_by("trees") if trees else None,
        "trees": trees
        and {
            **asdict(trees),
            "exchanges": trees.exchanges,
            "tie_rate": trees.tie_rate,
            "decided": trees.decided,
            "order_agreement": trees.order_agreement,
            "tailored_preferred": trees.tailored_preferred,
            "first_shown_rate": trees.first_shown_rate,
        },
        "pool": pool
        and {
            name: value if name == "personas" else value and {key: item for key, item in value.items() if key != "examples"}
            for name, value in asdict(pool).items()
        },
        "audit": run.audit,
        "settings": run.settings,
    }


def _pair(paired: Paired) -> Row:
    whose = {"policy": paired.policy, "baseline": paired.baseline, "personas": paired.personas}
    return whose | paired.result.to_dict() | {"p_holm": paired.p_holm}


def _valid(value: Any) -> Any:  # noqa: ANN401
    """JSON has no NaN."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _valid(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_valid(item) for item in value]
    return value
