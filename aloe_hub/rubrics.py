"""The rubrics by which a judge scores a reply: whose each is, what is asked for, and on which scale.

    aloe-hub   ours: 1 to 5, decimals allowed; style, content, quality and overreach beside the score, from the same call
    aloe       the ALOE authors' released code: one whole number from 1 to 5 for three criteria together, without the history
    rlpa       RLPA's: five criteria that hold or do not; the score is 1 where all of them hold, else 0

Recorded chats have been rated by the people who chatted: no judge is asked, and the scale is theirs.

A run is scored by one rubric, and scores of different rubrics never stand in one table: 70 of RLPA's hundred is not 3.5 of five.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aloe_hub.errors import UsageError

Scale = tuple[int, int]
FIVE: Scale = (1, 5)
HOLDS: Scale = (0, 1)  # no or yes
DEFAULT = "aloe-hub"
PEOPLE = "people"


@dataclass(frozen=True, slots=True)
class Criterion:
    """One thing that the judge looks at, on a line of its own."""

    name: str
    scale: Scale

    @property
    def digits(self) -> int:
        """Of its mean in a table."""
        return 1 if self.scale == HOLDS else 2

    def line(self, found: float) -> str:
        """The judge's line: yes or no, or a number that is held on the scale."""
        low, high = self.scale
        said = ("yes" if found else "no") if self.scale == HOLDS else f"{round(min(high, max(low, found)), 2):g}"
        return f"{self.name.capitalize()}: {said}"


@dataclass(frozen=True, slots=True)
class Rubric:
    """What the judge is asked, and what its answer holds.

    prompt: by name, in `prompts`.
    scale: the lowest and the highest score that is recorded.
    criteria: the lines beside the score, in the order of the prompt. One that cannot be read is missing, and costs no score.
    whole: a score with decimals is none.
    follows: the judge states no score; it is 1 where every criterion holds.
    """

    name: str
    prompt: str
    scale: Scale = FIVE
    criteria: tuple[Criterion, ...] = ()
    whole: bool = False
    follows: bool = False

    @property
    def shown_scale(self) -> Scale:
        return shown(self.scale)

    @property
    def in_words(self) -> str:
        """The scale for a sentence.

        >>> rubric("aloe").in_words, rubric("rlpa").in_words
        ('1 to 5 in whole numbers', '0 or 1, shown x 100')
        """
        if self.scale == HOLDS:
            return "0 or 1, shown x 100"
        return "{} to {}".format(*self.scale) + (" in whole numbers" if self.whole else "")

    def answer(self, reasons: str, found: Mapping[str, float], score: float) -> str:
        """What a judge says that computes what the criteria are, by their names, in the form that the prompt asks for."""
        if self.whole:  # and no word beside it
            return f"Score: {round(score)}"
        lines = [reasons, *(criterion.line(found[criterion.name]) for criterion in self.criteria)]
        return "\n".join(lines if self.follows else [*lines, f"Score: {score:g}"])


def shown(scale: Scale) -> Scale:
    """The scale of a table's numbers: what holds or does not is shown as the percentage that holds, as RLPA prints it."""
    return (0, 100) if scale == HOLDS else scale


def as_shown(values: Sequence[float | None], scale: Scale, name: str) -> list[float | None]:
    """Recorded values on their scale, as numbers of `shown(scale)`. Raises: ValueError: one of them is not on it."""
    low, high = scale
    if outside := [value for value in values if value is not None and not low <= value <= high]:
        raise ValueError(f"{name} is {outside[0]!r}, and not from {low} to {high}")
    factor = 100 if scale == HOLDS else 1
    return [None if value is None else value * factor for value in values]


def _criteria(names: Sequence[str], scale: Scale) -> tuple[Criterion, ...]:
    return tuple(Criterion(name, scale) for name in names)


RUBRICS = {
    one.name: one
    for one in (
        Rubric(
            DEFAULT,
            "benchmark_judge",
            criteria=_criteria(("style", "content", "quality"), FIVE) + _criteria(("overreach",), HOLDS),
        ),
        Rubric("aloe", "benchmark_judge_aloe", whole=True),
        Rubric(
            "rlpa",
            "benchmark_judge_rlpa",
            HOLDS,
            _criteria(("naturalness", "relevance", "logic", "engagement", "informativeness"), HOLDS),
            follows=True,
        ),
    )
}


# As aloe-hub 0.1 asked, for the score alone.
BEFORE = Rubric(DEFAULT, "benchmark_judge_0_1")


def of_run(name: str, recorded: Mapping[str, object] | None) -> Rubric:
    """What the judge of a run is asked. A run that began before there was a choice ends as it began.

    recorded: what run.toml says of the stage, None where it has not begun.
    """
    return rubric(name) if recorded is None or "rubric" in recorded else BEFORE


def rubric(name: str, option: str = "--rubric") -> Rubric:
    """Raises: UsageError: there is none of this name."""
    if name not in RUBRICS:
        raise UsageError(f"{option} {name!r}: no such rubric; known: {', '.join(RUBRICS)}")
    return RUBRICS[name]


def of_people(scale: Scale) -> Rubric:
    """Ratings of recorded chats."""
    return Rubric(PEOPLE, "", scale)
