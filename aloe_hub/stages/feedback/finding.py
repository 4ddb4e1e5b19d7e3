"""Which replies people were dissatisfied with, which satisfied: by their own ratings, by the baseline, or by a judge's model.

What is found lies in RUN/satisfaction, a file for each finder, so that `aloe audit` can say how well each one agrees with the
ratings. A judge's answers are paid for: its file grows line by line, and a larger or stopped search asks the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal, Self

from aloe_hub import parsing, prompts
from aloe_hub.chat import judged_by
from aloe_hub.chat.base import Chat as Model
from aloe_hub.chat.traffic import Traffic
from aloe_hub.errors import DataError, ParseError, UsageError
from aloe_hub.fields import text
from aloe_hub.files.journal import Journal
from aloe_hub.files.jsonl import read_rows, write_rows
from aloe_hub.files.run_folder import RunFolder, holds_chats, policy_file
from aloe_hub.model_string import ModelString
from aloe_hub.rubrics import FIVE
from aloe_hub.stages.chats.base import Chat
from aloe_hub.stages.chats.outcomes import ASSISTANT, id_of, persona_of
from aloe_hub.stages.chats.reading import recorded
from aloe_hub.stages.feedback import baseline
from aloe_hub.stages.journalled import journalled
from aloe_hub.stages.roles import Call, Changes, ask, prompted, tuned
from aloe_hub.types import Persona, Row, digest

FOLDER = "satisfaction"
RATINGS, BASELINE = "ratings", "baseline"
VERSION = 1  # of what a judge is asked
NOTHING = "(nothing: the conversation ends here)"
LOW, HIGH = 0.25, 0.75  # of a scale: of 1 to 5 that is 2 or less, and 4 or more
Sign = Literal["dissatisfied", "satisfied"]


@dataclass(frozen=True, slots=True)
class Found:
    """Of one chat, by reply: how dissatisfied its user is thought to be, from 0 to 1 (None: not known), and the sign of it."""

    conversation_id: str
    user: str
    dissatisfaction: tuple[float | None, ...]
    signs: tuple[Sign | None, ...]

    def to_row(self, finder: str, made_with: str) -> Row:
        return {
            "conversation_id": self.conversation_id,
            "user_id": self.user,
            "finder": finder,
            "made_with": made_with,
            "dissatisfaction": list(self.dissatisfaction),
            "signs": list(self.signs),
        }

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> Self:
        if len(row["dissatisfaction"]) != len(row["signs"]):
            raise ValueError("not as many signs as replies")
        return cls(text(row, "conversation_id"), text(row, "user_id"), tuple(row["dissatisfaction"]), tuple(row["signs"]))


def conversation_id(chat: Chat) -> str:
    """As the transcript of a rated chat has it."""
    return digest(chat.model or ASSISTANT, persona_of(chat).persona_id, id_of(chat))


def check_finder(finder: str) -> None:
    """Raises: UsageError: no model string, or a model that judges by a persona alone."""
    if finder not in (RATINGS, BASELINE) and any(one.only_judges for one in ModelString.parse(finder).models):
        raise UsageError(f"--finder {finder}: it compares replies with a persona, which chats have not; give another model")


def finder_of(run: RunFolder) -> str:
    """The one that is meant where none is named: people's ratings where there are any."""
    return RATINGS if any((run.path / "scores").glob("*.jsonl")) else BASELINE


def find(
    run: RunFolder,
    finder: str,
    *,
    traffic: Traffic,
    limit: int | None = None,
    sampling: Mapping[str, Changes] | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Found]:
    """What the finder says of the first `limit` chats that were imported into a run, in their order; written to RUN/satisfaction.
    sampling: how a judge is asked, under the role `judge`.

    Raises:
        DataError: nothing was imported there, no reply is rated, or the judge failed.
        RunStopped: the budget allows no further chat, or every call fails.
    """
    if (run.path / "import.json").exists() and not holds_chats(run.path):
        raise DataError(f"{run.path}: holds only forks of the chats themselves; import those without forks into another run")
    path = run.file(f"{FOLDER}/{policy_file(finder)}")
    if finder == RATINGS:
        found = list(islice(by_ratings(run), limit))
        if all(value is None for one in found for value in one.dissatisfaction):
            of = "" if limit is None else f"first {limit} "
            raise DataError(
                f"--finder {RATINGS}: no reply of the {of}chats in {run.path} is rated; take --finder {BASELINE}, "
                "or the model string of a judge, such as --finder hub:org/model"
            )
    elif finder == BASELINE:
        found = [_by_baseline(chat) for chat in islice(_chats(run), limit)]
    else:
        return _by_judge(path, finder, islice(_chats(run), limit), traffic, sampling, on_progress)
    write_rows(path, (one.to_row(finder, digest(finder, baseline.VERSION)) for one in found))
    return found


def by_ratings(run: RunFolder) -> Iterator[Found]:
    """What the people themselves said."""
    low, high = run.settings().get("evaluate", {}).get("scale", FIVE)
    for chat in _chats(run):
        rated = (turn.answers[turn.spoken].rating for turn in chat.turns)
        yield _found(chat, [None if rating is None else (high - rating) / (high - low) for rating in rated])


def _chats(run: RunFolder) -> Iterator[Chat]:
    return (chat for chat in recorded(run.path) if chat.turns)


def _by_judge(
    path: Path,
    judge: str,
    chats: Iterable[Chat],
    traffic: Traffic,
    sampling: Mapping[str, Changes] | None,
    on_progress: Callable[[int, int], None],
) -> list[Found]:
    opened, version = judged_by(judge, None)
    made_with = digest(VERSION, judge, version, dict((sampling or {}).get("judge", {})))
    model = tuned(traffic.open(opened), "judge", sampling)
    wanted = {conversation_id(chat): chat for chat in chats}
    failed: list[str] = []
    with Journal(path, key="conversation_id", check=Found.of_row) as journal:
        for row in read_rows(path, dict) if path.exists() else ():
            if row["made_with"] == made_with and row["conversation_id"] not in journal:
                journal.append(row)
        todo = {one: persona_of(chat) for one, chat in wanted.items() if one not in journal}
        done = len(wanted) - len(todo)

        async def make(one: str, _: Persona) -> Row:
            return (await _judged(model, wanted[one])).to_row(judge, made_with)

        journalled(
            todo,
            make,
            keep=journal.append,
            fail=lambda one, _, reason: failed.append(f"conversation {one}: {reason}"),
            traffic=traffic,
            calls=max((len(chat.turns) for chat in wanted.values()), default=1),
            on_progress=lambda ended: on_progress(done + ended, len(wanted)),
        )
        if failed:
            raise DataError(f"--finder {judge}: {len(failed)} chats failed; run again to try them again. The first: {failed[0]}")
        rows = {row["conversation_id"]: Found.of_row(row) for row in journal.rows()}
        if all(value is None for found in rows.values() for value in found.dissatisfaction):
            raise DataError(f"--finder {judge}: none of its answers can be read")
        journal.finish(list(rows))
    return [rows[one] for one in wanted]


async def _judged(model: Model, chat: Chat) -> Found:
    """One call after another, since chats go on side by side."""
    call, found = conversation_id(chat), list[float | None]()
    spoken = [message for message in chat.messages if message.role != "system"]
    for turn, said in enumerate(chat.turns):
        prompt = prompted(
            "satisfaction",
            conversation=prompts.conversation(spoken[: 2 * turn]),
            message=said.user,
            reply=said.answers[said.spoken].text,
            after=baseline.said_after(chat, turn) or NOTHING,
        )
        try:
            score, _ = await ask(model, "judge", prompt, Call(call, turn), parsing.score)
        except ParseError:
            found.append(None)
        else:
            found.append((FIVE[1] - score) / (FIVE[1] - FIVE[0]))
    return _found(chat, found)


def _by_baseline(chat: Chat) -> Found:
    found = [baseline.probability(baseline.features(chat, turn)) for turn in range(len(chat.turns))]
    signs = (_sign_of_baseline(chat, turn, value) for turn, value in enumerate(found))
    return Found(conversation_id(chat), chat.user_id or id_of(chat), tuple(round(value, 4) for value in found), tuple(signs))


def _sign_of_baseline(chat: Chat, turn: int, value: float) -> Sign | None:
    if value > baseline.DISSATISFIED:
        return "dissatisfied"
    return "satisfied" if baseline.thanked(baseline.said_after(chat, turn)) else None


def _found(chat: Chat, values: Iterable[float | None]) -> Found:
    found = tuple(values)
    return Found(conversation_id(chat), chat.user_id or id_of(chat), found, tuple(map(_sign, found)))


def _sign(value: float | None) -> Sign | None:
    if value is None or LOW < value < HIGH:
        return None
    return "dissatisfied" if value >= HIGH else "satisfied"
