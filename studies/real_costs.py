"""What a training cost elsewhere, and what it learnt of preferences: perplexity and ranking accuracy of one model, as JSON.

    python studies/real_costs.py local:BASE+ADAPTER --rank semantic=RUN1 --rank scripted=RUN2 --out costs.json

Perplexity: of the replies of `plain_chat.jsonl`, 24 short exchanges on nothing personal that were written for this study, given
their questions, with the chat template; exp of the mean loss a token. Ranking accuracy (arXiv 2405.19534, definition 2.1): the
share of pairs whose preferred reply is the more probable one; a second figure takes the mean over tokens, for longer replies are
less probable. The pairs are those of the runs named by --rank, of which no training saw anything.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from aloe_hub.training.likelihood import loaded, log_probability
from aloe_hub.types import Row

PLAIN = Path(__file__).parent / "plain_chat.jsonl"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a local: model string")
    parser.add_argument("--rank", action="append", default=[], metavar="JUDGE=RUN", help="whose pairs to rank; may be repeated")
    parser.add_argument("--most", type=int, default=100, help="pairs of each")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    model, tokenizer = loaded(options.model)
    plain = _rows(PLAIN)
    logps = [log_probability(model, tokenizer, row["prompt"], row["completion"]) for row in plain]
    found: dict[str, Any] = {"model": options.model, "perplexity": perplexity(logps), "ranking": {}}
    for judge, _, run in (text.partition("=") for text in options.rank):
        found["ranking"][judge] = ranking(model, tokenizer, _rows(Path(run) / "pairs.jsonl")[: options.most])
    options.out.parent.mkdir(parents=True, exist_ok=True)
    partial = options.out.with_suffix(".partial")
    partial.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    partial.replace(options.out)
    print(json.dumps(found))


def perplexity(logps: Sequence[tuple[float, int]]) -> float:
    """exp of the mean loss a token."""
    return math.exp(-sum(total for total, _ in logps) / sum(tokens for _, tokens in logps))


def ranking(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, pairs: Sequence[Row]) -> dict[str, float | int | None]:
    """`{sum, mean, pairs}`: the share of pairs whose preferred reply is the more probable one, as a whole and a token."""
    sides = [[log_probability(model, tokenizer, row["prompt"], row[side]) for row in pairs] for side in ("chosen", "rejected")]
    both = list(zip(*sides, strict=True))
    by_sum = [chosen > rejected for (chosen, _), (rejected, _) in both]
    by_mean = [chosen / tokens > rejected / others for (chosen, tokens), (rejected, others) in both]
    shares = {name: sum(wins) / len(wins) if wins else None for name, wins in (("sum", by_sum), ("mean", by_mean))}
    return {**shares, "pairs": len(both)}


def _rows(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


if __name__ == "__main__":
    main()
