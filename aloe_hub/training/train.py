"""`aloe train`: SFT, DPO, SDFT or GRPO on a run's rows or a dataset's, into RUN/adapters/NAME.

TRL trains. Decided here: what it is given, and how a stopped training goes on as if it had never stopped, with the same rows in
the same order, the same random numbers, the same losses and, in float32 on a CPU, the same bytes. Whatever can be refused is
refused before weights are loaded. `training.json` in the folder says what the adapter was made with and what came of it.
"""

from __future__ import annotations

import errno
import logging
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from safetensors import SafetensorError
from transformers import Trainer, TrainerState

from aloe_hub.chat.traffic import Traffic
from aloe_hub.errors import AloeError, UsageError
from aloe_hub.files.jsonl import loads
from aloe_hub.files.run_folder import RunFolder
from aloe_hub.loading import template_date, template_kwargs_of, write_chats_with
from aloe_hub.training.asked import asked_rows, measure_asked
from aloe_hub.training.base import Base, find_adapter, find_base
from aloe_hub.training.build import build_trainer, on_cpu, refusals
from aloe_hub.training.callbacks import LogWithSaves, MarkCheckpoints, ShowProgress, StopOnNaN
from aloe_hub.training.control_tokens import ControlTokens
from aloe_hub.training.data import Measured, load_rows, measure, split, tree_of
from aloe_hub.training.folder import AdapterFolder, kept_in
from aloe_hub.training.objectives import criticised_rows, objective_rows, told_rows, with_weights
from aloe_hub.training.outcome import Meter, device_name, ranking_accuracy, report, versions
from aloe_hub.training.quiet import quiet
from aloe_hub.training.record import TRAINING, Method, TrainingRecord, write_json
from aloe_hub.training.rewards import Asked, ask
from aloe_hub.training.rollout import check_template
from aloe_hub.training.settings import TrainSettings
from aloe_hub.training.tree import TreeDPOTrainer, TreeSFTTrainer
from aloe_hub.training.tree.trainers import _OnePass
from aloe_hub.types import Row

log = logging.getLogger("aloe_hub")

Show = Callable[[str, int, int], None]
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES)
_OURS = ("full", "tree", "allow_truncation", "eval_share", "limit", "seed")


@dataclass(frozen=True, slots=True)
class Trained:
    """A finished adapter, its record, and whether this call made it."""

    folder: Path
    record: TrainingRecord
    new: bool


def train(
    run: RunFolder,
    settings: TrainSettings,
    *,
    name: str | None = None,
    resume: bool = False,
    traffic: Traffic | None = None,
    on_progress: Show = lambda what, done, total: None,
) -> Trained:
    """Train an adapter, or with `settings.full` all weights, into RUN/adapters/NAME (by default the method's name).

    traffic: through which GRPO asks its judge and its users; None: one without a ledger.
    Under `accelerate launch` every process calls this, and the first one writes.

    Raises:
        UsageError: options that TRL, transformers or PEFT refuse.
        DataError: a base, an adapter or rows that cannot be trained on.
        SettingsDiffer: an adapter of that name, finished or not, was made with other settings.
        AloeError: a stopped training without `resume`; a loss that is not finite any more; not enough memory.
    """
    processes = PartialState(cpu=on_cpu(settings))  # also puts every process on a GPU of its own
    writes = processes.is_main_process
    folder = AdapterFolder.of(run.path, settings.method if name is None else name)
    with quiet():
        base = find_base(settings.base)
        adapter = find_adapter(settings.adapter) if settings.adapter is not None else None
        teacher = find_adapter(settings.teacher, "teacher") if settings.teacher is not None else None
        told = settings.chat_template_kwargs or (
            template_kwargs_of(adapter.source) if adapter else {}
        )  # as it was trained so far
        write_chats_with(base.tokenizer, told)
        rows, origin, asked, asks = _rows(run, settings, traffic)
        if asked is not None and asked.traffic.ledger.budget is not None and processes.num_processes > 1:
            raise UsageError(f"--budget: each of {processes.num_processes} processes would keep it for itself; train in one")
        if settings.clean_control_tokens:
            rows, cleaned = ControlTokens(base.tokenizer).cleaned(rows)
            if cleaned and writes:
                log.warning("%d rows held control tokens of %s in their texts; they were taken out", cleaned, base.source)
        rows = with_weights(rows, settings.objectives)
        parts = split(rows, settings.eval_share)
        counts = {"rows": len(rows), "trees": len(set(map(tree_of, rows))), "eval_rows": len(parts[1])}
        record = TrainingRecord(
            method=settings.method,
            base=base.source,
            adapter=adapter.source if adapter else None,
            adapter_sha256=adapter.sha256 if adapter else None,
            data=origin | counts,
            settings={
                **{name: getattr(settings, name) for name in _OURS},
                "processes": processes.num_processes,
                "clean_control_tokens": settings.clean_control_tokens or None,
                "chat_template_kwargs": told or None,
                "noise": settings.noise or None,
                "objectives": settings.objectives or None,
                "teacher": {"model": teacher.source.name, "sha256": teacher.sha256} if teacher else None,
                "guidance": settings.guidance,
                "template_date": template_date(base.tokenizer),
                **asks,
            },
            options=dict(settings.options),
            lora=dict(adapter.lora) if adapter else dict(settings.lora) or None,
        )
        finished = folder.check(record, resume=resume)
        processes.wait_for_everyone()  # no process writes before all have looked
        if finished:
            folder.sweep()
            return Trained(folder.final, TrainingRecord.read(folder.final / TRAINING), new=False)
        measured = _measured(rows, settings, base, partial(on_progress, "rows"))
        if writes:
            _tell(measured, len(rows), settings.method)
        with folder.claimed(record) if writes else nullcontext(), _machine_errors(folder.partial):
            processes.wait_for_everyone()
            checkpoint = folder.last_checkpoint()
            meter = Meter(processes.device, kept_in(checkpoint) if checkpoint else {})
            trainer = build_trainer(
                settings,
                base,
                adapter,
                parts,
                max_length=measured.longest,
                output=folder.partial,
                asked=asked,
                teacher=teacher,
                callbacks=[
                    ShowProgress(partial(on_progress, settings.method)),
                    LogWithSaves(),
                    StopOnNaN(folder.last_checkpoint),
                    MarkCheckpoints(processes.wait_for_everyone, meter.read),
                ],
            )
            outcome = _train(trainer, checkpoint, meter) | {
                "max_prompt_length" if settings.method in ("sdft", "grpo") else "max_length": measured.longest
            }
            made = folder.partial / "adapter"
            trainer.save_model(str(made))
            processes.wait_for_everyone()
            if writes:
                _tidy(made)
                device = device_name(trainer.args.device, processes.num_processes)
                folder.finish(made, replace(record, versions=versions(), device=device, report=outcome))
            processes.wait_for_everyone()
    return Trained(folder.final, TrainingRecord.read(folder.final / TRAINING), new=True)


def _rows(run: RunFolder, settings: TrainSettings, traffic: Traffic | None) -> tuple[list[Row], Row, Asked | None, Row]:
    """The rows and where they came from; in GRPO also who is asked, and what of it is recorded."""
    data = run, settings.data, settings.method, settings.limit
    if settings.criticised:
        return *criticised_rows(run, settings.data, settings.limit), None, {}
    if settings.objectives:
        return *objective_rows(*data, settings.objectives), None, {}
    if settings.online is None:
        return *load_rows(*data), None, {}
    online = settings.online.of_run(run.settings())
    asked, recorded = ask(online, settings.seed, traffic or Traffic())
    return *asked_rows(run, settings.data, settings.limit, openings=online.level == "conversation"), asked, recorded


def _measured(rows: Sequence[Row], settings: TrainSettings, base: Base, on_progress: Callable[[int, int], None]) -> Measured:
    allowed = settings.allow_truncation
    if settings.online is not None:
        if settings.online.level == "conversation":
            check_template(base.tokenizer, str(base.source))
        return measure_asked(rows, base, settings.options["max_completion_length"], on_progress=on_progress)
    if settings.criticised:
        rows = [*rows, *told_rows(rows)]
    if settings.method != "sdft":
        most = settings.options.get("max_length")
        return measure(rows, settings.method, base, max_length=most, allow_truncation=allowed, on_progress=on_progress)
    from aloe_hub.training.sdft import measure_told

    return measure_told(rows, settings.options, base, allow_truncation=allowed, on_progress=on_progress)


def _train(trainer: Trainer, checkpoint: Path | None, meter: Meter) -> dict[str, Any]:
    if checkpoint is not None:
        _take_up_counts(trainer, checkpoint)
    try:
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    except (ValueError, NotImplementedError):
        with nullcontext() if trainer.state.global_step else refusals():
            raise  # TRL looks at the name of a loss, for one, when it first computes it
    history, steps = list(trainer.state.log_history), trainer.state.global_step
    evaluated = trainer.evaluate() if trainer.eval_dataset is not None else {}
    ranking = ranking_accuracy(trainer) if isinstance(trainer, TreeDPOTrainer) else None
    return report(history, evaluated, ranking, meter.read(), steps)


def _take_up_counts(trainer: Trainer, checkpoint: Path) -> None:
    """What TRL and our trainers begin anew when they resume, counts above all; the last log before the checkpoint knows it."""
    history = TrainerState.load_from_json(str(checkpoint / "trainer_state.json")).log_history
    last = next(entry for entry in reversed(history) if "loss" in entry)
    if isinstance(trainer, TreeSFTTrainer | TreeDPOTrainer):
        trainer._total_train_tokens = last["num_tokens"]
    if "noise/reliability" in last and isinstance(trainer, TreeDPOTrainer):
        trainer.reliability = last["noise/reliability"]  # which LCPO had come to
    if "tree/tokens" in last:
        assert isinstance(trainer, _OnePass)
        trainer._tokens = torch.tensor([int(last["tree/tokens"]), int(last["tree/tokens_exploded"])])


def _tell(measured: Measured, rows: int, method: Method) -> None:
    if measured.cut and method == "sdft":
        log.warning("%d of %d conversations lose their beginning, at %d tokens", measured.cut, rows, measured.longest)
    elif measured.cut:
        log.warning(
            "%d of %d rows are cut at %d tokens, %d of them before their reply begins: those are dropped",
            measured.cut,
            rows,
            measured.longest,
            measured.dropped,
        )
    if measured.broken:
        log.warning(
            "the chat template writes a prompt in another way when a reply follows, in %d replies: the model is trained on "
            "what stands before the reply, and will see something else when it is asked for one",
            measured.broken,
        )
    if measured.unasked:
        log.warning(
            "the chat template puts %r before %d replies, which the model is trained to say, and not into what it is asked with; "
            "for a template that thinks, --chat-template-kwargs '{\"enable_thinking\": false}' writes both alike",
            measured.before,
            measured.unasked,
        )


def _tidy(made: Path) -> None:
    """Leave what a loader reads, the same bytes each time: no card but ours, no copy of the reference, no pickle of options."""
    shutil.rmtree(made / "ref", ignore_errors=True)
    for name in ("README.md", "training_args.bin"):
        (made / name).unlink(missing_ok=True)
    config = made / "adapter_config.json"
    if config.exists():
        # PEFT writes sets, in an order that changes from run to run.
        table = loads(config.read_bytes(), str(config))
        sets = {key for key in ("target_modules", "exclude_modules", "modules_to_save") if isinstance(table.get(key), list)}
        write_json(config, table | {key: sorted(table[key]) for key in sets})


@contextmanager
def _machine_errors(folder: Path) -> Iterator[None]:
    """Too little memory or disk, as one line that says what to do. The libraries know many names for either."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError, OSError, SafetensorError) as error:
        said = " ".join(str(error).split())
        if isinstance(error, torch.OutOfMemoryError | MemoryError) or "allocate memory" in said:
            raise AloeError(
                "out of memory: lower --batch-size (and raise --set gradient_accumulation_steps), --max-length or --lora-r, or "
                f"give --set gradient_checkpointing=true; with another --name ({said.partition('.')[0][:120]})"
            ) from error
        if getattr(error, "errno", None) in _DISK or "os error" in said or "PytorchStreamWriter" in said:
            raise AloeError(f"{folder}: cannot be written ({said[:120]}); make room, then go on with --resume") from error
        raise
