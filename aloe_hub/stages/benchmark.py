"""The ALOE benchmark: each policy talks with the held-out personas, and a judge who knows the persona scores every reply 1 to 5.

Paper, section 4. All conversations run at once; every finished one is journalled with its texts, so a stopped run goes on
where it was. A score that cannot be read in three attempts is missing (null), never a number; a conversation whose user or
policy failed for good goes to `transcripts/failed-POLICY.jsonl` with the reason, and is tried again by the next command, unless
the failures are accepted: then the others are all there is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from aloe_hub.chat import world_of
from aloe_hub.chat.base import Chat
from aloe_hub.chat.policies import calls_of, selectors_of
from aloe_hub.chat.traffic import Traffic
from aloe_hub.errors import DataError, ParseError, UsageError
from aloe_hub.files.journal import Journal, is_finished
from aloe_hub.files.jsonl import read_rows, write_rows
from aloe_hub.files.run_folder import RunFolder, plain, policy_file
from aloe_hub.files.settings import check_conversations, check_sampling
from aloe_hub.model_string import ModelString
from aloe_hub.stages import roles
from aloe_hub.stages.journalled import journalled
from aloe_hub.stages.roles import Call
from aloe_hub.stages.workers import first_error
from aloe_hub.types import Message, Persona, Row, Transcript, Turn, digest

ROLES = ("user", "policy", "judge")


@dataclass(frozen=True, slots=True)
class BenchmarkSettings:
    """What decides the scores, beside the policy.

    `temperature` is the policy's; None: as in `roles.SAMPLING`. `sampling`: by role, fields of `Sampling` that are to be others.
    `structured`: the judge is asked for JSON of a schema, where the server has it.
    """

    user: str = "scripted"
    judge: str = "scripted"
    turns: int = 10
    seed: int = 0
    split: str = "test"
    limit: int | None = None
    temperature: float | None = None
    sampling: dict[str, dict[str, Any]] | None = None
    structured: bool = False

    def __post_init__(self) -> None:
        check_conversations(self.turns, self.seed, self.limit, self.temperature)
        check_sampling(self.sampling, ROLES)

    @property
    def calls_a_conversation(self) -> int:
        """At most, when every answer can be read at once: user, policy, judge."""
        return self.turns * 3


async def converse(
    persona: Persona, policy: Chat, user: Chat, judge: Chat, *, name: str, settings: BenchmarkSettings
) -> Transcript:
    """One conversation of `settings.turns` turns. The judge scores a reply while the conversation goes on.

    Raises:
        ParseError, ChatError: the user or the policy said nothing that can be used.
    """
    # The users' seeds leave the policy out: two policies meet the same users, as far as their replies let them.
    conversation = digest(settings.seed, persona.persona_id, "benchmark")
    spoken: tuple[Message, ...] = ()
    scored: list[asyncio.Task[Turn]] = []
    try:
        async with asyncio.TaskGroup() as judges:
            for turn in range(settings.turns):
                call = Call(conversation, turn)
                message = await roles.user_message(user, persona, spoken, call)
                asked = (*spoken, Message("user", message))
                # A reply that max_tokens cut off is what the policy said: it is scored, and the ledger counts it.
                reply = await roles.policy_reply(policy, asked, call, temperature=settings.temperature, cut_too=True)
                scored.append(judges.create_task(_scored(judge, persona, spoken, message, reply, call)))
                spoken = (*spoken, Message("user", message), Message("assistant", reply))
    except BaseExceptionGroup as errors:
        raise first_error(errors) from None
    return Transcript(persona, name, tuple(task.result() for task in scored))


async def _scored(judge: Chat, persona: Persona, spoken: tuple[Message, ...], message: str, reply: str, call: Call) -> Turn:
    try:
        score, text = await roles.score(judge, persona, spoken, message, reply, call)
    except ParseError as error:
        return Turn(message, reply, None, error.text)
    return Turn(message, reply, score, text)


def evaluate_all(
    run: RunFolder,
    policies: Sequence[str],
    settings: BenchmarkSettings,
    *,
    traffic: Traffic | None = None,
    accept_failures: bool = False,
    on_progress: Callable[[str, int, int], None] = lambda policy, done, total: None,
) -> int:
    """Benchmark each policy on the run's held-out personas; returns how many conversations failed.

    Writes `transcripts/POLICY.jsonl` (every text, score and judgement) and `scores/POLICY.jsonl` (what the metric needs); of a
    policy with failed conversations only if `accept_failures`, without them.

    Raises:
        SettingsDiffer: the folder holds scores that were made with other settings.
        UsageError: two policies would be written to one file; the judge also selects the replies of one.
        DataError: failures are accepted, but no conversation of a policy is left.
        RunStopped: the budget allows no further conversation, or every call fails.
    """
    if not policies:
        raise UsageError("--policy: give at least one, such as --policy scripted:tailored")
    for policy in policies:
        if settings.judge in map(str, selectors_of(ModelString.parse(policy))):
            raise UsageError(
                f"--policy {policy}: its replies are selected by {settings.judge}, which is the judge that scores them; "
                "give another by=, or leave it out"
            )
    if len({policy_file(policy) for policy in policies}) < len(policies):
        raise UsageError(f"--policy: two of {', '.join(policies)} would share one file")
    traffic = traffic or Traffic()
    for policy in policies:  # before anything is made
        traffic.open(policy)
    personas = run.personas(settings.split)[: settings.limit]
    run.claim("evaluate", plain(settings) | world_of([settings.user, settings.judge]))
    return sum(_evaluate(run, policy, personas, settings, traffic, accept_failures, on_progress) for policy in policies)


def _evaluate(
    run: RunFolder,
    policy: str,
    personas: Sequence[Persona],
    settings: BenchmarkSettings,
    traffic: Traffic,
    accept_failures: bool,
    on_progress: Callable[[str, int, int], None],
) -> int:
    name = policy_file(policy)
    final = run.file(f"transcripts/{name}")
    scores = run.file(f"scores/{name}")
    if is_finished(final):
        written = _written(run, policy)
        if not scores.exists():  # stopped between the two files
            write_rows(scores, (transcript.to_scores_row() for transcript in written))
        on_progress(policy, len(personas), len(personas))
        return 0
    models = {"user": settings.user, "policy": policy, "judge": settings.judge}
    prompt_of = {"judge": "benchmark_judge"} if settings.structured else {}
    cast = {
        role: roles.tuned(traffic.open(model), role, settings.sampling, prompt_of.get(role)) for role, model in models.items()
    }
    failures = run.file(f"transcripts/failed-{name}")
    failures.unlink(missing_ok=True)  # what failed before is tried again
    failed: list[Row] = []
    with Journal(final, key="persona_id", check=lambda row: _check_transcript(row, policy, settings.turns)) as journal:
        todo = {persona.persona_id: persona for persona in personas if persona.persona_id not in journal}
        done = len(personas) - len(todo)
        on_progress(policy, done, len(personas))

        async def make(_: str, persona: Persona) -> Row:
            return (await converse(persona, **cast, name=policy, settings=settings)).to_row()

        journalled(
            todo,
            make,
            keep=journal.append,
            fail=lambda persona_id, _, reason: failed.append({"persona_id": persona_id, "policy": policy, "reason": reason}),
            traffic=traffic,
            calls=settings.calls_a_conversation + settings.turns * (calls_of(ModelString.parse(policy)) - 1),
            on_progress=lambda ended: on_progress(policy, done + ended, len(personas)),
        )
        if failed:
            write_rows(failures, failed)
            if not accept_failures:
                return len(failed)
            if not len(journal):
                raise DataError(f"{policy}: every conversation failed, so nothing is left to accept; see {failures}")
        journal.finish([persona.persona_id for persona in personas if persona.persona_id in journal])
    write_rows(scores, (transcript.to_scores_row() for transcript in _written(run, policy)))
    return len(failed)


def _check_transcript(row: Row, policy: str, turns: int) -> None:
    """Raises: KeyError, ValueError: not a whole transcript of this policy."""
    transcript = Transcript.from_row(row)
    if len(transcript.turns) != turns:
        raise ValueError(f"a transcript of {len(transcript.turns)} turns instead of {turns}")
    if transcript.policy != policy:
        raise ValueError(f"a transcript of {transcript.policy!r} and not of {policy!r}")


def _written(run: RunFolder, policy: str) -> list[Transcript]:
    path = run.file(f"transcripts/{policy_file(policy)}")
    transcripts = list(read_rows(path, Transcript.from_row))
    if transcripts[0].policy != policy:
        raise DataError(f"{path}: holds {transcripts[0].policy!r}, not {policy!r}; give another --run folder")
    return transcripts
