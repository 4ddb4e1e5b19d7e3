"""The semantic judge beside the scripted one: `python bench/semantic.py [PROFILES PERSONALITIES]`.

Three questions, each of the same texts for both judges, by the prompts and parsers of the benchmark:

    agreement     scores of eight scripted policies in the conversations of 20 x 5 held-out personas (or PROFILES x
                  PERSONALITIES), ten turns; and which of `tailored` and `plain` is preferred, reply by reply
    paraphrases   44 replies and each in other words, of bench/paraphrases.toml: what a score loses, whether the better stays so
    another       the replies of `tailored` once more, to another held-out persona of another profile and another personality:
                  AUC of own over other, its interval from 1,000 resamples of profiles

It validates, and tunes nothing: the weights of the judge were fixed before. Some minutes on one core.
"""

from __future__ import annotations

import asyncio
import sys
import tomllib
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from random import Random
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import rankdata, spearmanr

from aloe_hub.chat import open_chat
from aloe_hub.files.jsonl import read_rows
from aloe_hub.files.run_folder import RunFolder, policy_file
from aloe_hub.matches import Match
from aloe_hub.stages import roles
from aloe_hub.stages.benchmark import BenchmarkSettings, evaluate_all
from aloe_hub.stages.pairing import Pairing
from aloe_hub.stages.pairwise import match_all
from aloe_hub.stages.pool import write_pool
from aloe_hub.types import Message, Persona, PoolText, Transcript
from aloe_hub.world.speaking import personality_text, profile_text

JUDGES = ("scripted", "semantic")
NAMES = ("tailored", "facts", "style", "memoryless", "plain", "constant", "parrot", "dump")
POLICIES = [f"scripted:{name}" for name in NAMES]
FORKS = POLICIES[0], POLICIES[4]
RESAMPLES = 1000


class Asked(NamedTuple):
    """What a judge is asked to score."""

    persona: Persona
    spoken: tuple[Message, ...]
    message: str
    reply: str


def scores(judge: str, asked: Sequence[Asked]) -> list[float]:
    chat = open_chat(judge)

    async def all_of_them() -> list[float]:
        return [(await roles.judged(chat, *one, roles.Call("bench", 0)))[0].score for one in asked]

    return asyncio.run(all_of_them())


def a_run(folder: Path, profiles: int, personalities: int) -> RunFolder:
    run, random = RunFolder(folder), Random(11)
    known = [PoolText(profile_text(random), "generated") for _ in range(profiles + 1)]
    spoken = [PoolText(personality_text(random), "generated") for _ in range(personalities + 1)]
    write_pool(run, known, spoken, Pairing(pairings=1, test_profiles=profiles, test_personalities=personalities))
    return run


def agreement(runs: dict[str, RunFolder], settings: dict[str, BenchmarkSettings]) -> None:
    found: dict[str, dict[str, list[float]]] = {}
    for judge, run in runs.items():
        evaluate_all(run, POLICIES, settings[judge])
        found[judge] = {
            policy: [turn.score for one in transcripts(run, policy) for turn in one.turns if turn.score is not None]
            for policy in POLICIES
        }
    print("\n| policy | scripted judge | semantic judge | Spearman, within the policy |\n|---|---|---|---|")
    for policy in POLICIES:
        first, second = (found[judge][policy] for judge in JUDGES)
        within = spearmanr(first, second).statistic if len(set(first)) > 1 < len(set(second)) else float("nan")
        print(f"| `{policy}` | {mean(first):.2f} | {mean(second):.2f} | {within:.2f} |")
    flat = [list(chain.from_iterable(found[judge].values())) for judge in JUDGES]
    print(f"\nSpearman over {len(flat[0])} replies of all policies: {spearmanr(*flat).statistic:.3f}")


def forks(runs: dict[str, RunFolder], settings: dict[str, BenchmarkSettings]) -> None:
    verdicts: dict[str, list[int | None]] = {}
    for judge, run in runs.items():
        match_all(run, FORKS, settings[judge])
        path = next((run.path / "pairwise").glob("*.jsonl"))
        plain_first = next(one.policies[0] == FORKS[1] for one in read_rows(path, Match.from_row))
        preferred = [meeting.preferred for one in read_rows(path, Match.from_row) for meeting in one.meetings]
        verdicts[judge] = [None if one is None else one ^ plain_first for one in preferred]
    pairs = list(zip(*verdicts.values(), strict=True))
    both = [pair for pair in pairs if None not in pair]
    for judge in JUDGES:
        said = verdicts[judge]
        print(f"{judge}: tailored preferred {said.count(0) / len(said):.1%}, plain {said.count(1) / len(said):.1%}, rest ties")
    same = sum(first == second for first, second in pairs)
    decided = sum(first == second for first, second in both)
    print(
        f"the same in {same / len(pairs):.1%} of {len(pairs)}, in {decided / len(both):.1%} of the {len(both)} that both decide"
    )


def paraphrases() -> None:
    table = tomllib.loads(Path(__file__).with_name("paraphrases.toml").read_text(encoding="utf-8"))
    cases: list[dict[str, Any]] = table["cases"]
    print("\n| judge | good → in other words | bad → in other words | good above bad | … in other words |")
    print(f"|{'---|' * 5}")
    for judge in JUDGES:
        found = {
            kind: scores(judge, [_case(table["people"][case["of"]], case, kind) for case in cases])
            for kind in ("good", "good_other", "bad", "bad_other")
        }
        kept = [
            sum(good > bad for good, bad in zip(found[f"good{other}"], found[f"bad{other}"], strict=True))
            for other in ("", "_other")
        ]
        cells = [f"{mean(found[kind]):.2f} → {mean(found[f'{kind}_other']):.2f}" for kind in ("good", "bad")]
        print(f"| {judge} | {' | '.join(cells)} | {kept[0]} of {len(cases)} | {kept[1]} of {len(cases)} |")


def _case(person: dict[str, Any], case: dict[str, str], kind: str) -> Asked:
    persona = Persona(person["profile"], person["personality"])
    return Asked(persona, _spoken(person["earlier"]), case["message"], case[kind])


def another(run: RunFolder) -> None:
    random, everyone = Random(5), run.personas("test")
    own = [(one.persona, asked) for one in transcripts(run, POLICIES[0]) for asked in _turns(one)]
    other = [
        asked._replace(persona=random.choice([one for one in everyone if _strangers(one, persona)])) for persona, asked in own
    ]
    profiles = sorted({persona.profile for persona, _ in own})
    clusters = [np.flatnonzero([persona.profile == profile for persona, _ in own]) for profile in profiles]
    print("\n| judge | own persona | another | AUC [95%] | own above, of two |\n|---|---|---|---|---|")
    for judge in JUDGES:
        mine, theirs = (np.asarray(scores(judge, asked)) for asked in ([asked for _, asked in own], other))
        draws = np.random.default_rng(0).integers(0, len(clusters), (RESAMPLES, len(clusters)))
        chosen = (np.concatenate([clusters[one] for one in draw]) for draw in draws)
        low, high = np.percentile([auc(mine[rows], theirs[rows]) for rows in chosen], [2.5, 97.5])
        above = float(np.mean((mine > theirs) + (mine == theirs) / 2))
        interval = f"{auc(mine, theirs):.3f} [{low:.3f}, {high:.3f}]"
        print(f"| {judge} | {mine.mean():.2f} | {theirs.mean():.2f} | {interval} | {above:.1%} |")
    print(f"\n{len(own)} replies of {POLICIES[0]}, {len(profiles)} profiles")


def auc(mine: np.ndarray[Any, Any], theirs: np.ndarray[Any, Any]) -> float:
    """How often one of the first is above one of the second; equal ones count half."""
    ranks = rankdata(np.concatenate([mine, theirs]))[: len(mine)]
    return float((ranks.sum() - len(mine) * (len(mine) + 1) / 2) / (len(mine) * len(theirs)))


def _strangers(one: Persona, other: Persona) -> bool:
    return one.profile != other.profile and one.personality != other.personality


def transcripts(run: RunFolder, policy: str) -> list[Transcript]:
    return list(read_rows(run.file(f"transcripts/{policy_file(policy)}"), Transcript.from_row))


def _turns(one: Transcript) -> Iterator[Asked]:
    said = [(turn.user, turn.reply) for turn in one.turns]
    for number, (user, reply) in enumerate(said):
        yield Asked(one.persona, _spoken(said[:number]), user, reply)


def _spoken(exchanges: Sequence[Sequence[str]]) -> tuple[Message, ...]:
    return tuple(message for user, reply in exchanges for message in (Message("user", user), Message("assistant", reply)))


def main(profiles: int = 20, personalities: int = 5) -> None:
    with TemporaryDirectory() as folder:
        runs = {judge: a_run(Path(folder) / judge, profiles, personalities) for judge in JUDGES}
        settings = {judge: BenchmarkSettings(judge=judge) for judge in JUDGES}
        agreement(runs, settings)
        forks(runs, settings)
        paraphrases()
        another(runs[JUDGES[0]])


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
