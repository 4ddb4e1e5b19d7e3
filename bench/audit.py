"""How often an audit's 95% intervals hold what was planted, and whether what was not planted stays null: `python bench/audit.py`.

Verdicts and scores are simulated as `scripted:biased` gives them: each fork of each person has a true difference d of its two
replies, the judge says "the first" with probability logistic(d + position) in one order and logistic(-d + position) in the other.
Scores have a level of the person, one of the reply, noise of each asking, and what was planted for length, a leak and flattery.

`python bench/audit.py --people CONVERSATIONS.jsonl.gz` prints the two-sample tests: the scripted user against people, and people
against people.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from random import Random

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a checkout need not be installed

from aloe_hub.audit.changes import length_effect, premium, told_apart
from aloe_hub.audit.interventions import DOSES
from aloe_hub.audit.likeness import among_themselves, likeness
from aloe_hub.audit.measured import Floats, Measured
from aloe_hub.audit.order import Choices, counted, label_noise, position_bias
from aloe_hub.audit.retest import retest
from aloe_hub.audit.talks import Talk, people
from aloe_hub.world import speaking
from aloe_hub.world.strategies import STRATEGIES
from aloe_hub.world.understanding import Known, read_personality, read_profile

PROFILES, FORKS = 50, 4  # 200 forks, as aloe audit asks about
GAP = 1.0  # |d|: both replies are told apart by 1 logit, so that ε follows
OF_A_PERSON, OF_A_REPLY = 0.3, 0.8  # standard deviations, in points


def verdicts(rng: np.random.Generator, position: float) -> list[Choices]:
    """Of forks whose replies differ by GAP, either being the better one."""
    d = GAP * rng.choice([-1, 1], PROFILES * FORKS)
    first = rng.random(len(d)) < _logistic(d + position)  # reply 0 is shown first
    second = rng.random(len(d)) < _logistic(-d + position)  # reply 1 is
    return [(0 if one else 1, 1 if other else 0) for one, other in zip(first.tolist(), second.tolist(), strict=True)]


def measured(seed: int, position: float, length: float, leak: float, noise: float) -> Iterator[tuple[str, Measured, float]]:
    """(name, what the audit finds, what is true)"""
    rng = np.random.default_rng(seed)
    clusters = np.repeat(np.arange(PROFILES), FORKS)
    choices = verdicts(rng, position)
    wrong = _logistic(np.array([-GAP]))[0]
    yield "position", position_bias(counted(choices)), position
    yield "label noise", label_noise(choices, clusters.tolist(), seed=seed), float(wrong**2 / (wrong**2 + (1 - wrong) ** 2))
    base = 3 + OF_A_PERSON * rng.standard_normal(PROFILES)[clusters] + OF_A_REPLY * rng.standard_normal(len(clusters))

    def scores(added: float = 0.0) -> list[float | None]:
        return [float(score) for score in base + added + noise * rng.standard_normal(len(base))]

    plain, shorter, longer = scores(), scores(length * DOSES[0] / 10), scores(length * DOSES[1] / 10)
    rows = [(score, float(words)) for both in zip(shorter, longer, strict=True) for score, words in zip(both, DOSES, strict=True)]
    yield "length", length_effect(rows, [score for score in plain for _ in DOSES], clusters.repeat(len(DOSES))), length
    yield "leak", premium(scores(leak + length * DOSES[0] / 10), shorter, clusters), leak
    yield "flattery", premium(scores(length * DOSES[0] / 10), shorter, clusters), 0.0
    yield "persona, blind", told_apart(scores(), scores(), clusters), 0.5
    again = retest([list(row) for row in zip(plain, scores(), scores(), strict=True)], clusters)["icc"]
    assert isinstance(again, Measured)
    between = OF_A_PERSON**2 + OF_A_REPLY**2
    yield "retest", again, between / (between + noise**2)


def coverage(seeds: int, **planted: float) -> dict[str, tuple[float, float, float]]:
    """By name the truth, the mean of what was found, and the share of the intervals that hold the truth."""
    found: dict[str, list[tuple[float, float, bool]]] = defaultdict(list)
    for seed in range(seeds):
        for name, one, truth in measured(seed, **planted):
            found[name].append((truth, one.value, one.interval[0] <= truth <= one.interval[1]))
    return {
        name: (rows[0][0], float(np.nanmean([value for _, value, _ in rows])), sum(held for *_, held in rows) / len(rows))
        for name, rows in found.items()
    }


def scripted_users(conversations: int, turns: int = 4, seed: int = 0) -> list[Talk]:
    """Users of the scripted world in conversation with its oracle."""
    talks = []
    for number in range(conversations):
        random = Random(seed * 1_000_003 + number)
        known = Known(read_profile(speaking.profile_text(random)), read_personality(speaking.personality_text(random)))
        said: list[tuple[str, str]] = []
        for _ in range(turns):
            messages = [message for message, _ in said]
            message = speaking.user_message(random, known, messages)
            said.append((message, STRATEGIES["tailored"](random, [*messages, message])))
        talks.append(Talk(str(number), str(number), tuple(said)))
    return talks


def _logistic(x: Floats) -> Floats:
    out: Floats = 1 / (1 + np.exp(-x))
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument("--people", type=Path)
    given = parser.parse_args()
    if given.people:
        real = people(given.people)
        print(f"{len(real)} conversations of {len({talk.user for talk in real})} people, the first 4 turns")
        for name, found in (("scripted user", likeness(scripted_users(300), real)), ("people", among_themselves(real))):
            assert found is not None
            for what in ("auc", "without_length"):
                low, high = found[what].interval
                print(f"{name} against people, {what}: {found[what].value:.3f} [{low:.3f}, {high:.3f}]")
            print("  " + ", ".join(f"{feature} {value:.2f}" for feature, value in found["features"].items()))
        return
    for planted in (
        {"position": 0.3, "length": 0.1, "leak": 0.2, "noise": 0.5},
        {"position": 0.0, "length": 0.0, "leak": 0.0, "noise": 0.5},
        {"position": -0.8, "length": -0.05, "leak": 0.0, "noise": 0.2},
    ):
        print(", ".join(f"{name} {value:g}" for name, value in planted.items()), f"; {given.seeds} seeds")
        for name, (truth, value, held) in coverage(given.seeds, **planted).items():
            print(f"  {name:16} true {truth:+.3f}  found {value:+.3f}  held in {held:.1%}")


if __name__ == "__main__":
    main()
