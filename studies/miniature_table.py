"""The scores of the miniature as tables. A cell of the study is one trained model; a row pools the cells of one method.

Intervals are over the profiles of the held-out personas, crossed with their personalities, with all seeds of a method in each
cell; how much the trained models differ stands beside them, as the lowest and the highest AVG.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aloe_hub.files.run_folder import policy_file
from aloe_hub.results.formatting import share
from aloe_hub.scoring import Comparison, compare, gap_closed, score
from aloe_hub.types import Persona

METHODS: dict[str, list[str] | str] = {
    "scripted tailored (oracle)": ["scripted:tailored"],
    "scripted plain": ["scripted:plain"],
    "base": "base",
    "SFT": "sft",
    "DPO off-policy": "dpo",
    "SFT + DPO off-policy": "sft-dpo",
    "SFT + DPO on-policy": "sft-onpolicy",
    "SFT + LiPO, four replies": "lipo",
    "SFT + DPO, a fifth flipped": "noisy-dpo",
    "SFT + robust DPO, a fifth flipped": "noisy-robust",
    "SFT + LCPO, a fifth flipped": "noisy-lcpo",
    "SFT + DPO in rounds": "rounds",
    "SFT + GRPO, next reply": "grpo-turn",
    "SFT + GRPO, conversations": "grpo-talk",
    "GRPO, next reply": "grpo-base",
    "SFT + GRPO, next reply, blind judge (placebo)": "grpo-blind",
    "scripted memoryless": ["scripted:memoryless"],
    "scripted facts": ["scripted:facts"],
    "scripted style": ["scripted:style"],
    "scripted leak": ["scripted:leak"],
    "scripted stranger": ["scripted:stranger"],
    "scripted constant": ["scripted:constant"],
    "scripted parrot": ["scripted:parrot"],
    "scripted dump": ["scripted:dump"],
}
# What a study may leave out, by its flag; and the folder of a method's adapters where it isn't that of the off-policy trees.
EXTRA = {
    "beyond_pairs": ("lipo", "noisy-dpo", "noisy-robust", "noisy-lcpo", "rounds"),
    "grpo": ("grpo-turn", "grpo-talk", "grpo-base", "grpo-blind"),
}
FOLDERS = {"sft-onpolicy": "on-policy", "lipo": "ranked", "rounds": "rounds"} | dict.fromkeys(
    ("noisy-dpo", "noisy-robust", "noisy-lcpo"), "noisy"
)
COMPARED = (
    ("SFT", "base"),
    ("SFT + DPO off-policy", "SFT"),
    ("SFT + DPO on-policy", "SFT"),
    ("SFT + LiPO, four replies", "SFT"),
    ("SFT + LiPO, four replies", "SFT + DPO on-policy"),
    ("SFT + DPO, a fifth flipped", "SFT"),
    ("SFT + robust DPO, a fifth flipped", "SFT + DPO, a fifth flipped"),
    ("SFT + LCPO, a fifth flipped", "SFT + DPO, a fifth flipped"),
    ("SFT + DPO in rounds", "SFT"),
    ("SFT + DPO in rounds", "SFT + DPO on-policy"),
    ("SFT + GRPO, next reply", "SFT"),
    ("SFT + GRPO, next reply", "SFT + DPO on-policy"),
    ("SFT + GRPO, next reply", "SFT + GRPO, next reply, blind judge (placebo)"),
    ("SFT + GRPO, next reply, blind judge (placebo)", "SFT"),
    ("SFT + GRPO, conversations", "SFT"),
    ("GRPO, next reply", "SFT"),
    ("DPO off-policy", "SFT"),
)
FAULTS = {"contradictions": re.compile(r"(\d+) contradiction"), "unrevealed facts": re.compile(r"(\d+) unrevealed")}
MOST_FAULTS = 50


@dataclass(frozen=True, slots=True)
class Method:
    """The conversations of all trained models of one method, model after model, personas in the same order in each."""

    name: str
    scores: list[list[float | None]]
    ids: dict[str, Any]  # of profiles and personalities, as scoring takes them
    texts: list[list[str]]  # the judge's, by conversation and turn
    by_model: list[float]  # AVG of each model

    def faults(self, pattern: re.Pattern[str]) -> list[list[float]]:
        """How many faults of a kind the judge counted in each reply."""
        return [[float(found[1]) if (found := pattern.search(text)) else 0.0 for text in turns] for turns in self.texts]


def written(
    run: Path, out: Path, bases: int, seeds: int, *, ablation: bool = True, beyond_pairs: bool = False, grpo: bool = False
) -> str:
    """Both tables, in Markdown: the study with bases that knew requests, and the ablation."""
    asked = [str(base) for base in range(bases)]
    left_out = (*(() if beyond_pairs else EXTRA["beyond_pairs"]), *(() if grpo else EXTRA["grpo"]))
    parts = [_table(run, f"{bases} pre-training seeds x {seeds} training seeds", _policies(out, asked, seeds, left_out))]
    if ablation:
        parts.append(_table(run, "Ablation: a base that never saw a personal or style request", _policies(out, ["unasked"], 1)))
    return "\n".join(parts)


def _policies(out: Path, bases: Sequence[str], seeds: int, left_out: Sequence[str] = ()) -> Callable[[str], list[str]]:
    """The model strings of the trained models of a method."""

    def of(method: str) -> list[str]:
        models: list[str] = []
        if method in left_out or ("unasked" in bases and method not in ("base", "sft")):  # the ablation stops there
            return models
        for base in bases:
            folder = out / "bases" / base
            if method == "base":
                models.append(f"local:{folder}")
                continue
            for seed in range(seeds):
                at = f"{base}-{seed}"
                run = out / FOLDERS[method] / at if method in FOLDERS else out / "dev"
                models.append(f"local:{folder}+{run / 'adapters' / f'{method}-{at}'}")
        return models

    return of


def _table(run: Path, title: str, policies: Callable[[str], list[str]]) -> str:
    models = {name: which if isinstance(which, list) else policies(which) for name, which in METHODS.items()}
    methods = {name: read(run, name, which) for name, which in models.items() if which}
    ends = methods["scripted plain"], methods["scripted tailored (oracle)"]
    lines = [
        f"## {title}: {run.name} personas",
        "",
        "| policy | models | AL(1) | AL(10) | AVG [95%] | AVG by model | gap closed [95%] | IR [95%] | N-IR | R² "
        "| contradictions a reply | unrevealed facts a reply |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
        *(_row(method, *ends) for method in methods.values()),
        "",
        "| difference | AVG [95%] | contradictions a reply [95%] |",
        "|---|---|---|",
    ]
    for name, baseline in COMPARED:
        if not methods.keys() >= {name, baseline}:
            continue
        a, b = methods[name], methods[baseline]
        if len(a.scores) != len(b.scores):  # a base has one model for all of its training seeds
            b = _repeated(b, len(a.scores) // len(b.scores))
        gain = compare(a.scores, b.scores, **a.ids)
        wrong = [one.faults(FAULTS["contradictions"]) for one in (a, b)]
        fewer = compare(*wrong, **a.ids, scale=(0, MOST_FAULTS))
        lines.append(f"| {name} − {baseline} | {difference(gain)} | {difference(fewer)} |")
    return "\n".join(lines) + "\n"


def read(run: Path, name: str, policies: Sequence[str]) -> Method:
    found = Method(name, [], {"cluster_ids": [], "personality_ids": []}, [], [])
    for policy in policies:
        rows = [json.loads(line) for line in (run / "scores" / policy_file(policy)).read_text(encoding="utf-8").splitlines()]
        spoken = (run / "transcripts" / policy_file(policy)).read_text(encoding="utf-8").splitlines()
        found.scores.extend(row["scores"] for row in rows)
        talks = [json.loads(line) for line in spoken]
        # Scores of older runs do not name the personality.
        personas = [Persona.from_row(talk) for talk in talks]
        found.ids["cluster_ids"].extend(persona.profile_id for persona in personas)
        found.ids["personality_ids"].extend(persona.personality_id for persona in personas)
        found.texts.extend([turn["judgement"] for turn in talk["turns"]] for talk in talks)
        found.by_model.append(score([row["scores"] for row in rows], n_resamples=0).avg)
    return found


def joined(parts: Sequence[Method]) -> Method:
    """The conversations of one method in several runs, which have no persona in common."""
    first, *others = parts
    for part in others:
        first.scores.extend(part.scores)
        first.texts.extend(part.texts)
        first.by_model.extend(part.by_model)
        for kind, ids in part.ids.items():
            first.ids[kind].extend(ids)
    return first


def _repeated(method: Method, times: int) -> Method:
    """Each model of `method`, as often as there are training seeds."""
    size = len(method.scores) // len(method.by_model)
    order = [model * size + row for model in range(len(method.by_model)) for _ in range(times) for row in range(size)]
    return Method(
        method.name,
        [method.scores[at] for at in order],
        {kind: [ids[at] for at in order] for kind, ids in method.ids.items()},
        [method.texts[at] for at in order],
        method.by_model,
    )


def _row(method: Method, plain: Method, oracle: Method) -> str:
    scored = score(method.scores, **method.ids)
    ends = [_repeated(end, len(method.scores) // len(end.scores)) for end in (plain, oracle)]
    gap = gap_closed(method.scores, *(end.scores for end in ends), **method.ids)
    low, high = min(method.by_model), max(method.by_model)
    rates = (mean(method.faults(pattern)) for pattern in FAULTS.values())
    cells = [
        method.name,
        str(len(method.by_model)),
        f"{scored.al[0]:.2f}",
        f"{scored.al[-1]:.2f}",
        f"{scored.avg:.2f} {interval(scored.avg_ci, 2)}",
        f"{low:.2f} to {high:.2f}" if len(method.by_model) > 1 else "–",
        share(gap.closed, gap.closed_ci) if method.name not in (plain.name, oracle.name) else "–",
        f"{scored.ir:+.3f} {interval(scored.ir_ci, 3, '+')}",
        number(scored.n_ir),
        number(scored.r2, 2),
        *(f"{rate:.3f}" for rate in rates),
    ]
    return f"| {' | '.join(cells)} |"


def mean(rows: list[list[float]]) -> float:
    return sum(map(sum, rows)) / sum(map(len, rows))


def difference(found: Comparison) -> str:
    return f"{found.difference:+.3f} {interval(found.difference_ci, 3, '+')}"


def interval(ends: tuple[float, float], digits: int, sign: str = "") -> str:
    return f"[{ends[0]:{sign}.{digits}f}, {ends[1]:{sign}.{digits}f}]"


def number(value: float, digits: int = 3) -> str:
    return "–" if math.isnan(value) else f"{value:.{digits}f}"
