"""Trees: the five steps of a turn, failures, shards, and the same bytes whatever happens."""

import asyncio
import json
from collections import Counter
from typing import Any

import pytest

from aloe_hub import prompts, rows
from aloe_hub.chat.scripted import Scripted
from aloe_hub.chat.traffic import Limits, Traffic
from aloe_hub.errors import AloeError, ChatError, ParseError, SettingsDiffer, UsageError
from aloe_hub.files.journal import Journal
from aloe_hub.files.jsonl import read_rows, write_rows
from aloe_hub.files.run_folder import RunFolder, plain
from aloe_hub.results.trees import outcome
from aloe_hub.stages.merge import merge
from aloe_hub.stages.roles import ATTEMPTS
from aloe_hub.stages.training_rows import write_training_rows
from aloe_hub.stages.trees import ROLES, Shard, TreeSettings, grow, grow_all, tree_id_of
from aloe_hub.types import Persona, Tree
from aloe_hub.world.lexicon import TOPICS
from aloe_hub.world.understanding import read_messages, read_personality, read_profile, topic_of
from tests.fakes import Recording, Saying, Stopping, cast, opening

PERSONA = Persona(
    "She works as a nurse. Her favorite food is sushi. She lives in Babuford. Her hobby is chess. She has a pet called Bobu.",
    "She is full of jokes. She likes things short. She has a soft heart.",
)
SCRIPTED = dict.fromkeys(ROLES, "scripted")


def settings(**changes) -> TreeSettings:
    given: dict[str, Any] = {"models": SCRIPTED, "turns": 4} | changes
    return TreeSettings(**given)


def grown(turns: int = 5, **chats) -> Tree:
    return asyncio.run(grow(PERSONA, cast(**chats), tree_id="tree", turns=turns))


def test_a_turn_has_a_message_an_inference_two_replies_and_two_verdicts():
    tree = grown()
    assert len(tree.exchanges) == 5
    for exchange in tree.exchanges:
        assert exchange.user
        assert [reply.source for reply in exchange.replies] == ["tailored", "plain"]
        assert [verdict.order for verdict in exchange.verdicts] == ["01", "10"]
        assert all("Verdict:" in verdict.text for verdict in exchange.verdicts)
    assert tree.exchanges[-1].inferred.profile


def test_the_tailored_reply_knows_the_inferred_part_and_the_plain_one_does_not():
    chat = Recording()
    grown(tailored=chat, plain=chat)
    for request in chat.requests:
        assert ("[INFERRED PROFILE]" in request.messages[0].content) == (request.role == "tailored")
        assert PERSONA.profile not in request.messages[0].content


def test_the_inferrer_sees_what_was_spoken_and_nothing_else():
    chat = Recording()
    tree = grown(inferrer=chat)
    last = chat.requests[-1].messages[0].content
    assert prompts.messages(prompts.sections(last)["CONVERSATION"]) == tree.spoken(len(tree.exchanges) - 1)
    assert not any(exchange.replies[1 - exchange.spoken].text in last for exchange in tree.exchanges)
    assert PERSONA.profile not in last


def test_the_inferrer_never_states_what_only_a_reply_said():
    tree = grown(tailored=Scripted("dump"), plain=Saying(lambda request: "I love sushi. I work as a nurse. My hobby is chess."))
    for turn, exchange in enumerate(tree.exchanges):
        known = read_messages([before.user for before in tree.exchanges[: turn + 1]])
        assert set(read_profile(exchange.inferred.profile)) == set(known.facts)
        assert read_personality(exchange.inferred.personality) == known.traits


def test_the_judge_sees_persona_history_and_message_in_both_orders():
    chat = Recording()
    tree = grown(judge=chat)
    asked = [request.messages[0].content for request in chat.requests][-2:]
    for prompt in asked:
        assert PERSONA.profile in prompt
        assert tree.exchanges[0].user in prompt
        assert tree.exchanges[-1].user in prompt
    first, second = (reply.text for reply in tree.exchanges[-1].replies)
    assert [prompt.index(first) < prompt.index(second) for prompt in asked] == [True, False]


def test_the_coin_does_not_look_at_the_verdicts():
    always_first = grown(judge=Saying(lambda request: "Verdict: 1"))
    honest = grown()
    assert [exchange.spoken for exchange in always_first.exchanges] == [exchange.spoken for exchange in honest.exchanges]
    assert [exchange.user for exchange in always_first.exchanges] == [exchange.user for exchange in honest.exchanges]


def test_the_coin_is_fair_and_independent_of_the_preference():
    personas = [Persona(f"{PERSONA.profile} She is {age} years old.", PERSONA.personality) for age in range(20, 70)]
    trees = [asyncio.run(grow(persona, cast(), tree_id=tree_id_of(0, persona), turns=10)) for persona in personas]
    counts = Counter((exchange.spoken, exchange.preferred) for tree in trees for exchange in tree.exchanges)
    spoken = sum(number for (coin, _), number in counts.items() if coin == 1)
    assert 200 < spoken < 300  # 500 fair coins: five standard deviations are 56
    assert len({coin for coin, preferred in counts if preferred == 0}) == 2


def test_a_judge_that_always_says_the_first_one_gives_only_ties():
    tree = grown(judge=Saying(lambda request: "The first.\nVerdict: 1"))
    assert [exchange.preferred for exchange in tree.exchanges] == [None] * 5
    assert list(rows.pairs(tree)) == []


def test_verdicts_count_replies_not_positions():
    def prefers_the_plain_one(request):
        return f"Verdict: {1 if prompts.sections(request.messages[0].content)['REPLY 1'] == 'PLAIN' else 2}"

    tree = grown(
        tailored=Saying(lambda request: "MADE FOR YOU"),
        plain=Saying(lambda request: "PLAIN"),
        judge=Saying(prefers_the_plain_one),
    )
    assert {exchange.preferred for exchange in tree.exchanges} == {1}


def test_equal_replies_are_a_tie_that_costs_no_call():
    judge = Recording()
    tree = grown(tailored=Saying(lambda request: "Yes."), plain=Saying(lambda request: "Yes."), judge=judge)
    assert {exchange.preferred for exchange in tree.exchanges} == {None}
    assert judge.requests == []


def test_the_next_turn_does_not_wait_for_the_judge():
    second_turn = asyncio.Event()

    class LateJudge:
        async def complete(self, request):
            await asyncio.wait_for(second_turn.wait(), timeout=30)
            return await Scripted().complete(request)

    class User:
        turns = 0

        async def complete(self, request):
            User.turns += 1
            if User.turns == 2:
                second_turn.set()
            return await Scripted().complete(request)

    assert len(grown(judge=LateJudge(), user=User()).exchanges) == 5


def test_an_answer_that_cannot_be_read_is_asked_again_with_another_seed():
    seen = []

    def mumbles_once(request):
        seen.append(request.seed)
        return "The first one, I think" if len(seen) == 1 else "Verdict: tie"

    grown(turns=1, judge=Saying(mumbles_once))
    assert len(seen) == 3
    assert len(set(seen)) == 3


def test_three_unreadable_verdicts_cost_the_fork_its_verdict_and_nobody_the_tree():
    def mumbles_once_a_tree(request):
        sections = prompts.sections(request.messages[0].content)
        return "The first one, I think" if not sections["CONVERSATION"] else "Verdict: 1"

    judge = Recording(Saying(mumbles_once_a_tree))
    tree = grown(turns=2, judge=judge)
    first, second = tree.exchanges
    assert [(verdict.choice, verdict.text) for verdict in first.verdicts] == [(None, "The first one, I think")] * 2
    assert first.preferred is None
    assert outcome(first) == "no verdict"
    assert outcome(second) == "orders disagree"
    assert list(rows.pairs(tree)) == list(rows.sft(tree)) == []
    assert Tree.from_row(tree.to_row()) == tree
    assert Counter(request.seed for request in judge.requests).most_common(1)[0][1] == 1
    assert len(judge.requests) == 2 * ATTEMPTS + 2


def test_three_unreadable_messages_fail_the_tree_with_the_text():
    user = Recording(Saying(lambda request: "<think>I could say"))
    with pytest.raises(ParseError, match="I could say"):
        grown(turns=1, user=user)
    assert len({request.seed for request in user.requests}) == ATTEMPTS


def test_policy_mode_samples_both_replies_on_the_bare_messages():
    policy = Recording(Scripted("tailored"))
    tree = grown(policy=policy)
    assert {reply.source for exchange in tree.exchanges for reply in exchange.replies} == {"policy"}
    assert tree.exchanges[0].inferred == Persona("", "")
    assert policy.requests[-1].messages[-1].content == tree.exchanges[-1].user
    assert [message.role for message in policy.requests[-1].messages] == ["user", "assistant"] * 4 + ["user"]


def test_trees_stand_in_persona_order_and_rows_are_beside_them(run):
    grow_all(run, settings())
    trees = list(read_rows(run.file("trees.jsonl"), Tree.from_row))
    assert [tree.persona for tree in trees] == run.personas("train")
    counts = write_training_rows(run)
    assert counts["pairs"] == sum(exchange.preferred is not None for tree in trees for exchange in tree.exchanges)
    assert counts["pairs"] == len(run.file("pairs.jsonl").read_text().splitlines())


def test_every_prompt_walks_back_to_the_spoken_path_of_its_tree(run):
    grow_all(run, settings(turns=10))
    write_training_rows(run)
    trees = {tree.tree_id: tree for tree in read_rows(run.file("trees.jsonl"), Tree.from_row)}
    walked = 0
    for name in ("pairs", "sft"):
        for row in read_rows(run.file(f"{name}.jsonl"), dict):
            tree, turn = trees[row["tree_id"]], row["turn"]
            path = []
            for exchange in tree.exchanges[:turn]:
                path += [("user", exchange.user), ("assistant", exchange.replies[exchange.spoken].text)]
            path.append(("user", tree.exchanges[turn].user))
            assert [(message["role"], message["content"]) for message in row["prompt"]] == path
            walked += 1
    assert walked > 200


@pytest.mark.parametrize("concurrency", [1, 7, 100])
def test_the_bytes_do_not_depend_on_the_concurrency(run, tmp_path, concurrency):
    grow_all(run, settings())
    reference = run.file("trees.jsonl").read_bytes()
    run.file("trees.jsonl").unlink()
    grow_all(run, settings(), traffic=Traffic(Limits(concurrency)))
    assert run.file("trees.jsonl").read_bytes() == reference


def test_four_shards_merged_are_the_same_bytes(run, tmp_path):
    grow_all(run, settings())
    write_training_rows(run)
    reference = {name: run.file(name).read_bytes() for name in ("trees.jsonl", "pairs.jsonl", "sft.jsonl", "distill.jsonl")}
    shards = []
    for index in range(1, 5):
        shard = RunFolder(tmp_path / f"shard{index}")
        shard.path.mkdir()
        shard.file("personas.jsonl").write_bytes(run.file("personas.jsonl").read_bytes())
        grow_all(shard, settings(), shard=Shard(index, 4))
        shards.append(shard)
    merged = RunFolder(tmp_path / "merged")
    assert merge(shards, merged) == 20
    write_training_rows(merged)
    assert {name: merged.file(name).read_bytes() for name in reference} == reference


def test_a_run_with_other_settings_is_refused_and_the_difference_named(run):
    grow_all(run, settings(seed=1))
    with pytest.raises(SettingsDiffer, match=r"trees\.seed is 1 there and 2 now"):
        grow_all(run, settings(seed=2))


def test_a_stopped_run_goes_on_and_ends_with_the_same_bytes(run):
    grow_all(run, settings())
    reference = run.file("trees.jsonl").read_bytes()
    run.file("trees.jsonl").unlink()
    stopping = Stopping(150)
    with pytest.raises(KeyboardInterrupt):
        grow_all(run, settings(), traffic=opening(lambda model: stopping, Limits(3)))
    done = run.file("trees.jsonl.partial").read_text().count("\n")
    assert 0 < done < 20
    grow_all(run, settings())
    assert run.file("trees.jsonl").read_bytes() == reference


class Failing:
    """The scripted world, but for one persona whose user never says anything, and one whose user is out of reach."""

    def __init__(self, personas):
        self.unreadable, self.unreachable = personas

    async def complete(self, request):
        text = request.messages[0].content
        if request.role == "user" and self.unreadable.profile in text and self.unreadable.personality in text:
            return await Saying(lambda request: "<think>Both are nice.").complete(request)
        if request.role == "user" and self.unreachable.profile in text and self.unreachable.personality in text:
            raise ChatError("no route to the model")
        return await Scripted().complete(request)


def test_failed_trees_are_data_not_a_crash(run):
    personas = run.personas("train")
    failing = opening(lambda model: Failing((personas[3], personas[11])))
    done = grow_all(run, settings(), traffic=failing)
    assert (done.wanted, done.failed, done.finished) == (20, 2, False)
    assert not run.file("trees.jsonl").exists()
    reasons = [json.loads(line) for line in run.file("failed.jsonl.partial").read_text().splitlines()]
    assert {row["persona_id"] for row in reasons} == {personas[3].persona_id, personas[11].persona_id}
    assert any("Both are nice." in row["reason"] for row in reasons)
    assert any("no route to the model" in row["reason"] for row in reasons)

    assert grow_all(run, settings(), traffic=failing, accept_failures=True).finished
    assert len(run.file("trees.jsonl").read_text().splitlines()) == 18
    assert [json.loads(line)["persona_id"] for line in run.file("failed.jsonl").read_text().splitlines()] == [
        personas[3].persona_id,
        personas[11].persona_id,
    ]

    write_training_rows(run)
    assert grow_all(run, settings(), retry_failed=True) == type(done)(20, 0, finished=True)
    assert not run.file("pairs.jsonl").exists()  # they were those of 18 trees
    assert not run.file("failed.jsonl").exists()
    retried = run.file("trees.jsonl").read_bytes()
    run.file("trees.jsonl").unlink()
    grow_all(run, settings())
    assert run.file("trees.jsonl").read_bytes() == retried


def test_failed_trees_are_not_tried_again_while_another_process_is_at_work(run):
    grow_all(run, settings(), traffic=opening(lambda model: Failing(run.personas("train")[3:5])))
    failures = run.file("failed.jsonl.partial").read_bytes()
    with Journal(run.file("failed.jsonl"), key="tree_id"), pytest.raises(AloeError, match="another process is writing this run"):
        grow_all(run, settings(), retry_failed=True)
    assert run.file("failed.jsonl.partial").read_bytes() == failures


def test_limit_grows_the_first_personas(run):
    grow_all(run, settings(limit=3))
    trees = list(read_rows(run.file("trees.jsonl"), Tree.from_row))
    assert [tree.persona for tree in trees] == run.personas("train")[:3]


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"turns": 0}, "--turns 0"), ({"turns": -3}, "--turns -3"), ({"limit": 0}, "--limit 0"), ({"seed": -1}, "--seed -1")],
)
def test_settings_that_are_invalid_are_refused(changes, message):
    with pytest.raises(UsageError, match=message):
        settings(**changes)


@pytest.mark.parametrize("text", ["0/4", "5/4", "1", "a/b", "1/0", "-1/2", "1/2/3", ""])
def test_a_shard_that_is_invalid_is_refused(text):
    with pytest.raises(UsageError, match="--shard"):
        Shard.parse(text)


def test_a_conversation_longer_than_the_topics_goes_on():
    tree = grown(turns=40)
    assert len(tree.exchanges) == 40


def test_seventy_turns_take_the_topics_up_again_and_nobody_is_asked_with_a_shortened_history():
    chat = Recording()
    spoken = [exchange.user for exchange in grown(turns=70, **dict.fromkeys(ROLES, chat)).exchanges]
    assert Counter(map(topic_of, spoken)).keys() == TOPICS.keys()
    assert min(Counter(map(topic_of, spoken)).values()) > 1
    last = {request.role: request.messages[0].content for request in chat.requests}
    assert last.keys() == set(ROLES)
    for role, prompt in last.items():
        assert all(message in prompt for message in spoken[:69]), role

    policy = Recording(Scripted("tailored"))
    tree = grown(turns=70, policy=policy)
    path = [text for exchange in tree.exchanges for text in (exchange.user, exchange.replies[exchange.spoken].text)]
    assert [message.content for message in policy.requests[-1].messages] == path[:-1]


def test_the_version_of_the_world_is_a_setting_only_where_it_plays_a_role(run, monkeypatch):
    real = TreeSettings(dict.fromkeys(ROLES, "local:org/model"), turns=1)
    one_scripted = TreeSettings(dict.fromkeys(ROLES, "local:org/model") | {"judge": "http://127.0.0.1:8000/v1#scripted"}, turns=1)
    assert "world" not in real.recorded
    assert (one_scripted.recorded["world"], settings().recorded["world"]) == (1, 1)
    grow_all(run, settings(limit=2))
    other = RunFolder(run.path.with_name("real"))
    write_rows(other.file("personas.jsonl"), read_rows(run.file("personas.jsonl"), dict))
    other.claim("trees", plain(real) | {"world": 1})  # as it was once written down, whoever played
    monkeypatch.setattr("aloe_hub.chat.scripted.WORLD_VERSION", 2)
    assert grow_all(other, real, traffic=opening(lambda model: Scripted())).finished
    with pytest.raises(SettingsDiffer, match=r"trees\.world is 1 there and 2 now"):
        grow_all(run, settings(limit=2))
