"""The persona pool: grown from seeds by self-generation, filtered by meaning, paired and split. Paper, section 2.1.

Profiles and personalities are grown apart: show the generator 5 random examples, ask for 20 new ones, keep a candidate only
if it is not too similar to anything kept so far; until the target, or until three rounds in a row keep nothing (saturation).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from itertools import takewhile
from pathlib import Path
from random import Random
from typing import Any, Literal

from aloe_hub import parsing, prompts
from aloe_hub.chat import world_of
from aloe_hub.chat.base import Chat
from aloe_hub.chat.traffic import Traffic
from aloe_hub.embedding import EMBEDDED, Embedder, open_embedder
from aloe_hub.errors import ParseError, UsageError
from aloe_hub.files.journal import Journal
from aloe_hub.files.jsonl import partial_of, read_rows, write_rows
from aloe_hub.files.run_folder import RunFolder, plain
from aloe_hub.files.settings import at_least, check_sampling
from aloe_hub.stages.dedup import Kept, sift
from aloe_hub.stages.pairing import Pairing, pair
from aloe_hub.stages.roles import Call, ask, prompted, tuned
from aloe_hub.types import PoolText, Row, digest

Kind = Literal["profile", "personality"]
FILES: dict[Kind, str] = {"profile": "profiles.jsonl", "personality": "personalities.jsonl"}
EXAMPLES, PER_ROUND, PATIENCE = 5, 20, 3


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

    def __post_init__(self) -> None:
        check_sampling(self.sampling, FILES)
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
    run.claim("personas", plain(settings) | world_of([settings.model]))
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
