"""The scores of a benchmark → `.eval_results/aloe.yaml` of the model's repo, as the Hub's leaderboards read them.

Which policy of a run is the model that is published is told by its weights: a name can mean another model tomorrow.

One entry a number, each under a task of its own: the task named by the split (`test`) is AVG, which ranks; `test_ir`, `test_n_ir`
and `test_r2` stand beside it. The format has no place for an interval: it is in the notes, with who judged. A number that is
undefined has no entry. A task is of one rubric, and of one scenario: those of another than aloe-hub's own, and of another than
the ordinary benchmark, are named after it, `test_rlpa`, `test_shift6` and so on.

Source: huggingface.co/docs/hub/eval-results.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import EvalResultEntry, HfApi, eval_result_entries_to_yaml

from aloe_hub import __version__
from aloe_hub.errors import DataError
from aloe_hub.files.jsonl import read_rows
from aloe_hub.files.run_folder import RunFolder, policy_file
from aloe_hub.hub.base import weights_on_the_hub
from aloe_hub.hub.cards import public
from aloe_hub.hub.push import Published, Upload, committed, last_change
from aloe_hub.hub.trained import weights_in
from aloe_hub.hub_errors import hub_errors
from aloe_hub.model_string import ModelString
from aloe_hub.results.audited import in_short
from aloe_hub.results.counts import PolicyReport, RunReport
from aloe_hub.results.formatting import with_interval
from aloe_hub.results.read import read_runs
from aloe_hub.rubrics import DEFAULT

RESULTS = ".eval_results/aloe.yaml"
PAPER = "https://arxiv.org/abs/2410.03642"
Weights = Mapping[str, str]  # SHA-256 by file name
METRICS = {"avg": ("AVG", "", 2), "ir": ("IR", "_ir", 3), "n_ir": ("N-IR", "_n_ir", 3), "r2": ("R²", "_r2", 2)}


@dataclass(frozen=True, slots=True)
class Benchmarked:
    """A benchmark run, and which of its policies is meant."""

    run: RunReport
    policy: PolicyReport

    @property
    def split(self) -> str:
        return str(self._settings.get("split", "test"))

    @property
    def task(self) -> str:
        """What a leaderboard ranks by: never two rubrics, or two scenarios, in one list."""
        rubric = [] if self.run.rubric.name == DEFAULT else [self.run.rubric.name]
        return "_".join([self.split, *rubric, *self.run.scenario])

    @property
    def setup(self) -> str:
        """Who judged whom, in words that keep a test bed from passing for a result."""
        judge, users = (public(self.run.model("evaluate", role) or "not known") for role in ("judge", "user"))
        counts = f"{self.policy.conversations} personas, {len(self.policy.scores.al)} turns"
        drawn = "".join(f", {name} {self._settings[name]}" for name in ("seed", "temperature") if name in self._settings)
        rubric = f"rubric {self.run.rubric.name}, {self.run.rubric.in_words}"
        scenario = "".join(f"; {words}" for words in self.run.scenario.values())
        audit = in_short(self.run.audit, self.run.model("evaluate", "judge"))
        said = f"{rubric}; {counts}{drawn}{scenario}; judge {judge}, users {users}; {audit}"
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
    if policies is not None and len(found) == 1 and ModelString.recorded(found[0].policy).address:
        return Benchmarked(report, found[0])
    names = ", ".join(one.policy for one in found) or "none"
    raise DataError(
        f"{run}: no policy there has the weights of {repo} (benchmarked: {names}); "
        f"benchmark it, by its folder or as {repo}: aloe evaluate --run {run} --policy local:BASE+ADAPTER (or local:MODEL)"
    )


def weights_of(policy: str, repo: str, api: HfApi) -> Weights | None:
    """Of the adapter of `local:base+adapter`, else of the model; None where they cannot be looked at, or need not be.

    A policy around a model is not that model: what its further calls are worth is no score of the weights.
    """
    named = ModelString.recorded(policy)
    *_, source = (None, *(() if named.inner is not None else named.sources))
    if source is not None and source.gguf is not None:
        return None
    if source is not None and source.folder is not None:
        return weights_in(source.folder)
    if source is None or source.name != repo:
        return None
    return weights_on_the_hub(api.model_info(repo, revision=source.revision, files_metadata=True))


def push_results(run: RunFolder, repo: str, policies: Collection[str], personas_repo: str | None = None) -> Published:
    """Commit the scores of that one of `policies` which is the model in `repo`. Pushing them again makes no new commit.

    personas_repo: the dataset that holds the personas of this benchmark; by default `aloe-personas` of the same owner.

    Raises:
        DataError: no policy has the weights of the repo, or the dataset holds other personas.
        AloeError: the repo or the dataset is not there, or the Hub cannot be reached or refuses.
    """
    dataset = personas_repo or f"{repo.partition('/')[0]}/aloe-personas"
    api = HfApi(library_name="aloe-hub")
    publish = f"publish it first: aloe publish adapter --adapter DIR --repo {repo}"
    with hub_errors(repo, "model", option="--push-results", todo=publish):
        weights = weights_on_the_hub(api.model_info(repo, files_metadata=True))
    with hub_errors(repo):
        found = benchmarked(run.path, repo, (weights,), api, policies)
        if math.isnan(found.policy.scores.avg):
            raise DataError(f"{run.path}: {found.policy.policy} has no score at all, so there is nothing to push")
        revision = _check_personas(api, dataset, run, found)
        rows = eval_result_entries_to_yaml(list(_entries(found, dataset, revision, _date(run, found))))
        content = yaml.safe_dump(rows, sort_keys=False, allow_unicode=True, width=1000).encode()
        upload = Upload(repo, "model", {RESULTS: content}, None, lambda path: False, "Push ALOE scores with aloe-hub")
        head, commit = committed(api, upload)
    return Published(f"{api.endpoint}/{repo}", commit, None, new=commit != head)


def _entries(found: Benchmarked, dataset: str, revision: str, date: str) -> Iterator[EvalResultEntry]:
    scores = found.policy.scores.to_dict()
    for key, (name, suffix, digits) in METRICS.items():
        if math.isnan(scores[key]):
            continue
        shown = with_interval(scores[key], scores[f"{key}_ci"], digits)
        yield EvalResultEntry(
            dataset,
            f"{found.task}{suffix}",
            round(scores[key], 4),
            dataset_revision=revision,
            date=date,
            source_url=PAPER,
            source_name=f"ALOE benchmark, run with aloe-hub {__version__}",
            notes=f"{name} {shown}, 95% over {found.run.intervals_over}; {found.setup}",
        )


def _check_personas(api: HfApi, dataset: str, run: RunFolder, found: Benchmarked) -> str:
    """The commit of the dataset that holds the personas of this benchmark, all of them in this split."""
    import pyarrow.parquet as pq

    publish = f"aloe publish personas --run {run.path} --repo {dataset}"
    todo = f"publish the personas first ({publish}), or name where they are"
    with hub_errors(dataset, "dataset", option="--personas-repo", todo=todo):
        info = api.dataset_info(dataset)
    shards = [one.rfilename for one in info.siblings or () if fnmatchcase(one.rfilename, f"personas/{found.split}-*.parquet")]
    there: set[str] = set()
    for shard in shards:
        path = api.hf_hub_download(dataset, shard, repo_type="dataset", revision=info.sha)
        there.update(pq.read_table(path, columns=["persona_id"]).column(0).to_pylist())
    scores = run.file(f"scores/{policy_file(found.policy.policy)}")
    here = set(read_rows(scores, lambda row: str(row["persona_id"])))
    if missing := len(here - there):
        raise DataError(
            f"--personas-repo {dataset}: its split {found.split} lacks {missing} of the {len(here)} personas of this benchmark; "
            f"name the dataset that they are in, or publish them: {publish}"
        )
    return last_change(api, dataset, shards, info.sha, "dataset")


def _date(run: RunFolder, found: Benchmarked) -> str:
    """The day on which the benchmark was finished: the same however often it is pushed."""
    finished = run.file(f"scores/{policy_file(found.policy.policy)}").stat().st_mtime
    return datetime.fromtimestamp(finished, UTC).date().isoformat()
