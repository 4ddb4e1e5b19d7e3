"""What growing a run's trees will take: calls, tokens and cost, from a few trees that are grown to see and not kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from aloe_hub.chat.ledger import Spent
from aloe_hub.chat.traffic import Traffic
from aloe_hub.files.jsonl import build_row, partial_of
from aloe_hub.files.run_folder import RunFolder
from aloe_hub.files.settings import at_least
from aloe_hub.stages.journalled import journalled
from aloe_hub.stages.trees import Shard, TreeSettings, grown_row, wanted_trees


@dataclass(frozen=True, slots=True)
class Forecast:
    """`left` trees are to be grown; `sample` were, `failed` of them in vain. What they took is in `spent`, by (role, model)."""

    left: int
    sample: int
    failed: int
    spent: Mapping[tuple[str, str], Spent]

    def times(self, value: float) -> float:
        """What was counted in the sample, for all trees that are left."""
        return value * self.left / self.sample if self.sample else 0.0


def forecast_trees(
    run: RunFolder,
    settings: TreeSettings,
    sample: int,
    *,
    traffic: Traffic,
    shard: Shard | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Forecast:
    """Grow `sample` trees, evenly chosen among those that are left, and keep nothing of them. The run folder stays as it is.

    Raises:
        RunStopped: every call fails, or the budget is too small for the sample.
    """
    at_least("--sample", sample, 1)
    cast = settings.cast(traffic, settings.models["judge"])
    wanted = wanted_trees(run, settings, shard)
    done = set(_done(run.file(shard.file() if shard else "trees.jsonl")))
    left = [item for item in wanted.items() if item[0] not in done]
    chosen = dict(left[place * len(left) // sample] for place in range(sample)) if len(left) > sample else dict(left)
    failed: list[str] = []

    on_progress(0, len(chosen))
    journalled(
        chosen,
        partial(grown_row, cast, settings),
        keep=lambda row: None,
        fail=lambda tree_id, persona, reason: failed.append(tree_id),
        traffic=traffic,
        calls=settings.calls_a_tree,
        on_progress=lambda ended: on_progress(ended, len(chosen)),
    )
    return Forecast(len(left), len(chosen), len(failed), traffic.ledger.by_role)


def _done(final: Path) -> Iterator[str]:
    """The ids of the trees that are grown already; read without a lock, beside a command that may be at work."""
    path = final if final.exists() else partial_of(final)
    if path.exists():
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if line.endswith(b"\n"):  # the last one may be torn
                    yield build_row(line, f"{path}, line {number}", lambda row: str(row["tree_id"]))
