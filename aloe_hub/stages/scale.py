"""Trees on many machines: one shard of a run is one task of datatrove, which schedules and restarts the tasks.

    LocalExecutor(pipeline=[GrowTrees("runs/mine", settings)], tasks=8, logging_dir="runs/mine/scale-8").run()

Ray, Slurm and Hugging Face Jobs: the same pipeline in datatrove's executor of that name. datatrove marks the tasks that are
done. A task that was killed and runs again goes on where its journal stands. A task some of whose trees failed has failed; run
again, it tries them again, for that is what running it again is for. When all tasks are done, `aloe merge` makes the files that
one process would have made.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from traceback import format_exc
from typing import Any, TypeVar

from datatrove.executor import LocalPipelineExecutor
from datatrove.io import get_datafolder
from datatrove.pipeline.base import PipelineStep
from datatrove.utils.logging import logger
from datatrove.utils.stats import PipelineStats

from aloe_hub.chat.ledger import Ledger
from aloe_hub.chat.traffic import Limits, Traffic
from aloe_hub.errors import AloeError
from aloe_hub.files.jsonl import partial_of
from aloe_hub.files.run_folder import RunFolder
from aloe_hub.stages.trees import Shard, TreeSettings, grow_all

T = TypeVar("T")
POOL = ("run.toml", "personas.jsonl")  # what a shard is grown from
SECONDS = 60.0  # between two copies of a journal to a run folder that lies elsewhere


class GrowTrees(PipelineStep):  # type: ignore[misc] # datatrove is not typed
    """Task `rank` of `world_size` grows shard rank + 1 of world_size. It reads no documents and makes none.

    folder: the run folder, which all tasks can reach; or the address of one, such as `hf://buckets/me/mine`: see `at_hand`.
    limits: of each task.
    accept_failures: a shard is done without its failed trees.
    """

    type = "aloe"
    name = "preference trees"

    def __init__(
        self, folder: Path | str, settings: TreeSettings, *, limits: Limits | None = None, accept_failures: bool = False
    ) -> None:
        super().__init__()
        self.folder = str(folder) if "://" in str(folder) else str(Path(folder).resolve())  # a task may start elsewhere
        self.settings = settings
        self.limits = limits or Limits()
        self.accept_failures = accept_failures

    def run(self, data: T, rank: int = 0, world_size: int = 1) -> T:
        """Raises: AloeError: so that datatrove does not mark the task as completed."""
        shard = Shard(rank + 1, world_size)
        where = f"{self.folder}, shard {shard.index}/{shard.count}"
        try:
            with self.track_time("task"), at_hand(self.folder, shard) as run, Ledger(_file(run, shard, "calls")) as ledger:
                grown = grow_all(
                    run,
                    self.settings,
                    traffic=Traffic(self.limits, ledger),
                    shard=shard,
                    accept_failures=self.accept_failures,
                    retry_failed=True,
                    on_progress=lambda done, total: logger.info(f"{done} of {total} trees"),
                )
        # What leaves here is new and has one line: datatrove logs a traceback with the values of its variables (texts, perhaps a
        # key), and an error that cannot be pickled would hang its pool.
        except AloeError as error:
            raise AloeError(f"{where}: {error}") from None
        except Exception as error:
            logger.error(format_exc())
            raise AloeError(f"{where}: {error!r}") from None
        self.stat_update("trees", value=grown.wanted - grown.failed, unit="task")
        self.stat_update("failed", value=grown.failed, unit="task")
        if not grown.finished:
            raise AloeError(f"{where}: {grown.failed} of {grown.wanted} trees failed; see failed-*.jsonl.partial")
        return data


class LocalExecutor(LocalPipelineExecutor):  # type: ignore[misc]
    """datatrove's executor for one machine; but a task that fails does not stop the others, as on Ray, Slurm and Jobs."""

    def _run_for_rank(self, rank: int, local_rank: int = 0, node_rank: int = -1) -> PipelineStats:
        try:
            return super()._run_for_rank(rank, local_rank, node_rank)
        except AloeError:  # datatrove has logged it, and the task has no completion marker
            return PipelineStats(self.pipeline)


@contextmanager
def at_hand(folder: str, shard: Shard) -> Iterator[RunFolder]:
    """The run folder to work in. For an address: a copy of what the shard needs, which is sent back every minute and at the end.

    So a task goes on even where no disk outlives it; what it grew since the last copy is grown again. Whoever starts the tasks
    has claimed the run and put POOL there.
    """
    if "://" not in folder:
        yield RunFolder(Path(folder))
        return
    there, ended = get_datafolder(folder), Event()
    with TemporaryDirectory() as here:
        run = RunFolder(Path(here))
        trees, failed, calls = (_file(run, shard, kind) for kind in ("trees", "failed", "calls"))
        files = dict.fromkeys((trees, failed, calls, partial_of(trees), partial_of(failed)), (0, 0))
        there.fs.invalidate_cache()
        for file in (*map(run.file, POOL), *files):
            if there.isfile(file.name):
                there.get_file(file.name, str(file))

        def send_now_and_then() -> None:
            while not ended.wait(SECONDS):
                try:
                    _send(files, there)
                except Exception as error:  # the next copy may pass; the last one has to
                    logger.warning(f"{folder}: not copied ({error}); trying again in {SECONDS:.0f} s")

        sender = Thread(target=send_now_and_then)
        sender.start()
        try:
            yield run
        finally:
            ended.set()
            sender.join()
            _send(files, there)


def _send(files: dict[Path, tuple[int, int]], there: Any) -> None:  # noqa: ANN401 - datatrove is not typed
    """Make `there` hold the files that are here, and only those; `files` remembers the time and size of what was sent."""
    for file, sent in files.items():
        now = (file.stat().st_mtime_ns, file.stat().st_size) if file.exists() else sent
        if now != sent:
            there.put_file(str(file), file.name)
            files[file] = now
    for file in files:
        if not file.exists() and there.isfile(file.name):
            there.rm_file(file.name)


def _file(run: RunFolder, shard: Shard, kind: str) -> Path:
    return run.file(shard.file().replace("trees", kind, 1))
