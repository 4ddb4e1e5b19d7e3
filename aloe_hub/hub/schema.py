"""The configs of the two datasets: their features, and where their rows come from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets import Features, List, Value

from aloe_hub.errors import DataError
from aloe_hub.files.jsonl import dumps, read_rows
from aloe_hub.files.run_folder import RunFolder
from aloe_hub.row_kinds import has_ranks, row_kinds
from aloe_hub.types import Persona, PoolText, Row, Tree, persona_and_split

TEXT, NUMBER, CHOICE = Value("string"), Value("int32"), Value("int8")
MESSAGES = List({"role": TEXT, "content": TEXT})
POOL_TEXT = Features({"id": TEXT, "text": TEXT, "source": TEXT, "round": NUMBER, "nearest": Value("float64")})
PERSONA = Features(dict.fromkeys(("persona_id", "profile_id", "personality_id", "profile", "personality"), TEXT))
FORK = {"tree_id": TEXT, "persona_id": TEXT, "turn": NUMBER, "prompt": MESSAGES}
PAIR = Features(FORK | {"chosen": MESSAGES, "rejected": MESSAGES})
SFT = Features(FORK | {"completion": MESSAGES})
RANKED = Features(FORK | {"completions": List(MESSAGES), "scores": List(Value("float64")), "ranks": List(CHOICE)})
DISTILL = Features(FORK | {"privileged_context": TEXT, "completion": MESSAGES})
TURN = {
    "user": TEXT,
    "inferred_profile": TEXT,
    "inferred_personality": TEXT,
    "replies": List({"source": TEXT, "text": TEXT}),
    "verdicts": List({"order": TEXT, "choice": CHOICE, "text": TEXT}),
    "preferred": CHOICE,
    "spoken": CHOICE,
}
TREE = Features({"tree_id": TEXT, "persona_id": TEXT, "profile": TEXT, "personality": TEXT, "turns": List(TURN)})


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A finished file of the run, and what a line of it is."""

    path: Path
    build: Callable[[Row], Any]


@dataclass(frozen=True, slots=True)
class Config:
    """One config: its features, and for each split the rows that follow from one line of its source."""

    name: str
    features: Features
    source: SourceFile
    splits: Mapping[str, Callable[[Any], Iterable[Row]]]


def personas(run: RunFolder) -> list[Config]:
    """The configs of `aloe-personas`; the first one is the default."""
    source = SourceFile(_finished(run, "personas.jsonl", "aloe personas"), lambda row: persona_and_split(_encodable(row)))
    present = {split for _, split in read_rows(source.path, source.build)}

    def of_split(split: str) -> Callable[[tuple[Persona, str]], Iterable[Row]]:
        return lambda read: [read[0].to_row()] if read[1] == split else []

    def texts(name: str) -> Config:
        file = _finished(run, f"{name}.jsonl", "aloe personas")
        source = SourceFile(file, lambda row: PoolText.from_row(_encodable(row)))
        return Config(name, POOL_TEXT, source, {"train": lambda text: [text.to_row()]})

    splits: dict[str, Callable[[Any], Iterable[Row]]] = {
        split: of_split(split) for split in ("train", "test") if split in present
    }
    return [Config("personas", PERSONA, source, splits), texts("profiles"), texts("personalities")]


def prefs(run: RunFolder, seen: Callable[[Tree], None] = lambda tree: None) -> list[Config]:
    """The configs of `aloe-prefs`; the first one is the default. All are derived from the trees.

    seen: is shown each tree that is read, so that it can be counted on the way.
    """

    def tree_of(row: Row) -> Tree:
        tree = Tree.from_row(_encodable(row))
        seen(tree)
        return tree

    source = SourceFile(_finished(run, "trees.jsonl", "aloe trees"), tree_of)
    settings = run.settings().get("trees", {})
    split, kinds = str(settings.get("split", "train")), row_kinds(settings)
    features = {"pairs": PAIR, "sft": SFT, "trees": _tree(settings), "distill": DISTILL, "ranked": RANKED}
    kinds["trees"] = lambda tree: iter([tree.to_row()])
    return [Config(name, of_rows, source, {split: kinds[name]}) for name, of_rows in features.items() if name in kinds]


def _tree(settings: Mapping[str, Any]) -> Features:
    """What a tree's row holds, by how its forks were ordered."""
    turn: dict[str, Any] = dict(TURN)
    if settings.get("rank_by") == "scores":
        turn["replies"] = List({"source": TEXT, "text": TEXT, "score": Value("float64"), "judgement": TEXT})
    if has_ranks(settings):
        turn["ranks"] = List(CHOICE)
    return Features({**TREE, "turns": List(turn)})


def _finished(run: RunFolder, name: str, command: str) -> Path:
    path = run.file(name)
    if not path.exists():
        raise DataError(f"{path}: no such file; the run is not finished: {command} --run {run.path}")
    return path


def _encodable(row: Row) -> Row:
    """The row, if all its texts are valid Unicode; of half an emoji Parquet would complain later, and without the line."""
    dumps(row).encode()
    return row


def has_imported_texts(run: RunFolder) -> bool:
    """Whether texts of other people are in the run: its settings say so, or, in a merged run, its pool."""
    if any(isinstance(table, dict) and table.get("source") == "imported" for table in run.settings().values()):
        return True
    pool = run.file("profiles.jsonl")
    return pool.exists() and any(source == "imported" for source in read_rows(pool, lambda row: str(row["source"])))
