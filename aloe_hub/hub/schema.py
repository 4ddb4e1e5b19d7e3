"""The configs of the two datasets: their features, and where their rows come from (DESIGN.md, section 5)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from datasets import Features, List, Value

from aloe_hub import rows
from aloe_hub.errors import DataError
from aloe_hub.files.jsonl import read_rows
from aloe_hub.files.run_folder import RunFolder
from aloe_hub.types import PoolText, Row, Tree

TEXT, NUMBER, CHOICE = Value("string"), Value("int32"), Value("int8")
MESSAGES = List({"role": TEXT, "content": TEXT})
POOL_TEXT = Features({"id": TEXT, "text": TEXT, "source": TEXT, "round": NUMBER, "nearest": Value("float64")})
PERSONA = Features(dict.fromkeys(("persona_id", "profile_id", "personality_id", "profile", "personality"), TEXT))
FORK = {"tree_id": TEXT, "persona_id": TEXT, "turn": NUMBER, "prompt": MESSAGES}
PAIR = Features(FORK | {"chosen": MESSAGES, "rejected": MESSAGES})
SFT = Features(FORK | {"completion": MESSAGES})
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


# Columns that hold a number or nothing; every other one holds a text or a list of rows.
NUMBERS = {"turn", "round", "nearest", "choice", "preferred", "spoken"}


@dataclass(frozen=True, slots=True)
class Config:
    """One config: its features, and its rows by split. The rows are made anew each time they are asked for."""

    name: str
    features: Features
    splits: Mapping[str, Callable[[], Iterator[Row]]]


def personas(run: RunFolder) -> list[Config]:
    """The configs of `aloe-personas`; the first one is the default."""
    path = _finished(run, "personas.jsonl", "aloe personas")
    present = set(read_rows(path, lambda row: str(row["split"])))

    def of_split(split: str) -> Callable[[], Iterator[Row]]:
        return lambda: ({name: row[name] for name in PERSONA} for row in read_rows(path, _sound) if row["split"] == split)

    def texts(name: str) -> Config:
        file = _finished(run, f"{name}.jsonl", "aloe personas")
        return Config(
            name,
            POOL_TEXT,
            {"train": lambda: (text.to_row() for text in read_rows(file, lambda row: PoolText.from_row(_sound(row))))},
        )

    splits: dict[str, Callable[[], Iterator[Row]]] = {split: of_split(split) for split in ("train", "test") if split in present}
    return [Config("personas", PERSONA, splits), texts("profiles"), texts("personalities")]


def prefs(run: RunFolder) -> list[Config]:
    """The configs of `aloe-prefs`; the first one is the default. All are derived from the trees."""
    path = _finished(run, "trees.jsonl", "aloe trees")
    split = str(run.settings().get("trees", {}).get("split", "train"))

    def derived(derive: Callable[[Tree], Iterator[Row]]) -> Mapping[str, Callable[[], Iterator[Row]]]:
        return {split: lambda: (row for tree in read_rows(path, lambda row: Tree.from_row(_sound(row))) for row in derive(tree))}

    return [
        Config("pairs", PAIR, derived(rows.pairs)),
        Config("sft", SFT, derived(rows.sft)),
        Config("trees", TREE, derived(lambda tree: iter((tree.to_row(),)))),
    ]


def _finished(run: RunFolder, name: str, command: str) -> Path:
    path = run.file(name)
    if not path.exists():
        raise DataError(f"{path}: no such file; the run is not finished: {command} --run {run.path}")
    return path


def _sound(row: Row) -> Row:
    """The row, if every text in it is one and every number is one: Parquet would say so later, without the line.

    Raises:
        ValueError: something else in the place of a text, a number or a row, or half of an emoji.
    """
    for name, value in row.items():
        if isinstance(value, list):
            for one in value:
                if not isinstance(one, dict):
                    raise ValueError(f"{name}: expected an object, found {one!r}")
                _sound(one)
        elif name in NUMBERS:
            if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
                raise ValueError(f"{name}: expected a number, found {value!r}")
        else:
            if not isinstance(value, str):
                raise ValueError(f"{name}: expected a text, found {value!r}")
            value.encode()
    return row


def has_imported_texts(run: RunFolder) -> bool:
    """Whether texts of other people are in the run: its settings say so, or, in a merged run, its pool."""
    if any(isinstance(table, dict) and table.get("source") == "imported" for table in run.settings().values()):
        return True
    pool = run.file("profiles.jsonl")
    return pool.exists() and any(source == "imported" for source in read_rows(pool, lambda row: str(row["source"])))
