"""Demonstrations for the judge: verdicts of its own with which a policy agrees, shown before it is asked anew."""

import json
from typing import Any

import pytest

from aloe_hub import parsing
from aloe_hub.errors import DataError, UsageError
from aloe_hub.files.jsonl import read_rows
from aloe_hub.files.run_folder import RunFolder
from aloe_hub.stages.demonstrations import FILE, demonstrations, write_demonstrations
from aloe_hub.stages.rejudging import settings_of
from aloe_hub.stages.trees import ROLES, TreeSettings, grow_all
from aloe_hub.types import Tree
from tests.fakes import Recording, Saying, opening

SCRIPTED = dict.fromkeys(ROLES, "scripted")
JUDGE = "http://127.0.0.1:9/v1#judge"
MODELS = SCRIPTED | {"judge": JUDGE}
SMALL: dict[str, Any] = {"turns": 2, "limit": 8}


def lengths(messages, replies):
    """A policy to which longer replies are more probable."""
    return [float(len(reply)) for reply in replies]


def longer(request):
    """A judge that prefers the longer reply, whatever it was shown before."""
    sections = request.messages[-1].content.split("[REPLY 1]")[1].split("[REPLY 2]")
    first, second = len(sections[0].strip()), len(sections[1].partition("\n\nWhich reply")[0].strip())
    return f"Longer is better.\nVerdict: {1 if first > second else 2}"


@pytest.fixture
def before(run):
    """Trees that such a judge has judged."""
    grow_all(run, TreeSettings(MODELS, **SMALL), traffic=opening(lambda model: Saying(longer) if model == JUDGE else Recording()))
    return list(read_rows(run.file("trees.jsonl"), Tree.from_row))


@pytest.fixture
def after(run, tmp_path):
    folder = RunFolder(tmp_path / "after")
    folder.path.mkdir()
    folder.file("personas.jsonl").write_bytes(run.file("personas.jsonl").read_bytes())
    return folder


def test_a_demonstration_is_a_question_that_the_judge_was_asked_and_its_own_answer(before, after):
    assert write_demonstrations(after, before, lengths, 4) == 4
    questions, answers = demonstrations(after)[::2], demonstrations(after)[1::2]
    assert {message.role for message in questions} == {"user"}
    assert all(answer.content.startswith("Longer is better.") for answer in answers)
    for place, (question, answer) in enumerate(zip(questions, answers, strict=True)):
        assert longer(type("Asked", (), {"messages": [question]})) == answer.content
        # The better reply stands first and second in turns, so that nothing is learnt of positions.
        assert parsing.verdict(answer.content) == place % 2
    rows = [json.loads(line) for line in after.file(FILE).read_text().splitlines()]
    assert len({row["tree_id"] for row in rows}) == 4


def test_a_fork_on_which_policy_and_judge_disagree_is_none(before, after):
    shorter = lambda messages, replies: [-value for value in lengths(messages, replies)]  # noqa: E731
    assert write_demonstrations(after, before, shorter, 4) == 0
    assert demonstrations(after) == ()


def test_all_of_a_fork_must_be_in_the_judges_order(run, after):
    """Of four replies the policy swaps two in the middle: it agrees on the best and the worst, and not on all."""
    settings = TreeSettings(MODELS, replies=4, **SMALL)
    traffic = opening(lambda model: Saying(longer) if model == JUDGE else Recording())
    trees = run.file("trees.jsonl")
    grow_all(run, settings, traffic=traffic)

    def swapped(messages, replies):
        found = lengths(messages, replies)
        second, third = sorted(range(4), key=found.__getitem__)[1:3]
        found[second], found[third] = found[third], found[second]
        return found

    forks = list(read_rows(trees, Tree.from_row))
    different = [tree for tree in forks if all(len(set(map(len, texts(fork)))) == 4 for fork in tree.exchanges)]
    assert different
    assert write_demonstrations(after, different, swapped, 4) == 0
    assert write_demonstrations(after, different, lengths, 1) == 1


def texts(fork):
    return [reply.text for reply in fork.replies]


def test_the_judge_alone_is_shown_them_before_each_question_and_the_trees_say_so(before, after):
    write_demonstrations(after, before, lengths, 2)
    judge, others = Recording(Saying(longer)), Recording()
    settings = TreeSettings(MODELS, demonstrations=2, **SMALL)
    grow_all(after, settings, traffic=opening(lambda model: judge if model == JUDGE else others))
    shown = demonstrations(after)
    assert judge.requests
    assert all(request.messages[:4] == shown and len(request.messages) == 5 for request in judge.requests)
    assert all(len(request.messages) == 1 for request in others.requests)
    assert after.settings()["trees"]["demonstrations"] == 2


def test_a_run_whose_judge_was_shown_some_may_be_judged_again_by_one_that_is_not(before, after, tmp_path):
    write_demonstrations(after, before, lengths, 2)
    grow_all(
        after,
        TreeSettings(MODELS, demonstrations=2, **SMALL),
        traffic=opening(lambda model: Saying(longer) if model == JUDGE else Recording()),
    )
    for given in ({"judge": "scripted"}, {"rank_by": "scores"}):
        assert settings_of(after.path, "trees", TreeSettings, given).demonstrations == 0


def test_without_them_nothing_of_a_run_changes(before, run):
    assert "demonstrations" not in run.settings()["trees"]


def test_a_run_that_is_to_have_some_and_has_none_says_where_they_come_from(run):
    with pytest.raises(DataError, match=r"demonstrations.jsonl: no such file; aloe round --demonstrations N makes it"):
        grow_all(run, TreeSettings(MODELS, demonstrations=1, **SMALL), traffic=opening(lambda model: Recording()))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"models": SCRIPTED}, "--demonstrations 2: the judge scripted reads none; name a language model"),
        ({"models": SCRIPTED | {"judge": "semantic"}}, "--demonstrations 2: the judge semantic reads none"),
        ({"models": MODELS, "rank_by": "scores"}, "--demonstrations 2: are of two replies; leave out --rank-by scores"),
    ],
)
def test_where_they_would_do_nothing_they_are_refused(given, said):
    with pytest.raises(UsageError, match=said):
        TreeSettings(demonstrations=2, **given)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"messages": [{"role": "user", "content": "Which?"}]}', "line 1: messages: expected a question of the user"),
        (
            '{"messages": [{"role": "user", "content": "Which?"}, {"role": "user", "content": "2"}]}',
            "line 1: messages: expected a question of the user",
        ),
        ('{"tree_id": "t"}', "line 1: .*messages"),
    ],
)
def test_a_line_that_is_no_question_with_its_answer_is_named(run, line, said):
    run.file(FILE).write_text(line + "\n")
    with pytest.raises(DataError, match=said):
        demonstrations(run)
