"""Every shape that has broken a run once, tried as a user would: `make cases` prints a line each and fails where one still does.

    python -m tests.cases [WORD ...]          only the cases whose name holds a word

First 40 trees and 20 benchmark conversations through every dialect of dialects.py, by the commands themselves. Then, where a
folder of further cases lies beside the checkout (or is named by ALOE_CASES), its own programs.
"""

import io
import json
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Protocol

from aloe_hub.cli.app import main
from aloe_hub.files.run_folder import RunFolder
from aloe_hub.stages.imports import import_authors
from aloe_hub.stages.pairing import Pairing
from tests.dialects import DIALECTS, Dialect, speaking
from tests.texts import write_texts

TREES, CONVERSATIONS, TURNS, ATTEMPTS = 40, 20, 3, 3
MARKS = re.compile(r"<\|?/?(think|im_end|channel|eot)|\[/?THINK\]|Let me plan|[\ud800-\udfff]")


def aloe(*arguments: object) -> tuple[int, str]:
    """The status of a command, and all that it printed."""
    out = io.StringIO()
    with redirect_stdout(out), redirect_stderr(out):
        status = main([str(argument) for argument in arguments])
    return status, out.getvalue()


def pool(folder: Path) -> Path:
    """A run folder with 40 personas to grow trees from, and 20 held out."""
    texts = folder / "texts"
    texts.mkdir()
    write_texts(texts, profiles=14, personalities=12)
    import_authors(texts, RunFolder(folder / "pool"), Pairing(pairings=4, test_profiles=4, test_personalities=5))
    return folder / "pool"


def rows_of(run: Path) -> dict[str, object]:
    """What a run made, without the name of the model that made it and without the judge's own words."""
    made: dict[str, object] = {name: (run / f"{name}.jsonl").read_text() for name in ("pairs", "sft")}
    made["trees"] = [json.loads(line) for line in (run / "trees.jsonl").read_text().splitlines()]
    (transcripts,) = (run / "transcripts").iterdir()
    made["turns"] = [json.loads(line)["turns"] for line in transcripts.read_text().splitlines()]
    text = json.dumps(made)
    found: dict[str, object] = json.loads(
        text, object_hook=lambda row: {key: row[key] for key in row if not _is_of_the_judge(key, row)}
    )
    return found


def _is_of_the_judge(key: str, row: dict[str, object]) -> bool:
    return key == "judgement" or (key == "text" and "order" in row)


class Server(Protocol):
    """Speaks the dialect that a model string names; `asked` counts the requests by dialect, where it can."""

    asked: Counter[str]

    def name(self, dialect: str) -> str: ...


def through(
    name: str,
    dialect: Dialect,
    server: Server,
    run: Path,
    clean: dict[str, object] | None,
    role: str = "--model",
) -> str:
    """What is wrong with a run in which a server that speaks this dialect plays `role`; empty if nothing is."""
    model = server.name(name)
    limits = ("--attempts", ATTEMPTS, "--timeout", 20, *dialect.options)
    grown = aloe("trees", "--run", run, "--limit", TREES, "--turns", TURNS, role, model, *limits)
    asked = server.asked.pop(name, 0)
    others = ("--model", model) if role == "--model" else ()
    measured = aloe("evaluate", "--run", run, "--limit", CONVERSATIONS, "--turns", TURNS, "--policy", model, *others, *limits)
    if any("Traceback" in printed or "bug in aloe" in printed for _, printed in (grown, measured)):
        return "a traceback"
    if dialect.ends in ("same", "whole"):
        if grown[0] or measured[0]:
            return f"exit {grown[0]}, {measured[0]}: {(grown if grown[0] else measured)[1].strip().splitlines()[-1][:200]}"
        made = rows_of(run)
        if dialect.ends == "same" and clean is not None and made != clean:
            return f"other rows than the clean run: {[key for key in made if made[key] != clean[key]]}"
        found = MARKS.search(json.dumps(made, ensure_ascii=False))
        return f"in the rows: {found[0]!r}" if found else ""
    for what, (status, printed) in (("trees", grown), ("evaluate", measured)):
        if status != 1:
            return f"{what} ends with {status}"
        if not re.search(dialect.says, printed, re.IGNORECASE):
            return f"{what} does not name the cause: {printed.strip().splitlines()[-1][:200]}"
    at_once = 2 * TREES  # every conversation that has begun may have asked, and each that a first answer reached
    if dialect.ends == "at once" and asked > at_once:
        return f"asked {asked} times, though no answer could come"
    return ""


def all_through(server: Server, cases: Iterable[tuple[str, Dialect, str]], words: list[str]) -> Iterator[tuple[str, str]]:
    """(name, what is wrong) of a run through each of the dialects, (name, dialect, role); the first is the clean one."""
    with tempfile.TemporaryDirectory() as folder:
        personas = pool(Path(folder))
        clean = None
        for name, dialect, role in cases:
            if words and name != "clean" and not any(word in name for word in words):
                continue
            run = Path(folder) / name
            shutil.copytree(personas, run)
            problem = through(name, dialect, server, run, clean, role)
            clean = clean or rows_of(run)
            shutil.rmtree(run)
            yield name, problem


def dialect_cases(words: list[str]) -> Iterator[tuple[str, str]]:
    with speaking() as server:
        cases = ((name, dialect, "--model") for name, dialect in DIALECTS.items())
        yield from ((f"dialect {name}", problem) for name, problem in all_through(server, cases, words))


if __name__ == "__main__":
    from tests.further_cases import program_cases, text_cases

    failed = 0
    for cases in (dialect_cases, text_cases, program_cases):
        began = time.monotonic()
        for name, problem in cases(sys.argv[1:]):
            failed += bool(problem)
            print(f"{'FAILS' if problem else 'ok   '}  {name}  {time.monotonic() - began:.1f} s  {problem}", flush=True)
            began = time.monotonic()
    raise SystemExit(failed > 0)
