"""Which policies of a benchmark are trainings of one model, and in which order: as their model strings tell."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Sequence

from aloe_hub.model_string import ModelString

STEPS = ("sft", "dpo", "rank", "sdft", "grpo")  # in the order in which one may start from another


def base_of(policies: Sequence[str]) -> str | None:
    """The policy of which most of the others are adapters; None where none is.

    >>> base_of(["local:org/m+org/dpo", "scripted:plain", "local:org/m"])
    'local:org/m'
    """
    counts = Counter(base for base in map(_base, policies) if base)
    bases = [policy for policy in policies if counts[_name(policy)]]
    return max(bases, key=lambda policy: counts[_name(policy)], default=None)


def trained_from(base: str | None, policies: Sequence[str]) -> list[str]:
    """The adapters of `base` among the policies, in the order of `STEPS` and then of their names."""
    return [] if base is None else sorted((one for one in policies if _base(one) == _name(base)), key=_step)


def neighbours(policies: Sequence[str]) -> list[tuple[str, str]]:
    """(later, earlier) of each two trainings of one base that follow one another.

    >>> neighbours(["local:org/m+runs/a/dpo", "local:org/m", "local:org/m+runs/a/sft"])
    [('local:org/m+runs/a/dpo', 'local:org/m+runs/a/sft')]
    """
    return [(later, earlier) for earlier, later in itertools.pairwise(trained_from(base_of(policies), policies))]


def _name(policy: str) -> str:
    return policy.lower()


def _base(policy: str) -> str | None:
    """The model string of what an adapter is an adapter of."""
    model = ModelString.recorded(policy)
    return _name(f"local:{model.base}") if model.scheme == "local" and model.adapter else None


def _step(policy: str) -> tuple[int, str]:
    words = re.split(r"[^a-z]+", policy.rpartition("+")[2].rpartition("/")[2].lower())
    return next((place for place, step in enumerate(STEPS) if step in words), len(STEPS)), policy
