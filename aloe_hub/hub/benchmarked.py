"""Which policy of a benchmark run is the model that is published, told by its weights: a name can mean another model tomorrow."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi

from aloe_hub.errors import DataError
from aloe_hub.hub.base import weights_on_the_hub
from aloe_hub.hub.cards import public
from aloe_hub.hub.trained import weights_in
from aloe_hub.model_string import ModelString
from aloe_hub.report import read_runs
from aloe_hub.results.counts import PolicyReport, RunReport

Weights = Mapping[str, str]  # SHA-256 by file name


@dataclass(frozen=True, slots=True)
class Benchmarked:
    """A benchmark run, and which of its policies is meant."""

    run: RunReport
    policy: PolicyReport

    @property
    def split(self) -> str:
        return str(self._settings.get("split", "test"))

    @property
    def setup(self) -> str:
        """Who judged whom, in words that keep a test bed from passing for a result."""
        judge, users = (public(self.run.model("evaluate", role) or "not known") for role in ("judge", "user"))
        counts = f"{self.policy.conversations} personas, {len(self.policy.scores.al)} turns"
        drawn = "".join(f", {name} {self._settings[name]}" for name in ("seed", "temperature") if name in self._settings)
        said = f"{counts}{drawn}; judge {judge}, users {users}"
        test_bed = ": a test bed, it says nothing about language understanding"
        return said + test_bed if self.run.is_test_bed("evaluate") else said

    @property
    def _settings(self) -> Mapping[str, Any]:
        return self.run.settings.get("evaluate", {})


def benchmarked(
    run: Path, repo: str, weights: Collection[Weights], api: HfApi, policies: Collection[str] | None = None
) -> Benchmarked:
    """The policy of the run whose weights are among `weights`; of several, the one with the best AVG.

    policies: only these are looked at; None is all of the run. A single one that runs behind an endpoint, where nobody can look
        at its weights, is taken at its word.

    Raises:
        DataError: no policy of the run has these weights.
    """
    (report,) = read_runs([run]).runs
    found = [one for one in report.policies if policies is None or one.policy in policies]
    for one in found:
        its = weights_of(one.policy, repo, api)
        if its and its in weights:
            return Benchmarked(report, one)
    if policies is not None and len(found) == 1 and "://" in found[0].policy:
        return Benchmarked(report, found[0])
    names = ", ".join(one.policy for one in found) or "none"
    raise DataError(
        f"{run}: no policy there has the weights of {repo} (benchmarked: {names}); "
        f"benchmark it, by its folder or as {repo}: aloe evaluate --run {run} --policy local:BASE+ADAPTER (or local:MODEL)"
    )


def weights_of(policy: str, repo: str, api: HfApi) -> Weights | None:
    """Of the adapter of `local:base+adapter`, else of the model; None where they cannot be looked at, or need not be."""
    sources = ModelString.recorded(policy).sources
    if not sources:
        return None
    source = sources[-1]
    if source.folder is not None:
        return weights_in(source.folder)
    if source.name != repo:
        return None
    return weights_on_the_hub(api.model_info(repo, revision=source.revision, files_metadata=True))
