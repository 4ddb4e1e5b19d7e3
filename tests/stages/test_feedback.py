"""Feedback in recorded chats: which replies dissatisfied, and the pairs that come of them."""

import json
from random import Random

import numpy as np
import pytest

from aloe_hub.audit.detection import detection, of_run
from aloe_hub.chat.scripted import Scripted
from aloe_hub.chat.traffic import Traffic
from aloe_hub.errors import DataError, UsageError
from aloe_hub.files.jsonl import read_rows
from aloe_hub.files.run_folder import RunFolder
from aloe_hub.stages.chats.importing import import_chats
from aloe_hub.stages.chats.sources import open_source
from aloe_hub.stages.feedback.finding import Found, find, finder_of
from aloe_hub.stages.feedback.revising import FeedbackSettings, revise
from aloe_hub.types import Tree
from aloe_hub.world import speaking
from aloe_hub.world.understanding import Known, read_personality, read_profile
from tests.fakes import Recording, Saying, Stopping, opening
from tests.stages.recorded import FORKED

GIVEN = "There is an error in the interface, so there is no answer to that at this time."
MODELS = {"tailored": "scripted", "judge": "scripted"}


def chat(number, ratings=(1, 5, 1), replies=None, last=""):
    """Somebody of the scripted world, who is answered badly, or with `replies`."""
    random = Random(number)
    known = Known(read_profile(speaking.profile_text(random)), read_personality(speaking.personality_text(random)))
    said: list[str] = []
    messages: list[dict[str, object]] = []
    for turn, rating in enumerate(ratings):
        said.append(speaking.user_message(random, known, said))
        reply = {"role": "assistant", "content": replies[turn] if replies else f"{GIVEN} ({turn})"}
        messages += [{"role": "user", "content": said[-1]}, reply | ({} if rating is None else {"rating": rating})]
    messages += [{"role": "user", "content": last}] if last else []
    return {"id": f"c{number}", "user_id": f"u{number % 3}", "messages": messages}


@pytest.fixture
def imported(tmp_path):
    """`imported(chat, …)`: a run folder with these chats."""

    def call(*chats):
        path, run = tmp_path / "chats.jsonl", RunFolder(tmp_path / "run")
        path.write_text("".join(json.dumps(one) + "\n" for one in chats))
        import_chats(open_source(str(path)), run, scale=(1, 5), language="en")
        return run

    return call


def revised(run, models=MODELS, traffic=None, finder="ratings", **given):
    traffic = traffic or Traffic()
    found = find(run, finder, traffic=traffic)
    return revise(run, found, FeedbackSettings(dict(models), finder), traffic=traffic, **given)


def trees_of(run):
    return list(read_rows(run.file("trees.jsonl"), Tree.from_row))


def test_a_reply_that_dissatisfied_is_rejected_for_one_written_in_hindsight(aloe, imported):
    run = imported(chat(4), chat(2), chat(3, (4, 5, 1)))
    status, output, _ = aloe("feedback", "--run", run.path)
    assert status == 0
    assert "3 chats, 9 replies: 5 dissatisfied, 4 satisfied, by ratings" in output
    assert "2 of those that dissatisfied were followed by words" in output  # the last turn of each was not
    first, second = trees_of(run)
    assert [len(exchange.replies) for exchange in first.exchanges] == [2, 1, 1]
    assert [reply.source for reply in first.exchanges[0].replies] == ["revised", "human"]
    rows = list(read_rows(run.file("pairs.jsonl"), dict))
    assert [row["tree_id"] for row in rows] == [first.tree_id, second.tree_id]
    assert rows[0]["rejected"] == [{"role": "assistant", "content": f"{GIVEN} (0)"}]
    assert rows[0]["chosen"][0]["content"] == first.exchanges[0].replies[0].text
    assert rows[0]["prompt"] == [{"role": "user", "content": first.exchanges[0].user}]
    assert first.spoken(1)[1].content == f"{GIVEN} (0)"  # the chat goes on as it did
    assert aloe("report", run.path)[0] == 0
    assert "revised preferred" in run.file("report.html").read_text()
    status, output, errors = aloe("publish", "prefs", "--run", run.path, "--repo", "org/chats", "--license", "mit", "--dry-run")
    assert status == 0, errors
    before = run.file("trees.jsonl").read_bytes()
    assert aloe("feedback", "--run", run.path)[0] == 0
    assert run.file("trees.jsonl").read_bytes() == before


def test_trees_made_with_other_settings_are_refused_before_anything_is_found_anew(aloe, imported):
    run = imported(chat(4), chat(2), chat(3, (4, 5, 1)))
    assert aloe("feedback", "--run", run.path)[0] == 0
    found = run.file("satisfaction/ratings.jsonl").read_bytes()
    status, _, errors = aloe("feedback", "--run", run.path, "--limit", 1)
    assert (status, "trees.limit" in errors) == (1, True)
    status, _, errors = aloe("feedback", "--run", run.path, "--finder", "scripted")
    assert "trees.finder is 'ratings' there" in errors
    assert {path.name for path in run.file("satisfaction").iterdir()} == {"ratings.jsonl"}
    assert run.file("satisfaction/ratings.jsonl").read_bytes() == found


def test_what_the_user_said_then_is_a_hint_to_the_writer_and_told_to_the_judge(imported):
    asked = Recording()
    revised(imported(chat(4)), traffic=opening(lambda model: asked))
    writer, *judges = (request.messages[0].content for request in asked.requests)
    after = chat(4)["messages"][2]["content"]
    assert f"[WHAT THE USER SAID THEN]\n| {after}" in writer
    assert len(judges) == 2
    assert all(f"they said: {after}" in prompt.partition("[PERSONALITY]")[0] for prompt in judges)
    assert asked.requests[0].sampling.max_tokens == 2048


def test_no_pair_prefers_the_reply_that_dissatisfied(imported):
    run = imported(chat(4), chat(2))
    given = Saying(
        lambda request: "Verdict: 2" if "[REPLY 2]\n| There is an error" in request.messages[0].content else "Verdict: 1"
    )
    with pytest.raises(DataError, match="preferred every reply that dissatisfied"):
        revised(run, MODELS | {"judge": "hub:org/judge"}, opening(lambda model: given if model.startswith("hub") else Scripted()))
    assert not run.file("trees.jsonl").exists()


def test_a_tie_is_kept_in_the_tree_and_in_no_pair(imported):
    run = imported(chat(4))
    tie = opening(lambda model: Saying(lambda request: "Verdict: tie") if model.startswith("hub") else Scripted())
    counts = revised(run, MODELS | {"judge": "hub:org/judge"}, tie)
    assert (counts.asked, counts.confirmed, counts.trees) == (1, 0, 1)
    assert trees_of(run)[0].exchanges[0].preferred is None


def test_stopped_it_goes_on_and_ends_in_the_same_bytes(imported, tmp_path):
    run = imported(*(chat(number, (1, 1, 1, 3)) for number in range(6)))
    revised(run)
    whole = run.file("trees.jsonl").read_bytes()
    run.file("trees.jsonl").unlink()
    stopping = Stopping(at=30)
    with pytest.raises(KeyboardInterrupt):
        revised(run, traffic=opening(lambda model: stopping))
    assert not run.file("trees.jsonl").exists()
    revised(run)
    assert run.file("trees.jsonl").read_bytes() == whole


def test_a_chat_that_failed_is_named_and_can_be_left_out(aloe, imported, monkeypatch):
    run = imported(chat(4), chat(2))
    told = chat(4)["messages"][2]["content"]

    class Failing:
        async def complete(self, request):
            from aloe_hub.errors import ChatError

            if told in request.messages[0].content:
                raise ChatError("refused")
            return await Scripted().complete(request)

    counts = revised(run, traffic=opening(lambda model: Failing()))
    assert (counts.failed, counts.reason) == (1, "refused")
    assert not run.file("trees.jsonl").exists()
    assert revised(run, traffic=opening(lambda model: Failing()), accept_failures=True).trees == 1
    assert len(list(read_rows(run.file("failed.jsonl"), dict))) == 1


def test_a_judge_finds_what_dissatisfied_and_is_not_asked_twice(imported):
    run = imported(chat(4, (None, None)), chat(2, (None, None)), chat(3, (None, None)))
    assert finder_of(run) == "baseline"
    asked = Recording()
    traffic = opening(lambda model: asked)
    first = find(run, "hub:org/judge", traffic=traffic, limit=2)
    assert [one.signs for one in first] == [("dissatisfied", "dissatisfied")] * 2
    assert len(asked.requests) == 4
    assert find(run, "hub:org/judge", traffic=traffic, limit=2) == first
    assert len(asked.requests) == 4
    assert len(find(run, "hub:org/judge", traffic=traffic)) == 3
    assert len(asked.requests) == 6
    assert "(nothing: the conversation ends here)" in asked.requests[-1].messages[0].content
    find(run, "hub:org/judge", traffic=traffic, limit=1, sampling={"judge": {"max_tokens": 99}})  # another question
    assert (len(asked.requests), asked.requests[-1].sampling.max_tokens) == (8, 99)


def test_a_judge_that_cannot_be_read_is_an_error(imported):
    run = imported(chat(4))
    with pytest.raises(DataError, match="none of its answers can be read"):
        find(run, "hub:org/judge", traffic=opening(lambda model: Saying(lambda request: "Well.")))


def test_semantic_cannot_say_who_was_satisfied():
    with pytest.raises(UsageError, match="--finder semantic"):
        FeedbackSettings(MODELS, "semantic")


def test_the_baseline_hears_complaints_and_thanks(aloe, imported):
    reply = "A rose that blooms twice is the rugosa, for one. " * 8
    talks = [
        {"id": "a", "messages": messages_of("Which rose?", "好的", "No, that is not what I asked.", reply, "Thank you!")},
        {"id": "b", "messages": messages_of("Which rose?", reply, "And which tulip?", "No tulip does. " * 30)},
    ]
    run = imported(*talks)
    status, output, _ = aloe("feedback", "--run", run.path, "--find-only")
    assert (status, "2 chats, 4 replies: 1 dissatisfied, 1 satisfied, by baseline" in output) == (0, True)
    assert not run.file("trees.jsonl").exists()
    found = list(read_rows(run.file("satisfaction/baseline.jsonl"), Found.of_row))
    assert [one.signs for one in found] == [("dissatisfied", "satisfied"), (None, None)]


def messages_of(*said):
    return [{"role": ("user", "assistant")[place % 2], "content": text} for place, text in enumerate(said)]


def test_forks_that_people_made_are_not_touched(imported):
    run = imported(FORKED["hh-rlhf"])
    with pytest.raises(DataError, match="forks of the chats themselves"):
        revised(run)


def test_a_folder_without_chats_says_what_to_do(aloe, tmp_path):
    status, _, errors = aloe("feedback", "--run", tmp_path)
    assert (status, "aloe import CHATS --run" in errors) == (1, True)


def test_detection_is_measured_against_the_ratings(imported):
    run = imported(
        *(chat(number, (1, 5), replies=["好的" * 3, "A rose that blooms twice is the rugosa. " * 9]) for number in range(9))
    )
    find(run, "ratings", traffic=Traffic())
    find(run, "baseline", traffic=Traffic())
    (name, found), *others = of_run(run, n_resamples=20).items()
    assert (name, others, found["replies"], found["people"], found["dissatisfied"]) == ("baseline", [], 18, 3, 0.5)
    assert found["auc"].value == found["average_precision"].value == 1
    chance = detection(np.zeros(6), np.array([0, 1, 0, 1, 0, 0]), np.arange(6), n_resamples=20)
    assert (chance["auc"].value, chance["average_precision"].value) == (0.5, pytest.approx(1 / 3))
