"""Which of two policies the judge prefers, reply by reply: what tells them apart where both have the highest scores.

Both have been benchmarked. Along the conversation of each, the other replies to the same history and message, and the pairwise
judge sees the two replies in both orders. Neither is at home more often than the other. Where the orders disagree it is a tie,
as in the trees.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import get_args

from aloe_hub.chat import judged_by
from aloe_hub.chat.base import Chat
from aloe_hub.chat.policies import calls_of
from aloe_hub.chat.traffic import Traffic
from aloe_hub.errors import DataError
from aloe_hub.files.journal import is_finished
from aloe_hub.files.run_folder import RunFolder, policy_file
from aloe_hub.matches import Match, Meeting
from aloe_hub.model_string import ModelString
from aloe_hub.stages import roles
from aloe_hub.stages.benchmark import BenchmarkSettings, met_by, policy_of, written
from aloe_hub.stages.benchmark_settings import settled
from aloe_hub.stages.journalled import row_a_persona
from aloe_hub.stages.people import Person
from aloe_hub.stages.roles import Call
from aloe_hub.stages.workers import together
from aloe_hub.types import Index, Message, Persona, Row, Transcript, digest

VERDICTS = 4  # in two orders, in either conversation


def match_all(
    run: RunFolder,
    policies: Sequence[str],
    settings: BenchmarkSettings,
    *,
    traffic: Traffic | None = None,
    accept_failures: bool = False,
    on_progress: Callable[[str, int, int], None] = lambda pair, done, total: None,
) -> int:
    """Hold every two of these policies, all benchmarked in this run, against each other; returns how many matches failed.

    Writes `pairwise/POLICY--POLICY.jsonl`, in the order of their names. What was begun goes on, and ends with the same bytes.

    Raises:
        DataError: a policy has no transcripts here; two share no persona; failures are accepted, but no match of a pair is left.
        RunStopped: the budget allows no further match, or every call fails.
    """
    traffic = traffic or Traffic()
    recorded = run.settings().get("evaluate")
    judging, _ = judged_by(settings.judge, recorded)
    settings = replace(settled(settings, recorded), judge=judging)
    met = {person.persona: person for person in met_by(run, settings)}
    pairs = list(combinations(sorted(policies), 2))
    return sum(_match(run, pair, met, settings, traffic, accept_failures, on_progress) for pair in pairs)


def _match(
    run: RunFolder,
    policies: tuple[str, str],
    met: Mapping[Persona, Person],
    settings: BenchmarkSettings,
    traffic: Traffic,
    accept_failures: bool,
    on_progress: Callable[[str, int, int], None],
) -> int:
    first, second = ({one.persona: one for one in written(run, policy)} for policy in policies)
    both = [persona for persona in first if persona in second]
    # Two names side by side may be too long for a file's, as one may be.
    final = run.file("pairwise/" + policy_file("--".join(policy_file(policy).removesuffix(".jsonl") for policy in policies)))
    name = " and ".join(policies)
    if is_finished(final):
        on_progress(name, len(both), len(both))
        return 0
    if not both:
        raise DataError(f"{run.path}: {name} share no persona, since the conversations of one or the other failed")
    chats = [policy_of(policy, settings, traffic) for policy in policies]
    prompt = "pairwise_judge" if settings.structured else None
    judge = roles.tuned(traffic.open(settings.judge), "judge", settings.sampling, prompt)

    async def make(persona: Persona) -> Row:
        hosts, person = (first[persona], second[persona]), met[persona]
        return (await match(person, hosts, (chats[0](person), chats[1](person)), judge, settings=settings)).to_row()

    return row_a_persona(
        final,
        both,
        make,
        named={"policies": list(policies)},
        check=lambda row: _check_match(row, policies, settings.turns),
        traffic=traffic,
        calls=settings.turns * (VERDICTS + sum(calls_of(ModelString.parse(policy)) for policy in policies)),
        accept_failures=accept_failures,
        on_progress=lambda done: on_progress(name, done, len(both)),
    )


async def match(
    person: Person,
    hosts: tuple[Transcript, Transcript],
    policies: tuple[Callable[[int], Chat], Callable[[int], Chat]],
    judge: Chat,
    *,
    settings: BenchmarkSettings,
) -> Match:
    """One match, over the conversations of both policies with one persona. All of its turns are asked for at once.

    policies: who replies in a turn, as in `converse`.

    Raises:
        ParseError, ChatError: a policy said nothing that can be used.
    """
    async with together() as group:
        tasks = [
            group.create_task(_meet(person.turns[turn], hosts, host, turn, policies[1 - host](turn), judge, settings))
            for host in get_args(Index)
            for turn in range(len(hosts[host].turns))
        ]
    return Match(hosts[0].persona, (hosts[0].policy, hosts[1].policy), tuple(task.result() for task in tasks))


async def _meet(
    persona: Persona,
    hosts: tuple[Transcript, Transcript],
    host: Index,
    turn: int,
    guest: Chat,
    judge: Chat,
    settings: BenchmarkSettings,
) -> Meeting:
    """persona: who the user is in this turn."""
    transcript = hosts[host]
    now = transcript.turns[turn]
    spoken = tuple(
        message
        for earlier in transcript.turns[:turn]
        for message in (Message("user", earlier.user), Message("assistant", earlier.reply))
    )
    names = transcript.policy, hosts[1 - host].policy
    call = Call(digest(settings.seed, transcript.persona.persona_id, "pairwise", *names), turn)
    asked = (*spoken, Message("user", now.user))
    theirs = await roles.policy_reply(guest, asked, call, temperature=settings.temperature, cut_too=True)
    replies = (theirs, now.reply) if host else (now.reply, theirs)
    return Meeting(host, turn, replies, await roles.both_orders(judge, persona, spoken, now.user, replies, call))


def _check_match(row: Row, policies: tuple[str, str], turns: int) -> None:
    """Raises: KeyError, ValueError: not a whole match of these two."""
    found = Match.from_row(row)
    if found.policies != policies or len(found.meetings) != 2 * turns:
        raise ValueError(f"{len(found.meetings)} meetings of {' and '.join(found.policies)}, and not {2 * turns}")
