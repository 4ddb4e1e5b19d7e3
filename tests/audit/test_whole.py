"""The audit of a run of the scripted world: planted faults of its judge and its users, stops, people, and errors in one line."""

import json

import pytest

from aloe_hub.audit.forks import sampled
from aloe_hub.audit.interventions import DOSES, FLATTERY, PHRASES, SELF_GRADING, count_words, leak, neutral
from aloe_hub.audit.whole import AuditSettings, audit
from aloe_hub.chat.policies import nearness
from aloe_hub.chat.traffic import Traffic
from aloe_hub.errors import AloeError, DataError, UsageError
from aloe_hub.files.jsonl import read_rows
from aloe_hub.files.run_folder import RunFolder
from aloe_hub.results.audited import in_short, lines, read_audit
from aloe_hub.stages.trees import TreeSettings, grow_all
from aloe_hub.types import Persona, Tree
from aloe_hub.world.grammar import parts
from tests.fakes import Recording, Saying, opening

BIASED = "scripted:biased?position=2&length=.2"


@pytest.fixture
def grown(run, monkeypatch):
    """A run of 20 trees, whose user shows little and contradicts itself, without an embedder."""

    def missing():
        raise AloeError("the embedder is not installed")

    monkeypatch.setattr(nearness, "embedder", missing)
    models = dict.fromkeys(("user", "inferrer", "tailored", "plain", "judge"), "scripted")
    models |= {"judge": BIASED, "user": "scripted:user?reveal=.5&contradict=.3"}
    grow_all(run, TreeSettings(models=models, turns=3), traffic=Traffic())
    return run


def audited(run, **settings):
    return audit(
        run, AuditSettings(**({"forks": 20, "repeat": 2} | settings)), traffic=settings.pop("traffic", None) or Traffic()
    )


def test_planted_faults_are_found(grown):
    found = audited(grown, judges=(BIASED, "scripted"))
    ours, fair = found["judges"][BIASED], found["judges"]["scripted"]
    assert ours["order"]["position"]["interval"][0] > 0.5
    assert ours["order"]["forks"] == 60  # of the trees: all forks
    assert fair["order"]["first_shown_won_twice"] == fair["order"]["second_shown_won_twice"] == 0
    assert ours["length"]["value"] - fair["length"]["value"] == pytest.approx(0.2, abs=0.05)
    for name in ("flattery", "self_grading"):
        assert ours[name]["value"] == pytest.approx(fair[name]["value"], abs=0.1)
    assert ours["persona"]["value"] > 0.7
    assert ours["features"] is None
    assert found["left_out"] == ["the embedder is not installed"]
    assert found["between_judges"]["scripted"]["pearson"]["value"] > 0.9
    assert found["simulator"]["contradictions"]["share"]["interval"][0] > 0.1
    assert read_audit(grown.path) == found
    named = {line.name for line in lines(found)}
    assert {"position, γ", "contradictions", "same verdict"} <= named
    assert "position +" in in_short(found, BIASED)
    assert in_short(found, "hub:org/other") == in_short(None, BIASED) == "judge and users not audited"


def test_a_judge_that_does_not_see_the_person_cannot_tell_who_it_is(grown):
    blind = audited(grown, judges=("scripted:biased?blind=1",))["judges"]["scripted:biased?blind=1"]
    assert blind["persona"]["value"] == 0.5


def test_a_stopped_audit_goes_on_and_a_larger_one_asks_the_rest(grown):
    asked = Recording()
    traffic = opening(lambda model: asked)
    small = audit(grown, AuditSettings(("hub:org/judge",), forks=10, repeat=2), traffic=traffic)
    first = len(asked.requests)
    assert first == 10 * (10 + 2)
    assert audit(grown, AuditSettings(("hub:org/judge",), forks=10, repeat=2), traffic=traffic) == small
    assert len(asked.requests) == first
    audit(grown, AuditSettings(("hub:org/judge",), forks=12, repeat=2), traffic=traffic)
    assert first < len(asked.requests) <= first + 2 * 12
    seeds = [request.seed for request in asked.requests]
    assert len(set(seeds)) == len(seeds)


def test_what_is_asked_again_is_worded_anew_and_is_the_same_question(grown):
    asked = Recording()
    audit(grown, AuditSettings(("hub:org/judge",), forks=10, repeat=3), traffic=opening(lambda model: asked))
    texts = [request.messages[-1].content for request in asked.requests]
    assert len(set(texts)) == len(texts)


def test_people_are_set_beside_the_judge(grown, tmp_path):
    trees = list(read_rows(grown.file("trees.jsonl"), Tree.from_row))
    items = [f"{tree.tree_id}/1/{reply}" for tree in trees[:6] for reply in (1, 2)]
    table = tmp_path / "people.csv"
    table.write_text("item,human,rater\n" + "".join(f"{item},{place % 5 + 1},{place % 3}\n" for place, item in enumerate(items)))
    found = audited(grown, judges=("scripted",), human=table)["people"]["scripted"]
    assert found["n"] >= 10
    assert found["within_people"]["n"] == found["n"]
    table.write_text(f"item,human\n{items[0]},1\nnobody/1/1,2\n{items[1]},3\n")
    (note,) = audited(grown, judges=("scripted",), human=table)["notes"]
    assert note.endswith(
        f"2 of its 3 scores are of replies that are audited in {grown.path}; the first of the others is 'nobody/1/1' (line 3)"
    )
    table.write_text("item,human\nnobody,1\nnothing,2\n")
    with pytest.raises(DataError, match=r"none of its 2 items, such as 'nobody', is a reply of .*; wanted: TREE_ID/TURN/REPLY"):
        audited(grown, human=table)
    table.write_text("human\n1\n2\n")
    with pytest.raises(DataError, match="no column 'item'"):
        audited(grown, human=table)


@pytest.mark.parametrize("rank_by", ["tournament", "scores"])
def test_forks_of_several_replies_are_audited_by_two_of_them_and_all_that_were_compared_say_how_orders_agree(
    grown, tmp_path, rank_by
):
    other = RunFolder(tmp_path / "several")
    other.path.mkdir()
    other.file("personas.jsonl").write_bytes(grown.file("personas.jsonl").read_bytes())
    models = dict.fromkeys(("user", "inferrer", "tailored", "plain"), "scripted") | {"judge": BIASED}
    grow_all(other, TreeSettings(models=models, turns=1, limit=10, replies=4, rank_by=rank_by), traffic=Traffic())
    for fork in sampled(other.file("trees.jsonl"), 10, 0):
        assert [reply.source for reply in fork.exchange.replies] == ["tailored", "plain"]
        assert {said.order for said in fork.exchange.verdicts} == ({"01", "10"} if rank_by == "tournament" else set())
    order = audited(other, forks=10)["judges"][BIASED]["order"]
    assert order["forks"] == (60 if rank_by == "tournament" else 10)
    assert order["position"]["value"] > 0.5


def test_a_judge_that_cannot_be_read_is_one_line(grown):
    with pytest.raises(DataError, match=r"--judge hub:org/judge: none of its scores can be read; it said 'Nice\.'") as caught:
        audit(grown, AuditSettings(("hub:org/judge",), forks=10), traffic=opening(lambda model: Saying(lambda request: "Nice.")))
    assert "\n" not in str(caught.value)


def test_a_run_without_trees_is_one_line(run):
    with pytest.raises(DataError, match="no trees there to audit a judge on; grow the trees first: aloe trees --run"):
        audited(run)


def test_what_was_asked_for_and_has_no_value_is_said_with_the_reason(grown, tmp_path):
    chats = tmp_path / "chats.jsonl"
    chat = {"messages": [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Hello."}] * 2}
    chats.write_text("".join(json.dumps({"user_id": f"u{number}"} | chat) + "\n" for number in range(3)))
    beside, among, marker = audited(grown, judges=("scripted",), people=chats, marker="zap")["notes"]
    assert "users beside people: the people's side has 3 conversation(s) of 2 or more messages, by 3 user(s)" in beside
    assert "people among themselves: one half has 1 conversation(s)" in among
    assert "each side takes 10 or more, by 2 or more users" in among
    assert "no adapter beside its base" in marker


def test_a_run_of_imported_chats_is_told_what_helps_there(aloe, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = [
        {"role": "user", "content": "Hi."},
        {"role": "assistant", "content": "No answer."},
        {"role": "user", "content": "Why?"},
    ]
    rated = [said[0], said[1] | {"rating": 1}, said[2], {"role": "assistant", "content": "So.", "rating": 4}]
    for name, messages in (("plain", said), ("rated", rated)):
        (tmp_path / f"{name}.jsonl").write_text(
            "".join(json.dumps({"user_id": user, "messages": messages}) + "\n" for user in "abc")
        )
        assert aloe("import", f"{name}.jsonl", "--run", name, "--scale", "1..5", "--language", "en")[0] == 0
    for arguments, helps in (
        (("audit", "plain"), "aloe feedback --run plain; or set users beside these people: aloe audit RUN --people plain"),
        (
            ("audit", "rated", "--judge", "scripted"),
            "its chats have no forks; make some of what people said: aloe feedback --run rated",
        ),
        (("report", "plain"), "have no ratings, so there are no scores to report; make preferences of what people said"),
        (("report", "rated", "--stayed", "99"), "--stayed 99: no chat in rated has more than 2 ratings; give 2 or fewer"),
        (
            ("feedback", "--run", "plain", "--finder", "ratings"),
            "no reply of the chats in plain is rated; take --finder baseline",
        ),
        (("train", "dpo", "--run", "plain", "--base", "pocket"), "aloe feedback --run plain; or give --data"),
        (("audit", "nowhere"), "nowhere: no such folder"),
    ):
        status, _, error = aloe(*arguments)
        assert (status, error.count("\n"), helps in error) == (1, 1, True), error
    # What is advised helps: trees of the feedback, on which a judge is audited; of unknown people nothing can be leaked.
    assert aloe("feedback", "--run", "rated", "--model", "scripted")[0] == 0
    monkeypatch.setattr(nearness, "embedder", lambda: (_ for _ in ()).throw(AloeError("not installed")))
    status, output, _ = aloe("audit", "rated", "--repeat", "1", "--json")
    assert status == 0
    found = json.loads(output)
    assert found["judges"]["scripted"]["leak"]["value"] is None
    assert found["judges"]["scripted"]["persona"]["value"] is None
    assert found["simulator"]["user"] == "people whose chats were imported"


def test_settings_are_checked():
    for wrong in ({"repeat": 0}, {"forks": 5}, {"judges": ("scripted", "scripted")}):
        with pytest.raises(UsageError):
            AuditSettings(**wrong)


def test_the_command_takes_a_run_or_a_table(aloe, tmp_path):
    assert aloe("audit")[0] == 2
    assert "give one of the two" in aloe("audit", tmp_path, "--scores", "x.csv")[2]
    assert "--judge, --human, --people and --marker go with a run" in aloe("audit", "--scores", "x.csv", "--judge", "scripted")[2]


def test_the_command_prints_writes_and_shows_it_in_the_report(aloe, grown):
    status, output, _ = aloe("audit", grown.path, "--forks", "10", "--repeat", "2")
    assert status == 0
    assert "position, γ" in output
    status, output, _ = aloe("audit", grown.path, "--forks", "10", "--repeat", "2", "--json")
    assert json.loads(output)["judges"].keys() == {BIASED}
    assert aloe("report", grown.path)[0] == 0
    page = grown.file("report.html").read_text()
    assert "Whether the judge is to be trusted" in page
    assert "label noise, at least" in page


def test_a_larger_sample_begins_with_the_smaller(grown):
    path = grown.file("trees.jsonl")
    small, large = ([fork.fork_id for fork in sampled(path, number, 0)] for number in (10, 20))
    assert large[:10] == small
    assert [fork.fork_id for fork in sampled(path, 10, 1)] != small
    assert all(fork.stranger.profile != fork.persona.profile for fork in sampled(path, 10, 0))


def test_neutral_words_are_as_many_as_asked_for_and_no_broken_sentences_in_the_world():
    assert [count_words(neutral(words)) for words in range(1, 50)] == list(range(1, 50))
    assert {part.says for phrase in PHRASES for part in parts(phrase)} == {"phrase"}
    assert count_words(FLATTERY) == count_words(SELF_GRADING) == DOSES[0]


def test_a_leak_takes_what_was_told_least_and_nothing_where_all_was():
    persona = Persona("She works as a nurse. She collects stamps.", "She is funny.")
    found = leak(persona, ["I work nights as a nurse, and it works for me."])
    assert found == "I also keep in mind what I know about you: She collects stamps."
    assert leak(persona, ["I work as a nurse, which works.", "My collection: she collects stamps."]) is None


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("scripted:biased?loud=1", "no such option; known: position, length, leak, noise, blind"),
        ("scripted:biased?noise=-1", "expected a number from 0 to 10"),
        ("scripted:biased?position=nan", "expected a number from -10 to 10"),
        ("scripted:biased?blind=yes", "expected blind=0 or 1"),
        ("scripted:user?reveal=2", "expected a number from 0 to 1"),
    ],
)
def test_options_that_there_are_not_are_refused(model, message):
    with pytest.raises(UsageError, match=message):
        Traffic().open(model)
