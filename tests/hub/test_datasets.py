"""`aloe publish` and loading back: real clients in fresh processes with empty caches, against a local Hub."""

import json
import os
import resource
import shutil
import signal
import subprocess
import time
from logging import INFO
from pathlib import Path
from random import Random

import pytest
from huggingface_hub.utils import logging

from aloe_hub.errors import DataError
from aloe_hub.files.jsonl import read_rows, write_rows
from aloe_hub.files.run_folder import RunFolder
from aloe_hub.hub import datasets
from aloe_hub.local_hub.refusal import HubRefusal
from tests.hub.published import CANARY, Repo
from tests.local_hub.hub_tools import READER, STRANGER, HubProcess, ask, whole

DATA = {kind: {f"{name}-00000-of-00001.parquet" for name in names} | {"README.md"} for kind, names in {
    "prefs": ("pairs/train", "sft/train", "trees/train", "distill/train"),
    "personas": ("personas/train", "personas/test", "profiles/train", "personalities/train"),
}.items()}  # fmt: skip


def leftovers(run: RunFolder) -> list[Path]:
    return list(run.path.glob("*.partial"))


def copied(run: RunFolder, folder: Path) -> RunFolder:
    shutil.copytree(run.path, folder)
    return RunFolder(folder)


# --- what a publish makes


@pytest.mark.parametrize("kind", ["prefs", "personas"])
def test_a_run_is_one_commit_with_data_card_and_tag_and_a_second_publish_makes_no_other(hub, made, publish, kind):
    repo = Repo(hub, f"org/once-{kind}")
    first = publish(kind, "--run", made.path, "--repo", repo.id, fresh=True).stdout
    commit, *before = repo.commits()
    assert len(before) == 1  # the repo's own first
    assert set(repo.files()) == DATA[kind]
    ((tag, marked),) = repo.tags().items()
    assert marked == commit
    assert f"{hub.endpoint}/datasets/{repo.id}: published as commit {commit[:8]}, tag {tag}" in first
    assert f'load_dataset("{repo.id}", revision="{tag}")' in first
    assert not repo.private
    assert not leftovers(made)
    second = publish(kind, "--run", made.path, "--repo", repo.id, fresh=True).stdout
    assert f"nothing new: commit {commit[:8]} already holds it, tag {tag}" in second
    assert (repo.commits(), repo.tags()) == ([commit, *before], {tag: commit})


def test_what_is_published_already_is_answered_from_digests_and_nothing_else_is(at_hub, made, monkeypatch, tmp_path):
    run, repo, seen, really = copied(made, tmp_path / "run"), Repo(at_hub, "org/digests"), [], datasets.prepared

    def counted(*given):
        seen.append(given)
        return really(*given)

    monkeypatch.setattr(datasets, "prepared", counted)

    def publish(**options) -> tuple[bool, int]:
        """Whether a commit came of it, and how often it was made."""
        seen.clear()
        return datasets.publish_dataset(run, "prefs", repo.id, **options).new, len(seen)

    assert publish() == (True, 1)
    assert publish() == publish(private=True) == (False, 0)
    assert publish(tag="v1") == (False, 1)  # the tag is new
    assert publish(tag="v1") == (False, 0)
    assert publish(licence="mit") == (True, 1)
    assert publish(licence="mit") == (False, 0)
    assert publish(tag="v2", licence="mit") == (False, 1)
    with run.file("failed.jsonl").open("w") as file:
        file.write('{"tree_id": "a", "reason": "no"}\n')
    assert publish(licence="mit") == (True, 1)
    assert "| trees that failed and are left out | 1 |" in repo.card()
    repo.write("README.md", repo.card().replace("| trees that failed", "| changed").encode())
    assert publish(licence="mit") == (True, 1)  # our part of the card is what the run says
    assert publish(licence="mit") == (False, 0)
    repo.write("notes.txt", b"by hand")
    assert publish(licence="mit") == (False, 1)
    with run.file("trees.jsonl").open("a") as file:
        file.write("{torn\n")
    with pytest.raises(DataError, match="line 21"):
        publish(licence="mit")


def test_how_much_huggingface_hub_says_is_the_callers_again_after_a_publish(at_hub, made):
    before = logging.get_verbosity()
    try:
        logging.set_verbosity_info()
        datasets.publish_dataset(made, "personas", "org/verbosity")
        assert logging.get_verbosity() == INFO
    finally:
        logging.set_verbosity(before)


def test_the_metric_is_one_commit_too(hub, publish):
    repo = Repo(hub, "org/once-metric", "spaces")
    assert f'evaluate.load("{repo.id}")' in publish("metric", "--repo", repo.id, fresh=True).stdout
    assert {"aloe.py", "scoring.py", "app.py", "requirements.txt", "README.md"} <= set(repo.files())
    commits, tags = repo.commits(), repo.tags()
    assert (len(commits), list(tags.values())) == (2, commits[:1])
    assert "nothing new" in publish("metric", "--repo", repo.id).stdout
    assert (repo.commits(), repo.tags()) == (commits, tags)


def test_a_changed_run_is_exactly_one_more_commit_and_takes_its_old_shards_away(hub, made, other, publish):
    repo = Repo(hub, "org/changed")
    publish("personas", "--run", made.path, "--repo", repo.id)
    old = repo.tags()
    mine = {"profiles/train-00001-of-00002.parquet": b"an old shard"}
    theirs = {"votes/train-00000-of-00001.parquet": b"not ours", "profiles/notes.txt": b"by hand", "LICENSE": b"by hand"}
    for path, content in (mine | theirs).items():
        repo.write(path, content)
    commits = repo.commits()
    publish("personas", "--run", other.path, "--repo", repo.id)
    assert repo.commits()[1:] == commits
    # `other` holds nothing out.
    assert set(repo.files()) == DATA["personas"] - {"personas/test-00000-of-00001.parquet"} | set(theirs)
    assert all(repo.read(path) == content for path, content in theirs.items())
    assert len(repo.tags()) == 2
    assert set(repo.files(next(iter(old)))) == DATA["personas"]  # the old tag still has everything
    publish("personas", "--run", other.path, "--repo", repo.id)
    assert repo.commits()[1:] == commits


def test_a_private_repo_is_nobody_elses(hub, made, publish):
    repo = Repo(hub, "org/private")
    publish("prefs", "--run", made.path, "--repo", repo.id, "--private")
    assert repo.private
    assert ask(hub, "GET", f"/datasets/{repo.id}/resolve/main/README.md", token=None).status == 401
    assert ask(hub, "GET", f"/datasets/{repo.id}/resolve/main/README.md", token=STRANGER).status == 404
    publish("metric", "--repo", "org/private-metric", "--private")
    assert Repo(hub, "org/private-metric", "spaces").private


def test_a_dry_run_shows_files_and_card_and_needs_no_hub_and_no_login(made, publish):
    for kind, files in DATA.items():
        nobody = {"token": None, "HF_ENDPOINT": "http://127.0.0.1:9"}
        shown = publish(kind, "--run", made.path, "--repo", "org/dry", "--dry-run", fresh=True, **nobody)
        assert all(path in shown.stdout for path in files)
        assert "license: apache-2.0" in shown.stdout
        assert 'load_dataset("org/dry"' in shown.stdout
        assert not leftovers(made)


def test_a_dry_run_sends_nothing(near, made, publish):
    heard = []
    near.listeners.append(lambda method, address: heard.append(address))
    publish("prefs", "--run", made.path, "--repo", "org/dry", "--dry-run", **near.variables)
    publish("metric", "--repo", "org/dry", "--dry-run", **near.variables)
    assert not heard


def test_the_shards_are_uploaded_first_and_one_commit_holds_it_all(near, made, publish):
    heard = []
    near.listeners.append(lambda method, address: heard.append((method, address)))
    publish("prefs", "--run", made.path, "--repo", "org/x", **near.variables)
    uploads = [place for place, (method, _) in enumerate(heard) if method == "PUT"]
    commits = [place for place, (_, address) in enumerate(heard) if "/commit/" in address]
    assert (len(uploads), len(commits)) == (4, 1)  # a file a config
    assert max(uploads) < commits[0]


# --- tags


def test_a_tag_marks_the_commit_and_is_refused_for_other_data_before_anything_is_committed(hub, made, other, publish, refused):
    repo = Repo(hub, "org/tagged")
    publish("prefs", "--run", made.path, "--repo", repo.id, "--tag", "v1")
    commits = repo.commits()
    assert repo.tags() == {"v1": commits[0]}
    assert "tag v1" in publish("prefs", "--run", made.path, "--repo", repo.id).stdout  # it has a tag: no other is made
    publish("prefs", "--run", made.path, "--repo", repo.id, "--tag", "v1")
    assert (repo.commits(), repo.tags()) == (commits, {"v1": commits[0]})
    said = refused("prefs", "--run", other.path, "--repo", repo.id, "--tag", "v1")
    assert f"--tag v1: already marks commit {commits[0][:8]} of {repo.id}, which holds other data" in said
    assert repo.commits() == commits
    publish("prefs", "--run", made.path, "--repo", repo.id, "--tag", "v1.1")
    assert (repo.commits(), repo.tags()) == (commits, {"v1": commits[0], "v1.1": commits[0]})


@pytest.mark.parametrize(("tag", "name"), [("not a tag", "space"), ("a..b", "dots"), ("", "empty")])
def test_a_tag_that_the_hub_refuses_is_a_wrong_option_and_nothing_is_committed(hub, made, refused, tag, name):
    repo = Repo(hub, f"org/bad-tag-{name}")
    assert "--tag" in refused("prefs", "--run", made.path, "--repo", repo.id, "--tag", tag, status=2)
    assert not repo.exists


# --- cards


def test_what_a_person_wrote_on_the_hub_survives_every_publish(hub, made, other, publish):
    repo = Repo(hub, "org/by-hand")
    publish("prefs", "--run", made.path, "--repo", repo.id)
    card = repo.card().replace("license: apache-2.0", "license: mit\nextra_gated_prompt: Please ask")
    card = card.replace("tags:\n", "tags:\n- mine\n").replace("# ALOE preferences", "# Changed in our part")
    head, _, text = card.partition("\n---\n")
    repo.write("README.md", f"{head}\n---\nWritten above.\n{text}\nWritten below.\n".encode())
    commits = len(repo.commits())
    for run in (made, other, other):
        publish("prefs", "--run", run.path, "--repo", repo.id)
        card = repo.card()
        for written in ("Written above.", "Written below.", "license: mit", "extra_gated_prompt: Please ask", "- mine", "- trl"):
            assert written in card
        assert "Changed in our part" not in card
    assert len(repo.commits()) == commits + 2  # for our part, for the other run, and no third
    assert "20 trees with" not in card
    publish("prefs", "--run", other.path, "--repo", repo.id, "--license", "cc0-1.0")
    assert "license: cc0-1.0" in repo.card()
    assert "Written above." in repo.card()


def test_a_card_that_cannot_be_fetched_is_not_taken_for_one_that_is_not_there(near, made, refused):
    repo, card = Repo(near.hub, "org/fault"), b"---\nlicense: mit\n---\nWritten by hand.\n"
    repo.make()
    repo.write("README.md", card)

    def busy(method: str, address: str) -> None:
        if "/resolve/" in address:
            raise HubRefusal(418, "busy")  # what is worth asking again is asked for half a minute

    near.listeners.append(busy)
    assert "cannot be reached" in refused("prefs", "--run", made.path, "--repo", repo.id, **near.variables)
    near.listeners.clear()
    assert len(repo.commits()) == 2
    assert repo.read("README.md") == card


@pytest.mark.parametrize(
    ("card", "said"),
    [
        (b"---\nlicense: mit\ntags: a: b\n---\nBy hand.\n", "README.md of the card on the Hub, line 3: "),
        (b"---\n- a list\n---\nBy hand.\n", "front matter that is not a mapping"),
        (b"---\ndate: 2024-13-45\n---\nBy hand.\n", "README.md"),
        (b"---\nlicense: mit\n---\nBy h\xe4nd.\n", "README.md"),
        (b"---\nmetrics: 42\n---\nBy hand.\n", "metrics"),  # YAML that the Hub refuses
    ],
)
def test_a_card_that_cannot_be_merged_is_named_and_nothing_is_committed(hub, made, refused, card, said):
    repo = Repo(hub, f"org/broken-{abs(hash(card)) % 10**8}")
    repo.make()
    repo.write("README.md", card)
    assert said in refused("prefs", "--run", made.path, "--repo", repo.id)
    assert repo.read("README.md") == card
    assert len(repo.commits()) == 2


# --- licences


def test_imported_texts_are_published_only_with_a_licence(hub, imported, publish, refused):
    for kind in ("personas", "prefs"):
        repo = Repo(hub, f"org/imported-{kind}")
        said = refused(kind, "--run", imported.path, "--repo", repo.id, status=2)
        assert "--license" in said
        assert "imported" in said
        refused(kind, "--run", imported.path, "--repo", repo.id, "--license", "", status=2)
        refused(kind, "--run", imported.path, "--repo", repo.id, "--dry-run", status=2)
        assert not repo.exists
        publish(kind, "--run", imported.path, "--repo", repo.id, "--license", "other")
        assert "\nlicense: other\n" in repo.card()


# --- at the same time, and killed


def test_two_runs_published_to_one_repo_at_the_same_time_both_succeed(hub, made, other, publish, start):
    repo = Repo(hub, "org/both")
    runs = {"one": made, "two": other}
    publishers = [start("prefs", "--run", run.path, "--repo", repo.id, "--tag", tag) for tag, run in runs.items()]
    for publisher in publishers:
        _, errors = publisher.communicate(timeout=120)
        assert publisher.returncode == 0, errors
    assert len(repo.commits()) == 3
    assert set(repo.tags()) == set(runs)
    for tag, run in runs.items():
        alone = Repo(hub, f"org/alone-{tag}")
        publish("prefs", "--run", run.path, "--repo", alone.id)
        assert {path: oid for path, oid in repo.files(tag).items() if path != "README.md"} == {
            path: oid for path, oid in alone.files().items() if path != "README.md"
        }
        assert f"{len(list(read_rows(run.file('pairs.jsonl'), dict)))} of them are decided" in repo.card(tag)


@pytest.mark.torture
def test_the_same_run_published_twice_at_the_same_time_is_one_commit(hub, made, start):
    repo = Repo(hub, "org/twice")
    publishers = [start("prefs", "--run", made.path, "--repo", repo.id) for _ in range(3)]
    for publisher in publishers:
        _, errors = publisher.communicate(timeout=120)
        assert publisher.returncode == 0, errors
    assert len(repo.commits()) == 2
    assert list(repo.tags().values()) == repo.commits()[:1]
    assert not leftovers(made)


def test_commits_of_others_meanwhile_are_kept_also_in_the_card(near, made, publish):
    repo = Repo(near.hub, "org/busy")
    written: list[str] = []
    repo.make()

    def first(method: str, address: str) -> None:
        """Somebody else is first, three times."""
        if address.endswith("/commit/main") and len(written) < 3:
            path = ("notes.txt", "README.md", "more.txt")[len(written)]
            written.append(path)
            near.listeners.clear()
            repo.write(path, f"Written by hand in {path}.".encode())
            near.listeners.append(first)

    near.listeners.append(first)
    publish("prefs", "--run", made.path, "--repo", repo.id, **near.variables)
    assert len(written) == 3
    assert len(repo.commits()) == 5
    assert set(repo.files()) == DATA["prefs"] | {"notes.txt", "more.txt"}
    assert "Written by hand in README.md." in repo.card()
    assert "20 trees with" in repo.card()


MOMENTS = {
    "asks for the repo": "/api/repos/create",
    "looks what is there": "/tree/",
    "announces its files": "/preupload/",
    "uploads a shard": "PUT ",
    "commits": "/commit/main",
    "tags": "/tag/",
}


@pytest.mark.parametrize("moments", [["uploads a shard", "commits"], pytest.param([*MOMENTS], marks=pytest.mark.torture)])
def test_a_publish_killed_at_any_request_and_run_again_ends_right(near, made, publish, start, tmp_path, moments):
    run, repo = copied(made, tmp_path / "run"), Repo(near.hub, "org/killed")
    for part in (MOMENTS[name] for name in moments):
        publisher = start("prefs", "--run", run.path, "--repo", repo.id, **near.variables)

        def kill(method: str, address: str, part=part, publisher=publisher) -> None:
            if part in f"{method} {address}":  # sent, and not yet answered
                publisher.kill()

        near.listeners.append(kill)
        publisher.communicate(timeout=120)
        near.listeners.clear()
        assert publisher.returncode == -signal.SIGKILL, part
        if repo.exists:  # nothing of the run, or all of it: data and card together
            assert set(repo.files()) in (set(), DATA["prefs"])
        assert leftovers(run)  # what a kill -9 leaves, the next publish clears
    publish("prefs", "--run", run.path, "--repo", repo.id, **near.variables)
    assert not leftovers(run)
    assert set(repo.files()) == DATA["prefs"]
    assert len(repo.commits()) == 2
    ((tag, marked),) = repo.tags().items()
    assert marked == repo.commits()[0]
    never = Repo(near.hub, "org/never-killed")
    publish("prefs", "--run", made.path, "--repo", never.id, **near.variables)
    assert {**repo.files(), "README.md": ""} == {**never.files(), "README.md": ""}
    assert repo.card().replace(repo.id, never.id) == never.card()
    assert list(never.tags()) == [tag]


@pytest.mark.torture
def test_a_publish_killed_three_times_at_random_moments_and_run_again_ends_right(hub, made, other, publish, start, tmp_path):
    run, repo, random = copied(made, tmp_path / "run"), Repo(hub, "org/random"), Random(0)
    begun = time.monotonic()
    publish("prefs", "--run", other.path, "--repo", repo.id, fresh=True)
    took = time.monotonic() - begun
    first = repo.commits()
    for _ in range(3):
        publisher = start("prefs", "--run", run.path, "--repo", repo.id)
        time.sleep(random.uniform(0.3 * took, took))
        publisher.kill()
        publisher.communicate()
        assert set(repo.files()) == DATA["prefs"]
    publish("prefs", "--run", run.path, "--repo", repo.id)
    assert repo.commits()[1:] == first
    assert len(repo.tags()) == 2
    assert "20 trees with" in repo.card()
    assert not leftovers(run)


def test_what_a_killed_publish_left_is_cleared_and_what_a_living_one_writes_is_not(made, publish, tmp_path):
    run = copied(made, tmp_path / "run")
    with subprocess.Popen(["true"]) as gone:
        gone.wait()
    living, dead, odd = (run.file(f"publish-prefs-{name}.partial") for name in (os.getpid(), gone.pid, "odd"))
    for folder in (living, dead, odd):
        (folder / "pairs").mkdir(parents=True)
        (folder / "pairs/train-00000.parquet").write_bytes(b"PAR1")
    publish("prefs", "--run", run.path, "--repo", "org/dry", "--dry-run", fresh=True)
    assert living.exists()
    assert not dead.exists()


def test_a_hub_killed_in_the_middle_is_one_line_and_the_same_command_finishes_it(made, publish, start, tmp_path):
    process = HubProcess(tmp_path / "hub")
    hub = process.start()
    where = {"HF_ENDPOINT": hub.endpoint, "token": hub.token}
    publisher = start("prefs", "--run", made.path, "--repo", "org/x", **where)
    while publisher.poll() is None and not (tmp_path / "hub/repos/datasets/org/x").exists():
        time.sleep(0.0005)
    process.kill()
    _, errors = publisher.communicate(timeout=120)
    whole(tmp_path / "hub")
    assert publisher.returncode == 1
    assert len(errors.splitlines()) == 1, errors
    assert "run it again" in errors
    assert process.start() == hub
    publish("prefs", "--run", made.path, "--repo", "org/x", **where)
    process.kill()
    whole(tmp_path / "hub")
    assert not leftovers(made)


# --- bad input


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["prefs", "--run", "{run}"], 2, "--repo: say where to, such as org/aloe-prefs"),
        (["metric"], 2, "--repo: say where to, such as org/aloe-metric"),
        (["personas", "--repo", "org/x"], 2, "--run: say which run's personas"),
        (["prefs", "--run", "{tmp}/nowhere", "--repo", "org/x"], 1, "nowhere/trees.jsonl: no such file; the run is not finished"),
        (["prefs", "--run", "{tmp}", "--repo", "org/x"], 1, "aloe trees --run {tmp}"),
        (["personas", "--run", "{tmp}", "--repo", "org/x"], 1, "aloe personas --run {tmp}"),
    ],
)
def test_what_cannot_be_published_is_one_line_and_needs_no_hub(aloe, made, tmp_path, arguments, status, said):
    places = {"run": made.path, "tmp": tmp_path}
    found, output, errors = aloe("publish", *(argument.format(**places) for argument in arguments))
    assert (found, output, errors.count("\n")) == (status, "", 1), errors
    assert errors.startswith("aloe: error: ")
    assert said.format(**places) in errors


def test_an_unknown_thing_to_publish_is_wrong_usage(aloe):
    status, output, errors = aloe("publish", "everything", "--repo", "org/x")
    assert (status, output) == (2, "")
    assert "everything" in errors


@pytest.mark.parametrize("repo", ["a/b/c", "bad name", "org/bad name", "org/--", "org/a..b", "org/x.git", "", "../x"])
def test_a_name_that_the_hub_refuses_is_one_line(made, refused, repo):
    assert "--repo" in refused("prefs", "--run", made.path, "--repo", repo, status=2)


def test_without_a_login_it_says_how_to_log_in(hub, made, refused):
    said = refused("prefs", "--run", made.path, "--repo", "org/nobody", token=None, fresh=True)
    assert "not logged in" in said
    assert "`hf auth login`" in said
    assert not Repo(hub, "org/nobody").exists


def test_a_token_that_is_not_valid_is_named_as_such_and_never_shown(hub, made, refused):
    said = refused("prefs", "--run", made.path, "--repo", "org/nobody", token="hf_notvalidNOTVALID", fresh=True)
    assert "token is not valid" in said
    assert "hf_not" not in said
    assert not Repo(hub, "org/nobody").exists


@pytest.mark.parametrize("token", [READER, STRANGER])
def test_without_permission_nothing_is_pushed(hub, made, publish, refused, token):
    new, there = Repo(hub, "org/not-mine"), Repo(hub, "org/theirs")
    assert "no permission" in refused("prefs", "--run", made.path, "--repo", new.id, token=token)
    assert not new.exists
    if not there.exists:
        there.make()
    assert "no permission" in refused("prefs", "--run", made.path, "--repo", there.id, token=token)
    assert (len(there.commits()), there.tags()) == (1, {})


def test_a_private_repo_of_others_is_a_name_that_is_taken_or_unknown(hub, made, publish, refused):
    repo = Repo(hub, "org/hidden")
    publish("prefs", "--run", made.path, "--repo", repo.id, "--private")
    assert "org/hidden" in refused("prefs", "--run", made.path, "--repo", repo.id, token=STRANGER)
    assert len(repo.commits()) == 2


@pytest.mark.parametrize("variables", [{"HF_ENDPOINT": "http://127.0.0.1:9"}, {"HF_HUB_OFFLINE": "1"}])
def test_a_hub_that_cannot_be_reached_is_named(hub, made, refused, variables):
    said = refused("prefs", "--run", made.path, "--repo", "org/nobody", fresh=True, **variables)
    assert "cannot be reached" in said
    assert variables.get("HF_ENDPOINT", hub.endpoint) in said
    assert not leftovers(made)


DAMAGES = {
    "torn": lambda tree: "{torn",
    "no turns": lambda tree: tree.pop("turns"),
    "no text": lambda tree: tree.update(profile=None),
    "a number for a text": lambda tree: tree["turns"][0].update(user=7),
    "half an emoji": lambda tree: tree["turns"][0].update(user="\ud83d"),
    "a text for a turn": lambda tree: tree.update(turns=["hello"]),
    "a number for the turns": lambda tree: tree.update(turns=7),
    "a text for a choice": lambda tree: tree["turns"][0]["verdicts"][0].update(choice="1"),
    "a choice of a third": lambda tree: tree["turns"][0]["verdicts"][0].update(choice=2),
    "a text for a place": lambda tree: tree["turns"][0].update(spoken="0"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_row_is_named_with_file_and_line(aloe, made, tmp_path, damage):
    run = copied(made, tmp_path / "run")
    lines = run.file("trees.jsonl").read_text().splitlines()
    tree = json.loads(lines[1])
    said = DAMAGES[damage](tree)
    lines[1] = said if isinstance(said, str) else json.dumps(tree)
    run.file("trees.jsonl").write_text("\n".join(lines) + "\n")
    status, output, errors = aloe("publish", "prefs", "--run", run.path, "--repo", "org/x", "--dry-run")
    assert (status, output, errors.count("\n")) == (1, "", 1)
    assert "trees.jsonl, line 2: " in errors
    assert not leftovers(run)


def test_a_damaged_run_is_not_pushed(hub, made, refused, tmp_path):
    run, repo = copied(made, tmp_path / "run"), Repo(hub, "org/damaged")
    with run.file("trees.jsonl").open("a") as file:
        file.write("{torn\n")
    assert "trees.jsonl, line 21: not JSON" in refused("prefs", "--run", run.path, "--repo", repo.id)
    assert not repo.exists


def test_a_full_disk_is_one_line_and_nothing_is_pushed(hub, made, refused):
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    repo = Repo(hub, "org/full")
    writes_nothing_else = {"PYTHONDONTWRITEBYTECODE": "1", "COVERAGE_PROCESS_CONFIG": ""}
    said = refused("prefs", "--run", made.path, "--repo", repo.id, limit=limit, **writes_nothing_else)
    assert "cannot be written" in said
    assert not repo.exists
    assert not leftovers(made)


# --- secrets


def test_the_token_is_in_no_output_no_file_of_the_run_and_nothing_that_was_published(hub, made, publish, environment, tmp_path):
    run, home = copied(made, tmp_path / "run"), tmp_path / "home"
    said = []
    for arguments, status, more in (
        (("personas", "--run", run.path, "--repo", "org/canary-personas"), 0, {}),
        (("prefs", "--run", run.path, "--repo", "org/canary-prefs"), 0, {}),
        (("prefs", "--run", run.path, "--repo", "org/canary-prefs", "--dry-run"), 0, {}),
        (("metric", "--repo", "org/canary"), 0, {}),
        (("prefs", "--run", run.path, "--repo", "a/b/c"), 2, {}),
        (("prefs", "--run", run.path, "--repo", "org/x"), 1, {"HF_ENDPOINT": "http://127.0.0.1:9"}),
        (("prefs", "--run", run.path, "--repo", "org/x"), 1, {"token": CANARY + "x"}),
    ):
        done = publish(*arguments, status=status, fresh=True, **({"token": CANARY, "HF_HOME": str(home)} | more))
        said.append(done.stdout + done.stderr)
    assert Repo(hub, "org/canary-prefs").exists
    assert "canary" not in "".join(said).replace("canary-p", "").replace("org/canary", "").lower()
    places = [run.path, home, *hub.directory.glob("repos/*/org/canary*")]
    files = [path for place in places for path in place.rglob("*") if path.is_file()]
    assert len(files) > 20
    assert not [path for path in files if CANARY.encode() in path.read_bytes()]


# --- loading back


@pytest.fixture(scope="module")
def org(made, other, publish) -> str:
    """The repos of the README; returns the tag of `made`, which is no longer what `main` holds."""
    publish("prefs", "--run", made.path, "--repo", "org/aloe-prefs", "--tag", "v1")
    publish("prefs", "--run", other.path, "--repo", "org/aloe-prefs", "--tag", "v2")
    publish("personas", "--run", made.path, "--repo", "org/aloe-personas")
    publish("metric", "--repo", "org/aloe")
    publish("metric", "--repo", "evaluate-metric/aloe")
    ties = list(read_rows(made.file("trees.jsonl"), dict))
    for turn in (turn for tree in ties for turn in tree["turns"]):
        turn["preferred"] = None
        for verdict in turn["verdicts"]:
            verdict["choice"] = None
    write_rows(made.path.parent / "ties/trees.jsonl", ties)
    publish("prefs", "--run", made.path.parent / "ties", "--repo", "org/ties")
    return "v1"


def test_the_lines_of_the_readme_load_what_the_run_holds(org, made, other, client):
    assert "ALL THE SAME" in client("load_back.py", made.path, other.path, org)


def test_a_private_dataset_is_loaded_with_a_token_and_only_so(hub, made, publish, client):
    publish("prefs", "--run", made.path, "--repo", "org/secret-prefs", "--private")
    assert client("count.py", "org/secret-prefs", token=READER).split() == [str(len(made.file("pairs.jsonl").open().readlines()))]
    assert client("count.py", "org/secret-prefs", token=None).split() == ["DatasetNotFoundError"]


def test_pairs_sft_and_distill_go_into_trls_trainers_with_no_mapping_and_no_row_is_lost_or_cut(org, client, tmp_path):
    assert "TRAINED on " in client("train.py", tmp_path)
