"""The scores of a benchmark → `.eval_results/aloe.yaml` of the model's repo, as the Hub's leaderboards read them.

One entry a number, each under a task of its own: the task named by the split (`test`) is AVG, which ranks; `test_ir`, `test_n_ir`
and `test_r2` stand beside it. The format has no place for an interval: it is in the notes, with who judged. A number that is
undefined has no entry.

Source: huggingface.co/docs/hub/eval-results.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from fnmatch import fnmatchcase

import yaml
from huggingface_hub import EvalResultEntry, HfApi, eval_result_entries_to_yaml
from huggingface_hub.errors import RepositoryNotFoundError

from aloe_hub import __version__
from aloe_hub.errors import AloeError, DataError
from aloe_hub.files.jsonl import read_rows
from aloe_hub.files.run_folder import RunFolder, policy_file
from aloe_hub.hub.base import weights_on_the_hub
from aloe_hub.hub.benchmarked import Benchmarked, benchmarked
from aloe_hub.hub.model_cards import with_interval
from aloe_hub.hub.push import Published, Upload, committed, hub_errors, last_change

RESULTS = ".eval_results/aloe.yaml"
PAPER = "https://arxiv.org/abs/2410.03642"
METRICS = {"avg": ("AVG", "", 2), "ir": ("IR", "_ir", 3), "n_ir": ("N-IR", "_n_ir", 3), "r2": ("R²", "_r2", 2)}


def push_results(run: RunFolder, repo: str, policies: Collection[str], personas_repo: str | None = None) -> Published:
    """Commit the scores of that one of `policies` which is the model in `repo`. Pushing them again makes no new commit.

    personas_repo: the dataset that holds the personas of this benchmark; by default `aloe-personas` of the same owner.

    Raises:
        DataError: no policy has the weights of the repo, or the dataset holds other personas.
        AloeError: the repo or the dataset is not there, or the Hub cannot be reached or refuses.
    """
    dataset = personas_repo or f"{repo.partition('/')[0]}/aloe-personas"
    api = HfApi(library_name="aloe-hub")
    with hub_errors(repo, api.endpoint):
        try:
            weights = weights_on_the_hub(api.model_info(repo, files_metadata=True))
        except RepositoryNotFoundError:
            raise AloeError(
                f"--push-results {repo}: {api.endpoint} knows no such model, or not for you; "
                f"publish it first: aloe publish adapter --adapter DIR --repo {repo}"
            ) from None
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
        yield EvalResultEntry(
            dataset,
            f"{found.split}{suffix}",
            round(scores[key], 4),
            dataset_revision=revision,
            date=date,
            source_url=PAPER,
            source_name=f"ALOE benchmark, run with aloe-hub {__version__}",
            notes=f"{name} {with_interval(scores, key, digits)}, 95% over {found.run.bootstrapped_over}; {found.setup}",
        )


def _check_personas(api: HfApi, dataset: str, run: RunFolder, found: Benchmarked) -> str:
    """The commit of the dataset that holds the personas of this benchmark, all of them in this split."""
    import pyarrow.parquet as pq

    publish = f"aloe publish personas --run {run.path} --repo {dataset}"
    try:
        info = api.dataset_info(dataset)
    except RepositoryNotFoundError:
        raise AloeError(
            f"--personas-repo {dataset}: {api.endpoint} knows no such dataset, or not for you; "
            f"publish the personas first ({publish}), or name where they are"
        ) from None
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
