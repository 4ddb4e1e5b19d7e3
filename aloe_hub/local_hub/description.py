"""What a repo is, in the Hub's words: its files, and what its card says of it."""

from __future__ import annotations

import hashlib
from typing import Any

from aloe_hub.local_hub.card import MOST_BYTES, front_matter, read_yaml
from aloe_hub.local_hub.names import RepoName
from aloe_hub.local_hub.repo import Commit, RepoFolder, RepoState


def described(name: RepoName, folder: RepoFolder, state: RepoState, commit: Commit, *, blobs: bool = False) -> dict[str, Any]:
    card = _card(folder, commit)
    tags = card.get("tags")
    tags = [str(tag) for tag in tags] if isinstance(tags, list) else []
    siblings: list[dict[str, Any]] = []
    for path, entry in commit.tree.items():
        sibling: dict[str, Any] = {"rfilename": path}
        if blobs:
            sibling |= {"size": entry.size, "blobId": entry.oid} | ({"lfs": entry.lfs_row("sha256")} if entry.lfs else {})
        siblings.append(sibling)
    row = {
        "_id": hashlib.sha256(name.web_path.encode()).hexdigest()[:24],
        "id": name.id,
        "author": name.namespace,
        "sha": commit.sha,
        "private": state.private,
        "gated": False,
        "disabled": False,
        "createdAt": state.created,
        "lastModified": commit.date,
        "downloads": 0,
        "likes": 0,
        "tags": tags,
        "cardData": card,
        "siblings": siblings,
    }
    if name.kind == "models":
        row |= {"modelId": name.id, "library_name": card.get("library_name"), "pipeline_tag": card.get("pipeline_tag")}
        row["tags"] = [*tags, *_derived_tags(card)]
        row |= {"model-index": card["model-index"]} if card.get("model-index") else {}
        row |= {"evalResults": results} if (results := _eval_results(folder, commit)) else {}
    elif name.kind == "spaces":
        hardware = {"current": "cpu-basic", "requested": "cpu-basic"}
        row |= {"sdk": card.get("sdk") or state.sdk, "runtime": {"stage": "RUNNING", "hardware": hardware}}
    return row


def _derived_tags(card: dict[str, Any]) -> list[str]:
    """Tags that the Hub makes of the rest of a model's card: this is how the adapters of a base are found."""

    def texts(key: str) -> list[str]:
        value = card.get(key)
        return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str)]

    relations = ["", *(f"{relation}:" for relation in texts("base_model_relation"))]
    return [
        *texts("library_name"),
        *texts("pipeline_tag"),
        *(f"license:{licence}" for licence in texts("license")),
        *(f"dataset:{dataset}" for dataset in texts("datasets")),
        *(f"base_model:{relation}{base}" for base in texts("base_model") for relation in relations),
    ]


def _card(folder: RepoFolder, commit: Commit) -> dict[str, Any]:
    """A card that cannot be read says nothing; it never hides its repo."""
    try:
        return front_matter(_text(folder, commit, "README.md"))
    except ValueError:
        return {}


def _eval_results(folder: RepoFolder, commit: Commit) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = []
    for path in commit.tree:
        if not path.startswith(".eval_results/") or not path.endswith((".yaml", ".yml")):
            continue
        try:
            rows = read_yaml(_text(folder, commit, path))
            if not isinstance(rows, list) or not all(map(_is_result, rows)):
                raise ValueError("expected a list of results, each with dataset.id, dataset.task_id and value")
            results += [{"filename": path, "data": row} for row in rows]
        except ValueError as error:
            results.append({"filename": path, "error": str(error)})
    return results


def _is_result(row: object) -> bool:
    dataset = row.get("dataset") if isinstance(row, dict) and "value" in row else None
    return isinstance(dataset, dict) and "id" in dataset and "task_id" in dataset


def _text(folder: RepoFolder, commit: Commit, path: str) -> str:
    if path not in commit.tree:
        return ""
    with folder.open_object(commit.tree[path].sha256) as file:
        return file.read(MOST_BYTES + 1).decode("utf-8", "replace")
