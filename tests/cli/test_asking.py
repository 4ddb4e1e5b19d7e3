"""What the commands say to servers, and what they say of them at their end."""

import json

import pytest

from aloe_hub.files.run_folder import RunFolder
from tests.dialects import speaking


@pytest.fixture
def server():
    with speaking() as served:
        yield served


def test_extra_bodies_and_structured_reach_the_server_and_stand_in_run_toml(aloe, run, server):
    model = server.name("structured")
    extra = ("--extra-body", '{"reasoning_effort": "low"}', "--extra-body", 'judge={"seed": null}')
    arguments = ("trees", "--run", run.path, "--turns", 1, "--limit", 2, "--model", model)
    status, _, errors = aloe(*arguments, *extra, "--structured")
    assert status == 0, errors
    table = run.settings()["trees"]
    assert table["structured"] is True
    assert json.loads(table["sampling"]["judge"]["extra_body"]) == {"reasoning_effort": "low", "seed": None}
    body = server.bodies["structured"]  # the last one is a judge's
    assert body["reasoning_effort"] == "low"
    assert "seed" not in body
    assert body["response_format"]["json_schema"]["schema"]["required"] == ["reasons", "verdict"]
    assert aloe(*arguments, *extra, "--structured")[0] == 0
    status, _, errors = aloe(*arguments, *extra)
    assert status == 1
    assert "trees.structured is True there and None now" in errors


def test_without_them_run_toml_is_as_it_was(aloe, run):
    assert aloe("trees", "--run", run.path, "--turns", 1, "--limit", 2)[0] == 0
    assert not {"structured", "sampling"} & run.settings()["trees"].keys()


@pytest.mark.parametrize("command", ["trees", "evaluate", "personas"])
def test_an_extra_body_that_is_invalid_is_wrong_usage(aloe, run, command):
    status, _, errors = aloe(command, "--run", run.path, "--extra-body", '{"model": "other"}')
    assert status == 2
    assert errors.strip().splitlines() == ['aloe: error: --extra-body {"model": "other"}: \'model\' cannot be set there']


def test_thoughts_are_counted_in_the_summary(aloe, run, server):
    arguments = ("--run", run.path, "--turns", 1, "--limit", 2)
    assert "reasoning was cut off from 12 answers" in aloe("trees", *arguments, "--model", server.name("think"))[2]


def test_the_last_line_says_why_the_first_one_failed(aloe, run: RunFolder, server):
    arguments = ("--run", run.path, "--turns", 1, "--limit", 2, "--model", server.name("open-think"))
    for command, failed in (("trees", "2 of 2 trees"), ("evaluate", "2 conversations")):
        more = ("--policy", server.name("open-think")) if command == "evaluate" else ()
        status, _, errors = aloe(command, *arguments, *more)
        assert status == 1
        assert errors.splitlines()[-1].startswith(f"{failed} failed; the first: model returned no ")
    status, output, errors = aloe("trees", *arguments, "--accept-failures")
    assert (status, "0 trees in" in output) == (1, True)
    assert errors.splitlines()[-1].startswith("2 of 2 trees failed; the first: ")


def test_a_shard_without_a_tree_is_no_failure(aloe, run: RunFolder):
    count = len(run.personas("train")) + 1
    status, output, errors = aloe("trees", "--run", run.path, "--turns", 1, "--shard", f"{count}/{count}")
    assert (status, "0 trees in" in output) == (0, True), errors
