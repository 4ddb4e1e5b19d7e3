"""Forks of more than two replies: who writes them, who is asked what, and the same bytes whatever happens."""

import asyncio
import re
import shutil
import signal
from typing import Any

import pytest

from aloe_hub import prompts
from aloe_hub.chat.policies.neighbours import shared_out
from aloe_hub.chat.scripted import Scripted
from aloe_hub.chat.traffic import Limits, Traffic
from aloe_hub.chat.wrappers import Retrying
from aloe_hub.errors import SettingsDiffer, TransientError, UsageError
from aloe_hub.files.jsonl import read_rows
from aloe_hub.files.run_folder import RunFolder
from aloe_hub.results.trees import NO_VERDICT, SEVERAL, TreeTally, outcome
from aloe_hub.stages.forks import Forking, grow
from aloe_hub.stages.merge import merge
from aloe_hub.stages.rejudging import rejudge_trees, settings_of
from aloe_hub.stages.training_rows import write_training_rows
from aloe_hub.stages.trees import ROLES, Shard, TreeSettings, grow_all
from aloe_hub.types import Persona, Tree
from tests.fakes import Recording, Saying, cast, opening

PERSONA = Persona(
    "She works as a nurse. Her favorite food is sushi. She lives in Babuford. Her hobby is chess. She has a pet called Bobu.",
    "She is full of jokes. She likes things short. She has a soft heart.",
)
SCRIPTED = dict.fromkeys(ROLES, "scripted")
FILES = ("trees.jsonl", "pairs.jsonl", "sft.jsonl", "distill.jsonl", "ranked.jsonl")
FOUR: dict[str, Any] = {"replies": 4, "turns": 3, "limit": 6}


def grown(forking, turns=3, **chats):
    return asyncio.run(grow(PERSONA, cast(**chats), tree_id="tree", turns=turns, forking=forking))


def numbered(request):
    """A reply that nobody gives twice, and of which a judge can tell how good it is."""
    return f"Reply of worth {request.seed % 1000}."


def worth(text):
    return int(re.findall(r"worth (\d+)", text)[0])


def by_worth(request):
    sections = prompts.sections(request.messages[0].content)
    if "REPLY 1" not in sections:
        return f"Score: {1 + worth(sections['REPLY']) / 250:.4f}"
    return f"Verdict: {1 if worth(sections['REPLY 1']) > worth(sections['REPLY 2']) else 2}"


def made(folder):
    return {name: folder.file(name).read_bytes() for name in FILES}


def test_replies_beyond_two_are_further_samples_of_the_two_kinds_or_of_the_policy():
    first = grown(Forking(2), turns=1).exchanges[0]
    fork = grown(Forking(5), turns=1).exchanges[0]
    assert [reply.source for reply in fork.replies] == ["tailored", "plain", "tailored", "plain", "tailored"]
    assert fork.replies[:2] == first.replies
    policy = Recording()
    fork = grown(Forking(3), turns=1, policy=policy).exchanges[0]
    assert [reply.source for reply in fork.replies] == ["policy"] * 3
    assert len({request.seed for request in policy.requests}) == 3
    assert {len(request.messages) for request in policy.requests} == {1}


def test_a_tournament_asks_about_each_two_in_both_orders_and_scores_ask_once_a_reply():
    say = Saying(numbered)
    judge = Recording(Saying(by_worth))
    fork = grown(Forking(4), turns=1, policy=say, judge=judge).exchanges[0]
    assert sorted(verdict.order for verdict in fork.verdicts) == [f"{a}{b}" for a in range(4) for b in range(4) if a != b]
    assert len(judge.requests) == 12 == Forking(4).verdicts
    assert len({request.seed for request in judge.requests}) == 12
    values = [worth(reply.text) for reply in fork.replies]
    assert fork.ranks == tuple(1 + sum(other > value for other in values) for value in values)
    judge = Recording(Saying(by_worth))
    scored = grown(Forking(4, rank_by="scores"), turns=1, policy=say, judge=judge).exchanges[0]
    assert len(judge.requests) == 4 == Forking(4, rank_by="scores").verdicts
    assert len({request.seed for request in judge.requests}) == 4
    assert scored.verdicts == ()
    assert [reply.score for reply in scored.replies] == [pytest.approx(1 + value / 250, abs=0.001) for value in values]
    assert scored.ranks == fork.ranks


def test_a_reply_that_is_given_twice_is_judged_once():
    twice = Saying(lambda request: f"Reply of worth {request.seed % 2}.")
    for by, calls in (("tournament", 2), ("scores", 2)):
        judge = Recording(Saying(by_worth))
        fork = grown(Forking(6, rank_by=by), turns=1, policy=twice, judge=judge).exchanges[0]
        assert len(judge.requests) == calls
        assert {(reply.text, rank) for reply, rank in zip(fork.replies, fork.ranks, strict=True)} == {
            ("Reply of worth 1.", 1),
            ("Reply of worth 0.", 1 + sum(reply.text.endswith("1.") for reply in fork.replies)),
        }
    same = grown(Forking(3), turns=1, policy=Saying(lambda request: "Yes."), judge=judge).exchanges[0]
    assert (same.verdicts, outcome(same)) == ((), "equal replies")
    assert Tree.from_row(Tree("t", PERSONA, (same,)).to_row()).exchanges == (same,)


def test_the_conversation_goes_on_from_the_best_where_that_is_asked_for_and_by_a_coin_where_all_tie():
    say, judge = Saying(numbered), Saying(by_worth)
    best = grown(Forking(4, continue_with="best"), turns=4, policy=say, judge=judge)
    assert all(fork.ranks[fork.spoken] == 1 for fork in best.exchanges)
    coin = grown(Forking(4), turns=4, policy=say, judge=judge)
    assert [fork.spoken for fork in coin.exchanges] != [fork.spoken for fork in best.exchanges]
    ties = Saying(lambda request: "Verdict: tie")
    tied = grown(Forking(4, continue_with="best"), turns=4, policy=say, judge=ties)
    assert [fork.spoken for fork in tied.exchanges] == [
        fork.spoken for fork in grown(Forking(4), turns=4, policy=say, judge=ties).exchanges
    ]


def test_diverse_replies_are_for_the_user_for_nobody_and_for_two_who_share_what_was_inferred():
    for given in ({}, {"policy": Recording()}):
        chat = given.get("policy") or Recording()
        tree = grown(Forking(4, diverse=True), turns=4, tailored=chat, plain=chat, **given)
        inferred = tree.exchanges[-1].inferred
        told = [prompts.sections(one.messages[0].content) for one in chat.requests[-4:]]
        profiles = [sections.get("INFERRED PROFILE", "on the bare conversation").strip() for sections in told]
        assert profiles[0] == inferred.profile
        assert profiles[1] == "on the bare conversation"
        split = [set(re.split(r"(?<=\.) ", profile)) for profile in profiles[2:]]
        assert split[0] | split[1] == set(re.split(r"(?<=\.) ", inferred.profile))
        assert not split[0] & split[1]


def test_what_is_shared_out_is_told_once_and_by_halves():
    for seed in range(20):
        one, other = shared_out(PERSONA, seed)
        assert abs(one.profile.count(".") - other.profile.count(".")) <= 1
        assert sorted((one.profile + " " + other.profile).split()) == sorted(PERSONA.profile.split())
        assert sorted((one.personality + " " + other.personality).split()) == sorted(PERSONA.personality.split())


def test_what_cannot_be_read_costs_a_reply_its_rank_and_a_fork_its_verdict_only_where_nothing_is_left():
    unread = Saying(lambda request: "Score: 4" if request.seed % 2 else "They are all fine.")
    forks = grown(Forking(4, rank_by="scores"), turns=6, policy=Saying(numbered), judge=unread).exchanges
    assert all(
        (reply.score is None) == (rank is None) for fork in forks for reply, rank in zip(fork.replies, fork.ranks, strict=True)
    )
    assert {outcome(fork) for fork in forks} <= {NO_VERDICT, "judged a tie"}
    silent = grown(Forking(3), turns=1, policy=Saying(numbered), judge=Saying(lambda request: "Fine.")).exchanges[0]
    assert outcome(silent) == NO_VERDICT


def test_the_report_counts_forks_with_several_best_replies_as_decided_and_agreement_by_the_two_compared():
    lowest_loses = Saying(lambda request: by_worth(request) if "worth 1." in request.messages[0].content else "Verdict: tie")
    policy = Saying(lambda request: f"Reply of worth {1 + request.seed % 3}.")
    tree = grown(Forking(10), turns=4, policy=policy, judge=lowest_loses)
    assert {outcome(fork) for fork in tree.exchanges} == {SEVERAL}
    tally = TreeTally()
    tally.add(tree)
    stats = tally.stats(0)
    assert (stats.replies, stats.decided, stats.tie_rate, stats.order_agreement) == (10, 1, 0, 1)
    assert stats.compared == sum(len(list(fork.compared())) for fork in tree.exchanges)


class Faulty:
    """The scripted world, of which every seventh call fails."""

    def __init__(self):
        self.calls = 0

    async def complete(self, request):
        self.calls += 1
        if self.calls % 7 == 0:
            raise TransientError("503", retry_after=0.0)
        return await Scripted().complete(request)


class Interrupted:
    """The scripted world, and a Ctrl-C at one of its calls."""

    def __init__(self, at):
        self._left = at

    async def complete(self, request):
        self._left -= 1
        if self._left == 0:
            signal.raise_signal(signal.SIGINT)
        return await Scripted().complete(request)


@pytest.fixture(
    params=[{}, {"rank_by": "scores", "continue_with": "best", "pairs": "all"}, {"diverse": True, "replies": 3}], ids=str
)
def reference(request, run):
    settings = TreeSettings(SCRIPTED, **(FOUR | request.param))
    grow_all(run, settings)
    write_training_rows(run)
    return settings, made(run)


def fresh(run, name):
    folder = RunFolder(run.path.parent / name)
    folder.path.mkdir()
    shutil.copy(run.file("personas.jsonl"), folder.path)
    return folder


def test_trees_of_several_replies_are_the_same_bytes_stopped_cut_into_shards_under_faults_and_at_any_concurrency(run, reference):
    settings, expected = reference
    faulty, stopping = Faulty(), Interrupted(120)
    other = fresh(run, "other")
    with pytest.raises(KeyboardInterrupt):
        grow_all(other, settings, traffic=opening(lambda model: stopping, Limits(3)))
    grow_all(other, settings, traffic=opening(lambda model: Retrying(faulty, first_wait=0.0), Limits(2)))
    write_training_rows(other)
    assert made(other) == expected
    shards = [fresh(run, f"shard{index}") for index in (1, 2)]
    for index, shard in enumerate(shards, 1):
        grow_all(shard, settings, shard=Shard(index, 2), traffic=Traffic(Limits(1)))
    merge(shards, merged := RunFolder(run.path.parent / "merged"))
    write_training_rows(merged)
    assert made(merged) == expected


def test_trees_of_several_replies_are_judged_again_by_a_tournament_or_by_scores(run):
    grow_all(run, TreeSettings(SCRIPTED, **FOUR))
    before = list(read_rows(run.file("trees.jsonl"), Tree.from_row))
    scored = fresh(run, "scored")
    rejudge_trees(scored, settings_of(run.path, "trees", TreeSettings, {"rank_by": "scores"}), traffic=Traffic())
    after = list(read_rows(scored.file("trees.jsonl"), Tree.from_row))
    assert all(fork.is_scored and not fork.verdicts for tree in after for fork in tree.exchanges)
    again = fresh(run, "again")
    rejudge_trees(again, settings_of(scored.path, "trees", TreeSettings, {"rank_by": "tournament"}), traffic=Traffic())
    assert list(read_rows(again.file("trees.jsonl"), Tree.from_row)) == before


def test_the_calls_of_a_tree_are_those_that_are_made(run):
    for given in ({}, {"replies": 3}, {"replies": 4, "rank_by": "scores"}, {"replies": 3, "diverse": True}):
        for policy in ({}, {"policy": "scripted"}):
            settings = TreeSettings(SCRIPTED | policy, turns=2, limit=1, **given)
            chat = Recording(Saying(lambda request: numbered(request) if request.role in ("policy", "tailored", "plain") else ""))
            everyone = Recording()
            grown(
                settings.forking,
                2,
                **dict.fromkeys(("user", "inferrer"), everyone),
                **dict.fromkeys(("tailored", "plain", *policy), chat),
                judge=(judge := Recording(Saying(by_worth))),
            )
            assert len(everyone.requests) + len(chat.requests) + len(judge.requests) == settings.calls_a_tree


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"replies": 1}, "--replies 1: must be at least 2"),
        ({"replies": 11}, "--replies 11: must be at most 10"),
        ({"continue_with": "worst"}, "--continue worst: must be coin or best"),
        ({"rank_by": "luck"}, "--rank-by luck: must be tournament or scores"),
        ({"pairs": "none"}, "--pairs none: must be best or all"),
    ],
)
def test_a_fork_that_cannot_be_is_refused(changes, message):
    with pytest.raises(UsageError, match=message):
        TreeSettings(SCRIPTED, **changes)


def test_another_number_of_replies_is_another_run(run):
    grow_all(run, TreeSettings(SCRIPTED, turns=1, limit=1))
    assert "replies" not in run.settings()["trees"]
    with pytest.raises(SettingsDiffer, match=r"trees\.replies is 2 there and 4 now"):
        grow_all(run, TreeSettings(SCRIPTED, turns=1, limit=1, replies=4))
