"""Placebo rows: training rows from which what ALOE teaches by has been taken out, and nothing else.

    python studies/real_rows.py shuffled RUN OUT --first 60

`shuffled`: each prompt with the replies that another person got to a question on the same topic. `random`: which of two replies
is the preferred one says a coin. Both are made of the rows of the first so many trees of a finished run, as `aloe train --limit`
takes them: whatever they teach is how such replies are written, and not to whom.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from aloe_hub.types import call_seed
from aloe_hub.world.understanding import topic_of

Row = dict[str, Any]


def first_trees(rows: Iterable[Row], first: int) -> list[Row]:
    """The rows of the first so many trees, as `aloe train --limit` takes them."""
    kept: dict[str, None] = {}
    found = []
    for row in rows:
        if row["tree_id"] in kept or len(kept) < first:
            kept[row["tree_id"]] = None
            found.append(row)
    return found


def shuffled(pairs: list[Row]) -> Iterator[Row]:
    """Each prompt with the two replies that somebody else got to a question on the same topic; left out where nobody else did."""
    by_topic: dict[str | None, list[Row]] = defaultdict(list)
    for row in pairs:
        by_topic[topic_of(row["prompt"][-1]["content"])].append(row)
    for row in pairs:
        asked = by_topic[topic_of(row["prompt"][-1]["content"])]
        place = asked.index(row)
        circle = (*asked[place + 1 :], *asked[:place])
        other = next((one for one in circle if one["persona_id"] != row["persona_id"]), None)
        if other is not None:
            yield row | {"chosen": other["chosen"], "rejected": other["rejected"]}


def random(pairs: list[Row]) -> Iterator[Row]:
    """Each pair as it is or the other way round: of what the judge said nothing is left."""
    for row in pairs:
        turned = call_seed(row["tree_id"], row["turn"], "placebo") & 1
        yield row | ({"chosen": row["rejected"], "rejected": row["chosen"]} if turned else {})


PLACEBOS = {"shuffled": shuffled, "random": random}


def write(placebo: str, run: Path, out: Path, first: int) -> None:
    """`pairs.jsonl` and `sft.jsonl` in `out`, the latter last: there, both are whole."""
    pairs = [json.loads(line) for line in (run / "pairs.jsonl").read_text(encoding="utf-8").splitlines()]
    made = list(PLACEBOS[placebo](first_trees(pairs, first)))
    sft = [
        {name: row[name] for name in ("tree_id", "persona_id", "turn", "prompt")} | {"completion": row["chosen"]} for row in made
    ]
    out.mkdir(parents=True, exist_ok=True)
    for name, rows in (("pairs.jsonl", made), ("sft.jsonl", sft)):
        partial = out / f"{name}.partial"
        partial.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
        partial.replace(out / name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("placebo", choices=PLACEBOS)
    parser.add_argument("run", type=Path, help="a run folder with finished trees")
    parser.add_argument("out", type=Path, help="the folder that gets pairs.jsonl and sft.jsonl")
    parser.add_argument("--first", type=int, required=True, help="trees")
    options = parser.parse_args()
    write(options.placebo, options.run, options.out, options.first)


if __name__ == "__main__":
    main()
