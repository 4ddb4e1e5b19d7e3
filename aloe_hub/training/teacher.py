"""A teacher for `aloe train dpo --set teacher=ADAPTER`: an adapter that DPO has made, and what it was made from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from peft import PeftModel

from aloe_hub.errors import DataError, UsageError
from aloe_hub.loading import load_adapter, load_model
from aloe_hub.model_files import file_of
from aloe_hub.source import Source
from aloe_hub.training.record import TRAINING, Method, TrainingRecord

TAUGHT_BY: tuple[Method, ...] = ("dpo", "rank")  # methods that say what is better than before; cut has no before


def options_of_teaching(method: Method, ours: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """TRL's options beside a teacher: of the pairs themselves, the loss of the preferred reply alone, as in the paper."""
    if not ours.get("teacher"):
        if ours.get("guidance") is not None:
            raise UsageError("guidance: is that of a teacher; give teacher, an adapter that aloe train dpo made")
        return {}
    guidance = ours.get("guidance", 1.0)
    if method != "dpo":
        raise UsageError(f"teacher: is for dpo, and {method} has no rejected replies; leave it out")
    if not 0 <= guidance < math.inf:
        raise UsageError(f"guidance {guidance}: must be at least 0")
    return {"loss_type": options.get("loss_type", ["sft"])}


def load_teacher(source: Source, *, dtype: str, device: str | None) -> dict[str, Any]:
    """The models that `TreeGuidedTrainer` asks: `teacher`, and `teacher_reference` where DPO began with an adapter.

    Raises:
        DataError: no adapter that `aloe train dpo` or `rank` has made, or one whose base or beginning is not there.
    """
    path = file_of(source, TRAINING)
    if path is None:
        raise DataError(
            f"teacher {source}: no {TRAINING} in it, which says what it was before; name one that aloe train dpo made"
        )
    record = TrainingRecord.read(path)
    if record.method not in TAUGHT_BY or record.lora is None or "cut" in record.options.get("loss_type", ()):
        raise DataError(f"teacher {source}: trained by {record.method}; name an adapter that aloe train dpo made")

    def adapted(adapter: Source) -> PeftModel:
        return load_adapter(load_model(record.base, dtype=dtype, device=device), adapter)

    return {"teacher": adapted(source), "teacher_reference": adapted(record.adapter) if record.adapter else None}
