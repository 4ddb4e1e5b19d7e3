"""huggingface_hub: repos, files, folders, branches, tags, cards."""

import io
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import only_local  # noqa: F401
from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationCopy,
    CommitOperationDelete,
    DatasetCard,
    DatasetCardData,
    HfApi,
    HfFileSystem,
    ModelCard,
    ModelCardData,
    snapshot_download,
)
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError
from huggingface_hub.hf_api import RepoFile

Refusal = TypeVar("Refusal", bound=Exception)


def refused(kind: type[Refusal], function: Callable[..., object], *arguments: object, **more: object) -> Refusal:
    try:
        function(*arguments, **more)
    except kind as error:
        return error
    raise AssertionError(f"{function}{arguments} was not refused")


api = HfApi()
who = api.whoami()
assert (who["name"], who["auth"]["accessToken"]["role"]) == ("local", "write")

# Repos.
assert api.create_repo("mine").repo_id == "local/mine"
url = api.create_repo("org/files", repo_type="dataset", private=True)
assert (url.repo_id, url.repo_type) == ("org/files", "dataset")
assert api.create_repo("org/files", repo_type="dataset", exist_ok=True).repo_id == "org/files"
assert refused(HfHubHTTPError, api.create_repo, "org/files", repo_type="dataset").response.status_code == 409
assert api.dataset_info("org/files").private
api.update_repo_settings("org/files", repo_type="dataset", private=False)
assert not api.dataset_info("org/files").private
assert not api.repo_exists("org/files")  # a model of that name
api.auth_check("org/files", repo_type="dataset", write=True)

# One file, regular and large, as bytes, path and file object.
repo: dict[str, Any] = {"repo_id": "org/files", "repo_type": "dataset"}
first = api.upload_file(path_or_fileobj=b"hello\n", path_in_repo="notes/a file.txt", commit_message="one", **repo)
assert first.oid == api.dataset_info("org/files").sha
api.upload_file(path_or_fileobj=io.BytesIO(b"x" * 300_000), path_in_repo="data/x.parquet", **repo)
api.upload_file(path_or_fileobj=b"", path_in_repo="empty.bin", **repo)
assert Path(api.hf_hub_download(filename="notes/a file.txt", **repo)).read_text() == "hello\n"
assert Path(api.hf_hub_download(filename="data/x.parquet", **repo)).read_bytes() == b"x" * 300_000
assert Path(api.hf_hub_download(filename="empty.bin", **repo)).read_bytes() == b""
assert api.file_exists(filename="data/x.parquet", **repo)
assert not api.file_exists(filename="data/y.parquet", **repo)

# A folder with large files and without what .gitignore names.
with tempfile.TemporaryDirectory() as name:
    root = Path(name)
    (root / "folder/weights").mkdir(parents=True)
    (root / "folder/weights/model.safetensors").write_bytes(b"w" * 6_000_000)
    (root / "folder/big.txt").write_bytes(b"t" * 5_500_000)
    (root / "folder/small.json").write_text("{}")
    (root / "folder/junk.log").write_text("junk")
    (root / ".gitignore").write_text("*.log\n")
    made = api.upload_folder(folder_path=root, **repo)
    assert api.upload_folder(folder_path=root / "folder", path_in_repo="folder", ignore_patterns="*.log", **repo).oid == made.oid
infos = {info.path: info for info in api.get_paths_info(paths=["folder", "notes/a file.txt", "none"], expand=True, **repo)}
last = infos["notes/a file.txt"].last_commit
assert last is not None
assert last.title == "one"
assert set(infos) == {"folder", "notes/a file.txt"}
tree = list(api.list_repo_tree(recursive=True, **repo))
found = {entry.path: entry for entry in tree if isinstance(entry, RepoFile)}
weights = found["folder/weights/model.safetensors"].lfs
assert weights is not None
assert weights.size == 6_000_000
assert found["folder/big.txt"].lfs
assert not found["folder/small.json"].lfs
assert "folder/junk.log" not in [entry.path for entry in tree]
assert [entry.path for entry in api.list_repo_tree(path_in_repo="folder/weights", **repo)] == ["folder/weights/model.safetensors"]
refused(EntryNotFoundError, lambda: list(api.list_repo_tree(path_in_repo="nowhere", **repo)))
siblings = api.dataset_info("org/files", files_metadata=True).siblings or []
sibling = next(each for each in siblings if each.rfilename == "data/x.parquet")
assert sibling.size == 300_000
assert sibling.lfs is not None
assert sibling.lfs.sha256

# A commit of every kind of operation.
api.create_commit(
    operations=[
        CommitOperationAdd("new.txt", b"new"),
        CommitOperationCopy("data/x.parquet", "data/copy.parquet"),
        CommitOperationCopy("notes/a file.txt", "notes/copy.txt"),
        CommitOperationDelete("empty.bin"),
        CommitOperationDelete("folder/", is_folder=True),
    ],
    commit_message="everything",
    commit_description="at once",
    **repo,
)
assert api.list_repo_files(**repo) == [
    ".gitattributes", ".gitignore", "data/copy.parquet", "data/x.parquet", "new.txt", "notes/a file.txt", "notes/copy.txt",
]  # fmt: skip
refused(EntryNotFoundError, api.delete_file, "empty.bin", **repo)
refused(HfHubHTTPError, api.create_commit, operations=[CommitOperationAdd("a", b"")], commit_message="x", create_pr=True, **repo)
history = api.list_repo_commits(**repo)
assert [commit.title for commit in history][::5] == ["everything", "initial commit"]
assert history[0].message == "at once"

# Branches and tags, by name, with a slash, and by commit.
api.create_tag(tag="v1.0", revision=first.oid, **repo)
assert refused(HfHubHTTPError, api.create_tag, tag="v1.0", **repo).response.status_code == 409
api.create_tag(tag="v1.0", exist_ok=True, **repo)
api.create_branch(branch="try/it", revision="v1.0", **repo)
api.create_branch(branch="try/it", exist_ok=True, **repo)
api.upload_file(path_or_fileobj=b"branch", path_in_repo="new.txt", revision="try/it", **repo)
for revision, text in (("main", "new"), ("try/it", "branch"), ("refs/heads/try/it", "branch")):
    assert Path(api.hf_hub_download(filename="new.txt", revision=revision, **repo)).read_text() == text
assert api.list_repo_files(revision="v1.0", **repo) == [".gitattributes", "notes/a file.txt"]
assert api.list_repo_files(revision=first.oid[:8], **repo) == [".gitattributes", "notes/a file.txt"]
assert api.dataset_info("org/files", revision="v1.0").sha == first.oid
refs = api.list_repo_refs(**repo)
assert [branch.name for branch in refs.branches] == ["main", "try/it"]
assert [(tag.name, tag.target_commit) for tag in refs.tags] == [("v1.0", first.oid)]
api.delete_branch(branch="try/it", **repo)
api.delete_tag(tag="v1.0", **repo)
refused(RevisionNotFoundError, api.hf_hub_download, filename="new.txt", revision="v1.0", **repo)
refused(RevisionNotFoundError, api.upload_file, path_or_fileobj=b"", path_in_repo="a", revision="none", **repo)
assert refused(HfHubHTTPError, api.delete_branch, branch="main", **repo).response.status_code == 400

# The whole of it, and as a file system.
copy = Path(snapshot_download(**repo))
assert (copy / "notes/a file.txt").read_text() == "hello\n"
system = HfFileSystem()
with system.open("datasets/org/files/data/x.parquet", "rb") as file:
    file.seek(299_990)
    assert file.read() == b"x" * 10
assert system.glob("datasets/org/files/**/*.parquet") == [f"datasets/org/files/data/{name}.parquet" for name in ("copy", "x")]

# Cards: pushed, loaded, refused when their front matter is broken.
card = DatasetCard.from_template(DatasetCardData(license="apache-2.0", tags=["dpo"], language="en", pretty_name="Files"))
card.push_to_hub("org/files", repo_type="dataset")
assert DatasetCard.load("org/files").data.license == "apache-2.0"
assert "dpo" in (api.dataset_info("org/files").tags or [])
error = refused(ValueError, api.upload_file, path_or_fileobj=b"---\ntags: [a\n---\n", path_in_repo="README.md", **repo)
assert "Invalid metadata in README.md" in str(error)
ModelCard.from_template(ModelCardData(library_name="peft", license="mit", base_model="org/base")).push_to_hub("local/mine")
results = "- dataset:\n    id: org/aloe-personas\n    task_id: default\n  value: 3.5\n  notes: an interval\n"
api.upload_file(path_or_fileobj=results.encode(), path_in_repo=".eval_results/aloe.yaml", repo_id="local/mine")
model = api.model_info("local/mine")
assert model.card_data is not None
assert model.eval_results is not None
assert (model.library_name, model.card_data.base_model, model.eval_results[0].value) == ("peft", "org/base", 3.5)

# Lists, renames, deletions.
assert "local/mine" in [each.id for each in api.list_models(author="local", filter="peft")]
assert "org/files" in [each.id for each in api.list_datasets(search="file")]
assert [each.id for each in api.list_datasets(filter="nobody")] == []
api.move_repo("local/mine", "org/renamed")
assert api.model_info("org/renamed").library_name == "peft"
refused(RepositoryNotFoundError, api.model_info, "local/mine")
api.delete_repo("org/renamed")
api.delete_repo("org/renamed", missing_ok=True)
refused(RepositoryNotFoundError, api.model_info, "org/renamed")
refused(RepositoryNotFoundError, api.dataset_info, "squad")
