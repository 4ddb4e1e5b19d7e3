"""A finished benchmark to look at: the report's numbers, every conversation, and what an audit found; values → HTML.

Of the run folder that the settings name, or of a small one that the scripted world makes when somebody first asks for it. What
cannot be read is a problem to show.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import groupby, islice, product
from operator import attrgetter
from pathlib import Path
from random import Random
from threading import Lock
from typing import Any

import safe
from jinja2 import Environment, StrictUndefined
from library import MADE

from aloe_hub.errors import AloeError
from aloe_hub.files.jsonl import read_rows, write_rows
from aloe_hub.files.run_folder import RunFolder
from aloe_hub.results.audited import lines
from aloe_hub.results.counts import RunReport
from aloe_hub.results.formatting import UNDEFINED, letter, number, p_value, share, with_interval
from aloe_hub.results.opening import called, made_with, sentences
from aloe_hub.results.read import read_runs
from aloe_hub.results.rows import finished
from aloe_hub.stages.benchmark import BenchmarkSettings, evaluate_all
from aloe_hub.types import Persona, Transcript
from aloe_hub.world.speaking import personality_text, profile_text

MOST_SAMPLES = 5000  # conversations that are kept
LISTED = 30
MADE_EACH = 4  # profiles, and as many personalities that cross them
MADE_TURNS = 6
MADE_POLICIES = ("scripted:tailored", "scripted:plain", "scripted:constant", "scripted:parrot", "scripted:dump")
LOWEST, HIGHEST, BY_PERSONA = ORDERS = ("lowest score first", "highest score first", "by persona")
EVERY = "all policies"

_making = Lock()


@dataclass(frozen=True, slots=True)
class Sample:
    """A conversation, its mean score, and all that is said in it, in small letters."""

    talk: Transcript
    mean: float
    text: str

    @classmethod
    def of(cls, talk: Transcript) -> Sample:
        scores = [score for score in talk.scores if score is not None]
        said = (text for turn in talk.turns for text in (turn.user, turn.reply, turn.judgement))
        mean = sum(scores) / len(scores) if scores else math.nan
        return cls(talk, mean, " ".join((talk.persona.profile, talk.persona.personality, *said)).casefold())


@dataclass(frozen=True, slots=True)
class Measured:
    """`run` is None where there is nothing to show, and `problem` says why."""

    run: RunReport | None
    samples: Mapping[str, Sample]  # by conversation_id
    source: str
    problem: str = ""

    @property
    def policies(self) -> list[str]:
        return [policy.policy for policy in self.run.policies] if self.run else []


def measured(run: str) -> Measured:
    """Of a run folder, "": of one that is made. Read once, for all visitors."""
    with _making:
        return _measured(run)


@cache
def _measured(run: str) -> Measured:
    if not run:
        with tempfile.TemporaryDirectory() as folder:
            _make(Path(folder))
            return _read(Path(folder), MADE)
    path = Path(run).expanduser()
    try:
        return _read(path, f"the run {path.name}")
    except AloeError as error:
        return Measured(None, {}, f"the run {path.name}", str(error))


def _read(path: Path, source: str) -> Measured:
    talks = (talk for file in finished(path / "transcripts") for talk in read_rows(file, Transcript.from_row))
    samples = {talk.conversation_id: Sample.of(talk) for talk in islice(talks, MOST_SAMPLES)}
    return Measured(read_runs([path]).runs[0], samples, source)


def _make(folder: Path) -> None:
    random = Random(0)
    profiles, personalities = ([text(random) for _ in range(MADE_EACH)] for text in (profile_text, personality_text))
    personas = [Persona(*both) for both in product(profiles, personalities)]
    write_rows(folder / "personas.jsonl", ({**persona.to_row(), "split": "test"} for persona in dict.fromkeys(personas)))
    evaluate_all(RunFolder(folder), MADE_POLICIES, BenchmarkSettings(turns=MADE_TURNS))


def found(all_of: Measured, query: str, policy: str, order: str) -> list[Sample]:
    """The conversations of a policy, or of all, in which every word of the query is said."""
    words = query.casefold().split()
    some = [
        sample
        for sample in all_of.samples.values()
        if policy in (EVERY, sample.talk.policy) and all(word in sample.text for word in words)
    ]
    if order == BY_PERSONA:
        return sorted(some, key=lambda sample: (sample.talk.persona.persona_id, sample.talk.policy))
    sign = 1 if order == LOWEST else -1
    return sorted(some, key=lambda sample: math.inf if math.isnan(sample.mean) else sign * sample.mean)


def listing(all_of: Measured, query: str, policy: str, order: str) -> str:
    some = found(all_of, query, policy, order)
    return _page("listing", all_of, some[:LISTED], len(some))


def conversation(all_of: Measured, name: str) -> str:
    """One conversation, by its id; nothing where there is none of that name."""
    sample = all_of.samples.get(name)
    if sample is None:
        return ""
    persona = sample.talk.persona.persona_id
    others = [one for one in all_of.samples.values() if one.talk.persona.persona_id == persona and one is not sample]
    return _page("conversation", all_of, sample, others)


def policies(all_of: Measured) -> str:
    return _page("policies", all_of, _rows(all_of.run) if all_of.run else [])


def audit(all_of: Measured) -> str:
    found = all_of.run.audit if all_of.run else None
    return _page("audit", all_of, groupby(lines(found), attrgetter("of")) if found else ())


def _rows(run: RunReport) -> Iterator[Mapping[str, Any]]:
    """The table's cells, each a number of the report and what stands below it."""
    against = {paired.policy: paired for paired in run.comparisons}
    for place, policy in enumerate(run.policies):
        paired, scores = against.get(policy.policy), policy.scores
        gain = with_interval(paired.result.difference, paired.result.difference_ci, 2, sign=True) if paired else UNDEFINED
        gap = share(policy.gap.closed, policy.gap.closed_ci) if policy.gap else UNDEFINED
        cells = {
            "avg": with_interval(scores.avg, scores.avg_ci, 2),
            "ir": with_interval(scores.ir, scores.ir_ci, 3, sign=True),
            "gap": gap,
            "gain": f"{gain} p {p_value(paired.p_holm)}" if paired else UNDEFINED,
        }
        yield {
            "key": letter(place),
            "policy": policy.policy,
            "conversations": policy.conversations,
            "missing": scores.missing,
            **{name: cell.partition(" ")[::2] for name, cell in cells.items()},
        }


def _page(macro: str, *values: Any) -> str:  # noqa: ANN401 - what the macro takes
    return str(getattr(_pages(), macro)(*values))


@cache
def _pages() -> Any:  # noqa: ANN401 - a module of macros
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {
        "number": number,
        "shown": safe.shown,
        "short": lambda text, most=90: text if len(text := " ".join(safe.tidy(text).split())) <= most else f"{text[:most]}…",
        "sentences": sentences,
        "made_with": made_with,
        "called": lambda policy, run: called(run, policy),
        "key": lambda policy, run: letter([one.policy for one in run.policies].index(policy)),
    }
    return environment.from_string((Path(__file__).parent / "measured.html.j2").read_text(encoding="utf-8")).module
