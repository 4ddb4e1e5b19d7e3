"""Imports go one way, and what is light stays light."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "aloe_hub"

# Each room, and the rooms that it stands on: those, and no others. Any room may use those of `GROUND`, which may use `errors`.
GROUND = {"errors", "fields", "ids", "rubrics", "types", "matches", "text", "source", "model_string", "policy_form"}
STANDS_ON = {
    "errors": set(),
    "fields": set(),
    "ids": set(),
    "rubrics": set(),
    "types": {"fields", "ids", "rubrics"},
    "matches": {"fields", "types"},
    "text": set(),
    "source": {"shipped"},
    "model_string": {"source", "policy_form"},
    "policy_form": set(),
    "files": {"shipped"},
    "shipped": set(),
    "rows": set(),
    "row_kinds": {"rows"},
    "scoring": set(),
    "parsing": set(),
    "prompts": set(),
    "seeds": set(),
    "hub_errors": set(),
    "gguf": set(),
    "model_files": {"gguf", "hub_errors"},
    "loading": {"model_files"},
    "embedding": {"loading"},
    "world": set(),
    "chat": {"world", "prompts", "parsing", "embedding", "loading", "files"},
    "hub_dataset": {"hub_errors"},
    "trl_forms": set(),
    "stages": {"chat", "prompts", "parsing", "row_kinds", "files", "embedding", "hub_dataset", "trl_forms"},
    "serve": {"chat", "loopback"},
    "results": {"parsing", "scoring", "files"},
    "report": {"results", "files"},
    "audit": {"files", "chat", "embedding", "results", "scoring", "stages"},
    "training": {
        "files",
        "rows",
        "row_kinds",
        "loading",
        "model_files",
        "hub_dataset",
        "hub_errors",
        "trl_forms",
        "chat",
        "parsing",
        "stages",
    },
    "hub": {"row_kinds", "scoring", "files", "results", "shipped", "gguf", "model_files", "loading", "hub_errors", "training"},
    "loopback": set(),
    "local_hub": {"loopback"},
    "cli": {"audit", "chat", "shipped", "stages", "training", "report", "results", "files", "hub", "local_hub", "serve"},
}
HEAVY = {
    "torch",
    "transformers",
    "datasets",
    "gradio",
    "sentence_transformers",
    "evaluate",
    "matplotlib",
    "jinja2",
    "numpy",
    "scipy",
    "trl",
    "peft",
    "starlette",
    "uvicorn",
    "datatrove",
    "ray",
}


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(path: Path) -> set[str]:
    """The rooms of ours that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names if node.module == "aloe_hub"}
    return {name.split(".")[1] for name in found if name.startswith("aloe_hub.")} - {"__version__"}


def test_each_room_stands_on_the_listed_ones_and_no_other():
    found: dict[str, set[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        if path != PACKAGE / "__init__.py":
            found.setdefault(room_of(path), set()).update(imports_of(path))
    for room, rooms in found.items():
        rooms -= {room} | ({"errors"} if room in GROUND else GROUND)
    assert found == STANDS_ON


def test_no_room_stands_on_itself_by_way_of_others():
    sorter = TopologicalSorter(STANDS_ON)
    sorter.prepare()  # raises where there is a cycle


def test_the_ground_stands_on_nothing_but_the_standard_library():
    ground = {"errors", "ids", "rubrics", "types", "matches", "text", "shipped", "source", "policy_form", "model_string"}
    paths = [path for path in PACKAGE.rglob("*.py") if room_of(path) in ground]
    assert {room_of(path) for path in paths} == ground
    for path in paths:
        modules = {
            ((isinstance(node, ast.ImportFrom) and node.module) or node.names[0].name).split(".")[0]
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Import | ast.ImportFrom)
        }
        assert modules <= set(sys.stdlib_module_names) | {"aloe_hub"}


def test_only_the_scripted_chat_knows_the_world():
    chats = [path for path in (PACKAGE / "chat").rglob("*.py") if "world" in imports_of(path)]
    assert [path.name for path in chats] == ["scripted.py"]


@pytest.mark.parametrize(
    "module",
    ["aloe_hub", "aloe_hub.cli.app", "aloe_hub.chat.scripted", "aloe_hub.stages.trees", "aloe_hub.loading", "aloe_hub.training"],
)
def test_importing_loads_nothing_heavy(module):
    code = f"import sys, {module}; print(sorted({HEAVY!r} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
