"""What lies on the disk: names that are safe as paths, trees, and a store that no interruption leaves half done."""

import json
import os
import sys
from pathlib import Path

import pytest
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id
from hypothesis import given
from hypothesis import strategies as st

from aloe_hub.local_hub.names import RepoName, check_path
from aloe_hub.local_hub.refusal import HubRefusal
from aloe_hub.local_hub.repo import MAIN, CommitMessage
from aloe_hub.local_hub.store import Store
from aloe_hub.local_hub.tree import Edit, Entry, edited, folders_of, listed, object_ids
from tests.local_hub.hub_tools import whole

X, Y = RepoName("datasets", "org", "x"), RepoName("datasets", "org", "y")
PARTS = st.text("ab-._/ü \n", max_size=6) | st.text("ab", min_size=90, max_size=100)
PATHS = st.lists(st.sampled_from("ab"), min_size=1, max_size=3).map("/".join)


def accepted(check, *arguments):
    try:
        check(*arguments)
    except (HubRefusal, HFValidationError):
        return False
    return True


@given(PARTS, PARTS)
def test_a_repo_name_is_good_here_when_it_is_good_for_the_client(namespace, name):
    assert accepted(RepoName.parse, "models", namespace, name) == (
        "" not in (namespace, name) and "/" not in namespace + name and accepted(validate_repo_id, f"{namespace}/{name}")
    )


@given(st.text("ab./\\\0ü ", max_size=12))
def test_a_path_that_passes_stays_below_any_folder(text):
    try:
        path = check_path(text)
    except HubRefusal:
        return
    assert Path(os.path.normpath(f"/folder/{path}")).is_relative_to("/folder")
    assert os.path.normpath(path) == path != "."


@given(st.lists(st.tuples(st.sampled_from(["put", "file", "folder"]), PATHS), max_size=8))
def test_edits_of_a_tree_do_what_they_say(edits):
    """Against the plainest model: a dictionary, one edit after the other."""
    kinds = {"put": lambda path: Edit(path, Entry.regular(path.encode())), "file": Edit, "folder": lambda path: Edit(path + "/")}
    model = {}
    try:
        for kind, path in edits:
            if kind == "put":
                model[path] = Entry.regular(path.encode())
                continue
            gone = [each for each in model if each.startswith(f"{path}/")] if kind == "folder" else [path]
            for each in gone or [path + "/"]:  # which is never there
                del model[each]
        good = not any(folder in model for path in model for folder in folders_of(path))
    except KeyError:
        good = False
    operations = [kinds[kind](path) for kind, path in edits]
    if good:
        assert list(edited({}, operations, "head").items()) == sorted(model.items())
    else:
        with pytest.raises(HubRefusal):
            edited({}, operations, "head")


def test_a_folder_lists_its_files_and_folders_in_order():
    tree = {path: Entry.regular(path.encode()) for path in ("a/b/c", "a/d", "ab", "a.txt", "z")}
    assert listed(tree, "", recursive=False) == ["a", "a.txt", "ab", "z"]
    assert listed(tree, "", recursive=True) == ["a", "a.txt", "a/b", "a/b/c", "a/d", "ab", "z"]
    assert listed(tree, "a", recursive=False) == ["a/b", "a/d"]
    assert listed(tree, "a/b", recursive=True) == ["a/b/c"]
    assert listed(tree, "nowhere", recursive=True) == []


def test_a_folders_id_changes_with_what_is_below_it_and_with_nothing_else():
    tree = {"a/b/c": Entry.regular(b"1"), "a/d": Entry.regular(b"2"), "e": Entry.regular(b"3")}
    ids = object_ids(tree)
    assert ids["e"] == "e440e5c842586965a7fb77deda2eca68612b1f53"  # what git calls these bytes
    other = object_ids(tree | {"a/b/c": Entry.regular(b"4")})
    assert {path for path in ids if ids[path] != other[path]} == {"a", "a/b", "a/b/c"}


class Crash(BaseException):
    """The process ends here: nothing catches it, nothing cleans up."""


def life(store: Store) -> None:
    """Everything that a store does to a disk, for a few repos."""
    words = CommitMessage("title", "message", "author")
    store.create(X, private=False, sdk=None, author="author")
    for number in range(2):
        with store.incoming() as arriving:
            arriving.write(b"large %d" % number)
            with store.locked(X) as folder:
                folder.keep(arriving)
        with store.locked(X) as folder:
            entry = folder.keep_bytes(b"regular %d" % number)
            large = Entry.large(arriving.sha256, arriving.size)
            made = folder.add_commit(MAIN, [Edit("a.txt", entry), Edit("data/b.bin", large)], words, None)
            folder.add_ref(f"refs/tags/v{number}", made)
    with store.locked(X) as folder:
        folder.remove_ref("refs/tags/v0")
    store.create(Y, private=True, sdk=None, author="author")
    store.delete(Y)
    store.move(X, Y)


class Disk:
    """Counts what is done to the disk, by whatever function, and ends the process in the middle of it."""

    watched: "Disk | None" = None

    def __init__(self, moments: int) -> None:
        self.left = moments
        self.opened: list[Path] = []

    def change(self, event: str, arguments: tuple[object, ...]) -> None:
        if event == "open":
            path, mode, flags = arguments
            assert isinstance(flags, int)
            if not isinstance(path, str) or not (set(str(mode or "")) & set("wxa+") or flags & (os.O_WRONLY | os.O_RDWR)):
                return
            self.opened.append(Path(path))
        elif event not in ("os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.truncate", "os.link", "os.symlink"):
            return
        self.left -= 1
        if self.left < 0:
            raise Crash

    def __enter__(self) -> "Disk":
        Disk.watched = self
        return self

    def __exit__(self, *error: object) -> None:
        Disk.watched = None


def watch(event: str, arguments: tuple[object, ...]) -> None:
    if Disk.watched:
        Disk.watched.change(event, arguments)


sys.addaudithook(watch)


@pytest.mark.parametrize("every", [7, pytest.param(1, marks=pytest.mark.torture)])
def test_a_crash_at_any_change_of_the_disk_leaves_every_repo_at_a_whole_commit(tmp_path, every):
    store = Store(tmp_path / "whole")
    with Disk(10**6) as disk:
        life(store)
    store.close()
    assert {path.parent for path in disk.opened} == {store.temporary}  # what is written has no final name yet
    moments = 10**6 - disk.left
    assert moments > 60
    for moment in range(0, moments, every):
        directory = tmp_path / f"{moment}"
        store = Store(directory)
        with pytest.raises(Crash), Disk(moment):
            life(store)
        store.close()
        whole(directory)
        store = Store(directory)  # as the next process finds it
        assert list(store.temporary.iterdir()) == []
        for name in store.names("datasets"):
            store.delete(name)
        life(store)
        assert whole(directory) == 3
        assert store.names("datasets") == [Y]
        store.close()


def test_a_commit_needs_its_objects_in_the_repo_as_it_is_now(tmp_path):
    """Between an upload and its commit, somebody may have deleted the repo and made another of its name."""
    store = Store(tmp_path)
    store.create(X, private=False, sdk=None, author="author")
    with store.locked(X) as folder:
        entry = folder.keep_bytes(b"here")
    store.delete(X)
    store.create(X, private=False, sdk=None, author="author")
    with pytest.raises(HubRefusal, match="was not uploaded"), store.locked(X) as folder:
        folder.add_commit(MAIN, [Edit("a.txt", entry)], CommitMessage("title", "", "author"), None)
    assert whole(tmp_path) == 1
    store.close()


def test_what_stands_on_the_disk_can_be_read_by_a_person(tmp_path):
    store = Store(tmp_path)
    life(store)
    repo = tmp_path / "repos/datasets/org/y"
    state = json.loads((repo / "repo.json").read_text())
    assert list(state["refs"]) == ["refs/heads/main", "refs/tags/v1"]
    commit = json.loads((repo / "commits" / f"{state['refs']['refs/tags/v1']}.json").read_text())
    assert (commit["title"], commit["message"], commit["author"]) == ("title", "message", "author")
    assert list(commit["tree"]) == [".gitattributes", "a.txt", "data/b.bin"]
    store.close()
