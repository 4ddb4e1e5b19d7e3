"""Personas and preference trees to look at: of a run folder, of datasets on the Hub, or made on the spot by the scripted world.

What cannot be read is a problem to show, and something made on the spot stands in its place: the page works without any data.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from random import Random
from typing import TypeVar

from aloe_hub.chat.scripted import Scripted
from aloe_hub.errors import AloeError, DataError
from aloe_hub.files.jsonl import read_rows
from aloe_hub.hub.demo_settings import DemoSettings
from aloe_hub.stages.roles import Cast
from aloe_hub.stages.trees import ROLES, grow, tree_id_of
from aloe_hub.types import Persona, Tree
from aloe_hub.world.speaking import personality_text, profile_text
from aloe_hub.world.understanding import read_profile

T = TypeVar("T")
MADE_PERSONAS = 40
MADE_TREES = 6
MADE_TURNS = 6
MOST_PERSONAS = 5000
MADE = "made on the spot by the scripted world"


@dataclass(frozen=True, slots=True)
class Library:
    """What there is to look at, where it is from, and what could not be read."""

    personas: tuple[Persona, ...]
    trees: tuple[Tree, ...]
    personas_from: str
    trees_from: str
    problems: tuple[str, ...] = ()


def library(settings: DemoSettings) -> Library:
    """A run folder wins over datasets, and those over what is made on the spot."""
    problems: list[str] = []
    run = Path(settings.run).expanduser()

    def read(
        what: str, repo: str, of_run: Callable[[Path], Iterable[T]], of_hub: Callable[[str], Iterable[T]]
    ) -> tuple[tuple[T, ...], str]:
        """What there is, and where it is from; nothing where that is nowhere, or cannot be read."""
        name = f"the run {run.name}" if settings.run else repo
        if not name:
            return (), ""
        try:
            if items := tuple(of_run(run) if settings.run else of_hub(repo)):
                return items, name
            problems.append(f"{name} holds no {what}")
        except AloeError as error:
            problems.append(_line(error))
        except Exception as error:  # whatever a dataset or the way to it holds: the page starts without it
            problems.append(f"{name}: its {what} cannot be read ({type(error).__name__}: {_line(error)})")
        return (), ""

    most = settings.trees
    personas, personas_from = read("personas", settings.personas, _run_personas, _hub_personas)
    trees, trees_from = read(
        "trees",
        settings.prefs,
        lambda run: islice(read_rows(run / "trees.jsonl", Tree.from_row), most),
        lambda repo: map(Tree.from_row, _rows(repo, "trees", ("train", "test"), most)),
    )
    return Library(personas or made_personas(), trees or made_trees(), personas_from or MADE, trees_from or MADE, tuple(problems))


def found(items: Sequence[T], query: str, text: Callable[[T], str], most: int) -> tuple[list[int], int]:
    """The places of the first `most` items whose text holds every word of the query, and how many hold them.

    >>> found(["a red cat", "a dog", "A Cat"], "cat a", str, 1)
    ([0], 2)
    """
    words = query.casefold().split()
    places = [place for place, item in enumerate(items) if all(word in text(item).casefold() for word in words)]
    return places[:most], len(places)


def persona_text(persona: Persona) -> str:
    return f"{persona.profile} {persona.personality}"


def tree_text(tree: Tree) -> str:
    """All that is said in a tree, and of whom."""
    said = (text for turn in tree.exchanges for text in (turn.user, *(reply.text for reply in turn.replies)))
    return " ".join((persona_text(tree.persona), *said))


def made_personas(number: int = MADE_PERSONAS) -> tuple[Persona, ...]:
    """New personas of the world, but none who tells a town: their long names are what the pocket model misspells most."""
    random = Random(0)
    drawn = (Persona(profile_text(random), personality_text(random)) for _ in count())
    return tuple(islice((one for one in drawn if all(fact.kind != "city" for fact in read_profile(one.profile))), number))


def made_trees() -> tuple[Tree, ...]:
    """Trees grown now, with the scripted model in every role."""
    cast = Cast(**dict.fromkeys(ROLES, Scripted()))

    async def grown() -> list[Tree]:
        personas = made_personas(MADE_TREES)
        return [await grow(persona, cast, tree_id=tree_id_of(0, persona), turns=MADE_TURNS) for persona in personas]

    return tuple(asyncio.run(grown()))


def _run_personas(run: Path) -> list[Persona]:
    """The held-out ones first: the model was not trained on them."""
    rows = list(read_rows(run / "personas.jsonl", lambda row: (row["split"] != "test", Persona.from_row(row))))
    return [persona for _, persona in sorted(rows, key=lambda row: row[0])[:MOST_PERSONAS]]


def _hub_personas(repo: str) -> Iterator[Persona]:
    return map(Persona.from_row, _rows(repo, "personas", ("test", "train"), MOST_PERSONAS))


def _rows(repo: str, config: str, splits: Sequence[str], most: int) -> Iterator[dict[str, object]]:
    """The first rows of the first split that there is; streamed, so that no more is fetched than is shown."""
    try:
        from datasets import get_dataset_split_names, load_dataset
    except ImportError:
        raise DataError(f"{repo}: reading a dataset needs datasets; run: pip install 'aloe-hub[hub]'") from None
    there = get_dataset_split_names(repo, config)
    split = next((split for split in splits if split in there), there[0])
    yield from load_dataset(repo, config, split=split, streaming=True).take(most)


def _line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 300 else text[:300] + "…"
