"""`aloe import`: recorded chats → files of a run. One pass, one record in memory, each file written whole or not at all.

An import that was killed begins again from the start, unlike stages that ask models: a million chats are minutes of reading and
nothing was paid for, so a journal would cost more than it saves. `import.json`, the last file to be written, says that all is
there; with it, the same import again reads nothing.
"""

from __future__ import annotations

import json
from array import array
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from itertools import chain
from typing import IO

from aloe_hub.errors import DataError
from aloe_hub.files.jsonl import atomic_file, encoded
from aloe_hub.files.run_folder import RunFolder, policy_file
from aloe_hub.rubrics import PEOPLE, Scale
from aloe_hub.stages.chats import forms
from aloe_hub.stages.chats.base import Chat, Tally, Unusable
from aloe_hub.stages.chats.forms import Form
from aloe_hub.stages.chats.language import Sample
from aloe_hub.stages.chats.outcomes import conversation_of, kind_of, persona_of, transcript_of, tree_of, with_read_ratings
from aloe_hub.stages.chats.sources import Source
from aloe_hub.types import PoolText, Row, digest

DONE = "import.json"
IMPORTED = "imported"


@dataclass(slots=True)
class Counts:
    """What an import read, and what had to be said; a line of `import.json`."""

    conversations: int = 0
    users: int = 0
    ratings: int = 0
    refused: int = 0
    trees: int = 0
    transcripts: dict[str, int] = field(default_factory=dict)  # by assistant
    others: int = 0  # without forks and ratings
    languages: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def import_chats(
    source: Source, run: RunFolder, *, form: str | None = None, scale: Scale | None = None, language: str | None = None
) -> Counts:
    """Read all chats of a source into a run folder: `trees.jsonl`, transcripts and scores by assistant, `conversations.jsonl`,
    and, where personas are known, the pool. The same source again changes nothing.

    Raises:
        DataError: nothing in it can be used, or replies are rated on a scale that nobody names.
        SettingsDiffer: the run folder holds something else.
    """
    named = forms.form_named(form) if form else None
    settings = source.identity | {"source": IMPORTED, "form": named.name if named else None, "scale": scale, "language": language}
    done = run.file(DONE)
    if "import" in run.settings():
        run.claim("import", settings)  # refused before anything is read
    if done.exists():
        return Counts(**json.loads(done.read_text(encoding="utf-8")))
    tally = Tally()
    chats = _chats(source, named, tally)
    first = next(chats, None)
    if first is None:  # a source without anything to use claims nothing
        why = next(iter(tally.lines()), "there is no record in it")
        raise DataError(f"{source.parts[0][0]}: no conversation that can be used: {why}")
    with ExitStack() as files:
        writer = _Writer(run, files, scale, source.identity, tally)
        for found in chain([first], chats):
            writer.add(*found)
        counts = writer.counted(language)
        writer.claim()
        run.claim("import", settings)
    with atomic_file(done) as file:
        file.write(json.dumps(asdict(counts), ensure_ascii=False, indent=1).encode() + b"\n")
    return counts


def _chats(source: Source, named: Form | None, tally: Tally) -> Iterator[tuple[str, Form, Chat]]:
    """(where, its form, the chat) of each record that can be used. A part has the form of the first record that has one."""
    for name, path in source.parts:
        form = named
        for number, record in source.records(path):
            where = f"{name}, {number}"
            try:
                if isinstance(record, DataError):
                    raise record
                form = form or forms.form_of(record)
                if form is None:
                    known = "; ".join(f"{one.name} ({one.wanted})" for one in forms.FORMS)
                    raise Unusable("of no known form", f"found {forms.keys_of(record)}; known: {known}")
                chat = forms.chat_in(record, form)
            except DataError as error:
                tally.refuse(where, error)
                continue
            if chat.cut:
                tally.add("repaired", where, f"{chat.cut}; only what was said before it is kept")
            yield where, form, chat


class _Writer:
    """The files of a run while they grow, and what is counted on the way. Users and personas are kept as eight bytes each."""

    def __init__(self, run: RunFolder, files: ExitStack, scale: Scale | None, identity: Row, tally: Tally) -> None:
        self._run, self._files, self._scale, self._tally = run, files, scale, tally
        self._identity = {"source": IMPORTED} | identity
        self._claims: dict[str, Row] = {}
        self._open: dict[str, IO[bytes]] = {}
        self._policies: dict[str, str] = {}  # by file
        self._users, self._texts = array("Q"), set[int]()
        self._sample, self._counts, self._said = Sample(), Counts(), Counter[str]()

    def add(self, where: str, form: Form, chat: Chat) -> None:
        chat, left_out = with_read_ratings(chat, self._scale or form.scale)
        for reason, found in left_out:
            self._tally.add("left out", where, reason, found)
        kind = kind_of(chat)
        if kind == "tree":
            tree, too_many = tree_of(chat, form.name)
            self._write("trees.jsonl", tree.to_row(), "trees")
            self._counts.trees += 1
            self._said["replies left out: a fork holds two, the best and the worst by rating"] += too_many
            self._said["system prompts left out: trees hold none"] += bool(chat.system)
        elif kind == "transcript":
            self._add_transcript(where, form, chat)
        else:
            self._add_other(chat)
        if chat.profile and chat.personality:
            self._add_persona(chat)
        self._counts.conversations += 1
        self._counts.ratings += chat.ratings
        if chat.user_id:
            self._users.append(_number(chat.user_id))
        self._sample.add(chat)

    def counted(self, language: str | None) -> Counts:
        import numpy as np

        counts = self._counts
        counts.users = len(np.unique(np.array(self._users, dtype=np.uint64)))
        counts.refused = self._tally.refused
        counts.languages = language.split(",") if language else self._sample.languages()
        counts.notes = [*self._tally.lines(), *(f"{number} {what}" for what, number in self._said.items() if number)]
        return counts

    def claim(self) -> None:
        """Write down what the files are made of: at the end, for what cannot be imported claims nothing."""
        for stage, settings in self._claims.items():
            self._run.claim(stage, settings)

    def _add_transcript(self, where: str, form: Form, chat: Chat) -> None:
        scale = self._scale or form.scale
        if scale is None:
            raise DataError(
                f"{where}: replies are rated, and the form {form.name} does not say from what to what: give --scale, as in 1..5"
            )
        transcript, outside = transcript_of(chat, scale)
        for rating in outside:
            self._tally.add("left out", where, "a rating that is not from {} to {}".format(*scale), f"{rating:g}")
        if all(turn.score is None for turn in transcript.turns):
            self._add_other(chat)
            return
        file, stage = policy_file(transcript.policy), {"rubric": PEOPLE, "scale": list(scale)}
        other = self._policies.setdefault(file, transcript.policy)
        if other != transcript.policy:
            raise DataError(f"{where}: the assistants {transcript.policy!r} and {other!r} would have one file, {file}")
        if self._claims.get("evaluate", stage)["scale"] != stage["scale"]:
            raise DataError(f"{where}: rated on another scale than the chats before; import the two into runs of their own")
        self._write(f"transcripts/{file}", transcript.to_row(), "evaluate", stage)
        self._write(f"scores/{file}", transcript.to_scores_row(), "evaluate", stage)
        talks = self._counts.transcripts
        talks[transcript.policy] = talks.get(transcript.policy, 0) + 1
        self._said["system prompts left out: transcripts hold none"] += bool(chat.system)

    def _add_other(self, chat: Chat) -> None:
        self._write("conversations.jsonl", conversation_of(chat))
        self._counts.others += 1

    def _add_persona(self, chat: Chat) -> None:
        persona = persona_of(chat)
        for kind, text in (("profiles", persona.profile), ("personalities", persona.personality)):
            if self._is_new(kind, text):
                self._write(f"{kind}.jsonl", PoolText(text, "imported").to_row(), "personas")
        if self._is_new("personas", persona.persona_id):
            self._write("personas.jsonl", persona.to_row() | {"split": "train"}, "personas")

    def _is_new(self, kind: str, text: str) -> bool:
        number, before = _number(kind, text), len(self._texts)
        self._texts.add(number)
        return len(self._texts) > before

    def _write(self, name: str, row: Row, stage: str = "", settings: Row | None = None) -> None:
        if name not in self._open:
            if stage:
                self._claims[stage] = self._identity | (settings or {})
                if stage in self._run.settings():
                    self._run.claim(stage, self._claims[stage])  # refused before the rest is read
            self._open[name] = self._files.enter_context(atomic_file(self._run.file(name)))
        self._open[name].write(encoded(row, str(self._run.file(name))))


def _number(*parts: str) -> int:
    return int(digest(*parts), 16)
