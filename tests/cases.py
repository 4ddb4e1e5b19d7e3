"""Every shape that has broken a run once, tried as a user would: `make cases` prints a line each and fails where one still does.

    python tests/cases.py [WORD ...]          only the cases whose name holds a word

First 40 trees and 20 benchmark conversations through every dialect of dialects.py, by the commands themselves. Then, where a
folder of further cases lies beside the checkout (or is named by ALOE_CASES), its own programs.
"""

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from random import Random

from dialects import DIALECTS, Dialect, DialectServer, speaking

from aloe_hub.cli.app import main
from aloe_hub.files.run_folder import RunFolder
from aloe_hub.stages.imports import import_authors
from aloe_hub.stages.pool import Pairing
from aloe_hub.world.speaking import personality_text, profile_text

CASES = Path(os.environ.get("ALOE_CASES", Path(__file__).resolve().parents[2] / "shared/cases"))
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
    random = Random(7)
    for name, text, number in (("profile", profile_text, 14), ("personality", personality_text, 12)):
        lines = (json.dumps(text(random)) for _ in range(number))
        (texts / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    import_authors(texts, RunFolder(folder / "pool"), Pairing(pairings=4, test_profiles=4, test_personalities=5))
    return folder / "pool"


def rows_of(run: Path) -> dict[str, object]:
    """What a run made, without the name of the model that made it and without the judge's own words."""
    made: dict[str, object] = {name: (run / f"{name}.jsonl").read_text() for name in ("pairs", "sft")}
    made["trees"] = [json.loads(line) for line in (run / "trees.jsonl").read_text().splitlines()]
    (transcripts,) = (run / "transcripts").iterdir()
    made["turns"] = [json.loads(line)["turns"] for line in transcripts.read_text().splitlines()]
    return json.loads(json.dumps(made), object_hook=lambda row: {key: row[key] for key in row if not _is_of_the_judge(key, row)})


def _is_of_the_judge(key: str, row: dict[str, object]) -> bool:
    return key == "judgement" or (key == "text" and "order" in row)


def through(name: str, dialect: Dialect, server: DialectServer, run: Path, clean: dict[str, object] | None) -> str:
    """What is wrong with a run through this dialect; empty if nothing is."""
    model = server.name(name)
    limits = ("--attempts", ATTEMPTS, "--timeout", 20, *dialect.options)
    grown = aloe("trees", "--run", run, "--limit", TREES, "--turns", TURNS, "--model", model, *limits)
    asked = server.asked.pop(name)
    measured = aloe(
        "evaluate", "--run", run, "--limit", CONVERSATIONS, "--turns", TURNS, "--policy", model, "--model", model, *limits
    )
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


def dialect_cases(words: list[str]) -> Iterator[tuple[str, str]]:
    with tempfile.TemporaryDirectory() as folder, speaking() as server:
        personas = pool(Path(folder))
        clean = None
        for name, dialect in DIALECTS.items():
            if words and name != "clean" and not any(word in name for word in words):
                continue
            run = Path(folder) / name
            shutil.copytree(personas, run)
            problem = through(name, dialect, server, run, clean)
            clean = clean or rows_of(run)
            shutil.rmtree(run)
            yield f"dialect {name}", problem


def _faults(printed: str, *wanted: tuple[str, str], least: int = 1) -> str:
    """What of `wanted`, (a pattern of a line, a pattern that the whole of each such line must have), is not so.

    A pattern that fewer than `least` lines have is a fault, too: a program that did not get there shows nothing.
    """
    if "Traceback" in printed:
        return "a traceback"
    faults = []
    for which, good in wanted:
        lines = [line for line in printed.splitlines() if re.match(which, line)]
        if len(lines) < least:
            faults.append(f"{len(lines)} lines of {which!r}, at least {least} expected")
        faults += [line[:120] for line in lines if not re.fullmatch(good, line)]
    return "; ".join(faults)


def _no_canary(printed: str) -> str:
    """How many rows of the ledger hold the key: none."""
    return "the key was printed" if "CANARY" in printed else _faults(printed, (r"\d+$", "0"))


def _canaries(printed: str) -> str:
    """A path is no secret that a program could know; what else of an address may be one is not repeated."""
    models, _, keys = printed.partition("--- files with keys:")
    repeated = re.findall(r"^u\d+ rc \d+ +\S.* :: (?!http://127.0.0.1:8765/CANARY)(.*)$", models, re.M)
    ended = _faults(models, ("trees |eval ", r"\w+ 0"), ("(wrong|newline-|unicode-)key ", r"\S+ 1.*"))
    tried = len(re.findall(r"^u\d+ rc [12] ", models, re.M))
    return "; ".join(filter(None, [*repeated, *keys.split(), ended, "" if tried >= 14 else f"{tried} addresses were tried"]))


def _flags(printed: str) -> str:
    """No case hangs, shows a traceback, leaks the key or takes more memory than an answer may have."""
    cases = re.findall(r"^.{34} rc=.*$", printed, re.M)
    flagged = [
        line[:120] for line in cases if re.search(r"\b(TIMEOUT|TRACE|LEAK|MEM)\b", line) or not re.search(r"rc=[01] ", line)
    ]
    return "; ".join(flagged) if len(cases) >= 40 else f"{len(cases)} cases were tried"


def _journal(printed: str) -> str:
    """A broken journal is refused with the remedy, or ends in the bytes of a whole one; a path may hold anything."""
    return _faults(
        printed,
        (r".{30} rc=", r".{30} rc=(0 same=True .*|1 same=False .*remove that line: its row is made again.*)"),
        (r"(blank lines|spaces line) ", r".* rc=0 same=True .*"),
        (r"path ", r"path .* 0 True .*\| pairs True \| report 0 .*"),
        (r"SIG(INT|TERM) ", r"SIG\w+ (130|143) .*run the same command again.*"),
    )


def _serve(printed: str) -> str:
    small = r"(?:sent|one long header: sent) \d{1,2} MiB rss (\d+) -> \d{2} MiB.*"
    return _faults(
        printed,
        (r"\d{3} \{'(Host|Origin)", r"4\d\d .*"),
        (r"preflight", r"preflight 4\d\d .*"),
        (r"sent|one long header", small),
        (r"health beside", r"health beside 300 200 .*"),
        (r"half requests alive", r".*: 0 of 300"),
        (r"cases ", r"cases \d+ failed [01]"),  # one is refused by the client itself
    )


def _hub(printed: str) -> str:
    return _faults(
        printed,
        (r"paths_info", r".* (status 413 peak|413 peak).* \d{2}\b.*"),
        (r"endless commit", r".*-> \d{2} MiB.*"),
        (r"lfs \d", r"lfs \d+ failed 0 tmp left \[\]"),
        (r"commits acknowledged", r".* none lost"),
        (r"kill -9", r".* bad 0"),
    )


def _space(printed: str) -> str:
    return _faults(printed, (r".*cross-site", r".*\(403, .*"))


# program → its arguments, and what of its output is a fault
PROGRAMS: dict[str, tuple[list[str], Callable[[str], str]]] = {
    "hostile/key_cr.sh": ([], _no_canary),
    "hostile/canary.sh": ([], _canaries),
    "hostile/hostile.py": ([], _flags),
    "hostile/journal.py": ([], _journal),
    "hostile/serve_attack.py": (["scripted:plain", "--loris"], _serve),
    "hostile/hub2.py": ([], _hub),
    "hostile/space_csrf.py": ([], _space),
}


def program_cases(words: list[str]) -> Iterator[tuple[str, str]]:
    if not CASES.is_dir():
        print(f"no further cases in {CASES}")
        return
    with tempfile.TemporaryDirectory() as folder:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background would hand on a deaf ear
        environment = os.environ | {"PATH": path, "COLUMNS": "200"}

        def run(program: str, *arguments: str) -> str:
            shell = ["bash"] if program.endswith(".sh") else [sys.executable]
            command = [*shell, str(CASES / program), *arguments]
            done = subprocess.run(
                command, cwd=folder, env=environment, capture_output=True, text=True, errors="replace", check=False
            )
            return done.stdout + done.stderr

        ready = False
        for program, (arguments, problem) in PROGRAMS.items():
            if words and not any(word in program for word in words):
                continue
            if not ready:
                run("hostile/setup.sh")
                ready = True
            printed = run(program, *arguments)
            (Path(tempfile.gettempdir()) / f"{Path(program).name}.log").write_text(printed)
            yield program, problem(printed)


if __name__ == "__main__":
    failed = 0
    for cases in (dialect_cases, program_cases):
        began = time.monotonic()
        for name, problem in cases(sys.argv[1:]):
            failed += bool(problem)
            print(f"{'FAILS' if problem else 'ok   '}  {name}  {time.monotonic() - began:.1f} s  {problem}", flush=True)
            began = time.monotonic()
    raise SystemExit(failed > 0)
