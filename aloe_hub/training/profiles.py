"""Which profile each persona has: what evaluation rows are set aside by. Rows name their persona alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aloe_hub.files.jsonl import read_rows
from aloe_hub.files.run_folder import RunFolder
from aloe_hub.hub_errors import hub_errors
from aloe_hub.types import Persona, Row, digest


def with_profiles(rows: Sequence[Row], run: RunFolder, origin: Row) -> list[Row]:
    """The rows, each with the `profile_id` of its persona, where that is known.

    Of a run it stands in `personas.jsonl`, of a dataset on the Hub in its config `trees`, at the commit that `origin` names.

    Raises:
        DataError: a row of `personas.jsonl` cannot be read.
        AloeError: the Hub cannot be reached.
    """
    if not any("persona_id" in row for row in rows):
        return list(rows)
    found = _of_dataset(origin) if "dataset" in origin else _of_run(run)
    return [row | {"profile_id": found[row["persona_id"]]} if row.get("persona_id") in found else row for row in rows]


def _of_run(run: RunFolder) -> Mapping[str, str]:
    path = run.file("personas.jsonl")
    personas = read_rows(path, Persona.from_row) if path.exists() else ()
    return {persona.persona_id: persona.profile_id for persona in personas}


def _of_dataset(origin: Row) -> Mapping[str, str]:
    from datasets import load_dataset

    repo, columns = origin["dataset"], ["persona_id", "profile"]
    with hub_errors(repo, "dataset", option="--data", offline="go online, or train from --run DIR"):
        try:
            trees: Any = load_dataset(
                repo, "trees", revision=origin["revision"], split=origin.get("split", "train"), columns=columns
            )
        except (ValueError, FileNotFoundError):  # a dataset of others has no trees: its rows are told apart by persona
            return {}
    if not set(columns) <= set(trees.column_names):
        return {}
    return {row["persona_id"]: digest(row["profile"]) for row in trees}
