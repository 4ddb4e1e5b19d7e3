"""Votes: kept here always, pushed to a private dataset where one is named, never to a public one."""

import json
from pathlib import Path
from shutil import rmtree

import pytest
from votes import Votes

from aloe_hub.errors import AloeError
from aloe_hub.local_hub.process import running
from tests.local_hub.hub_tools import OWNER, USERS

ROW = {
    "turn": 0,
    "prompt": [{"role": "user", "content": "hi"}],
    "chosen": [{"role": "assistant", "content": "a"}],
    "rejected": [],
}


@pytest.fixture
def api(tmp_path, monkeypatch):
    """A client of a Hub of this test, which is what HF_ENDPOINT names."""
    from huggingface_hub import HfApi, constants

    with running(tmp_path / "hub", users=USERS) as hub:
        values = {"ENDPOINT": hub.endpoint, "HF_HUB_CACHE": str(tmp_path / "cache"), "HF_HUB_DISABLE_XET": True}
        values["HUGGINGFACE_CO_URL_TEMPLATE"] = hub.endpoint + "/{repo_id}/resolve/{revision}/{filename}"
        for name, value in values.items():
            monkeypatch.setattr(constants, name, value)
        monkeypatch.setenv("HF_TOKEN", OWNER)
        yield HfApi(endpoint=hub.endpoint, token=OWNER)


def rows(folder, pattern):
    return [json.loads(line) for path in sorted(folder.glob(pattern)) for line in path.read_text().splitlines()]


def test_a_vote_is_taken_back_by_its_receipt_and_no_other_goes_with_it(tmp_path):
    votes = Votes(tmp_path)
    first, second, third = (votes.keep(ROW | {"turn": turn}, "agrees" if turn else "differs") for turn in (0, 1, 0))
    votes.take_back(third)
    assert [row["turn"] for row in rows(tmp_path, "votes-*.jsonl")] == [0, 1]
    assert dict(votes.agreement) == dict(Votes(tmp_path).agreement) == {"agrees": 1, "differs": 1}
    assert [votes.judged(receipt) for receipt in (first, second, third, "guessed")] == ["differs", "agrees", None, None]
    for receipt in (third, "guessed", second, first):
        votes.take_back(receipt)
    assert rows(tmp_path, "*.jsonl") == []
    assert sum(votes.agreement.values()) == 0


def test_a_vote_whose_file_is_gone_cannot_be_taken_back(tmp_path):
    votes = Votes(tmp_path / "votes")
    receipt = votes.keep(ROW, "agrees")
    rmtree(tmp_path / "votes")
    with pytest.raises(AloeError, match="cannot be taken back"):
        votes.take_back(receipt)


def test_a_vote_is_kept_and_the_next_process_counts_on(tmp_path):
    folder = tmp_path / "votes"
    first = Votes(folder)
    first.keep(ROW, "agrees")
    first.keep(ROW | {"turn": 1}, "differs")
    second = Votes(folder)
    second.keep(ROW, "agrees")
    assert rows(folder, "votes-*.jsonl").count(ROW) == 2
    assert len(list(folder.glob("votes-*.jsonl"))) == 2
    assert dict(second.agreement) == dict(Votes(folder).agreement) == {"agrees": 2, "differs": 1}
    assert (second.pushed, second.problem) == (False, "")


def test_nothing_is_made_before_somebody_votes(tmp_path):
    Votes(tmp_path / "votes")
    assert not (tmp_path / "votes").exists()


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(AloeError, match="the vote cannot be kept"):
        Votes(tmp_path / "file" / "votes").keep(ROW, "agrees")


def test_votes_are_pushed_to_a_private_dataset_that_is_made_if_need_be(tmp_path, api):
    votes = Votes(tmp_path / "votes", "org/aloe-votes", OWNER)
    assert (votes.pushed, votes.problem) == (True, "")
    votes.keep(ROW, "agrees")
    votes.close()
    assert api.repo_info("org/aloe-votes", repo_type="dataset").private
    (name,) = (name for name in api.list_repo_files("org/aloe-votes", repo_type="dataset") if name.endswith(".jsonl"))
    assert name.startswith("data/votes-")
    path = api.hf_hub_download("org/aloe-votes", name, repo_type="dataset")
    assert [json.loads(line) for line in Path(path).read_text().splitlines()] == [ROW]


def test_a_public_dataset_no_token_and_a_hub_that_is_away_leave_the_votes_here(tmp_path, api, monkeypatch):
    api.create_repo("org/public", repo_type="dataset")
    public = Votes(tmp_path / "votes", "org/public", OWNER)
    assert "org/public is public, and votes go to a private dataset only" in public.problem
    assert "needs a token" in Votes(tmp_path / "votes", "org/votes").problem
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    away = Votes(tmp_path / "votes", "org/votes", OWNER)
    assert away.problem.startswith("votes stay on this machine: org/votes cannot be pushed to")
    assert OWNER not in public.problem + away.problem
    for votes in (public, away):
        votes.keep(ROW, "agrees")
        assert not votes.pushed
    assert len(rows(tmp_path / "votes", "votes-*.jsonl")) == 2
