"""Run the code blocks of pages as a reader would, in one process that loads the libraries once.

    python run_pages.py ROOT WORK [--torture] PAGE…

Each page has a folder of its own in WORK, which begins with a small run; the README begins with nothing. `aloe …` runs in this
process, other lines in bash; Python blocks of a page share their names. Prints a JSON line for each block: its name, and what
went wrong.

Sizes are those of a test: `--recipe demo` means `small.toml` in WORK. Models that the pages name stand on the Hub of the test,
with other weights.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from aloe_hub.chat import open_chat
from aloe_hub.cli.app import main
from aloe_hub.serve.server import running
from tests.docs.blocks import Block, blocks

SHELL = set("|&;<>$`")
LINKED = ("constraints.txt", "examples", "recipes", "scripts", "spaces")


def commands(code: str) -> Iterator[list[str] | str]:
    """`aloe` commands as arguments, and what stands between them as text for bash."""
    shell: list[str] = []
    for line in code.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] == ["aloe"] and not any(word in SHELL or word == "&&" for word in words):
            if shell:
                yield "\n".join(shell)
                shell = []
            yield words[1:]
        elif words:
            shell.append(line)
    if shell:
        yield "\n".join(shell)


def run_bash(code: str, small: Path) -> None:
    for command in commands(code):
        if isinstance(command, list):
            pairs = zip(["", *command], command, strict=False)
            scaled = [str(small) if (before, word) == ("--recipe", "demo") else word for before, word in pairs]
            if status := main(scaled):
                raise RuntimeError(f"exit status {status}: aloe {shlex.join(command)}")
        else:
            subprocess.run(["bash", "-euo", "pipefail", "-c", command], check=True)


@contextmanager
def said(log: Path) -> Iterator[None]:
    """All that is printed goes to `log`, also by other processes."""
    kept = os.dup(1), os.dup(2)
    sys.stdout.flush()
    with log.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os.dup2(kept[0], 1)
            os.dup2(kept[1], 2)
            os.close(kept[0])
            os.close(kept[1])


def run_block(block: Block, names: dict[str, object], small: Path, log: Path) -> str:
    """What went wrong, or nothing."""
    with said(log), ExitStack() as stack:
        try:
            if block.word == "setup":
                what, model, port = (block.note or "").split()
                assert what == "serve", block.note
                stack.enter_context(running(model, open_chat(model), port=int(port)))
            if block.language == "python":
                exec(compile(block.code, block.name, "exec"), names)
            else:
                run_bash(block.code, small)
        except (Exception, SystemExit):
            return traceback.format_exc()
    return ""


def run_page(root: Path, work: Path, page: str, torture: bool) -> None:
    folder = work / page.removesuffix(".md").replace("/", "-")
    folder.mkdir()
    for name in LINKED:
        (folder / name).symlink_to(root / name)
    if page != "README.md":  # which begins with nothing
        shutil.copytree(work / "runs", folder / "runs")
    os.chdir(folder)
    names: dict[str, object] = {"__name__": "page"}
    for block in blocks(root, page):
        if block.title is not None:
            Path(block.title).write_text(block.code)
        if block.language not in ("bash", "python") or block.word == "not run" or (block.word == "torture") > torture:
            continue
        log = work / "log.txt"
        error = run_block(block, names, work / "small.toml", log)
        tail = log.read_text(encoding="utf-8", errors="replace")[-2000:] if error else ""
        print(json.dumps({"block": block.name, "error": error + tail}), flush=True)


def prepare(work: Path) -> None:
    """What pages begin with: a small run folder, and on the Hub what they load, with models under the names that they use."""
    from huggingface_hub import HfApi

    from aloe_hub.shipped import shipped

    os.chdir(work)
    for command in (
        "personas --run runs/mine --recipe demo",
        "trees --run runs/mine --recipe demo",
        "train sft --run runs/mine --recipe demo --base pocket",
        "train dpo --run runs/mine --recipe demo --base pocket --adapter runs/mine/adapters/sft",
        "evaluate --run runs/mine --recipe demo",
        "publish personas --run runs/mine --repo org/aloe-personas",
        "publish prefs --run runs/mine --repo org/aloe-prefs --tag v1",
        "publish metric --repo org/aloe",
    ):
        run_bash(f"aloe {command}", work / "small.toml")
    allowed = ["*.safetensors", "*.jinja", "*config.json", "tokenizer*"]
    for repo in ("org/model", "Qwen/Qwen2.5-0.5B-Instruct"):
        HfApi().create_repo(repo)
        HfApi().upload_folder(repo_id=repo, folder_path=shipped("pocket"), allow_patterns=allowed, ignore_patterns=["adapter/*"])


if __name__ == "__main__":
    root, work = Path(sys.argv[1]), Path(sys.argv[2])
    with said(work / "log.txt"):
        prepare(work)
    for page in sys.argv[3:]:
        if page != "--torture":
            run_page(root, work, page, "--torture" in sys.argv)
