"""A reply that dissatisfied, and what the user said then → another reply, which a judge checks: a fork of a tree.

The tree of a chat is the chat as it was. At each reply that dissatisfied, and after which the user said something, it forks: the
given reply was spoken, and beside it stands the one that `--tailored` wrote with the user's next message as a hint, its source
`revised`. The judge is told what the user said then, sees the two in both orders, and decides as for any fork: so a pair has
the revised reply as the chosen one, or there is none. Where both orders prefer the given reply, which dissatisfied, the turn does
not fork: no pair may teach it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from aloe_hub import prompts
from aloe_hub.chat import judged_by, template_date_of, world_of
from aloe_hub.chat.base import Chat as Model
from aloe_hub.chat.traffic import Traffic
from aloe_hub.errors import DataError, ParseError
from aloe_hub.files.journal import Journal, is_finished
from aloe_hub.files.jsonl import read_rows, write_rows
from aloe_hub.files.run_folder import RunFolder, plain
from aloe_hub.files.settings import check_conversations, check_roles, check_sampling
from aloe_hub.parsing import message as message_in
from aloe_hub.stages import roles
from aloe_hub.stages.chats.base import Chat
from aloe_hub.stages.chats.outcomes import persona_of
from aloe_hub.stages.chats.reading import recorded
from aloe_hub.stages.feedback.baseline import said_after
from aloe_hub.stages.feedback.finding import Found, check_finder, conversation_id
from aloe_hub.stages.journalled import journalled
from aloe_hub.stages.roles import Call
from aloe_hub.types import Exchange, Persona, Reply, Row, Tree, digest

ROLES = ("tailored", "judge")
FAILED = "failed.jsonl"
LONGEST = {"tailored": {"max_tokens": 2048}}  # people are answered at greater length than the method's three sentences


@dataclass(frozen=True, slots=True)
class FeedbackSettings:
    """What decides the trees' bytes. models: who writes and who judges, by role. finder: as `finding.find` takes it."""

    models: dict[str, str]
    finder: str
    seed: int = 0
    limit: int | None = None
    sampling: dict[str, dict[str, Any]] | None = None
    structured: bool = False

    def __post_init__(self) -> None:
        check_conversations(1, self.seed, self.limit, None)
        check_roles(self.models)
        check_sampling(self.sampling, ROLES)
        check_finder(self.finder)


@dataclass(frozen=True, slots=True)
class Revised:
    """asked: replies that dissatisfied, and after which the user said something. confirmed: pairs. failed: chats."""

    asked: int
    confirmed: int = 0
    trees: int = 0
    failed: int = 0
    reason: str = ""


def check_trees(run: RunFolder, settings: FeedbackSettings) -> None:
    """That trees which the run holds already were made with these settings: asked before anything is paid for.

    Raises: as `revise`, SettingsDiffer and DataError.
    """
    if "trees" in run.settings():
        _claim(run, settings)


def _claim(run: RunFolder, settings: FeedbackSettings) -> str:
    """Claim the trees; the judge's model string, with its version."""
    before = run.settings().get("trees")
    if before is not None and "finder" not in before:
        raise DataError(f"{run.file('trees.jsonl')}: forks of the chats themselves; import those without forks into another run")
    judge, version = judged_by(settings.models["judge"], before)
    models = settings.models.values()
    run.claim("trees", _source(run) | plain(settings) | world_of(models) | template_date_of(models) | version)
    return judge


def revise(
    run: RunFolder,
    found: Sequence[Found],
    settings: FeedbackSettings,
    *,
    traffic: Traffic,
    accept_failures: bool = False,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Revised:
    """Write `trees.jsonl` of the chats in which a reply dissatisfied; goes on where it was stopped.

    With chats that failed there is no such file, unless `accept_failures`: they stand in `failed.jsonl`, and are tried again.

    Raises:
        SettingsDiffer: the run holds trees that were made otherwise.
        DataError: it holds trees of forks that people made; or none did.
        RunStopped: the budget allows no further chat, or every call fails.
    """
    check_trees(run, settings)
    places = {one.conversation_id: [turn for turn, sign in enumerate(one.signs) if sign == "dissatisfied"] for one in found}
    chats = {
        digest("revised", settings.seed, name): (chat, asked)
        for chat in recorded(run.path)
        if (name := conversation_id(chat)) in places and (asked := [turn for turn in places[name] if said_after(chat, turn)])
    }
    all_asked = sum(len(asked) for _, asked in chats.values())
    if not chats:
        return Revised(0)
    judge = _claim(run, settings)
    writer = roles.tuned(traffic.open(settings.models["tailored"]), "tailored", LONGEST | (settings.sampling or {}))
    form = "pairwise_judge" if settings.structured else None
    judges = roles.tuned(traffic.open(judge), "judge", settings.sampling, form)
    final, failed = run.file("trees.jsonl"), list[Row]()
    if not is_finished(final):
        with Journal(final, key="tree_id", check=Tree.from_row) as journal:
            todo = {tree_id: persona_of(chat) for tree_id, (chat, _) in chats.items() if tree_id not in journal}
            done = len(chats) - len(todo)
            on_progress(done, len(chats))

            async def make(tree_id: str, persona: Persona) -> Row:
                return (await _tree(tree_id, persona, *chats[tree_id], writer, judges)).to_row()

            journalled(
                todo,
                make,
                keep=journal.append,
                fail=lambda tree_id, persona, reason: failed.append(
                    {"tree_id": tree_id, "persona_id": persona.persona_id, "reason": reason}
                ),
                traffic=traffic,
                calls=3 * max(len(asked) for _, asked in chats.values()),
                on_progress=lambda ended: on_progress(done + ended, len(chats)),
            )
            run.file(FAILED).unlink(missing_ok=True)
            if failed:
                write_rows(run.file(FAILED), failed)
                if not accept_failures:
                    return Revised(all_asked, failed=len(failed), reason=str(failed[0]["reason"]))
            forked = {row["tree_id"] for row in journal.rows() if any(len(turn["replies"]) > 1 for turn in row["turns"])}
            if not forked:
                raise DataError(f"{run.path}: the judge preferred every reply that dissatisfied, so there is nothing to learn")
            journal.finish([tree_id for tree_id in chats if tree_id in forked])
    trees = list(read_rows(final, Tree.from_row))
    confirmed = sum(exchange.preferred is not None for tree in trees for exchange in tree.exchanges)
    return Revised(all_asked, confirmed, len(trees), len(failed), str(failed[0]["reason"]) if failed else "")


def _source(run: RunFolder) -> Row:
    """Where the chats come from, as the card says it."""
    told = run.settings().get("import", {})
    return {name: told[name] for name in ("source", "sha256", "dataset", "config", "split", "revision") if name in told}


async def _tree(tree_id: str, persona: Persona, chat: Chat, asked: Sequence[int], writer: Model, judge: Model) -> Tree:
    forks = await asyncio.gather(*(_fork(Call(tree_id, turn), persona, chat, turn, writer, judge) for turn in asked))
    by_turn = dict(zip(asked, forks, strict=True))
    return Tree(tree_id, persona, tuple(by_turn.get(turn) or _as_it_was(chat, turn) for turn in range(len(chat.turns))))


async def _fork(call: Call, persona: Persona, chat: Chat, turn: int, writer: Model, judge: Model) -> Exchange | None:
    """None: no reply could be written, or the judge preferred the given one."""
    spoken = [message for message in chat.messages if message.role != "system"][: 2 * turn]
    given, after = _as_it_was(chat, turn), said_after(chat, turn)
    prompt = roles.prompted(
        "revised_reply",
        conversation=prompts.conversation(spoken),
        message=given.user,
        reply=given.replies[0].text,
        after=after,
    )
    try:
        revised, _ = await roles.ask(writer, "tailored", prompt, call, message_in)
    except ParseError:
        return None
    wanted = Persona(f"{persona.profile}\nAfter another reply to this message they said: {after}", persona.personality)
    verdicts = await roles.both_orders(judge, wanted, spoken, given.user, (revised, given.replies[0].text), call)
    fork = Exchange(given.user, given.inferred, (Reply("revised", revised), *given.replies), verdicts, 1)
    return None if fork.preferred == 1 else fork


def _as_it_was(chat: Chat, turn: int) -> Exchange:
    said = chat.turns[turn]
    return Exchange(said.user, Persona("", ""), (Reply("human", said.answers[said.spoken].text),), (), 0)
