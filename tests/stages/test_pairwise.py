"""Two policies held against each other, reply by reply, on the conversations of both."""

import pytest

from aloe_hub import prompts
from aloe_hub.chat.scripted import Scripted
from aloe_hub.chat.traffic import Limits
from aloe_hub.errors import ChatError, DataError
from aloe_hub.files.jsonl import read_rows
from aloe_hub.matches import Match
from aloe_hub.report import read_runs
from aloe_hub.stages.benchmark import BenchmarkSettings, evaluate_all
from aloe_hub.stages.pairwise import match_all
from aloe_hub.types import Transcript
from tests.fakes import Recording, Saying, Stopping, opening

POLICIES = ["scripted:tailored", "scripted:plain"]
FILE = "pairwise/scripted_plain--scripted_tailored.jsonl"
SETTINGS = BenchmarkSettings(turns=3)


@pytest.fixture
def scored(run):
    evaluate_all(run, POLICIES, SETTINGS)
    return run


def matches(run, file=FILE):
    return list(read_rows(run.file(file), Match.from_row))


def transcripts(run, policy):
    return {one.persona: one for one in read_rows(run.file(f"transcripts/{policy.replace(':', '_')}.jsonl"), Transcript.from_row)}


def roles_of(model, **played):
    return played.get(model.partition(":")[2], Scripted(model.partition(":")[2] or None))


def with_world(world):
    return lambda model: world if model == "scripted" else roles_of(model)


def win_rate(run):
    (found,) = read_runs([run.path]).runs[0].win_rates
    return found


def test_each_meets_the_other_at_every_turn_of_both_conversations(scored):
    assert match_all(scored, POLICIES, SETTINGS) == 0
    found = matches(scored)
    assert [one.persona for one in found] == scored.personas("test")
    plain, tailored = transcripts(scored, "scripted:plain"), transcripts(scored, "scripted:tailored")
    for one in found:
        assert one.policies == ("scripted:plain", "scripted:tailored")
        assert [(meeting.host, meeting.turn) for meeting in one.meetings] == [
            (host, turn) for host in (0, 1) for turn in range(3)
        ]
        own = [meeting.replies[meeting.host] for meeting in one.meetings]
        assert own == [turn.reply for policy in (plain, tailored) for turn in policy[one.persona].turns]


def test_the_guest_sees_the_history_of_its_host_and_nothing_else(scored):
    guest = Recording(Scripted("tailored"))
    match_all(scored, POLICIES, SETTINGS, traffic=opening(lambda model: roles_of(model, tailored=guest)))
    hosts = transcripts(scored, "scripted:plain").values()
    spoken = [[text for turn in host.turns for text in (turn.user, turn.reply)] for host in hosts]
    asked = [[message.content for message in request.messages] for request in guest.requests]
    assert sorted(asked) == sorted(said[: 2 * turn + 1] for said in spoken for turn in range(3))


def test_the_judge_sees_each_two_replies_in_both_orders(scored):
    judge = Recording(Scripted())
    match_all(scored, POLICIES, SETTINGS, traffic=opening(lambda model: judge if model == "scripted" else roles_of(model)))
    shown = [prompts.sections(request.messages[-1].content) for request in judge.requests]
    pairs = {(one["REPLY 1"], one["REPLY 2"]) for one in shown}
    assert pairs == {pair[::-1] for pair in pairs}
    differ = [meeting for one in matches(scored) for meeting in one.meetings if meeting.replies[0] != meeting.replies[1]]
    assert len(shown) == 2 * len(differ)


def test_the_better_policy_wins_in_the_conversations_of_either_and_is_named_first(scored):
    match_all(scored, POLICIES, SETTINGS)
    found = win_rate(scored)
    assert found.policies == ("scripted:tailored", "scripted:plain")
    assert (found.personas, sum(found.outcomes.values())) == (4, 4 * 6)
    assert found.rate > 0.7
    assert min(found.by_host) > 0.5
    assert found.rate_ci[0] <= found.rate <= found.rate_ci[1]
    assert found.rate == pytest.approx((found.count("first preferred") + found.ties / 2) / 24)


def test_a_judge_that_takes_the_reply_shown_first_makes_ties_that_are_counted(scored):
    judge = Saying(lambda request: "Verdict: 1")
    match_all(scored, POLICIES, SETTINGS, traffic=opening(lambda model: judge if model == "scripted" else roles_of(model)))
    found = win_rate(scored)
    assert (found.rate, found.rate_ci, found.p) == (0.5, (0.5, 0.5), 1)
    assert found.ties == 24
    assert found.count("orders disagree") + found.count("equal replies") == 24
    assert found.count("orders disagree") > 12


def test_equal_replies_are_a_tie_that_costs_no_call(run):
    settings = BenchmarkSettings(turns=2)
    evaluate_all(run, ["scripted:constant", "scripted:parrot"], settings, traffic=opening(lambda model: roles_of(model)))
    judge = Recording(Scripted())
    same = Saying(lambda request: "Good luck with all of it then.")
    traffic = opening(lambda model: judge if model == "scripted" else same)
    evaluate_all(run, ["scripted:tailored", "scripted:plain"], settings, traffic=traffic)
    judge.requests.clear()
    match_all(run, POLICIES, settings, traffic=traffic)
    assert judge.requests == []
    assert win_rate(run).count("equal replies") == 16


def test_what_the_judge_says_of_nothing_that_can_be_read_is_in_no_rate(scored):
    judge = Saying(lambda request: "I cannot say.")
    match_all(scored, POLICIES, SETTINGS, traffic=opening(lambda model: judge if model == "scripted" else roles_of(model)))
    found = win_rate(scored)
    assert found.unread > 12
    assert found.unread + found.count("equal replies") == 24


def test_a_stopped_match_goes_on_and_ends_with_the_same_bytes(scored):
    match_all(scored, POLICIES, SETTINGS)
    reference = scored.file(FILE).read_bytes()
    scored.file(FILE).unlink()
    stopping = Stopping(31)
    traffic = opening(lambda model: stopping if model == "scripted" else roles_of(model), Limits(1))
    with pytest.raises(KeyboardInterrupt):
        match_all(scored, POLICIES, SETTINGS, traffic=traffic)
    assert scored.file(f"{FILE}.partial").stat().st_size
    match_all(scored, POLICIES[::-1], SETTINGS)
    assert scored.file(FILE).read_bytes() == reference


def test_a_match_that_fails_is_data_and_is_tried_again(scored):
    class Unreachable:
        async def complete(self, request):
            raise ChatError("no route to the model")

    traffic = opening(lambda model: roles_of(model, plain=Unreachable()))
    assert match_all(scored, POLICIES, SETTINGS, traffic=traffic) == 4
    assert not scored.file(FILE).exists()
    failed = scored.file("pairwise/failed-scripted_plain--scripted_tailored.jsonl")
    assert {row["reason"] for row in read_rows(failed, dict)} == {"no route to the model"}
    assert read_runs([scored.path]).runs[0].win_rates == ()
    assert match_all(scored, POLICIES, SETTINGS) == 0
    assert not failed.exists()


def test_three_policies_are_three_pairs(run):
    settings = BenchmarkSettings(turns=1)
    policies = [*POLICIES, "scripted:dump"]
    evaluate_all(run, policies, settings)
    match_all(run, policies, settings)
    assert len(list(run.file("pairwise").glob("*.jsonl"))) == 3
    assert len(read_runs([run.path]).runs[0].win_rates) == 3


def test_the_judge_of_a_match_takes_the_user_for_who_they_were_in_that_turn(run):
    """After ten turns users have more to tell, so who they are grows from turn to turn."""
    settings = BenchmarkSettings(turns=13, limit=2)
    judges = Recording(), Recording()
    told = []
    for judge, make in zip(judges, (evaluate_all, match_all), strict=True):
        make(run, POLICIES, settings, traffic=opening(with_world(judge)))
        asked = [prompts.sections(one.messages[-1].content) for one in judge.requests if one.role == "judge"]
        told.append({(one["CONVERSATION"], one["MESSAGE"], one["PROFILE"], one["PERSONALITY"]) for one in asked})
    scored, matched = told
    assert matched == scored
    assert len({(profile, personality) for *_, profile, personality in matched}) > 2


def test_a_policy_that_is_told_a_persona_is_told_it_in_a_match_too(run):
    told = ["scripted:leak", "scripted:stranger"]
    evaluate_all(run, told, SETTINGS)
    assert match_all(run, told, SETTINGS) == 0
    found = win_rate(run)
    assert found.policies == ("scripted:leak", "scripted:stranger")
    assert found.rate > 0.7


def test_two_policies_with_long_names_have_a_file_together(run):
    long = [f"reminder(http://127.0.0.1:9/v1#{'m' * length})" for length in (170, 171, 250, 251)]
    traffic = opening(lambda model: Scripted("plain" if "#" in model else None))
    settings = BenchmarkSettings(turns=1, limit=1)
    evaluate_all(run, long, settings, traffic=traffic)
    assert match_all(run, long, settings, traffic=traffic) == 0
    assert len(read_runs([run.path]).runs[0].win_rates) == 6


def test_two_policies_that_share_no_persona_are_named_and_cost_no_report(scored):
    for policy, kept in zip(POLICIES, (slice(0, 2), slice(2, 4)), strict=True):
        path = scored.file(f"transcripts/{policy.replace(':', '_')}.jsonl")
        path.write_text("".join(path.read_text().splitlines(keepends=True)[kept]))
    with pytest.raises(DataError, match="scripted:plain and scripted:tailored share no persona"):
        match_all(scored, POLICIES, SETTINGS, accept_failures=True)
    scored.file(FILE).parent.mkdir()
    scored.file(FILE).touch()  # as it was left once
    assert read_runs([scored.path]).runs[0].win_rates == ()


def test_a_policy_without_transcripts_is_named(scored):
    with pytest.raises(DataError, match=r"scripted_dump\.jsonl: no such file"):
        match_all(scored, [*POLICIES, "scripted:dump"], SETTINGS)


def test_a_row_is_read_and_written_without_loss(scored):
    match_all(scored, POLICIES, SETTINGS)
    rows = list(read_rows(scored.file(FILE), dict))
    assert [Match.from_row(row).to_row() for row in rows] == rows


def test_the_command_needs_two_policies_and_says_so(scored, aloe):
    status, _, said = aloe("evaluate", "--run", scored.path, "--turns", 3, "--policy", "scripted:plain", "--pairwise")
    assert (status, "--pairwise: compares two policies" in said) == (2, True)


def test_the_command_shows_rates_in_the_report_and_on_the_page(scored, aloe):
    given = [option for policy in POLICIES for option in ("--policy", policy)]
    assert aloe("evaluate", "--run", scored.path, "--turns", 3, *given, "--pairwise")[0] == 0
    status, printed, _ = aloe("report", scored.path)
    assert status == 0
    assert "scripted:tailored over scripted:plain" in " ".join(printed.split())
    page = scored.file("report.html").read_text()
    assert "<bdi>scripted:<wbr>tailored</bdi>, over <bdi>scripted:<wbr>plain</bdi>" in page
    assert 'id="criteria1"' in page
