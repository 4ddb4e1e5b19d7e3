"""The tables of the study of a real model: of what is there so far. `python studies/real.py` writes them; so does this, alone:

    python studies/real_table.py --out runs/real-study

Scores have crossed intervals over the profiles and the personalities of the held-out personas. Gap closed: from the scripted
world's plain replies to its tailored ones, by the same judge on the same personas. Invented facts: values of the scripted
world's lexicon that a reply names and that are not the person's, where the scripted judge counts them (its contradictions).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from miniature_table import FAULTS, difference, interval, joined, mean, read

from aloe_hub.files.run_folder import policy_file
from aloe_hub.results.formatting import p_value, share
from aloe_hub.scoring import compare, gap_closed, holm, score

RUNS = {"scripted": "held-out", "semantic": "held-out-semantic"}  # and of further pools: held-out-2, …
# What a training is worth beyond a placebo, beyond the other judge, beyond what it began with.
BESIDE = (
    ("sft-own", "shuffled"),
    ("sft-own", "random"),
    ("sft-own", "sft-own-swapped"),
    ("sft-best", "sft-own"),
    ("dpo", "sft-own"),
    ("grpo", "sft-own"),
)
Policies = Mapping[str, str]


def written(out: Path, policies: Policies) -> str:
    """All tables, in Markdown, with the rows that are there."""
    parts = [_scores(out, run, judge, policies) for judge, run in RUNS.items() if (out / run / "scores").is_dir()]
    return "\n".join([*parts, _costs(out, policies), _seconds(out)])


def numbered(name: str, number: int) -> str:
    """What belongs to a pool; the first one has no number."""
    return name if number == 1 else f"{name}-{number}"


def _scores(out: Path, run: str, judge: str, policies: Policies) -> str:
    """Of the first pool, or, as soon as all have talked there, of further ones with it."""
    pools = [out / run]
    while (more := out / numbered(run, len(pools) + 1)).is_dir() and all(_is_scored(more, one) for one in policies.values()):
        pools.append(more)
    methods = {
        name: joined([read(pool, name, [policy]) for pool in pools])
        for name, policy in policies.items()
        if _is_scored(out / run, policy)
    }
    ends = methods.get("plain"), methods.get("oracle")
    base = methods.get("base")
    gains = {
        name: compare(method.scores, base.scores, **method.ids)
        for name, method in methods.items()
        if base and name not in ("plain", "oracle", "base")
    }
    trained = [name for name in gains if "+" in policies[name]]  # adapters, which are compared with the base together
    corrected = dict(zip(trained, holm([gains[name].p for name in trained]), strict=True))
    lines = [
        f"## Judged by {judge}",
        "",
        "| policy | personas | AL(1) | AL(K) | AVG [95%] | gap closed [95%] | IR [95%] | minus base [95%] | p by Holm |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, method in methods.items():
        found = score(method.scores, **method.ids)
        gap = "–"
        if name not in ("plain", "oracle") and ends[0] and ends[1]:
            closed = gap_closed(method.scores, ends[0].scores, ends[1].scores, **method.ids)
            gap = share(closed.closed, closed.closed_ci)
        gain = difference(gains[name]) if name in gains else "–"
        p = p_value(corrected[name]) if name in corrected else "–"
        levels = (f"{found.al[0]:.2f}", f"{found.al[-1]:.2f}", f"{found.avg:.2f} {interval(found.avg_ci, 2)}")
        slope = f"{found.ir:+.3f} {interval(found.ir_ci, 3, '+')}"
        cells = (name, str(len(method.scores)), *levels, gap, slope, gain, p)
        lines.append(f"| {' | '.join(cells)} |")
    beside = [(name, other) for name, other in BESIDE if name in methods and other in methods]
    if beside:
        lines += ["", "| difference | AVG [95%] |", "|---|---|"]
    for name, other in beside:
        gain = difference(compare(methods[name].scores, methods[other].scores, **methods[name].ids))
        lines.append(f"| {name} − {other} | {gain} |")
    return "\n".join(lines) + "\n"


def _costs(out: Path, policies: Policies) -> str:
    lines = [
        "## What it cost elsewhere, and what was learnt of preferences",
        "",
        "| policy | perplexity of plain chat | words a reply | cut off | invented facts a reply "
        "| ranks semantic's pairs: sum, mean | ranks scripted's pairs: sum, mean |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, policy in policies.items():
        if not _is_scored(out / RUNS["scripted"], policy):
            continue
        method = read(out / RUNS["scripted"], name, [policy])
        replies = _replies(out / RUNS["scripted"], policy)
        words = sum(len(reply.split()) for reply in replies) / len(replies)
        unended = sum(reply.rstrip()[-1:] not in _ENDS for reply in replies) / len(replies)
        path = out / "costs" / f"{name}.json"
        cost: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        ranks = (_ranked(cost.get("ranking", {}).get(judge)) for judge in ("semantic", "scripted"))
        perplexity = f"{cost['perplexity']:.2f}" if cost else "–"
        invented = f"{mean(method.faults(FAULTS['contradictions'])):.3f}"
        lines.append(f"| {' | '.join([name, perplexity, f'{words:.1f}', f'{unended:.0%}', invented, *ranks])} |")
    return "\n".join(lines) + "\n"


_ENDS = tuple(".!?)\"'”’😄🎉😜")


def _ranked(found: Mapping[str, Any] | None) -> str:
    return f"{found['sum']:.2f}, {found['mean']:.2f} of {found['pairs']}" if found and found["pairs"] else "–"


def _replies(run: Path, policy: str) -> list[str]:
    talks = (run / "transcripts" / policy_file(policy)).read_text(encoding="utf-8").splitlines()
    return [turn["reply"] for talk in talks for turn in json.loads(talk)["turns"]]


def _is_scored(run: Path, policy: str) -> bool:
    return (run / "scores" / policy_file(policy)).exists()


def _seconds(out: Path) -> str:
    path = out / "logs" / "seconds.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []
    lines = ["## Seconds of each cell", "", "| cell | seconds |", "|---|---|"]
    return "\n".join([*lines, *(f"| {row['cell']} | {row['seconds']:.0f} |" for row in rows)]) + "\n"


def main() -> None:
    import real

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/real-study"))
    parser.add_argument("--base", type=Path, default=Path("models/smollm2"))
    options = parser.parse_args()
    print(written(options.out, real.policies(options.out, options.base, (*real.UNTRAINED, *real.TRAINED))))


if __name__ == "__main__":
    main()
