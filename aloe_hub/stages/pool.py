"""The persona pool: grown from seeds by self-generation, filtered by meaning, paired and split. Paper, section 2.1.

Profiles and personalities are grown apart: show the generator 5 random examples, ask for 20 new ones, keep a candidate only
if it is not too similar to anything kept so far; until the target, or until three rounds in a row keep nothing (saturation).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from itertools import takewhile
from pathlib import Path
from random import Random
from typing import Any, Literal

from aloe_hub import parsing, prompts
from aloe_hub.chat.base import Chat
from aloe_hub.chat.traffic import Traffic
from aloe_hub.errors import DataError, ParseError, UsageError
from aloe_hub.files.journal import Journal
from aloe_hub.files.jsonl import partial_of, read_rows, write_rows
from aloe_hub.files.run_folder import RunFolder
from aloe_hub.stages import checks
from aloe_hub.stages.checks import at_least
from aloe_hub.stages.dedup import EMBEDDED, Embedder, Kept, open_embedder, sift
from aloe_hub.stages.roles import Call, ask, prompted, tuned
from aloe_hub.types import Persona, PoolText, Row, call_seed, digest
from aloe_hub.world import WORLD_VERSION

Kind = Literal["profile", "personality"]
FILES: dict[Kind, str] = {"profile": "profiles.jsonl", "personality": "personalities.jsonl"}
EXAMPLES, PER_ROUND, PATIENCE = 5, 20, 3


@dataclass(frozen=True, slots=True)
class Pairing:
    """How profiles and personalities are made into personas, and which are held out.

    The test split is `test_profiles` x `test_personalities`, fully crossed, taken out of the pool first: no profile and no
    personality is in both splits. `test_profiles` 0 keeps all for training.
    """

    pairings: int = 10
    test_profiles: int = 20
    test_personalities: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        at_least("--pairings", self.pairings, 1)
        at_least("--test-profiles", self.test_profiles, 0)
        at_least("--test-personalities", self.test_personalities, 0)
        at_least("--seed", self.seed, 0)


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """What decides the pool. A threshold means something only together with its embedder and kind of text."""

    model: str = "scripted"
    profiles: int = 331
    personalities: int = 71
    embedder: str = EMBEDDED
    profile_threshold: float = 0.6
    personality_threshold: float = 0.6
    pairings: int = 10
    test_profiles: int = 20
    test_personalities: int = 5
    seed: int = 0
    sampling: dict[str, dict[str, Any]] | None = None
    world: int = WORLD_VERSION

    def __post_init__(self) -> None:
        checks.sampling(self.sampling, FILES)
        at_least("--profiles", self.profiles, 1)
        at_least("--personalities", self.personalities, 1)
        for option, value in (
            ("--profile-threshold", self.profile_threshold),
            ("--personality-threshold", self.personality_threshold),
        ):
            if not -1 <= value <= 1:
                raise UsageError(f"{option} {value}: must be a cosine similarity between -1 and 1")
        pairing = self.pairing
        at_least("--profiles", self.profiles, pairing.test_profiles + 1)
        if pairing.test_profiles:
            at_least("--personalities", self.personalities, pairing.test_personalities + pairing.pairings)

    @property
    def pairing(self) -> Pairing:
        return Pairing(self.pairings, self.test_profiles, self.test_personalities, self.seed)


@dataclass(frozen=True, slots=True)
class PoolCounts:
    """What a pool holds; `refused` candidates were too similar."""

    profiles: int
    personalities: int
    refused: int
    train: int
    test: int


def grow_pool(
    run: RunFolder,
    settings: PoolSettings,
    *,
    traffic: Traffic | None = None,
    on_progress: Callable[[Kind, int, int], None] = lambda kind, done, total: None,
) -> PoolCounts:
    """Grow the pool of a run folder and go on where an earlier command stopped.

    Raises:
        SettingsDiffer: the folder holds a pool that was made with other settings.
        ChatError: a call to the generator failed for good; the rounds done so far stay.
    """
    traffic = traffic or Traffic()
    traffic.open(settings.model)  # before anything is made
    run.claim("personas", settings)
    if not run.file("personas.jsonl").exists():
        embedder = open_embedder(settings.embedder)
        rejected: list[Row] = []
        pools: dict[Kind, list[PoolText]] = {}
        for kind in FILES:
            target = settings.profiles if kind == "profile" else settings.personalities
            pools[kind], refused = _grow(run, kind, target, traffic, embedder, settings, partial(on_progress, kind))
            rejected += refused
        write_rows(run.file("rejected.jsonl"), rejected)
        write_pool(run, pools["profile"], pools["personality"], settings.pairing)
        for kind in FILES:
            partial_of(_rounds_file(run, kind)).unlink(missing_ok=True)
    return count_pool(run)


def write_pool(run: RunFolder, profiles: Sequence[PoolText], personalities: Sequence[PoolText], pairing: Pairing) -> None:
    """Write the two pools and their personas; `personas.jsonl`, written last, says that all is there."""
    personas = [persona.to_row() | {"split": split} for split, persona in pair(profiles, personalities, pairing)]
    write_rows(run.file("profiles.jsonl"), (text.to_row() for text in profiles))
    write_rows(run.file("personalities.jsonl"), (text.to_row() for text in personalities))
    write_rows(run.file("personas.jsonl"), personas)


def pair(profiles: Sequence[PoolText], personalities: Sequence[PoolText], pairing: Pairing) -> Iterator[tuple[str, Persona]]:
    """(split, persona): first those for training, in pool order, then the held-out ones.

    Seeds are held out only when nothing else is left: they stand in the package, where any model may have read them.

    Raises:
        DataError: the pool is too small for what is asked.
    """
    random = Random(call_seed(pairing.seed, "pairing"))
    held_profiles = _held_out(profiles, pairing.test_profiles, "profiles", random)
    held_personalities = _held_out(personalities, pairing.test_personalities if held_profiles else 0, "personalities", random)
    manners = [text.text for text in personalities if text not in held_personalities]
    if len(manners) < pairing.pairings:
        raise DataError(
            f"--pairings {pairing.pairings}: only {len(manners)} personalities are left for training; "
            "ask for fewer pairings or grow more personalities"
        )
    for profile in profiles:
        if profile not in held_profiles:
            for place in sorted(random.sample(range(len(manners)), pairing.pairings)):
                yield "train", Persona(profile.text, manners[place])
    for profile in held_profiles:
        for personality in held_personalities:
            yield "test", Persona(profile.text, personality.text)


def count_pool(run: RunFolder) -> PoolCounts:
    """What the pool of a finished run holds."""
    splits = list(read_rows(run.file("personas.jsonl"), lambda row: row["split"]))
    refused = run.file("rejected.jsonl")
    profiles, personalities = (len(list(read_rows(run.file(FILES[kind]), PoolText.from_row))) for kind in FILES)
    return PoolCounts(
        profiles,
        personalities,
        refused=refused.read_bytes().count(b"\n") if refused.exists() else 0,
        train=splits.count("train"),
        test=splits.count("test"),
    )


def seeds(kind: Kind) -> list[PoolText]:
    """The texts that every pool begins with."""
    path = Path(str(files("aloe_hub.seeds") / FILES[kind]))
    return list(read_rows(path, lambda row: PoolText(row["text"], "seed")))


def _grow(
    run: RunFolder,
    kind: Kind,
    target: int,
    traffic: Traffic,
    embedder: Embedder,
    settings: PoolSettings,
    on_progress: Callable[[int, int], None],
) -> tuple[list[PoolText], list[Row]]:
    """One pool, and the rows of `rejected.jsonl` for it."""
    chat = tuned(traffic.open(settings.model), kind, settings.sampling)
    threshold = settings.profile_threshold if kind == "profile" else settings.personality_threshold
    pool = seeds(kind)[:target]
    rejected: list[Row] = []
    kept = Kept()
    with Journal(_rounds_file(run, kind), key="round") as rounds:
        for row in rounds.rows():
            pool += [PoolText.from_row(text) for text in row["kept"]]
            rejected += row["rejected"]
        kept.add([text.text for text in pool], embedder([text.text for text in pool]))
        barren = _barren(row["kept"] for row in rounds.rows())
        on_progress(len(pool), target)
        while len(pool) < target and barren < PATIENCE:
            number = len(rounds) + 1
            candidates = traffic.run(_candidates(chat, kind, pool, number, settings.seed))
            decisions = sift(kept, candidates, embedder(candidates), threshold)
            passed = [d for d in decisions if d.kept][: target - len(pool)]
            texts = [PoolText(d.text, "generated", number, d.nearest) for d in passed]
            refused = [
                {"kind": kind, "text": d.text, "round": number, "nearest": d.nearest, "nearest_text": d.nearest_text}
                for d in decisions
                if not d.kept
            ]
            rounds.append({"round": number, "kept": [text.to_row() for text in texts], "rejected": refused})
            pool += texts
            rejected += refused
            barren = 0 if texts else barren + 1
            on_progress(len(pool), target)
    return pool, rejected


async def _candidates(chat: Chat, kind: Kind, pool: Sequence[PoolText], number: int, seed: int) -> list[str]:
    """What the generator answers in one round; nothing when its answers cannot be read."""
    call = Call(digest(seed, kind), number)
    examples = Random(call.seed(kind, "examples", 0)).sample([text.text for text in pool], min(EXAMPLES, len(pool)))
    prompt = prompted(f"{kind}_generator", examples=prompts.listed(examples), count=str(PER_ROUND))
    try:
        return (await ask(chat, kind, prompt, call, parsing.candidates))[0].texts
    except ParseError:
        return []


def _rounds_file(run: RunFolder, kind: Kind) -> Path:
    """The rounds' journal; it never gets its final name, for all that is in it stands in the pool's own files."""
    return run.file(f"rounds-{FILES[kind]}")


def _barren(rounds: Iterable[Sequence[Row]]) -> int:
    """How many rounds in a row, at the end, kept nothing."""
    return len(list(takewhile(lambda kept: not kept, reversed(list(rounds)))))


def _held_out(texts: Sequence[PoolText], number: int, name: str, random: Random) -> list[PoolText]:
    if number >= len(texts) and number:
        raise DataError(f"--test-{name} {number}: the pool has {len(texts)} {name}; hold out fewer or grow more")
    fresh = [place for place, text in enumerate(texts) if text.source != "seed"]
    spare = [place for place, text in enumerate(texts) if text.source == "seed"]
    places = random.sample(fresh, min(number, len(fresh)))
    places += random.sample(spare, number - len(places))
    return [texts[place] for place in sorted(places)]
