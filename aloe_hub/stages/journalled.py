"""Many conversations, each kept as soon as it ends, within a budget: what trees, benchmark and forecast have in common.

Of the benchmark's files each has one row a persona: those of transcripts, and those of two policies' replies side by side.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from aloe_hub.chat.traffic import Traffic
from aloe_hub.errors import ChatError, DataError, ParseError
from aloe_hub.files.journal import Journal
from aloe_hub.files.jsonl import write_rows
from aloe_hub.stages.workers import for_each
from aloe_hub.types import Persona, Row


def row_a_persona(
    final: Path,
    personas: Sequence[Persona],
    make: Callable[[Persona], Awaitable[Row]],
    *,
    named: Row,
    check: Callable[[Row], object],
    traffic: Traffic,
    calls: int,
    accept_failures: bool,
    on_progress: Callable[[int], None],
) -> int:
    """Write `final`, with what `make` gives for each persona; returns how many failed.

    What failed goes to `failed-NAME` with the reason and with what `named` says, and is tried again by the next command. Then
    there is no final file, unless `accept_failures`: it is written without them.

    check: raises for a row of the journal that is not what `make` gives.
    calls, on_progress: as in `journalled`; what was done before counts too.

    Raises:
        DataError: failures are accepted, but no persona is left.
        RunStopped: the budget allows no further persona, or every call fails.
    """
    failures = final.with_name(f"failed-{final.name}")
    failures.unlink(missing_ok=True)  # what failed before is tried again
    failed: list[Row] = []
    with Journal(final, key="persona_id", check=check) as journal:
        todo = {persona.persona_id: persona for persona in personas if persona.persona_id not in journal}
        done = len(personas) - len(todo)
        on_progress(done)
        journalled(
            todo,
            lambda _, persona: make(persona),
            keep=journal.append,
            fail=lambda persona_id, _, reason: failed.append({"persona_id": persona_id, **named, "reason": reason}),
            traffic=traffic,
            calls=calls,
            on_progress=lambda ended: on_progress(done + ended),
        )
        if failed:
            write_rows(failures, failed)
            if not accept_failures:
                return len(failed)
            if not len(journal):
                raise DataError(f"{final}: every conversation failed, so nothing is left to accept; see {failures}")
        journal.finish([persona.persona_id for persona in personas if persona.persona_id in journal])
    return len(failed)


def journalled(
    todo: Mapping[str, Persona],
    make: Callable[[str, Persona], Awaitable[Row]],
    *,
    keep: Callable[[Row], None],
    fail: Callable[[str, Persona, str], None],
    traffic: Traffic,
    calls: int,
    on_progress: Callable[[int], None],
) -> None:
    """Make a row of each item, `make(id, persona)`, as many at a time as `traffic` allows.

    keep: is given a row as soon as it is made.
    fail: is given id, persona and reason of one that cannot be made; the others go on.
    calls: that one item takes if every answer can be read at once. What `traffic` was asked before is counted as it was.
    on_progress: is given how many have ended.

    Raises:
        RunStopped: the budget allows no further item, or every call fails. What was begun has ended, or nothing of it is kept.
    """
    asked_before, ended = traffic.ledger.calls, 0

    async def work(item: tuple[str, Persona]) -> None:
        nonlocal ended
        try:
            row = await make(*item)
        except (ParseError, ChatError) as error:
            fail(*item, str(error))
        else:
            keep(row)
        ended += 1
        on_progress(ended)

    def affordable(begun: int) -> bool:
        return traffic.ledger.affords(asked_before + (begun + 1) * calls)

    if traffic.run(for_each(list(todo.items()), work, traffic.limits.concurrency, affordable)) < len(todo):
        raise traffic.ledger.exhausted()
