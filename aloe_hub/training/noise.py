"""Pairs of which a known share ε is the wrong way round: which losses of DPO are told so, and how."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aloe_hub.errors import UsageError
from aloe_hub.training.record import Method

TAKING_NOISE = ("robust", "smoothed", "lcpo", "exo_pair", "aot", "aot_unpaired")  # losses that read label_smoothing


def options_of_noise(method: Method, epsilon: float, options: Mapping[str, Any]) -> dict[str, Any]:
    """TRL's options for pairs of which a share ε is the wrong way round; without a loss the unbiased one, `robust`."""
    losses = options.get("loss_type", ["robust"])
    if method != "dpo":
        raise UsageError(f"--noise: is for dpo, and {method} has no pairs; leave it out")
    if "label_smoothing" in options:
        raise UsageError(f"--noise and label_smoothing = {options['label_smoothing']!r}: are the same; give one of them")
    if not set(losses) & set(TAKING_NOISE):
        raise UsageError(
            f"--noise with loss_type {', '.join(losses)}: has no place for it; leave loss_type out, which takes robust, or give "
            f"one of {', '.join(TAKING_NOISE)}"
        )
    if "lcpo" in losses and epsilon == 0:
        raise UsageError("--noise 0 with loss_type lcpo: has nothing to begin with, since no label could be wrong; take sigmoid")
    return {"loss_type": losses, "label_smoothing": epsilon}
