"""The authors' `conversations.jsonl` → trees, one line at a time. What cannot be used is counted and said, never guessed.

A row is `{profile, personality, conversations: [{user, assistant: {preferred, rejected}, chosen, inferred_profile,
inferred_personality}]}`, `rejected` one text or a list of them, `chosen` "preferred" or "rejected": the reply that was spoken.
A turn that cannot be used ends its conversation, for all that follows was said after it: the turns before it are kept. A row
of which nothing is left is refused.

Two things the file cannot say. Its judge was asked in one order only, so an exchange has one verdict. And it names the replies
by the verdict: which one was the tailored one is lost, so the source of both is `imported`, the preferred one first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Iterator
from pathlib import Path
from reprlib import repr as shortened
from typing import Literal

from aloe_hub.errors import DataError
from aloe_hub.files.jsonl import dumps
from aloe_hub.stages.chats.forms import form_of, keys_of
from aloe_hub.stages.import_files import byte_lines, json_values, usable_text
from aloe_hub.text import identity, is_valid
from aloe_hub.types import Exchange, Persona, Reply, Row, Tree, Verdict, digest

CONVERSATIONS = "conversations"
WANTED = "{profile, personality, conversations: [{user, assistant: {preferred, rejected}, chosen}]}"
AS_SAID = Verdict("01", 0, "imported: the authors' judge was asked in one order only")
FEW = 20  # notes that are shown one by one


class Notes:
    """What has to be said of a file: a line each while they are few, a line for each kind of them when they are many."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.counted: Counter[str] = Counter()  # what is only worth a number
        self._all: list[str] = []
        self._kinds: dict[tuple[str, str], list[str]] = {}  # the first note of each kind, then the first few line numbers
        self._times: Counter[tuple[str, str]] = Counter()

    def add(self, line: int, action: Literal["repaired", "refused"], kind: str, said: str | None = None) -> None:
        """`kind` is the same for all notes that may be summed up in one line; `said` is what this one says."""
        note = f"{self.path}, line {line}: {action}: {said or kind}"
        self._times[action, kind] += 1
        if len(self._all) <= FEW:
            self._all.append(note)
        seen = self._kinds.setdefault((action, kind), [note])
        if len(seen) < 4:
            seen.append(str(line))

    def lines(self) -> list[str]:
        """The notes so far."""
        said = self._all if len(self._all) <= FEW else [self._summed(*kind) for kind in self._kinds]
        return [*said, *(f"{self.path}: {number} {what}" for what, number in (+self.counted).items())]

    def _summed(self, action: str, kind: str) -> str:
        (note, *lines), times = self._kinds[action, kind], self._times[action, kind]
        if times == 1:
            return note
        return f"{self.path}: {action}: {times} times: {kind} (lines {', '.join(lines)}{', …' if times > len(lines) else ''})"


def conversations(path: Path, notes: Notes, held_out: Container[str] = (), pool: Iterable[str] = ()) -> Iterator[Tree]:
    """The usable conversations of a file, in its order; `notes` grows while they are read.

    A profile or personality that a reader cannot tell from one of the `pool`, or from an earlier one, is that one.

    Raises:
        DataError: the file cannot be read, or nothing in it can be used: then the first note says why.
    """
    first_line: dict[str, int] = {}
    samples: Counter[str] = Counter()
    known = {identity(text): text for text in pool}
    for number, row in _rows(path, notes):
        repairs: Counter[str] = Counter()
        if not is_valid(dumps(row)):
            repairs["conversations hold text that is not valid Unicode; what is not was replaced"] += 1
        try:
            texts = [_persona_text(row, name, repairs) for name in ("profile", "personality")]
            persona = Persona(*(known.setdefault(identity(text), text) for text in texts))
            exchanges, stopped = _exchanges(row, repairs)
        except DataError as error:
            notes.add(number, "refused", str(error))
            continue
        if persona.profile in held_out or persona.personality in held_out:
            kind = "the profile or the personality is held out for the benchmark (--test-profiles 0 keeps all for training)"
            notes.add(number, "refused", kind)
            continue
        content = digest(persona.to_row(), identity(dumps({"turns": [exchange.to_row() for exchange in exchanges]})))
        if content in first_line:
            kind = "the same conversation as in a line before"
            notes.add(number, "refused", kind, f"the same conversation as line {first_line[content]}")
            continue
        first_line[content] = number
        if stopped:
            kind = f"{stopped}; only the turns before it are kept"
            notes.add(number, "repaired", kind, f"turn {len(exchanges) + 1}: {kind}")
        notes.counted.update(repairs)
        yield Tree(digest("imported", persona.persona_id, samples[persona.persona_id]), persona, exchanges)
        samples[persona.persona_id] += 1
    if not first_line:
        why = next(iter(notes.lines()), "the file is empty")
        raise DataError(f"{path}: no conversation that can be used: {why.removeprefix(str(path)).lstrip(',: ')}")


def _rows(path: Path, notes: Notes) -> Iterator[tuple[int, Row]]:
    """(line number, row) of each JSON object in the file."""
    for number, line in enumerate(byte_lines(path), 1):
        try:
            values = list(json_values(line.decode()))
        except UnicodeDecodeError as error:
            notes.add(number, "refused", "not UTF-8", f"not UTF-8 ({error})")
            continue
        if len(values) > 1 and all(isinstance(value, dict) for value in values):
            kind = "several JSON values on one line, read as so many conversations"
            notes.add(number, "repaired", kind, f"{len(values)} JSON values on one line, read as {len(values)} conversations")
        for value in values:
            if isinstance(value, dict):
                yield number, value
            elif isinstance(value, DataError):
                notes.add(number, "refused", "not JSON", str(value))
            else:
                notes.add(number, "refused", "not a JSON object", f"expected a JSON object, found {shortened(value)}")


def _persona_text(row: Row, name: str, repairs: Counter[str]) -> str:
    """The authors' generator takes its personas as raw lines of `profile.jsonl`: JSON strings, one of them two on a line."""
    text = usable_text(row.get(name))
    values = list(json_values(text)) if text.startswith('"') else []
    if values and all(isinstance(value, str) for value in values):
        if len(values) > 1:
            raise DataError(f"the {name} holds several texts, and nothing says which one counts")
        repairs[f"{name} texts were JSON strings; the text in them was taken"] += 1
        text = usable_text(values[0])
    if not text:
        form = form_of(row)
        found = f"the form {form.name}" if form else keys_of(row)
        raise DataError(f"no {name}" + ("" if name in row else f"; found {found}; wanted {WANTED}"))
    return text


def _exchanges(row: Row, repairs: Counter[str]) -> tuple[tuple[Exchange, ...], str]:
    """The usable turns, and why the one after them is not usable ("": there is none)."""
    turns = row.get("conversations")
    if not isinstance(turns, list) or not turns:
        raise DataError("no list of conversations")
    exchanges: list[Exchange] = []
    for turn in turns:
        try:
            exchanges.append(_exchange(turn, repairs))
        except DataError as error:
            if not exchanges:
                raise DataError(f"turn 1: {error}; nothing is left") from None
            return tuple(exchanges), str(error)
    return tuple(exchanges), ""


def _exchange(turn: object, repairs: Counter[str]) -> Exchange:
    if not isinstance(turn, dict):
        raise DataError("not a JSON object")
    assistant, chosen = turn.get("assistant"), turn.get("chosen")
    if not isinstance(assistant, dict):
        raise DataError("no replies")
    rejected = assistant.get("rejected")
    several = [text for text in map(usable_text, rejected if isinstance(rejected, list) else [rejected]) if text]
    user, preferred, other = usable_text(turn.get("user")), usable_text(assistant.get("preferred")), next(iter(several), "")
    for text, what in ((user, "user message"), (preferred, "preferred reply"), (other, "rejected reply")):
        if not text:
            raise DataError(f"no {what}")
    if chosen not in ("preferred", "rejected"):
        raise DataError('`chosen` is neither "preferred" nor "rejected"')
    inferred = Persona(*(_inferred(turn.get(name), repairs) for name in ("inferred_profile", "inferred_personality")))
    if len(set(several)) > 1:
        repairs["forks had several rejected replies; the first was taken"] += 1
        if chosen == "rejected":
            repairs["forks went on from one of several rejected replies; the first was taken for it"] += 1
    replies = Reply("imported", preferred), Reply("imported", other)
    return Exchange(user, inferred, replies, (AS_SAID,), 0 if chosen == "preferred" else 1)


def _inferred(value: object, repairs: Counter[str]) -> str:
    if isinstance(value, str):
        return usable_text(value)
    if isinstance(value, list) and value and all(isinstance(part, str) for part in value):
        repairs["inferred texts were lists; joined"] += 1
        return " ".join(filter(None, map(usable_text, value)))
    repairs["inferred texts were missing or no text; left empty"] += 1
    return ""
