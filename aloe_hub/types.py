"""The nouns of ALOE: persona, exchange, tree, transcript. Frozen values, standard library only.

Every value has an id that follows from its content (never from when or where it was made), and turns into a JSON row and
back without loss: `from_row(value.to_row()) == value`, also through `json.dumps`. A row that is no such value is a KeyError (the
name of what is missing) or a ValueError of one line; whoever reads a file adds the file and the line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self, get_args

from aloe_hub.fields import number, number_or_none, one_of, rows, text
from aloe_hub.ids import call_seed as call_seed
from aloe_hub.ids import digest as digest
from aloe_hub.rubrics import DEFAULT as DEFAULT_RUBRIC

Row = dict[str, Any]
Index = Literal[0, 1]
# "imported": of the authors' released conversations, which do not keep which reply was the tailored one.
ReplySource = Literal["tailored", "plain", "policy", "imported"]
Order = Literal["01", "10"]
TextSource = Literal["seed", "generated", "imported"]
Split = Literal["train", "test"]
_INDICES, _REPLY_SOURCES, _ORDERS = get_args(Index), get_args(ReplySource), get_args(Order)
SHARES = ("revealed", "told", "recalled")  # of a persona, after a turn of the benchmark
_TEXT_SOURCES, _SPLITS = get_args(TextSource), get_args(Split)


@dataclass(frozen=True, slots=True)
class PoolText:
    """One profile or one personality of the pool, and how it came in.

    `nearest` is the highest cosine similarity to what the pool held before, by the pool's embedder; None where it was not
    asked (seeds and imported texts are never filtered).
    """

    text: str
    source: TextSource
    round: int = 0
    nearest: float | None = None

    @property
    def id(self) -> str:
        return digest(self.text)

    def to_row(self) -> Row:
        return {"id": self.id, "text": self.text, "source": self.source, "round": self.round, "nearest": self.nearest}

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        nearest = number_or_none(row, "nearest")
        return cls(text(row, "text"), one_of(row, "source", _TEXT_SOURCES), int(number(row, "round")), nearest)


@dataclass(frozen=True, slots=True)
class Persona:
    """A profile (objective facts: what is talked about) and a personality (traits: how). Paper, section 2.1."""

    profile: str
    personality: str

    @property
    def persona_id(self) -> str:
        return digest(self.profile, self.personality)

    @property
    def profile_id(self) -> str:
        return digest(self.profile)

    @property
    def personality_id(self) -> str:
        return digest(self.personality)

    def to_row(self) -> Row:
        return {
            "persona_id": self.persona_id,
            "profile_id": self.profile_id,
            "personality_id": self.personality_id,
            "profile": self.profile,
            "personality": self.personality,
        }

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        for part in (row["profile"], row["personality"]):
            if not isinstance(part, str) or not part.strip():
                raise ValueError(f"a persona without text: {part!r}")
        return cls(row["profile"], row["personality"])


@dataclass(frozen=True, slots=True)
class Message:
    """One chat message, as every chat API and TRL have it."""

    role: Literal["system", "user", "assistant"]
    content: str

    def to_row(self) -> Row:
        return {"role": self.role, "content": self.content}


@dataclass(frozen=True, slots=True)
class Reply:
    """One of the two replies of a fork."""

    source: ReplySource
    text: str

    def to_row(self) -> Row:
        return {"source": self.source, "text": self.text}

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        return cls(one_of(row, "source", _REPLY_SOURCES), text(row, "text"))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the judge said when it saw the replies in one order. `choice` counts replies, not positions; None is a tie."""

    order: Order
    choice: Index | None
    text: str

    def to_row(self) -> Row:
        return {"order": self.order, "choice": self.choice, "text": self.text}

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        return cls(one_of(row, "order", _ORDERS), one_of(row, "choice", (*_INDICES, None)), text(row, "text"))


@dataclass(frozen=True, slots=True)
class Exchange:
    """One user message, what it has revealed so far, and the fork of two replies.

    Of our own forks the judge was asked in both orders; an imported one has a single verdict, for the authors asked in one.
    """

    user: str
    inferred: Persona
    replies: tuple[Reply, Reply]
    verdicts: tuple[Verdict, ...]
    spoken: Index  # a coin that never looks at the verdicts

    @property
    def preferred(self) -> Index | None:
        """The reply that all verdicts agree on, or None for a tie."""
        if self.replies[0].text == self.replies[1].text:
            return None
        first, *others = (verdict.choice for verdict in self.verdicts)
        return first if all(choice == first for choice in others) else None

    @property
    def messages(self) -> tuple[Message, Message]:
        """The exchange as it was spoken."""
        return Message("user", self.user), Message("assistant", self.replies[self.spoken].text)

    def to_row(self) -> Row:
        return {
            "user": self.user,
            "inferred_profile": self.inferred.profile,
            "inferred_personality": self.inferred.personality,
            "replies": [reply.to_row() for reply in self.replies],
            "verdicts": [verdict.to_row() for verdict in self.verdicts],
            "preferred": self.preferred,
            "spoken": self.spoken,
        }

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        replies = [Reply.from_row(reply) for reply in rows(row, "replies")]
        if len(replies) != 2:
            raise ValueError(f"a fork of {len(replies)} replies instead of 2")
        verdicts = tuple(Verdict.from_row(verdict) for verdict in rows(row, "verdicts"))
        if not verdicts:
            raise ValueError("a fork without a verdict: nobody judged it, which is no tie")
        inferred = Persona(text(row, "inferred_profile"), text(row, "inferred_personality"))
        return cls(text(row, "user"), inferred, (replies[0], replies[1]), verdicts, one_of(row, "spoken", _INDICES))


@dataclass(frozen=True, slots=True)
class Tree:
    """A trunk of exchanges; each keeps the reply that was not spoken."""

    tree_id: str
    persona: Persona
    exchanges: tuple[Exchange, ...] = ()

    def grown(self, exchange: Exchange) -> Self:
        return replace(self, exchanges=(*self.exchanges, exchange))

    def spoken(self, turn: int) -> tuple[Message, ...]:
        """The path actually spoken before `turn` (0-based), ended by the user's message of that turn."""
        before = (message for exchange in self.exchanges[:turn] for message in exchange.messages)
        return (*before, Message("user", self.exchanges[turn].user))

    def to_row(self) -> Row:
        return {
            "tree_id": self.tree_id,
            "persona_id": self.persona.persona_id,
            "profile": self.persona.profile,
            "personality": self.persona.personality,
            "turns": [exchange.to_row() for exchange in self.exchanges],
        }

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        exchanges = tuple(Exchange.from_row(turn) for turn in rows(row, "turns"))
        return cls(text(row, "tree_id"), Persona.from_row(row), exchanges)


@dataclass(frozen=True, slots=True)
class Turn:
    """One benchmark turn: the reply of the policy, its score (None: the judge could not be read), the judge's text.

    criteria: what the judge said of each criterion of the rubric, by name; empty where there is none, and in runs of before.
    `revealed`: the share of the persona that the user's messages have told so far, R(k). In the scripted world also `told`, that
    of the profile alone, and `recalled`, the share of the profile that replies have used so far: at most what was told.
    None: not measured.
    """

    user: str
    reply: str
    score: float | None
    judgement: str
    criteria: Mapping[str, float | None] = field(default_factory=dict, hash=False)

    revealed: float | None = None
    told: float | None = None
    recalled: float | None = None

    def measured(self, shares: Mapping[str, float]) -> Self:
        """The turn with some of `SHARES`, by name."""
        return replace(self, revealed=shares.get("revealed"), told=shares.get("told"), recalled=shares.get("recalled"))

    def to_row(self) -> Row:
        row = {"user": self.user, "reply": self.reply, "score": self.score, "judgement": self.judgement}
        measured = {name: share for name in SHARES if (share := getattr(self, name)) is not None}
        return row | ({"criteria": dict(self.criteria)} if self.criteria else {}) | measured

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        found = {name: number_or_none(row["criteria"], name) for name in row.get("criteria", ())}
        shares = {name: number(row, name) for name in SHARES if row.get(name) is not None}
        return cls(text(row, "user"), text(row, "reply"), number_or_none(row, "score"), text(row, "judgement"), found, **shares)


@dataclass(frozen=True, slots=True)
class Transcript:
    """A benchmark conversation of one policy with one held-out persona, and its scores.

    `became`: who the user was at the end, where that is another than at the beginning.
    """

    persona: Persona
    policy: str
    turns: tuple[Turn, ...]
    rubric: str = DEFAULT_RUBRIC
    became: Persona | None = None

    @property
    def conversation_id(self) -> str:
        return digest(self.policy, self.persona.persona_id)

    @property
    def scores(self) -> tuple[float | None, ...]:
        return tuple(turn.score for turn in self.turns)

    def to_row(self) -> Row:
        return {
            "conversation_id": self.conversation_id,
            "policy": self.policy,
            "persona_id": self.persona.persona_id,
            "profile": self.persona.profile,
            "personality": self.persona.personality,
            **self._of_rubric,
            "turns": [turn.to_row() for turn in self.turns],
        } | ({"became": self.became.to_row()} if self.became else {})

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        persona, policy = Persona.from_row(row), text(row, "policy")
        rubric = text(row, "rubric") if "rubric" in row else DEFAULT_RUBRIC
        became = Persona.from_row(row["became"]) if row.get("became") else None
        return cls(persona, policy, tuple(Turn.from_row(turn) for turn in rows(row, "turns")), rubric, became)

    def to_scores_row(self) -> Row:
        """What `evaluate.load("aloe")` needs of this conversation; both ids say what it shares with others.
        Where R(k) was measured, it stands beside the scores."""
        shares = {name: [getattr(turn, name) for turn in self.turns] for name in SHARES}
        measured = {name: values for name, values in shares.items() if values and None not in values}
        return {
            "conversation_id": self.conversation_id,
            "persona_id": self.persona.persona_id,
            "profile_id": self.persona.profile_id,
            "personality_id": self.persona.personality_id,
            **self._of_rubric,
            "scores": list(self.scores),
            **({"criteria": criteria} if (criteria := self.criteria) else {}),
            **measured,
        }

    @property
    def criteria(self) -> dict[str, list[float | None]]:
        """What was said of each criterion, by turn."""
        names = dict.fromkeys(name for turn in self.turns for name in turn.criteria)
        return {name: [turn.criteria.get(name) for turn in self.turns] for name in names}

    @property
    def _of_rubric(self) -> Row:
        """Named where it is not the usual one."""
        return {} if self.rubric == DEFAULT_RUBRIC else {"rubric": self.rubric}


def persona_and_split(row: Mapping[str, Any]) -> tuple[Persona, Split]:
    """What a row of `personas.jsonl` holds."""
    return Persona.from_row(row), one_of(row, "split", _SPLITS)
