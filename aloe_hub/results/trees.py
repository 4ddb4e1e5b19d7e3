"""A file of trees as counts: what became of each fork, and how the judge chose."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aloe_hub import parsing
from aloe_hub.errors import ParseError
from aloe_hub.parsing import steers
from aloe_hub.text import is_blank
from aloe_hub.types import Exchange, Tree, Verdict

TIES = ("orders disagree", "judged a tie", "equal replies")
SEVERAL = "several best"  # of more than two replies: it makes a pair, but no reply is preferred to all others
NO_VERDICT = "no verdict"  # the judge's answer could not be read, in one order or in both


@dataclass(frozen=True, slots=True)
class TreeStats:
    """Counts over a file of trees; a share of nothing is NaN.

    `by_turn` counts what became of the forks of each turn, as `outcome` says.
    """

    trees: int
    failed: int
    by_turn: tuple[Mapping[str, int], ...]
    choices: int  # verdicts that chose a reply
    first_shown: int  # of these, the ones that chose the reply shown first
    steering: int = 0  # replies that hold a line of the judge's, or of its prompt
    replies: int = 0  # of a fork, where it has most
    compared: int = 0  # two different replies that were judged in both orders, and of which both could be read
    agreed: int = 0  # of these, the ones of which the judge said the same in both orders

    @property
    def exchanges(self) -> int:
        return self.count()

    def count(self, *outcomes: str) -> int:
        """Forks that came out so; all forks when nothing is named."""
        return sum(n for turn in self.by_turn for outcome, n in turn.items() if not outcomes or outcome in outcomes)

    @property
    def tie_rate(self) -> float:
        return share(self.count(*TIES), self.exchanges)

    @property
    def order_agreement(self) -> float:
        """Share of each two different replies of which the judge said the same in both orders.

        Imported forks, judged in one order only, and verdicts that could not be read are left out.
        """
        return share(self.agreed, self.compared)

    @property
    def decided(self) -> float:
        """Share of the forks of which not all replies tie: those that make training rows."""
        return share(self.exchanges - self.count(*TIES, NO_VERDICT), self.exchanges)

    @property
    def tailored_preferred(self) -> float:
        """Among the decided forks of a tailored and a plain reply; a judge that cannot tell them apart gives 0.5."""
        return share(self.count("tailored"), self.count("tailored", "plain"))

    @property
    def first_shown_rate(self) -> float:
        """How often a verdict went to the reply shown first; a judge that does not look at positions gives 0.5."""
        return share(self.first_shown, self.choices)


class TreeTally:
    """Counts trees one by one; of all of them the first one is kept."""

    def __init__(self) -> None:
        self.first: Tree | None = None
        self._by_turn: list[Counter[str]] = []
        self._favoured: Counter[bool] = Counter()
        self._agreed: Counter[bool] = Counter()
        self._trees = self._steering = self._replies = 0

    def add(self, tree: Tree) -> None:
        self._trees += 1
        self.first = self.first or tree
        self._by_turn.extend(Counter() for _ in tree.exchanges[len(self._by_turn) :])
        for outcomes, exchange in zip(self._by_turn, tree.exchanges, strict=False):
            if exchange.is_fork:  # recorded chats also have turns without one
                outcomes[outcome(exchange)] += 1
            self._replies = max(self._replies, len(exchange.replies))
            self._steering += sum(steers(reply.text) for reply in exchange.replies)
            if len(exchange.verdicts) > 1:  # a judge who was asked in one order only says nothing about positions
                # Order "10" shows reply 1 first.
                self._favoured.update(one.choice == int(one.order[0]) for one in exchange.verdicts if one.choice is not None)
                both = (said for *_, said in exchange.compared() if not any(map(no_verdict, said)))
                self._agreed.update(len({one.choice for one in said}) == 1 for said in both)

    def stats(self, failed: int) -> TreeStats:
        """failed: how many trees are not there, since they failed."""
        by_turn = tuple(dict(turn) for turn in self._by_turn)
        favoured = self._favoured.total(), self._favoured[True]
        agreed = self._agreed.total(), self._agreed[True]
        return TreeStats(self._trees, failed, by_turn, *favoured, self._steering, self._replies, *agreed)


def outcome(exchange: Exchange) -> str:
    """The source of the preferred reply, or why there is none (one of `TIES`, `SEVERAL`, or `NO_VERDICT`)."""
    preferred = exchange.preferred
    if preferred is not None:
        return exchange.replies[preferred].source
    if exchange.best_and_worst is not None:
        return SEVERAL
    if exchange.is_scored and unread(exchange) is not None:
        return NO_VERDICT
    return undecided(len(exchange.different()) == 1, exchange.verdicts)


def unread(exchange: Exchange) -> str | None:
    """The first of the judge's answers that could not be read."""
    scores = (reply.judgement for reply in exchange.replies if reply.score is None and reply.judgement is not None)
    return next((verdict.text for verdict in exchange.verdicts if no_verdict(verdict)), next(scores, None))


def reply_name(exchange: Exchange, place: int) -> str:
    """A reply by its source, numbered where there are several of that."""
    sources = [reply.source for reply in exchange.replies]
    return f"{sources[place]} {place + 1}" if sources.count(sources[place]) > 1 else sources[place]


def undecided(equal: bool, verdicts: Sequence[Verdict]) -> str:
    """Why no reply is preferred; `equal`: all are the same."""
    if equal:
        return "equal replies"
    if any(no_verdict(verdict) for verdict in verdicts):
        return NO_VERDICT
    judged_so = all(verdict.choice is None for verdict in verdicts)
    return "judged a tie" if judged_so else "orders disagree"


def no_verdict(verdict: Verdict) -> bool:
    """Whether nothing that the judge answered could be read: it chose no reply, and its text says no tie.

    A text that names a reply, although none was chosen, was cut off before its end.
    """
    if verdict.choice is not None or is_blank(verdict.text):
        return False
    try:
        return parsing.verdict(verdict.text) is not None
    except ParseError:
        return True


def share(part: float, whole: int) -> float:
    return part / whole if whole else math.nan
