"""The matches of a run as win rates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from aloe_hub.errors import DataError
from aloe_hub.files.jsonl import read_rows
from aloe_hub.matches import Match, Meeting
from aloe_hub.results.rows import finished
from aloe_hub.results.trees import NO_VERDICT, TIES, share, undecided
from aloe_hub.scoring import compare

WINS = ("first preferred", "second preferred")


@dataclass(frozen=True, slots=True)
class WinRate:
    """How often the reply of the first of two policies is preferred to that of the second; a tie counts half.

    The first is the one that is preferred more often; of two that are not, the first in the alphabet.

    outcomes: of all meetings, by what became of them: one of `WINS`, of `TIES`, or `NO_VERDICT`, which is in no rate.
    p: of the test that they are preferred equally often.
    by_host: the rate in the conversations of the first policy, and in those of the second.
    """

    policies: tuple[str, str]
    personas: int
    outcomes: Mapping[str, int]
    rate: float
    rate_ci: tuple[float, float]
    p: float
    by_host: tuple[float, float]

    def turned(self) -> WinRate:
        """The same, of the second over the first."""
        low, high = self.rate_ci
        other = dict(zip(WINS, reversed(WINS), strict=True))
        return replace(
            self,
            policies=(self.policies[1], self.policies[0]),
            outcomes={other.get(name, name): count for name, count in self.outcomes.items()},
            rate=1 - self.rate,
            rate_ci=(1 - high, 1 - low),
            by_host=(1 - self.by_host[1], 1 - self.by_host[0]),
        )

    def count(self, *outcomes: str) -> int:
        return sum(self.outcomes.get(outcome, 0) for outcome in outcomes)

    @property
    def ties(self) -> int:
        return self.count(*TIES)

    @property
    def unread(self) -> int:
        return self.count(NO_VERDICT)

    def to_row(self) -> dict[str, Any]:
        return {
            "policies": self.policies,
            "personas": self.personas,
            "win_rate": self.rate,
            "win_rate_ci": self.rate_ci,
            "p": self.p,
            "by_host": self.by_host,
            "outcomes": dict(sorted(self.outcomes.items())),
        }


def read_win_rates(run: Path) -> Iterator[WinRate]:
    """Of the finished files, by name. Raises: DataError: a row is not a match, or one of two other policies."""
    for path in finished(run / "pairwise"):
        found = _win_rate(path, list(read_rows(path, Match.from_row)))
        yield found.turned() if found.rate < 0.5 else found


def _win_rate(path: Path, matches: Sequence[Match]) -> WinRate:
    policies = matches[0].policies
    if other := next((match.policies for match in matches if match.policies != policies), None):
        raise DataError(f"{path}: holds matches of {' and '.join(policies)}, and of {' and '.join(other)}")
    won = [[_won(meeting) for meeting in match.meetings] for match in matches]
    lost = [[None if one is None else 1 - one for one in row] for row in won]
    profiles, personalities = zip(*((one.persona.profile_id, one.persona.personality_id) for one in matches), strict=True)
    try:
        result = compare(won, lost, cluster_ids=profiles, personality_ids=personalities, scale=(0, 1))
    except ValueError as error:
        raise DataError(f"{path}: {error}") from None
    # What the first wins is what the second loses: their difference is twice what the rate is above a half.
    rate, low, high = ((1 + value) / 2 for value in (result.difference, *result.difference_ci))
    meetings = [meeting for match in matches for meeting in match.meetings]
    by_host = (_mean(meetings, 0), _mean(meetings, 1))
    outcomes = dict(Counter(_outcome(meeting) for meeting in meetings))
    return WinRate(policies, len(matches), outcomes, rate, (low, high), result.p, by_host)


def _outcome(meeting: Meeting) -> str:
    preferred = meeting.preferred
    if preferred is not None:
        return WINS[preferred]
    return undecided(meeting.replies[0] == meeting.replies[1], meeting.verdicts)


def _won(meeting: Meeting) -> float | None:
    """What the first policy has of it: 1, 0, or half of a tie. None without a verdict."""
    outcome = _outcome(meeting)
    return None if outcome == NO_VERDICT else {WINS[0]: 1.0, WINS[1]: 0.0}.get(outcome, 0.5)


def _mean(meetings: Sequence[Meeting], host: int) -> float:
    found = [won for meeting in meetings if meeting.host == host and (won := _won(meeting)) is not None]
    return share(sum(found), len(found))
