"""A table of scores → one row for each conversation, by what its header calls the columns. Standard library only.

Two forms are told apart. Wide: a conversation a line, its turns in columns such as t1, turn_2 or, beside a name that is known, 3.
Long: a score a line, with a column `turn` and a column `score`, and `conversation` unless there is only one or, as with
`user_id`, one of each id. Names are compared without case, spaces, hyphens and underscores. Ids are never scores, and neither
is a column that is called nothing known: it is left out, and `form` says so. Turns count from 0 or from 1 without a gap,
whatever the order of the columns or lines. A header that fits neither form is an error.

Without names, a first line that counts to the number of its columns, three or more, from 0 or 1 is a header of turns; one of
two columns, and a first column with each number from 1 to the number of lines, or from 0, is doubtful, which is said.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from reprlib import Repr

MAX_TURNS = 200
IDS = ("profile_id", "personality_id")
MISSING = ("", "null", "none", "nan")
WANTED = "call the columns t1, t2, … where a line is a conversation, or conversation, turn and score where it is one score"


def _called(*words: str) -> tuple[str, ...]:
    return tuple(word + ending for word in words for ending in ("", "id", "number", "index", "no"))


_CLUSTERS = (_called("profile", "user", "cluster"), _called("personality"))
# What a conversation is called; of several the first says which one it is, and an `id` may be that of a line.
_CONVERSATION = (*_called("conversation", "dialogue", "dialog", "chat", "session", "thread"), "personaid", "id")
_TURN, _SCORE = (*_called("turn", "round", "step"), "k"), ("score", "rating")
_WORDS = {*_CLUSTERS[0], *_CLUSTERS[1], *_CONVERSATION, *_TURN, *_SCORE}
_OF_TURN = re.compile(r"(score|rating|al)?[ _.-]*(turn|t|k|reply|round|step)?[ _.=(-]*(\d{1,4})\)?", re.ASCII)

_REPR = Repr()  # of a deep list or a long text, only the beginning
_REPR.maxstring = _REPR.maxother = 60


class Unreadable(ValueError):
    """One line that says where, what, and why not."""


@dataclass(frozen=True, slots=True)
class Row:
    """A conversation as it was written; `cells` are numbers, None, or what no score can be made of.

    line: where it stands; "" within a list. lines: where each cell does, if not all there. ids: as `IDS` names them.
    """

    line: str
    cells: Sequence[object]
    ids: Sequence[object] = (None, None)
    lines: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Columns:
    """What a header means. Places of columns; wide: `turns`, in their order; long: `turn` and `score`."""

    names: Sequence[str]
    turns: Sequence[int]
    turn: int | None
    score: int | None
    conversation: int | None
    ids: Sequence[int | None]

    @classmethod
    def of(cls, names: Sequence[str]) -> Columns:
        """Raises: Unreadable: no turns are named, or one is twice, or two columns say the same."""
        plain = [_plain(name) for name in names]
        if twice := next((name for at, name in enumerate(names) if plain[at] in plain[:at] and is_known(name)), None):
            raise Unreadable(f"the first line names {twice!r} twice: a column has a name of its own")

        def place(words: Sequence[str]) -> int | None:
            return next((plain.index(word) for word in words if word in plain), None)

        ids = [place(words) for words in _CLUSTERS]
        meanings = {**dict.fromkeys(_CLUSTERS, "what belongs together"), _TURN: "which turn it is", _SCORE: "what the score is"}
        for words, meaning in meanings.items():
            if len(both := [names[plain.index(word)] for word in words if word in plain]) > 1:
                raise Unreadable(f"columns {both[0]!r} and {both[1]!r} both say {meaning}: keep one of them")
        turn, score = place(_TURN), place(_SCORE)
        if turn is not None and score is not None:
            return cls(names, (), turn, score, place(_CONVERSATION), ids)
        of_turn = {at: int(found[3]) for at, name in enumerate(names) if (found := _turn_named(name))}
        lone = next((names[at] for at in (turn, score) if at is not None), None)
        if not of_turn:
            lacks = "names no turns" if lone is None else f"names {lone!r}, but no {'turn' if turn is None else 'score'}"
            raise Unreadable(f"line 1 {lacks}: {shown(', '.join(names))}; {WANTED}, or leave that line out")
        if lone is not None:
            other = names[next(iter(of_turn))]
            raise Unreadable(f"the first line names {lone!r} and {other!r}: is a line a score or a conversation? {WANTED}")
        in_order = sorted(of_turn, key=lambda at: of_turn[at])
        _check_turns([of_turn[at] for at in in_order])
        return cls(names, in_order, None, None, place(_CONVERSATION), ids)

    @property
    def key(self) -> list[int]:
        """By which columns the conversations of a long table are told apart; none where there is only one."""
        return [at for at in (self.ids if self.conversation is None else [self.conversation]) if at is not None]

    @property
    def form(self) -> str:
        """In words: which column was taken for what, and which for nothing."""
        called = [name or "a column without a name" for name in self.names]
        used = [*self.turns, *(at for at in (self.turn, self.score, *self.ids) if at is not None)]
        kinds = zip(("profiles", "personalities"), self.ids, strict=True)
        parts = [f"{kind} in {called[at]}" for kind, at in kinds if at is not None]
        if self.conversation is not None:
            parts.insert(0, f"conversations in {called[self.conversation]}")
            used.append(self.conversation)
        elif self.key and self.turn is not None:
            parts.insert(0, f"one conversation of each {' and '.join(called[at] for at in self.key)}")
        if self.turn is None or self.score is None:
            first, last = called[self.turns[0]], called[self.turns[-1]]
            said = "a table with a conversation a line", f"its turns in {first}" + (f" to {last}" if first != last else "")
        else:
            said = "a long table with a score a line", f"turns in {called[self.turn]}, scores in {called[self.score]}"
        left = [name for at, name in enumerate(called) if at not in used]
        return f"{said[0]}: {', '.join((*parts, said[1]))}" + (f"; left out: {', '.join(left)}" if left else "")


def is_known(name: str) -> bool:
    """Whether a first line with this word in it names columns.

    >>> [is_known(name) for name in ("Profile_ID", "Conversation ID", "t1", "AL(3)", "3", "nan", "note")]
    [True, True, True, True, False, False, False]
    """
    return _plain(name) in _WORDS or (name.strip()[:1].isalpha() and _turn_named(name) is not None)


def numbers_turns(names: Sequence[str]) -> bool:
    """Whether a line is nothing but numbers of turns, in order; a column before them may have no name.

    >>> numbers_turns(["1", "2", "3"]), numbers_turns(["", "0", "1"]), numbers_turns(["1", "2", "4"]), numbers_turns(["1"])
    (True, True, False, False)
    """
    numbers = list(names if names and names[0] else names[1:])
    return len(numbers) > 1 and any(numbers == [str(at + start) for at in range(len(numbers))] for start in (0, 1))


def rows_of(columns: Columns, lines: Iterable[tuple[str, Sequence[object]]]) -> list[Row]:
    """`lines`: where each stands, and its cells in the order of the columns. Raises: Unreadable."""
    if columns.turn is None or columns.score is None:
        return [Row(line, [cells[at] for at in columns.turns], _ids(columns, cells)) for line, cells in lines]
    return _long(columns, columns.turn, columns.score, lines)


def _long(columns: Columns, turn: int, score: int, lines: Iterable[tuple[str, Sequence[object]]]) -> list[Row]:
    """Turns that have no line are missing."""
    found: dict[Hashable, tuple[str, Sequence[object], dict[int, tuple[str, object]]]] = {}
    for line, cells in lines:
        name = [cells[at] for at in columns.key]
        if empty := next((columns.names[at] for at in columns.key if cells[at] in (None, "")), None):
            raise Unreadable(f"{line}: {empty} is empty")
        ids, at = _ids(columns, cells), _turn(cells[turn], line)
        first, ids_before, scores = found.setdefault(tuple(map(str, name)), (line, ids, {}))
        if ids != ids_before:
            raise Unreadable(f"{line}: conversation {shown(*name)} has other ids than in {first}")
        if at in scores:
            raise Unreadable(f"{line}: {_twice(columns, name, f'two scores of turn {at}, the other in {scores[at][0]}')}")
        scores[at] = line, cells[score]
    turns = sorted({at for _, _, scores in found.values() for at in scores})
    if len(turns) > 1 and columns.key and all(len(scores) == 1 for _, _, scores in found.values()):
        raise Unreadable(f"{' and '.join(repr(columns.names[at]) for at in columns.key)} differs in every line: {WANTED}")
    _check_turns(turns)
    nothing = ("", None)
    return [
        Row(first, [scores.get(at, nothing)[1] for at in turns], ids, [scores.get(at, nothing)[0] for at in turns])
        for first, ids, scores in found.values()
    ]


def _twice(columns: Columns, name: Sequence[object], what: str) -> str:
    """Who has two scores of a turn, and, where no column says which conversation it is, which columns there are."""
    if columns.conversation is not None:
        return f"conversation {shown(*name)} has {what}"
    whose = "".join(f", for {columns.names[at]} {shown(one)}" for at, one in zip(columns.key, name, strict=True))
    return f"without a column conversation there are {what}{whose}; the columns are {shown(', '.join(columns.names))}"


def check_count(turns: int) -> None:
    if turns > MAX_TURNS:
        raise Unreadable(f"{turns:,} turns are too many for this page, which takes {MAX_TURNS}; use evaluate.load")


def counts_up(rows: Sequence[Row]) -> str:
    """Of rows without names: that the first line or column looks like a counter, and would be scored; "" where none does.

    Raises:
        Unreadable: the lines look like those of a long table.
    """
    table = [row.cells for row in rows if len(row.cells) > 1]
    if len(table) < 3:
        return ""
    groups = {name: [cells[1] for cells in lines] for name, lines in groupby(table, key=lambda cells: cells[0])}
    turns = [turn for group in groups.values() for turn in group]
    could_be_long = len(turns) == len(table) > 3 and len(table[0]) < 5 and any(turn not in (0, 1) for turn in turns)
    counted = (all(group == list(range(start, start + len(group))) for group in groups.values()) for start in (0, 1))
    if could_be_long and any(counted):
        # Where a group is a single line, scores look like that by chance: a doubt, and no error.
        if min(map(len, groups.values())) > 1:
            raise Unreadable(f"the first two columns look like a conversation and a turn: name them in a first line; {WANTED}")
        return "The first two columns look like a conversation and a turn: if they are, name the columns in a first line."
    numbers = {cells[0] for cells in table}
    if len(numbers) == len(table) and numbers in (set(range(len(table))), set(range(1, len(table) + 1))):
        return "The first column numbers the lines: if it is not a score, name the columns in a first line."
    return ""


def shown(value: object) -> str:
    """For an error: the beginning of it."""
    text = _REPR.repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name.casefold())


def _turn_named(name: str) -> re.Match[str] | None:
    return _OF_TURN.fullmatch(name.strip().casefold())


def _ids(columns: Columns, cells: Sequence[object]) -> list[object]:
    return [None if at is None else cells[at] for at in columns.ids]


def _turn(value: object, line: str) -> int:
    text = str(value).strip().removesuffix(".0")
    if isinstance(value, bool) or not (text.isascii() and text.isdecimal() and len(text) < 9):
        raise Unreadable(f"{line}: the turn {shown(value)} is not a whole number")
    return int(text)


def _check_turns(turns: list[int]) -> None:
    """Raises: Unreadable: they are not counted on from 1, or from 0."""
    check_count(len(turns))
    wanted = range(turns[0], turns[0] + len(turns))
    if turns[0] > 1 or list(turns) != list(wanted):
        odd = next((at for at, due in zip(turns, wanted, strict=True) if at != due), turns[0])
        why = "has none before it" if turns[0] > 1 else f"comes without turn {odd - 1}"
        raise Unreadable(f"turn {odd} {'is there twice' if turns.count(odd) > 1 else why}: turns are counted 1, 2, 3, …")
