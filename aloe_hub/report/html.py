"""A report as one HTML file that needs nothing else: no script, no network, the plots inside as SVG.

Same report, same bytes: nothing here looks at the clock or at where the run folder lies.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from aloe_hub import __version__
from aloe_hub.files.jsonl import atomic_file
from aloe_hub.report import recorded, scenarios
from aloe_hub.report.plots import curves, histogram, recalled
from aloe_hub.results import audited, opening
from aloe_hub.results.counts import ORACLE, PLAIN, Paired, Report, RunReport
from aloe_hub.results.formatting import bound, letter, number, p_value, percent
from aloe_hub.results.scenarios import shifted_at
from aloe_hub.results.trees import SEVERAL, TIES, outcome, reply_name
from aloe_hub.types import Persona, ReplySource, Transcript

if TYPE_CHECKING:
    from markupsafe import Markup


def write_html(report: Report, path: Path) -> None:
    """Write the report to `path`, whole or not at all."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.tests["known"] = lambda value: not math.isnan(value)
    environment.filters |= {
        "number": number,
        "percent": percent,
        "p_value": p_value,
        "bound": bound,
        "letter": letter,
        "sentence": lambda text: text[:1].upper() + text[1:] + ".",
        "breakable": _breakable,
        "counts": lambda counts: ", ".join(f"{count} {name}" for name, count in counts.items()),
        "reply_name": reply_name,
        "outcome": outcome,
        "verdict": lambda paired, run: opening.verdict(run, paired),
    }
    template = environment.from_string((files(__package__) / "report.html.j2").read_text(encoding="utf-8"))
    runs = [_shown(run, place) for place, run in enumerate(report.runs, 1)]
    page = template.render(report=report, runs=runs, plain=PLAIN, oracle=ORACLE, version=__version__)
    # JSON can hold half of a surrogate pair, UTF-8 cannot: one odd reply must not cost the report.
    with atomic_file(path) as file:
        file.write(page.encode("utf-8", "replace"))


def _breakable(policy: str) -> Markup:
    """A model string with places where a line may end, so that no word in it is torn."""
    from markupsafe import Markup

    return Markup("<wbr>").join(re.split(r"(?<=[(,:/+@#=])", policy))


def _shown(run: RunReport, place: int) -> dict[str, Any]:
    """What the template needs of a run, beside the run itself."""
    contents = {
        "scores": ("Scores", run.policies),
        "criteria": ("Criteria", any(policy.criteria for policy in run.policies)),
        "scenario": ("What users revealed", any("revealed" in policy.shares for policy in run.policies)),
        "paired": ("Paired comparisons", run.comparisons),
        "pairwise": ("Win rates", run.win_rates),
        "audit": ("Audit", run.audit),
        "trees": ("Preference trees", run.trees),
        "tree": ("One tree", run.tree and run.tree.exchanges),
        "talks": ("Conversations", any(policy.samples for policy in run.policies)),
        "pool": ("Persona pool", run.pool),
        "settings": ("Settings", run.settings),
    }
    names = [policy.policy for policy in run.policies]
    texts = {"profiles": run.pool.profiles, "personalities": run.pool.personalities} if run.pool else {}
    return {
        "report": run,
        "index": place,
        "opening": opening.sentences(run),
        "made_with": opening.made_with(run),
        "contents": [(anchor, title) for anchor, (title, there) in contents.items() if there],
        "turns": max((policy.last if run.is_recorded else len(policy.scores.al) for policy in run.policies), default=0),
        "curves": curves(run.policies, f"curves{place}", shifted_at(run.settings.get("evaluate", {}))) if run.policies else None,
        "recorded": recorded.table(run),
        "revealed": scenarios.revealed(run),
        "shifts": [(place, scenarios.said_of(shift)) for place, shift in scenarios.shifts(run)],
        "recall": (recall := scenarios.recall(run)),
        "recalled": recalled(run.policies, f"recalled{place}") if recall else None,
        "comparisons": [
            {"place": names.index(paired.policy), "of": paired, "whisker": whisker}
            for paired, whisker in zip(run.comparisons, _whiskers(run.comparisons), strict=True)
        ],
        "pairs": [(names.index(paired.policy), names.index(paired.baseline), paired) for paired in run.pairs],
        "sources": [name for name in get_args(ReplySource) if run.trees and run.trees.count(name)],
        "ties": (*TIES, SEVERAL) if run.trees and run.trees.count(SEVERAL) else TIES,
        "audit": audited.lines(run.audit) if run.audit else (),
        "talks": list(_talks(run)),
        "settings": {stage: dict(_flat(table)) for stage, table in run.settings.items()},
        "histograms": {name: histogram(stats, f"{name}{place}") for name, stats in texts.items() if stats},
    }


def _flat(table: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """The settings of a table and of the tables in it: `models.judge`."""
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield before + name, value


def _whiskers(comparisons: Sequence[Paired]) -> Iterator[tuple[float, float, float] | None]:
    """Start, width and middle of each interval, in percent of an axis that all share and in whose middle is 0."""
    intervals = [paired.result.difference_ci for paired in comparisons]
    ends = [abs(end) for interval in intervals for end in interval if not math.isnan(end)]
    reach = 1.1 * max(ends, default=0.0) or 1.0
    for paired, interval in zip(comparisons, intervals, strict=True):
        low, high, middle = (50 + 50 * value / reach for value in (*interval, paired.result.difference))
        yield None if math.isnan(low) else (round(low, 2), round(high - low, 2), round(middle, 2))


def _talks(run: RunReport) -> Iterator[tuple[Persona, list[tuple[int, Transcript]]]]:
    """The sample conversations by persona, in each the policies in their order."""
    found: dict[Persona, list[tuple[int, Transcript]]] = {}
    for place, policy in enumerate(run.policies):
        for transcript in policy.samples:
            found.setdefault(transcript.persona, []).append((place, transcript))
    yield from found.items()
