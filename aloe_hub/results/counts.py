"""What a report says, as values: run folders as numbers, and the few texts that a reader wants to see."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from aloe_hub.model_string import ModelString
from aloe_hub.results.pairwise import WinRate
from aloe_hub.results.scenarios import Shares, Shift, scenario, shift_of, shifted_at
from aloe_hub.results.trees import TreeStats
from aloe_hub.rubrics import DEFAULT, PEOPLE, RUBRICS, Rubric, of_people
from aloe_hub.scoring import Adaptation, Comparison, Gap, Score
from aloe_hub.scoring.clusters import Interval
from aloe_hub.types import Transcript, Tree

Stage = Literal["personas", "trees", "evaluate"]
STAGES: tuple[Stage, ...] = ("personas", "trees", "evaluate")  # tables of run.toml
PLAIN, ORACLE = "scripted:plain", "scripted:tailored"
OVER = {
    "conversation": ("conversation", "conversations"),
    "cluster": ("profile", "profiles"),
    "personality": ("personality", "personalities"),
}  # kinds of clusters
METHODS = {"bootstrap": "bootstrapped", "two-way": "two-way analysis of variance", "pigeonhole": "bootstrapped over both"}
BINS = 40  # of the histograms, over the similarities 0 to 1


@dataclass(frozen=True, slots=True)
class PolicyReport:
    """One policy's benchmark. What holds or does not, by its rubric, is a percentage in all numbers here.

    criteria: by name, in the order of the rubric; empty where none was recorded.
    profiles: of recorded chats the users who are named.
    """

    policy: str
    conversations: int
    profiles: int
    scores: Score
    samples: tuple[Transcript, ...]
    steering: int = 0  # replies that hold a line of the judge's, or of its prompt
    failed: int = 0  # conversations that are not among them
    rubric: Rubric = RUBRICS[DEFAULT]
    criteria: Mapping[str, Score] = field(default_factory=dict)
    shares: Shares = field(default_factory=dict)  # of the persona, where they were measured
    adaptation: Adaptation | None = None  # the slope of its scores on what was revealed, where that was measured
    above_oracle: Interval | None = None  # AL(1) less the oracle's, where all of the interval is above 0
    carried: Score | None = None  # of recorded chats, with the last score of those who left carried forward
    unnamed: int = 0  # recorded chats that do not say whose they are: each is a cluster of its own
    fewest: int = 1  # turns with fewer conversations are in no number but their own AL(k)
    gap: Gap | None = None  # which share of the way from `PLAIN` to `ORACLE` it makes, where both were benchmarked

    @property
    def last(self) -> int:
        """The last turn, from 1, with enough conversations to count."""
        return max((turn for turn, n in enumerate(self.scores.n, 1) if n >= self.fewest), default=1)

    @property
    def avg_bounds(self) -> tuple[float, float] | None:
        """AVG if all missing scores were the lowest there is, and if all were the highest; None where none is missing."""
        if not self.scores.missing or self.carried:
            return None
        counts = self.scores.n
        given = sum(al * n for al, n in zip(self.scores.al, counts, strict=True) if n)
        low, high = ((given + self.scores.missing * end) / (self.conversations * len(counts)) for end in self.rubric.shown_scale)
        return low, high


@dataclass(frozen=True, slots=True)
class Paired:
    """`policy` minus `baseline` on the personas that both talked to."""

    policy: str
    baseline: str
    personas: int
    result: Comparison
    p_holm: float = math.nan  # adjusted for all pairs of the run


@dataclass(frozen=True, slots=True)
class Refused:
    """A candidate that was too near to what the pool held."""

    text: str
    nearest: float
    nearest_text: str


@dataclass(frozen=True, slots=True)
class TextStats:
    """The profiles, or the personalities, of a pool.

    Bin i of a histogram counts similarities in (i / BINS, (i + 1) / BINS], closed above because a candidate at the
    threshold is kept; the first bin also holds what is below 0.
    """

    sources: Mapping[str, int]
    refused: int
    threshold: float | None
    kept_bins: tuple[int, ...]
    refused_bins: tuple[int, ...]
    examples: tuple[Refused, ...]  # the refused ones that came nearest to being kept
    dropped: int = 0  # candidates that told too little

    @property
    def kept(self) -> int:
        return sum(self.sources.values())


@dataclass(frozen=True, slots=True)
class PoolStats:
    """What `aloe personas` made; None where a file is not there."""

    profiles: TextStats | None
    personalities: TextStats | None
    personas: Mapping[str, int]  # by split


@dataclass(frozen=True, slots=True)
class RunReport:
    """One run folder. `settings` holds the tables of run.toml that say how its files were made."""

    name: str
    settings: Mapping[Stage, Mapping[str, Any]]
    policies: tuple[PolicyReport, ...] = ()  # the best AVG first
    together: PolicyReport | None = None  # recorded chats of several assistants as if of one
    comparisons: tuple[Paired, ...] = ()  # all policies with one of them, the baseline
    neighbours: tuple[Paired, ...] = ()  # each training of one base with the one before it, such as DPO with SFT
    pairs: tuple[Paired, ...] = ()  # all policies with all
    win_rates: tuple[WinRate, ...] = ()
    pool: PoolStats | None = None
    trees: TreeStats | None = None
    tree: Tree | None = None  # the first one, to be drawn
    audit: Mapping[str, Any] | None = None  # what `aloe audit` found; None: it was not asked
    made_with: Mapping[str, Any] = field(default_factory=dict)  # the day that the run began, and versions
    newest: str = ""  # the day of its newest file, where it does not say when it began

    def model(self, stage: Stage, role: str) -> str | None:
        """The model string that played `role` in `stage`, as far as run.toml tells."""
        table = self.settings.get(stage, {})
        models = table.get("models", table)
        found = models.get(role) or models.get("model")
        return None if found is None else str(found)

    def shift_of(self, policy: PolicyReport) -> Shift | None:
        """What it did to a policy that the users became others; None where they did not, or scores of those turns are missing."""
        turn, al = shifted_at(self.settings.get("evaluate", {})), policy.scores.al
        return None if turn is None or turn > len(al) or math.isnan(al[turn - 2] - al[turn - 1]) else shift_of(al, turn)

    def components(self, policy: PolicyReport) -> str | None:
        """Standard deviations of a conversation's AVG, by what they are due to; None where it was not taken apart."""
        if not policy.scores.components:
            return None
        parts = policy.scores.components["avg"].items()
        return ", ".join(f"{OVER[kind][1] if kind in OVER else kind} {math.sqrt(value):.2f}" for kind, value in parts)

    @property
    def rubric(self) -> Rubric:
        """By which every score of the run was given; before there was a choice, the usual one."""
        settings = self.settings.get("evaluate", {})
        name = str(settings.get("rubric", DEFAULT))
        return of_people(settings["scale"]) if name == PEOPLE else RUBRICS[name]

    @property
    def is_recorded(self) -> bool:
        """Whether the scores are ratings by people of chats that they had."""
        return self.rubric.name == PEOPLE

    @property
    def scenario(self) -> Mapping[str, str]:
        """What was asked beside the ordinary benchmark: by a short name, in words."""
        return scenario(self.settings.get("evaluate", {}))

    @property
    def intervals_over(self) -> str:
        """What the intervals rest on: those of a single profile have no width, and say nothing."""
        kinds = {kind: [over[kind] for policy in self.policies if kind in (over := policy.scores.over or {})] for kind in OVER}
        names = OVER | ({"cluster": self._people()} if self.is_recorded else {})
        said = [_counted(sorted({*numbers}), *names[kind]) for kind, numbers in kinds.items() if numbers]
        methods = [words for method, words in METHODS.items() if any(policy.scores.method == method for policy in self.policies)]
        return f"{' x '.join(said)} ({' or '.join(methods)})"

    def _people(self) -> tuple[str, str]:
        """What a cluster of recorded chats is: one, and many."""
        if not any(policy.unnamed for policy in self.policies):
            return "user", "users"
        named = any(policy.profiles for policy in self.policies)
        return ("user or unnamed conversation", "users and unnamed conversations") if named else ("conversation", "conversations")

    def is_test_bed(self, stage: Stage) -> bool:
        """Whether a script judged, or played the users."""
        return any(is_scripted(self.model(stage, role)) for role in ("judge", "user"))

    def made_by(self, stage: Stage) -> str:
        """Who judged, and who played the users, in words that keep a test bed from passing for a result."""
        if stage == "evaluate" and self.is_recorded:
            return "recorded chats, rated by the people who chatted"
        judge, user = self.model(stage, "judge"), self.model(stage, "user")
        if stage == "trees" and "source" in self.settings.get(stage, {}):
            return f"of imported chats, judged by {judge}" if judge else "of imported chats, with the preferences they came with"
        verb = "scored" if stage == "evaluate" else "judged"
        test_bed = "a test bed, it says nothing about language understanding"
        if is_scripted(judge):
            return f"{verb} by a scripted judge with simulated users: {test_bed}"
        who = f"{verb} by {judge or 'a model that run.toml does not name'}"
        if judge is not None and ModelString.recorded(judge).only_judges:
            who += ", a rule over embeddings"
        if is_scripted(user):
            return f"{who} with scripted users: {test_bed}"
        return f"{who}, users simulated by {user or 'a model that run.toml does not name'}"


@dataclass(frozen=True, slots=True)
class Report:
    """What `read_runs` found."""

    runs: tuple[RunReport, ...]

    @property
    def rubrics(self) -> list[str]:
        """Of the runs that have scores."""
        return list(dict.fromkeys(run.rubric.name for run in self.runs if run.policies))

    @property
    def warning(self) -> str | None:
        """What to know before the numbers of one run are held against another's."""
        if len(self.rubrics) < 2:
            return None
        return f"These runs were scored by different rubrics ({', '.join(self.rubrics)}): their scores cannot be compared."


def _counted(numbers: list[int], one: str, many: str) -> str:
    """One number of things, or from the lowest to the highest."""
    return f"{' to '.join(map(str, numbers[:1] + numbers[1:][-1:]))} {one if numbers == [1] else many}"


def is_scripted(model: str | None) -> bool:
    """Also of a scripted model behind an endpoint.

    >>> is_scripted("http://127.0.0.1:8000/v1#scripted")
    True
    """
    return model is not None and ModelString.recorded(model).is_scripted
