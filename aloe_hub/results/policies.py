"""The benchmark of a run folder: its policies by name, each with its scores, its pairs with others, and the gap it closes.

The true name of a policy stands in its transcripts; a scores file is read only where its transcripts are not there.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from aloe_hub import scoring
from aloe_hub.errors import DataError
from aloe_hub.fields import numbers
from aloe_hub.files.jsonl import read_rows
from aloe_hub.parsing import steers
from aloe_hub.results.counts import ORACLE, PLAIN, Paired, PolicyReport
from aloe_hub.results.rows import finished, rows_of
from aloe_hub.results.scenarios import mean_shares, shares_of
from aloe_hub.results.trained import base_of, neighbours
from aloe_hub.rubrics import DEFAULT, PEOPLE, Rubric, as_shown, shown
from aloe_hub.scoring import Gap, adaptation, compare, gap_closed, holm
from aloe_hub.scoring.clusters import Interval
from aloe_hub.types import Row, Transcript

FEWEST = 30  # conversations of a turn, of recorded chats: the means of a few at the end of a curve would bend it
SAMPLES = 3  # conversations of each policy that are kept to be read


@dataclass(frozen=True, slots=True)
class Talk:
    """The scores of one conversation, as its rubric shows them, and what it shares with others.

    profile: of a recorded chat its user, or the chat itself where nobody says whose it is.
    """

    scores: list[float | None]
    profile: str
    personality: str | None = None  # files of older versions do without it
    criteria: Mapping[str, list[float | None]] = field(default_factory=dict)
    shares: Mapping[str, list[float]] = field(default_factory=dict)  # of the persona, what was measured
    is_unnamed: bool = False


@dataclass(slots=True)
class Scored:
    """One policy's file: its conversations, by persona."""

    path: Path
    rubric: Rubric
    policy: str
    talks: dict[str, Talk] = field(default_factory=dict)
    samples: tuple[Transcript, ...] = ()
    steering: int = 0

    @classmethod
    def read(cls, path: Path, by: Rubric) -> Scored:
        found, samples = cls(path, by, path.stem), _Samples()

        def add_transcript(row: Row) -> None:
            transcript = Transcript.from_row(row)
            if not found.talks:
                found.policy = transcript.policy
            if transcript.policy != found.policy:
                raise ValueError(f"policy is {transcript.policy!r}, and {found.policy!r} in the lines before")
            found.add(transcript.to_scores_row())
            samples.offer(transcript)
            found.steering += sum(steers(turn.reply) for turn in transcript.turns)

        for _ in read_rows(path, add_transcript if path.parent.name == "transcripts" else found.add):
            pass
        found.samples = samples.chosen
        return found

    def add(self, row: Row) -> None:
        """A row of a scores file."""
        given = {name: numbers(values, name) for name, values in dict(row.get("criteria", {})).items()}
        if (named := str(row.get("rubric", DEFAULT))) != self.rubric.name:
            raise ValueError(
                f"scored by rubric {named!r}, and run.toml says {self.rubric.name!r}: scores of different rubrics are never put "
                "in one table; give each rubric a run folder of its own"
            )
        scores = as_shown(numbers(row["scores"], "score"), self.rubric.scale, "score")
        if self.is_recorded:
            # Under a name of its own. Where nobody said whose a chat is, the import took its id for the user's.
            chat, user = f"{self.path.stem} {len(self.talks)}", str(row.get("user_id", ""))
            self.talks[chat] = Talk(scores, user or chat, is_unnamed=user in ("", row.get("chat_id", "")))
            return
        persona = str(row["persona_id"])
        if not scores:
            raise ValueError("the conversation has no turns")
        if persona in self.talks:
            raise ValueError(f"persona {persona} has a conversation in a line before")
        turns = next((len(talk.scores) for talk in self.talks.values()), len(scores))
        if len(scores) != turns:
            raise ValueError(f"the conversation has {len(scores)} turns, the ones before have {turns}")
        criteria = {one.name: as_shown(given.get(one.name, [None] * turns), one.scale, one.name) for one in self.rubric.criteria}
        personality = row.get("personality_id")
        personality = None if personality is None else str(personality)
        self.talks[persona] = Talk(scores, str(row["profile_id"]), personality, criteria, shares_of(row))

    def report(self) -> PolicyReport:
        talks, rows = list(self.talks.values()), [talk.scores for talk in self.talks.values()]
        ids, scale = self.ids(self.talks), self.rubric.shown_scale
        if self.is_recorded:  # in both readings of those who left early
            stayed, carried = (
                scoring.score(rows, scale=scale, fewest=FEWEST, early_leavers=how, **ids) for how in ("stayed", "carried")
            )
            return PolicyReport(
                self.policy,
                len(talks),
                len({talk.profile for talk in talks if not talk.is_unnamed}),
                stayed,
                self.samples,
                rubric=self.rubric,
                carried=carried,
                fewest=FEWEST,
                unnamed=sum(talk.is_unnamed for talk in talks),
            )
        criteria = {one: [talk.criteria[one.name] for talk in talks] for one in self.rubric.criteria}
        revealed = [talk.shares["revealed"] for talk in talks if "revealed" in talk.shares]
        # One that was tried again and finished since then leaves no such file.
        failed = self.path.parents[1] / "transcripts" / f"failed-{self.path.name}"
        return PolicyReport(
            self.policy,
            len(talks),
            len({talk.profile for talk in talks}),
            scoring.score(rows, scale=scale, **ids),
            self.samples,
            self.steering,
            sum(1 for _ in rows_of(failed, dict)),
            self.rubric,
            {
                one.name: scoring.score(values, scale=shown(one.scale), **ids)
                for one, values in criteria.items()
                if any(value is not None for row in values for value in row)
            },
            shares=mean_shares([talk.shares for talk in talks]),
            adaptation=adaptation(rows, revealed, scale=scale, **ids) if len(revealed) == len(rows) else None,
        )

    @property
    def is_recorded(self) -> bool:
        """Whether people rated chats that they had: of any length, and several of one person."""
        return self.rubric.name == PEOPLE

    def ids(self, personas: Iterable[str]) -> dict[str, Any]:
        """By which these conversations belong together, as `scoring` takes them."""
        talks = [self.talks[persona] for persona in personas]
        found: dict[str, Any] = {"cluster_ids": [talk.profile for talk in talks]}
        if all(talk.personality is not None for talk in self.talks.values()):
            found["personality_ids"] = [talk.personality for talk in talks]
        return found


class _Samples:
    """A few transcripts, as different as they come: another profile and another personality each time, if possible.

    The choice looks at the personas alone, so that policies with the same personas show the same ones.
    """

    def __init__(self) -> None:
        self._apart: list[Transcript] = []
        self._others: list[Transcript] = []
        self._seen: set[str] = set()

    def offer(self, transcript: Transcript) -> None:
        ids = {transcript.persona.profile_id, transcript.persona.personality_id}
        if len(self._apart) < SAMPLES and self._seen.isdisjoint(ids):
            self._apart.append(transcript)
            self._seen |= ids
        elif len(self._others) < SAMPLES:
            self._others.append(transcript)

    @property
    def chosen(self) -> tuple[Transcript, ...]:
        return tuple((self._apart + self._others)[:SAMPLES])


def read_policies(run: Path, by: Rubric) -> list[Scored]:
    """Every benchmarked policy, by name."""
    files: dict[str, Path] = {}
    for folder in ("scores", "transcripts"):  # transcripts last: they hold the scores too, and the policy's true name
        files |= {path.stem: path for path in finished(run / folder)}
    found: dict[str, Scored] = {}
    for _, path in sorted(files.items()):
        scored = Scored.read(path, by)
        if scored.policy in found:
            other = found[scored.policy].path
            raise DataError(f"{path}: policy {scored.policy!r} stands in {other} too; remove one of the two")
        found[scored.policy] = scored
    return [found[policy] for policy in sorted(found)]


def reports(scored: Sequence[Scored]) -> tuple[PolicyReport, ...]:
    """The best AVG first."""
    return tuple(sorted((one.report() for one in scored), key=_best_first))


def beside_others(policies: Sequence[PolicyReport], scored: Sequence[Scored]) -> tuple[PolicyReport, ...]:
    """With what each one is beside `PLAIN` and `ORACLE`, where those were benchmarked as well."""
    by_name = {one.policy: one for one in scored}
    both = ((policy, by_name[policy.policy]) for policy in policies)
    return tuple(replace(policy, gap=_gap(one, by_name), above_oracle=_leak(one, by_name)) for policy, one in both)


def baseline_of(scored: Sequence[Scored]) -> str:
    """What the other policies are compared to: the base of those that were trained, else the plain replies."""
    names = [one.policy for one in scored]
    return base_of(names) or (PLAIN if PLAIN in names else names[0])


def all_pairs(scored: Sequence[Scored], best_first: Sequence[str]) -> tuple[Paired, ...]:
    """Every policy less every worse one, or less the baseline, or a training less the one before it, on the personas of both.

    Two that share no personas are left out.
    """
    by_name, found, baseline = {one.policy: one for one in scored}, [], baseline_of(scored) if scored else ""
    in_order = neighbours(best_first)
    # Those with the baseline come first.
    for names in sorted(itertools.combinations(best_first, 2), key=lambda names: baseline not in names):
        turned = names[0] == baseline or (names[1] != baseline and names[::-1] in in_order)
        policy, other = names[::-1] if turned else names
        if pair := _compared(by_name[policy], by_name[other]):
            found.append(pair)
    adjusted = holm([pair.result.p for pair in found])
    return tuple(replace(pair, p_holm=p) for pair, p in zip(found, adjusted, strict=True))


def _together(*scored: Scored) -> tuple[list[list[list[float | None]]], dict[str, Any]]:
    """The scores of each policy on the personas of all of them, and how to compare them; no scores where they share none."""
    last = scored[-1]
    personas = [persona for persona in last.talks if all(persona in one.talks for one in scored)]
    rows = [[one.talks[persona].scores for persona in personas] for one in scored]
    return rows, {"scale": last.rubric.shown_scale, **last.ids(personas)}


def _compared(policy: Scored, baseline: Scored) -> Paired | None:
    (mine, theirs), how = _together(policy, baseline)
    if not mine:
        return None
    try:
        result = compare(mine, theirs, **how)
    except ValueError as error:
        raise DataError(f"{policy.path}: cannot be compared with {baseline.path}: {error}") from None
    return Paired(policy.policy, baseline.policy, len(mine), result)


def _gap(one: Scored, by_name: Mapping[str, Scored]) -> Gap | None:
    """Which share of the way from `PLAIN` to `ORACLE` it makes, on the personas of all three."""
    if one.policy in (PLAIN, ORACLE) or not {PLAIN, ORACLE} <= by_name.keys():
        return None
    (mine, most, least), how = _together(one, by_name[ORACLE], by_name[PLAIN])
    return gap_closed(mine, least, most, **how) if mine else None


def _leak(one: Scored, by_name: Mapping[str, Scored]) -> Interval | None:
    """By how much its first replies score above the oracle's, if they do: that one knows all that a first message reveals."""
    if one.policy == ORACLE or ORACLE not in by_name:
        return None
    both, how = _together(one, by_name[ORACLE])
    mine, most = ([scores[:1] for scores in its] for its in both)
    above = compare(mine, most, **how).difference_ci if mine else (0.0, 0.0)
    return above if above[0] > 0 else None


def _best_first(policy: PolicyReport) -> tuple[float, str]:
    average = policy.scores.avg
    return (math.inf if math.isnan(average) else -average, policy.policy)
