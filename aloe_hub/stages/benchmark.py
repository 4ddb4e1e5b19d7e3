"""The ALOE benchmark: each policy talks with the held-out personas, and a judge who knows the persona scores every reply, by one
rubric (`aloe_hub.rubrics`).

Paper, section 4. All conversations run at once; every finished one is journalled with its texts, so a stopped run goes on
where it was. A score that cannot be read in three attempts is missing (null), never a number; a conversation whose user or
policy failed for good goes to `transcripts/failed-POLICY.jsonl` with the reason, and is tried again by the next command, unless
the failures are accepted: then the others are all there is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from aloe_hub.chat import judged_by, template_date_of, told, world_of
from aloe_hub.chat.base import Chat
from aloe_hub.chat.policies import calls_of, selectors_of
from aloe_hub.chat.traffic import Traffic
from aloe_hub.errors import DataError, UsageError
from aloe_hub.files.journal import is_finished
from aloe_hub.files.jsonl import read_rows, write_rows
from aloe_hub.files.run_folder import RunFolder, plain, policy_file
from aloe_hub.files.settings import check_roles
from aloe_hub.model_string import ModelString
from aloe_hub.rubrics import Rubric, of_run
from aloe_hub.stages import roles
from aloe_hub.stages.benchmark_settings import ROLES as ROLES
from aloe_hub.stages.benchmark_settings import BenchmarkSettings as BenchmarkSettings
from aloe_hub.stages.benchmark_settings import settled
from aloe_hub.stages.conversation import converse as converse
from aloe_hub.stages.conversation import scored_again
from aloe_hub.stages.journalled import row_a_persona
from aloe_hub.stages.people import Person, people
from aloe_hub.stages.revealed import Measure, measure_of
from aloe_hub.types import Persona, Row, Transcript


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
    judges = {one.speaker for one in ModelString.parse(settings.judge).models}
    for policy in policies:
        check_roles({"policy": policy})
        if own := next((one for one in selectors_of(ModelString.parse(policy)) if one.speaker in judges), None):
            raise UsageError(
                f"--policy {policy}: its replies are selected by {own}, which is the judge that scores them; "
                "give another by=, or leave it out"
            )
    if len({policy_file(policy) for policy in policies}) < len(policies):
        raise UsageError(f"--policy: two of {', '.join(policies)} would share one file")
    traffic = traffic or Traffic()
    recorded = run.settings().get("evaluate")
    settings = settled(settings, recorded)
    met = met_by(run, settings)
    for policy in () if settings.rejudge else policies:  # before anything is made
        if told(policy):
            for person in met:
                person.told(policy, 0)
        else:
            traffic.open(policy)
    by = of_run(settings.rubric, recorded)
    measure = measure_of(settings.revealed)
    judge, version = judged_by(settings.judge, recorded)
    if recorded is None:  # a folder must not be kept to a user or a judge that nobody can ask
        for model in (settings.user, judge):
            traffic.open(model)
    played = world_of([settings.user, settings.judge]) | template_date_of([settings.user, settings.judge, *policies])
    run.claim("evaluate", plain(settings) | played | version)
    settings = replace(settings, judge=judge)
    return sum(_evaluate(run, policy, met, settings, by, measure, traffic, accept_failures, on_progress) for policy in policies)


def _evaluate(
    run: RunFolder,
    policy: str,
    met: Sequence[Person],
    settings: BenchmarkSettings,
    by: Rubric,
    measure: Measure,
    traffic: Traffic,
    accept_failures: bool,
    on_progress: Callable[[str, int, int], None],
) -> int:
    name = policy_file(policy)
    final = run.file(f"transcripts/{name}")
    scores = run.file(f"scores/{name}")
    if is_finished(final):
        transcripts = written(run, policy)
        if not scores.exists():  # stopped between the two files
            write_rows(scores, (transcript.to_scores_row() for transcript in transcripts))
        on_progress(policy, len(met), len(met))
        return 0
    held = _held(run, settings.rejudge, policy, met) if settings.rejudge else {}
    policy_for = None if settings.rejudge else policy_of(policy, settings, traffic)
    prompt_of = {"judge": by.prompt} if settings.structured else {}
    user, judge = (
        roles.tuned(traffic.open(model), role, settings.sampling, prompt_of.get(role))
        for role, model in (("user", settings.user), ("judge", settings.judge))
    )
    everyone = {person.persona: person for person in met}

    async def make(persona: Persona) -> Row:
        person = everyone[persona]
        if policy_for is None:
            return (await scored_again(held[persona], person, judge, settings=settings, by=by)).to_row()
        talk = converse(person, policy_for(person), user, judge, name=policy, settings=settings, by=by, measure=measure)
        return (await talk).to_row()

    failed = row_a_persona(
        final,
        list(everyone),
        make,
        named={"policy": policy},
        check=lambda row: _check_transcript(row, policy, settings),
        traffic=traffic,
        calls=settings.calls_a_conversation + (settings.turns * (calls_of(ModelString.parse(policy)) - 1) if policy_for else 0),
        accept_failures=accept_failures,
        on_progress=lambda ended: on_progress(policy, ended, len(met)),
    )
    if not failed or accept_failures:
        write_rows(scores, (transcript.to_scores_row() for transcript in written(run, policy)))
    return failed


def _held(run: RunFolder, rejudge: str, policy: str, met: Sequence[Person]) -> dict[Persona, Transcript]:
    """The conversations of a policy in the run that is judged again. Raises: DataError: not with all whom `run` knows."""
    if not RunFolder(Path(rejudge)).file(f"transcripts/{policy_file(policy)}").exists():
        raise DataError(f"--rejudge {rejudge}: no finished conversations of {policy} there")
    held = {transcript.persona: transcript for transcript in written(RunFolder(Path(rejudge)), policy)}
    if missing := [person.persona.persona_id for person in met if person.persona not in held]:
        raise DataError(f"--rejudge {rejudge}: {policy} did not talk with persona {missing[0]} of {run.path} there")
    return held


def met_by(run: RunFolder, settings: BenchmarkSettings) -> list[Person]:
    """Whom the policies talk with, in the order of the run. `settings` are as `settled` has them."""
    return people(
        run.personas(settings.split),
        settings.limit,
        settings.turns,
        seed=settings.seed,
        shift=settings.shift,
        share=settings.shift_share or 1.0,
        later=settings.later,
    )


def policy_of(model: str, settings: BenchmarkSettings, traffic: Traffic) -> Callable[[Person], Callable[[int], Chat]]:
    """The policy that talks with a person in a turn: the same always, but for those that are told whom they talk with."""
    tell = told(model)
    if tell is None:
        chat = roles.tuned(traffic.open(model), "policy", settings.sampling)
        return lambda person: lambda turn: chat
    return lambda person: lambda turn: roles.tuned(tell(person.told(model, turn)), "policy", settings.sampling)


def _check_transcript(row: Row, policy: str, settings: BenchmarkSettings) -> None:
    """Raises: KeyError, ValueError: not a whole transcript of this policy."""
    transcript = Transcript.from_row(row)
    if len(transcript.turns) != settings.turns:
        raise ValueError(f"a transcript of {len(transcript.turns)} turns instead of {settings.turns}")
    if transcript.rubric != settings.rubric:
        raise ValueError(f"a transcript that was scored by rubric {transcript.rubric!r} and not by {settings.rubric!r}")
    if transcript.policy != policy:
        raise ValueError(f"a transcript of {transcript.policy!r} and not of {policy!r}")


def written(run: RunFolder, policy: str) -> list[Transcript]:
    """The transcripts of a policy that was benchmarked. Raises: DataError: they are another policy's, or not there."""
    path = run.file(f"transcripts/{policy_file(policy)}")
    transcripts = list(read_rows(path, Transcript.from_row))
    if transcripts[0].policy != policy:
        raise DataError(f"{path}: holds {transcripts[0].policy!r}, not {policy!r}; give another --run folder")
    return transcripts
