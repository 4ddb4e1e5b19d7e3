"""The persona pool: grown from seeds by self-generation, filtered by meaning, paired and split. Paper, section 2.1.

Profiles and personalities are grown apart: show the generator 5 random examples, ask for 20 new ones, keep a candidate only
if it is not too similar to anything kept so far; until the target, or until three rounds in a row keep nothing (saturation).
A threshold that nobody gives is calibrated by the seeds, for the embedder, the kind of text and the size of the pool.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from importlib.resources import files
from pathlib import Path
from random import Random
from typing import Any, Literal

from aloe_hub import parsing, prompts
from aloe_hub.chat import template_date_of, world_of
from aloe_hub.chat.base import Chat
from aloe_hub.chat.traffic import Traffic
from aloe_hub.embedding import EMBEDDED, Embedder, open_embedder
from aloe_hub.errors import ParseError, UsageError
from aloe_hub.fields import rows, text
from aloe_hub.files.journal import Journal
from aloe_hub.files.jsonl import partial_of, read_rows, write_rows
from aloe_hub.files.run_folder import RunFolder, plain
from aloe_hub.files.settings import at_least, check_roles, check_sampling
from aloe_hub.parsing import Candidates
from aloe_hub.stages.dedup import Decision, Kept, calibrated, sift
from aloe_hub.stages.outlook import Outlook
from aloe_hub.stages.pairing import Pairing, pair
from aloe_hub.stages.roles import Call, ask, prompted, tuned
from aloe_hub.text import control_markers
from aloe_hub.types import PoolText, Row, digest

Kind = Literal["profile", "personality"]
FILES: dict[Kind, str] = {"profile": "profiles.jsonl", "personality": "personalities.jsonl"}
EXAMPLES, PER_ROUND, PATIENCE = 5, 20, 3
log = logging.getLogger("aloe_hub")


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """What decides the pool. A threshold means something only together with its embedder and kind of text; None: calibrated."""

    model: str = "scripted"
    profiles: int = 331
    personalities: int = 71
    embedder: str = EMBEDDED
    profile_threshold: float | None = None
    personality_threshold: float | None = None
    patience: int = PATIENCE
    pairings: int = 10
    test_profiles: int = 20
    test_personalities: int = 5
    seed: int = 0
    sampling: dict[str, dict[str, Any]] | None = None
    structured: bool = False

    def __post_init__(self) -> None:
        check_roles({"model": self.model})
        check_sampling(self.sampling, FILES)
        at_least("--profiles", self.profiles, 1)
        at_least("--personalities", self.personalities, 1)
        at_least("--patience", self.patience, 1)
        for option, value in (
            ("--profile-threshold", self.profile_threshold),
            ("--personality-threshold", self.personality_threshold),
        ):
            if value is not None and not -1 <= value <= 1:
                raise UsageError(f"{option} {value}: must be a cosine similarity between -1 and 1")
        pairing = self.pairing
        at_least("--profiles", self.profiles, pairing.test_profiles + 1)
        if pairing.test_profiles:
            at_least("--personalities", self.personalities, pairing.test_personalities + pairing.pairings)

    @property
    def recorded(self) -> dict[str, Any]:
        """As `run.toml` holds them: the usual patience goes without saying, as in runs that were made before it could be set."""
        table = plain(self) | world_of([self.model]) | template_date_of([self.model])
        return {name: value for name, value in table.items() if (name, value) != ("patience", PATIENCE)}

    def target(self, kind: Kind) -> int:
        return self.profiles if kind == "profile" else self.personalities

    def threshold(self, kind: Kind) -> float | None:
        return self.profile_threshold if kind == "profile" else self.personality_threshold

    @property
    def pairing(self) -> Pairing:
        return Pairing(self.pairings, self.test_profiles, self.test_personalities, self.seed)


@dataclass(frozen=True, slots=True)
class PoolCounts:
    """What a pool holds; `refused` candidates were too similar, `dropped` ones told too little to be a person.

    `marked` texts hold control tokens of chat templates.
    """

    profiles: int
    personalities: int
    refused: int
    train: int
    test: int
    marked: int = 0
    dropped: int = 0


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
    opened, named = cache(open_embedder), settings.embedder
    embedder: Embedder = lambda texts: opened(named)(texts)  # noqa: E731 - opened when it is first used
    settings = with_thresholds(settings, run.settings().get("personas"), embedder)
    run.claim("personas", settings.recorded)
    if not run.file("personas.jsonl").exists():
        rejected: list[Row] = []
        pools: dict[Kind, list[PoolText]] = {}
        for kind in FILES:
            pools[kind], refused = _grow(run, kind, traffic, embedder, settings, partial(on_progress, kind))
            rejected += refused
        write_rows(run.file("rejected.jsonl"), rejected)
        write_pool(run, pools["profile"], pools["personality"], settings.pairing)
        for kind in FILES:
            partial_of(_rounds_file(run, kind)).unlink(missing_ok=True)
    return count_pool(run)


def with_thresholds(settings: PoolSettings, begun: Mapping[str, Any] | None, embedder: Embedder) -> PoolSettings:
    """The settings with a number for each threshold: what was given, else what `begun` says, the table of a run that was begun
    (so it goes on as it began), else calibrated."""

    def of(kind: Kind) -> float | None:
        if settings.threshold(kind) is not None:
            return settings.threshold(kind)
        if begun is not None:
            return begun.get(f"{kind}_threshold")
        return calibrated(embedder([one.text for one in seeds(kind)]), settings.target(kind))

    return replace(settings, profile_threshold=of("profile"), personality_threshold=of("personality"))


def write_pool(run: RunFolder, profiles: Sequence[PoolText], personalities: Sequence[PoolText], pairing: Pairing) -> None:
    """Write the two pools and their personas; `personas.jsonl`, written last, says that all is there."""
    personas = [persona.to_row() | {"split": split} for split, persona in pair(profiles, personalities, pairing)]
    write_rows(run.file("profiles.jsonl"), (text.to_row() for text in profiles))
    write_rows(run.file("personalities.jsonl"), (text.to_row() for text in personalities))
    write_rows(run.file("personas.jsonl"), personas)


def count_pool(run: RunFolder) -> PoolCounts:
    """What the pool of a finished run holds."""
    splits = list(read_rows(run.file("personas.jsonl"), lambda row: row["split"]))
    path = run.file("rejected.jsonl")
    # A file of nothing is no error here: of a pool that refused nothing.
    refused = list(read_rows(path, lambda row: row["nearest"] is not None)) if path.exists() and path.stat().st_size else []
    profiles, personalities = (list(read_rows(run.file(FILES[kind]), PoolText.from_row)) for kind in FILES)
    return PoolCounts(
        len(profiles),
        len(personalities),
        refused=refused.count(True),
        train=splits.count("train"),
        test=splits.count("test"),
        dropped=refused.count(False),
        marked=sum(bool(control_markers(text.text)) for text in (*profiles, *personalities)),
    )


def seeds(kind: Kind) -> list[PoolText]:
    """The texts that every pool begins with."""
    path = Path(str(files("aloe_hub.seeds") / FILES[kind]))
    return list(read_rows(path, lambda row: PoolText(row["text"], "seed")))


def _grow(
    run: RunFolder,
    kind: Kind,
    traffic: Traffic,
    embedder: Embedder,
    settings: PoolSettings,
    on_progress: Callable[[int, int], None],
) -> tuple[list[PoolText], list[Row]]:
    """One pool, and the rows of `rejected.jsonl` for it."""
    chat = tuned(traffic.open(settings.model), kind, settings.sampling, f"{kind}_generator" if settings.structured else None)
    target, threshold = settings.target(kind), settings.threshold(kind)
    assert threshold is not None
    outlook = Outlook(FILES[kind].removesuffix(".jsonl"), f"--{kind}-threshold", target, threshold)
    pool = seeds(kind)[:target]
    rejected: list[Row] = []
    kept = Kept()
    with Journal(_rounds_file(run, kind), key="round", check=_check_round) as rounds:
        barren = 0  # how many rounds in a row, at the end, kept nothing
        for row in rounds.rows():
            pool += [PoolText.from_row(text) for text in row["kept"]]
            rejected += row["rejected"]
            barren = 0 if row["kept"] else barren + 1
        kept.add([text.text for text in pool], embedder([text.text for text in pool]))
        on_progress(len(pool), target)
        while len(pool) < target and barren < settings.patience:
            number = len(rounds) + 1
            read = traffic.run(_candidates(chat, kind, pool, number, settings.seed))
            candidates = read.texts
            decisions = sift(kept, candidates, embedder(candidates), threshold)
            passed = [d for d in decisions if d.kept][: target - len(pool)]
            texts = [PoolText(d.text, "generated", number, d.nearest) for d in passed]
            lost = [*(d for d in decisions if not d.kept), *(Decision(text, False, None, None) for text in read.dropped)]
            refused = [
                {"kind": kind, "text": d.text, "round": number, "nearest": d.nearest, "nearest_text": d.nearest_text}
                for d in lost
            ]
            rounds.append({"round": number, "kept": [text.to_row() for text in texts], "rejected": refused})
            pool += texts
            rejected += refused
            barren = 0 if texts else barren + 1
            outlook.add(decisions, target - len(pool))
            on_progress(len(pool), target)
    return pool, rejected


async def _candidates(chat: Chat, kind: Kind, pool: Sequence[PoolText], number: int, seed: int) -> Candidates:
    """What the generator answers in one round; nothing when its answers cannot be read, which is said."""
    call = Call(digest(seed, kind), number)
    examples = Random(call.seed(kind, "examples", 0)).sample([text.text for text in pool], min(EXAMPLES, len(pool)))
    prompt = prompted(f"{kind}_generator", examples=prompts.listed(examples), count=str(PER_ROUND))
    try:
        return (await ask(chat, kind, prompt, call, parsing.candidates))[0]
    except ParseError as error:
        log.warning("%s, round %d: nothing of it can be used: %s", FILES[kind].removesuffix(".jsonl"), number, error)
        return Candidates()


def _rounds_file(run: RunFolder, kind: Kind) -> Path:
    """The rounds' journal; it never gets its final name, for all that is in it stands in the pool's own files."""
    return run.file(f"rounds-{FILES[kind]}")


def _check_round(row: Row) -> None:
    """Raises: KeyError, ValueError: a round without what it kept and what it refused."""
    for kept in rows(row, "kept"):
        PoolText.from_row(kept)
    for refused in rows(row, "rejected"):
        text(refused, "text")
