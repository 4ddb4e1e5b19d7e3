"""Cases that lie beside the checkout, or are named by ALOE_CASES: modes of a further server, folders to import, attacks.

They are no part of the project: where they are absent, this says so and tries nothing.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from tests.cases import all_through, aloe
from tests.dialects import DIALECTS, Dialect

CASES = Path(os.environ.get("ALOE_CASES", Path(__file__).resolve().parents[2] / "shared/cases"))


class OtherServer:
    """The server of the further cases, which picks the dialect as ours does."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.asked: Counter[str] = Counter()

    def name(self, dialect: str) -> str:
        return f"http://127.0.0.1:{self.port}/v1#{dialect}"


# Of the further server: how a run ends and what is said; a mode that writes before every answer plays the plain reply alone.
SAME = (
    "clean think halfthink emptythink reasonfield chunks textparts finishnull nousage usagenull gz lead_ws sse eosleak "
    "stopreason redirect bothsampling j_outof j_trail j_heading j_reply j_expl j_fw j_json j_fence j_final"
)
NAMED = {
    "gpt5": "max_completion_tokens", "fixedtemp": "--extra-body", "mistral": "--extra-body", "reasononly": "cut|max_tokens",
    "reasonmisplaced": "reasoning", "refusal": "can't help", "filter": "content_filter", "err200auth": "No auth credentials",
    "413": "413", "ctx400": "context length", "quota429": "current quota", "402": "Insufficient Balance", "toolcall": "tool",
    "lengthMAX": "cut|max_tokens", "err200": "rate limit exceeded", "choiceerr": "Upstream dropped", "529": "Overloaded",
}  # fmt: skip


def text_cases(words: list[str]) -> Iterator[tuple[str, str]]:
    """The further cases of real text: every mode of their server, and their folders."""
    folder = CASES / "real-text"
    if not folder.is_dir():
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    serving = subprocess.Popen([sys.executable, str(folder / "fake_server.py"), str(port)], stderr=subprocess.DEVNULL)
    try:
        while socket.socket().connect_ex(("127.0.0.1", port)):
            time.sleep(0.1)
        yield from ((f"mode {mode}", problem) for mode, problem in all_through(OtherServer(port), _modes(), words))
    finally:
        serving.kill()
    with tempfile.TemporaryDirectory() as runs:
        for place, least, says in FOLDERS:
            if words and not any(word in place for word in words):
                continue
            run = Path(runs) / place.replace("/", "-")
            status, printed = aloe("import", folder / place, "--run", run, "--test-profiles", 0)
            problem = "" if status == (least == 0) and re.search(says, " ".join(printed.split())) else printed[-300:]
            if not problem and least:
                found = sum(1 for _ in (run / "profiles.jsonl").open())
                problem = "" if found == least else f"{found} profiles, {least} expected"
            yield place, problem


# A folder, how many profiles are in it (0: it is refused), and what is said.
FOUND = {"hh": "preference", "sharegpt": "ShareGPT", "ultrachat": "messages", "ultrafeedback": "preference", "prism": "PRISM"}
FOLDERS = (
    ("05-end-token-inside-text/conv_special", 2, "control tokens"),
    *((f"09-real-datasets-not-importable/{name}", 12, "12 profiles") for name in ("gz", "utf16", "jsonarray")),
    *((f"09-real-datasets-not-importable/{name}", 2, "2 profiles") for name in ("personahub", "plaintext")),
    *((f"09-real-datasets-not-importable/{name}", 0, f"found .*{found}.*wanted") for name, found in FOUND.items()),
    ("13-invisible-personas/zwsp", 12, "the same text as line"),
    ("13-invisible-personas/nfc", 13, "the same text as line"),
    ("13-invisible-personas/multi", 20, "control tokens"),
)


def _modes() -> Iterator[tuple[str, Dialect, str]]:
    yield from ((mode, DIALECTS["clean"], "--model") for mode in SAME.split())
    yield from ((mode, DIALECTS["half-emoji"], "--plain") for mode in ("surrogate", "surusage", "nul"))
    yield from ((mode, replace(DIALECTS["refusal"], says=says), "--model") for mode, says in NAMED.items())


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
