"""Imports go one way, and what is light stays light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "aloe_hub"

# Each room, and the rooms that it may stand on. Those of `GROUND` may be used everywhere.
GROUND = {"errors", "fields", "types", "text", "model_string"}
ALLOWED = {
    "errors": set(),
    "fields": set(),
    "types": {"fields"},
    "text": set(),
    "model_string": {"shipped"},
    "files": {"shipped"},
    "shipped": set(),
    "rows": set(),
    "scoring": set(),
    "comparison": {"scoring"},
    "parsing": set(),
    "prompts": set(),
    "seeds": set(),
    "hub_errors": set(),
    "loading": {"hub_errors"},
    "embedding": {"loading"},
    "world": {"prompts"},
    "chat": {"world", "prompts", "loading", "files"},
    "stages": {"chat", "prompts", "parsing", "rows", "files", "embedding"},
    "serve": {"chat", "loopback"},
    "results": {"parsing", "rows", "scoring", "comparison", "files"},
    "report": {"results", "files"},
    "training": {"rows", "scoring", "files", "loading", "hub_errors"},
    "hub": {"rows", "scoring", "files", "results", "shipped", "loading", "hub_errors", "training"},
    "loopback": set(),
    "local_hub": {"loopback"},
    "cli": {"chat", "shipped", "stages", "training", "report", "files", "hub", "local_hub", "serve"},
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


FILES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_stands_only_on_those_below_it(path):
    room = room_of(path)
    assert imports_of(path) <= ALLOWED[room] | GROUND | {room}


def test_the_ground_stands_on_nothing_but_the_standard_library():
    for name in ("errors", "types", "text", "shipped", "model_string"):
        modules = {
            (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name).split(".")[0]
            for node in ast.walk(ast.parse((PACKAGE / f"{name}.py").read_text()))
            if isinstance(node, ast.Import | ast.ImportFrom)
        }
        assert modules - {"aloe_hub"} <= set(sys.stdlib_module_names) | {"aloe_hub"}


def test_only_the_scripted_chat_knows_the_world():
    chats = [path for path in (PACKAGE / "chat").glob("*.py") if "world" in imports_of(path)]
    assert [path.name for path in chats] == ["scripted.py"]


@pytest.mark.parametrize(
    "module",
    ["aloe_hub", "aloe_hub.cli.app", "aloe_hub.chat.scripted", "aloe_hub.stages.trees", "aloe_hub.loading", "aloe_hub.training"],
)
def test_importing_loads_nothing_heavy(module):
    code = f"import sys, {module}; print(sorted({HEAVY!r} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
