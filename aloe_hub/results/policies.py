"""The benchmark of a run folder: its policies by name, each with its scores, its pairs with others, and the gap it closes.

The true name of a policy stands in its transcripts; a scores file is read only where its transcripts are not there.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
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
from aloe_hub.scoring import Adaptation, Gap, adaptation, compare, gap_closed, holm
from aloe_hub.scoring.clusters import Interval
from aloe_hub.types import Row, Transcript

FEWEST = 30  # conversations of a turn, of recorded chats: the means of a few at the end of a curve would bend it
SAMPLES = 3  # conversations of each policy that are kept to be read


class Scored:
    """One policy's file while it is read, and what is kept of it."""

    def __init__(self, path: Path, by: Rubric) -> None:
        self.path = path
        self.policy = path.stem
        self.rubric = by
        self.scores: dict[str, list[float | None]] = {}  # by persona_id
        self.profiles: dict[str, str] = {}
        self.unnamed: set[str] = set()  # recorded chats that do not say whose they are
        self.personalities: dict[str, str] = {}  # files of older versions do without them
        self.criteria: dict[str, list[list[float | None]]] = {criterion.name: [] for criterion in by.criteria}
        self.shares: dict[str, dict[str, list[float]]] = {}  # by persona_id, what was measured of the persona
        self.samples = _Samples()
        self.steering = 0

    def read(self) -> Scored:
        of_transcripts = self.path.parent.name == "transcripts"
        for _ in read_rows(self.path, self._add_transcript if of_transcripts else self._add_scores):
            pass
        return self

    def report(self) -> PolicyReport:
        if self.is_recorded:
            return self._of_recorded()
        ids = self.ids(self.scores)
        scores = scoring.score(list(self.scores.values()), scale=self.rubric.shown_scale, **ids)
        criteria = {
            criterion.name: scoring.score(self.criteria[criterion.name], scale=shown(criterion.scale), **ids)
            for criterion in self.rubric.criteria
            if any(value is not None for row in self.criteria[criterion.name] for value in row)
        }
        profiles = len(set(self.profiles.values()))
        # One that was tried again and finished since then leaves no such file.
        failed = self.path.parents[1] / "transcripts" / f"failed-{self.path.name}"
        lost = sum(1 for _ in rows_of(failed, dict))
        return PolicyReport(
            self.policy,
            len(self.scores),
            profiles,
            scores,
            self.samples.chosen,
            self.steering,
            lost,
            self.rubric,
            criteria,
            shares=mean_shares(list(self.shares.values())),
            adaptation=self._adaptation(ids),
        )

    @property
    def is_recorded(self) -> bool:
        """Whether people rated chats that they had: of any length, and several of one person."""
        return self.rubric.name == PEOPLE

    def _of_recorded(self) -> PolicyReport:
        """In both readings of those who left early. A cluster is a person."""
        rows, users = list(self.scores.values()), list(self.profiles.values())
        score = partial(scoring.score, rows, cluster_ids=users, scale=self.rubric.shown_scale, fewest=FEWEST)
        return PolicyReport(
            self.policy,
            len(rows),
            len({user for chat, user in self.profiles.items() if chat not in self.unnamed}),
            score(early_leavers="stayed"),
            self.samples.chosen,
            rubric=self.rubric,
            carried=score(early_leavers="carried"),
            fewest=FEWEST,
            unnamed=len(self.unnamed),
        )

    def _adaptation(self, ids: dict[str, Any]) -> Adaptation | None:
        revealed = [shares["revealed"] for shares in self.shares.values() if "revealed" in shares]
        if len(revealed) < len(self.scores):
            return None
        return adaptation(list(self.scores.values()), revealed, scale=self.rubric.shown_scale, **ids)

    def ids(self, personas: Iterable[str]) -> dict[str, Any]:
        """By which these conversations belong together, as `scoring` takes them."""
        found: dict[str, Any] = {"cluster_ids": [self.profiles[persona] for persona in personas]}
        if len(self.personalities) == len(self.scores):
            found["personality_ids"] = [self.personalities[persona] for persona in personas]
        return found

    def _add_transcript(self, row: Row) -> None:
        transcript = Transcript.from_row(row)
        if not self.scores:
            self.policy = str(transcript.policy)
        if transcript.policy != self.policy:
            raise ValueError(f"policy is {transcript.policy!r}, and {self.policy!r} in the lines before")
        persona = transcript.persona
        self._check_rubric(transcript.rubric)
        if self.is_recorded:
            self._add_recorded(transcript.user_id, transcript.chat_id, transcript.scores)
            self.samples.offer(transcript)
            return
        self._add(persona.persona_id, persona.profile_id, persona.personality_id, transcript.scores, transcript.criteria)
        self.shares[persona.persona_id] = transcript.shares
        self.samples.offer(transcript)
        self.steering += sum(steers(turn.reply) for turn in transcript.turns)

    def _add_scores(self, row: Row) -> None:
        scores = numbers(row["scores"], "score")
        criteria = {name: numbers(values, name) for name, values in dict(row.get("criteria", {})).items()}
        self._check_rubric(str(row.get("rubric", DEFAULT)))
        if self.is_recorded:
            self._add_recorded(str(row.get("user_id", "")), str(row.get("chat_id", "")), scores)
            return
        self._add(str(row["persona_id"]), str(row["profile_id"]), row.get("personality_id"), scores, criteria)
        self.shares[str(row["persona_id"])] = shares_of(row)

    def _check_rubric(self, of_row: str) -> None:
        if of_row != self.rubric.name:
            raise ValueError(
                f"scored by rubric {of_row!r}, and run.toml says {self.rubric.name!r}: scores of different rubrics are never put "
                "in one table; give each rubric a run folder of its own"
            )

    def _add_recorded(self, user: str, chat_id: str, scores: Sequence[float | None]) -> None:
        """Under a name of its own. Where nobody said whose a chat is, the import took its id for the user's."""
        chat = f"{self.path.stem} {len(self.scores)}"
        self.scores[chat], self.profiles[chat] = as_shown(scores, self.rubric.scale, "score"), user or chat
        if user in ("", chat_id):
            self.unnamed.add(chat)

    def _add(
        self,
        persona: str,
        profile: str,
        personality: object,
        scores: Sequence[float | None],
        criteria: Mapping[str, Sequence[float | None]],
    ) -> None:
        scores = as_shown(scores, self.rubric.scale, "score")
        if not scores:
            raise ValueError("the conversation has no turns")
        if persona in self.scores:
            raise ValueError(f"persona {persona} has a conversation in a line before")
        turns = len(next(iter(self.scores.values()), scores))
        if len(scores) != turns:
            raise ValueError(f"the conversation has {len(scores)} turns, the ones before have {turns}")
        self.scores[persona], self.profiles[persona] = scores, profile
        for criterion in self.rubric.criteria:
            values = criteria.get(criterion.name, [None] * turns)
            self.criteria[criterion.name].append(as_shown(values, criterion.scale, criterion.name))
        if personality is not None:
            self.personalities[persona] = str(personality)


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
        scored = Scored(path, by).read()
        if scored.policy in found:
            other = found[scored.policy].path
            raise DataError(f"{path}: policy {scored.policy!r} stands in {other} too; remove one of the two")
        found[scored.policy] = scored
    return [found[policy] for policy in sorted(found)]


def reports(scored: Sequence[Scored]) -> tuple[PolicyReport, ...]:
    """The best AVG first."""
    return tuple(sorted((one.report() for one in scored), key=_best_first))


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
    personas = [persona for persona in last.scores if all(persona in one.scores for one in scored)]
    return [[one.scores[persona] for persona in personas] for one in scored], {
        "scale": last.rubric.shown_scale,
        **last.ids(personas),
    }


def _compared(policy: Scored, baseline: Scored) -> Paired | None:
    (mine, theirs), how = _together(policy, baseline)
    if not mine:
        return None
    try:
        result = compare(mine, theirs, **how)
    except ValueError as error:
        raise DataError(f"{policy.path}: cannot be compared with {baseline.path}: {error}") from None
    return Paired(policy.policy, baseline.policy, len(mine), result)


def gaps(scored: Mapping[str, Scored]) -> dict[str, Gap]:
    """Which share of the way from `PLAIN` to `ORACLE` the other policies make, on the personas of all three."""
    if not {PLAIN, ORACLE} <= scored.keys():
        return {}
    plain, oracle = scored[PLAIN], scored[ORACLE]
    found = {}
    for name, one in scored.items():
        (mine, most, least), how = _together(one, oracle, plain)
        if name not in (PLAIN, ORACLE) and mine:
            found[name] = gap_closed(mine, least, most, **how)
    return found


def knowing_too_early(scored: Mapping[str, Scored]) -> dict[str, Interval]:
    """Whose first replies score above the oracle's, and by how much (the interval): it knows all that a first message reveals."""
    if ORACLE not in scored:
        return {}
    oracle, found = scored[ORACLE], {}
    for name, one in scored.items():
        (mine, most), how = _together(one, oracle)
        if name != ORACLE and mine:
            above = compare([scores[:1] for scores in mine], [scores[:1] for scores in most], **how).difference_ci
            if above[0] > 0:
                found[name] = above
    return found


def _best_first(policy: PolicyReport) -> tuple[float, str]:
    average = policy.scores.avg
    return (math.inf if math.isnan(average) else -average, policy.policy)
