"""A small run folder of made-up rows, and what the report says of it."""

import io
import json
import math
import os
import random
import re
import subprocess
import sys
import tracemalloc
from collections import Counter
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser

import pytest
from rich.console import Console

from aloe_hub.errors import AloeError, DataError
from aloe_hub.files.jsonl import dumps, write_rows
from aloe_hub.files.run_folder import policy_file
from aloe_hub.report import print_report, read_runs, to_json, write_html
from aloe_hub.results import opening
from aloe_hub.results.trees import SEVERAL
from aloe_hub.types import Exchange, Persona, PoolText, Reply, Transcript, Tree, Turn, Verdict, digest

HOSTILE = "<script>alert(1)</script></style></p>{{ 7 * 7 }}{% raw %}<img src=x onerror=alert(1)>\"'&\u202e\ud800"
PERSONAS = [Persona(f"profile {i}", f"personality {j}") for i in range(3) for j in range(2)]
SETTINGS = """
[personas]
seed = 0
profile_threshold = 0.6
personality_threshold = 0.85
[trees]
models = { user = "scripted", judge = "scripted" }
[evaluate]
user = "scripted"
judge = "scripted"
"""


def transcript(persona, policy, scores, text="hello"):
    return Transcript(persona, policy, tuple(Turn(text, f"{text}!", score, f"Score: {score}") for score in scores))


def exchange(choices, spoken=0, texts=("for you", "for all"), sources=("tailored", "plain"), user="hi"):
    first, second = (Reply(source, text) for source, text in zip(sources, texts, strict=True))
    said = ["Verdict: tie" if choice is None else f"Verdict: {place}" for place, choice in enumerate(choices, 1)]
    verdicts = Verdict("01", choices[0], said[0]), Verdict("10", choices[1], said[1])
    return Exchange(user, Persona("a cat", ""), (first, second), verdicts, spoken)


def tree(persona, *exchanges):
    return Tree(digest(0, persona.persona_id, 0), persona, exchanges)


def write_policy(run, policy, scores, personas=PERSONAS, text="hello"):
    rows = [transcript(persona, policy, scores, text) for persona in personas]
    write_rows(run / "transcripts" / policy_file(policy), (row.to_row() for row in rows))
    write_rows(run / "scores" / policy_file(policy), (row.to_scores_row() for row in rows))


def refused(kind="profile", nearest=0.61, text="too near"):
    return {"kind": kind, "text": text, "round": 1, "nearest": nearest, "nearest_text": "what it is near to"}


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "run"
    texts = [PoolText("a seed", "seed"), PoolText("new", "generated", 1, 0.6), PoolText("newer", "generated", 2, -0.1)]
    write_rows(folder / "profiles.jsonl", (text.to_row() for text in texts))
    write_rows(folder / "personalities.jsonl", (text.to_row() for text in texts[:1]))
    write_rows(folder / "personas.jsonl", ({**one.to_row(), "split": "test"} for one in PERSONAS))
    write_rows(folder / "rejected.jsonl", [refused(nearest=0.9), refused(), refused("personality", 1.0)])
    forks = (
        exchange((0, 0)),
        exchange((1, 1), 1),
        exchange((0, 1)),
        exchange((None, None)),
        exchange((None, None), 0, ("same",) * 2),
    )
    write_rows(folder / "trees.jsonl", (tree(persona, *forks).to_row() for persona in PERSONAS))
    write_policy(folder, "scripted:tailored", (2, 3.5, None, 5))
    write_policy(folder, "scripted:plain", (2, 2, 2, 2))
    write_policy(folder, "local:org/model@main", (1, 2, 2, 3), PERSONAS[:4])
    (folder / "run.toml").write_text(SETTINGS)
    return folder


BASE = "local:org/model"


@pytest.fixture
def trained(tmp_path):
    """A base, SFT and DPO of it, and the plain replies, on 6 x 4 personas; DPO is a hair above SFT."""
    folder = tmp_path / "trained"
    (folder / "transcripts").mkdir(parents=True)
    (folder / "run.toml").write_text(f'[made_with]\ndate = "2026-03-01"\naloe_hub = "0.0.9"\n{SETTINGS}')
    personas = [Persona(f"profile {i}", f"personality {j}") for i in range(6) for j in range(4)]
    for policy, level in ((BASE, 2.0), (f"{BASE}+org/a-sft", 3.5), (f"{BASE}+org/a-dpo", 3.5), ("scripted:plain", 1.5)):
        noise = random.Random(policy)
        scores = [[level + noise.choice((0, 0.25, 0.5)) for _ in range(3)] for _ in personas]
        rows = [transcript(*pair) for pair in zip(personas, [policy] * len(personas), scores, strict=True)]
        write_rows(folder / "transcripts" / policy_file(policy), (row.to_row() for row in rows))
    return folder


def one(path):
    return read_runs([path]).runs[0]


def printed(report, width=80):
    console = Console(width=width, record=True, file=io.StringIO())
    print_report(report, console)
    return console.export_text()


# --- reading


def test_policies_have_their_true_names_and_their_scores_the_best_first(run):
    policies = one(run).policies
    assert [policy.policy for policy in policies] == ["scripted:tailored", "local:org/model@main", "scripted:plain"]
    best = policies[0]
    assert (best.conversations, best.profiles, best.scores.missing) == (6, 3, 6)
    assert best.scores.avg == pytest.approx(3.5)
    assert [low <= al <= high for al, (low, high) in zip(best.scores.al, best.scores.al_ci, strict=True)].count(True) == 3


def test_policies_are_compared_to_scripted_plain_on_the_personas_of_both(run):
    found = {paired.policy: paired for paired in one(run).comparisons}
    assert set(found) == {"scripted:tailored", "local:org/model@main"}
    assert all(paired.baseline == "scripted:plain" for paired in found.values())
    assert (found["local:org/model@main"].personas, found["scripted:tailored"].personas) == (4, 6)
    assert found["scripted:tailored"].result.difference == pytest.approx(1.5)


def test_policies_are_compared_with_the_base_of_those_that_were_trained(trained):
    found = [(paired.policy, paired.baseline) for paired in one(trained).comparisons]
    assert found == [(policy, BASE) for policy in (f"{BASE}+org/a-dpo", f"{BASE}+org/a-sft", "scripted:plain")]
    assert [paired.result.difference > 0 for paired in one(trained).comparisons] == [True, True, False]


def test_without_scripted_plain_the_first_in_the_alphabet_is_the_baseline(tmp_path):
    for policy in ("c", "b", "a"):
        write_policy(tmp_path, policy, (1, 2), PERSONAS[:1] if policy == "b" else PERSONAS[1:])
    assert [(paired.policy, paired.baseline) for paired in one(tmp_path).comparisons] == [("c", "a")]


def test_scores_are_read_where_there_are_no_transcripts(run):
    (run / "transcripts" / "scripted_plain.jsonl").unlink()
    assert {policy.policy for policy in one(run).policies} >= {"scripted_plain", "scripted:tailored"}


def test_unfinished_and_failed_files_are_not_read(run):
    before = to_json(read_runs([run]))
    (run / "trees.jsonl.partial").write_text("{torn")
    (run / "transcripts" / "other.jsonl.partial").write_text("{torn")
    (run / "transcripts" / "failed-other.jsonl").write_text('{"persona_id":"x","policy":"other","reason":"timeout"}\n')
    assert to_json(read_runs([run])) == before


def test_forks_are_counted_by_what_became_of_them(run):
    trees = one(run).trees
    assert (trees.trees, trees.exchanges, trees.failed) == (6, 30, 0)
    assert list(trees.by_turn) == [
        {name: 6} for name in ("tailored", "plain", "orders disagree", "judged a tie", "equal replies")
    ]
    assert trees.tie_rate == pytest.approx(3 / 5)
    assert trees.order_agreement == pytest.approx(3 / 4)
    assert trees.tailored_preferred == pytest.approx(1 / 2)
    # Order 01 with choice 0 and order 10 with choice 1 are the first place; each fork above with choices has one or two.
    assert trees.first_shown_rate == pytest.approx(4 / 6)


def test_forks_of_several_replies_are_shown_with_their_number_and_the_share_that_is_decided(tmp_path):
    replies = tuple(Reply("policy", text) for text in "abc")
    verdicts = tuple(Verdict(order, int(min(order)), "Verdict") for order in ("01", "10", "02", "20", "12", "21"))
    won = Exchange("Hi.", Persona("", ""), replies, verdicts, 1)
    tied = replace(won, verdicts=tuple(replace(said, choice=None, text="Verdict: tie") for said in verdicts))
    several = replace(won, verdicts=(*tied.verdicts[:2], *verdicts[2:]))
    write_rows(tmp_path / "trees.jsonl", [Tree("t", Persona("A nurse.", "Kind."), (won, tied, several, won)).to_row()])
    (found,) = read_runs([tmp_path]).runs
    assert found.trees is not None
    assert (found.trees.replies, found.trees.decided, found.trees.tie_rate) == (3, 0.75, 0.25)
    assert found.trees.count("policy", SEVERAL) == 3
    assert json.loads(to_json(read_runs([tmp_path])))["runs"][0]["trees"]["decided"] == 0.75
    write_html(read_runs([tmp_path]), tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "a user message and 3 replies" in page
    assert "several best" in page
    assert [page.count(f"rank {rank}<") for rank in (1, 2, 3)] == [2 + 3 + 2, 2, 3]
    assert "2 further replies were written" in page


def test_failed_trees_are_counted(run):
    write_rows(run / "failed.jsonl", [{"tree_id": "x", "reason": "judge returned no verdict: 'Hm'"}])
    assert one(run).trees.failed == 1


def test_trees_of_a_policy_have_no_tailored_share(tmp_path):
    fork = exchange((0, 0), sources=("policy", "policy"))
    write_rows(tmp_path / "trees.jsonl", [tree(PERSONAS[0], fork).to_row()])
    assert math.isnan(one(tmp_path).trees.tailored_preferred)
    write_html(read_runs([tmp_path]), tmp_path / "report.html")
    assert "policy 1" in (tmp_path / "report.html").read_text()


def test_trees_are_read_one_at_a_time(tmp_path):
    long = tree(PERSONAS[0], *[exchange((0, 0), texts=("a" * 5000, "b" * 5000))] * 5).to_row()
    write_rows(tmp_path / "trees.jsonl", [long] * 100)
    tracemalloc.start()
    one(tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < (tmp_path / "trees.jsonl").stat().st_size / 4


def test_the_pool_is_counted_and_a_candidate_at_the_threshold_lies_below_it(run):
    pool = one(run).pool
    assert pool.personas == {"test": 6}
    profiles = pool.profiles
    assert (profiles.kept, profiles.sources) == (3, {"seed": 1, "generated": 2})
    assert (profiles.refused, profiles.threshold, pool.personalities.refused) == (2, 0.6, 1)
    assert {place: n for place, n in enumerate(profiles.kept_bins) if n} == {0: 1, 23: 1}
    assert {place: n for place, n in enumerate(profiles.refused_bins) if n} == {24: 1, 35: 1}
    assert [example.nearest for example in profiles.examples] == [0.61, 0.9]


def test_samples_differ_in_profile_and_in_personality_where_they_can(run):
    samples = one(run).policies[0].samples
    assert [sample.persona for sample in samples] == [PERSONAS[0], PERSONAS[3], PERSONAS[1]]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ('judge = "scripted"', "scored by a scripted judge with simulated users: a test bed"),
        ('judge = "http://h:1/v1#scripted"', "a test bed"),
        ('models = { judge = "hub:org/j", user = "scripted" }', "scored by hub:org/j with scripted users: a test bed"),
        ('judge = "hub:org/j"\nmodel = "hub:org/u"', "scored by hub:org/j, users simulated by hub:org/u"),
        ("", "a model that run.toml does not name"),
    ],
)
def test_a_report_says_who_judged(run, settings, said):
    (run / "run.toml").write_text(f"[evaluate]\n{settings}\n")
    assert said in one(run).made_by("evaluate")
    assert said in " ".join(printed(read_runs([run]), 200).split())


# --- what cannot be read


@pytest.mark.parametrize(
    ("file", "line", "said"),
    [
        ("trees.jsonl", "{torn", "trees.jsonl, line 7: not JSON"),
        ("trees.jsonl", '{"tree_id": "x"}', "trees.jsonl, line 7: the row has no 'turns'"),
        ("profiles.jsonl", '{"text": "x", "source": "dream", "round": 0, "nearest": null}', "line 4: source is 'dream'"),
        ("profiles.jsonl", '{"text": "x", "source": "seed", "round": 0, "nearest": "near"}', "line 4: nearest is 'near'"),
        ("personas.jsonl", '{"profile": "x", "personality": "y"}', "line 7: the row has no 'split'"),
        ("rejected.jsonl", dumps(refused("dream")), "line 4: kind is 'dream'"),
        ("rejected.jsonl", dumps(refused(nearest=math.nan)), "line 4: nearest is nan, and not a number"),
        ("transcripts/scripted_plain.jsonl", '{"policy": "scripted:plain"}', "line 7: the row has no 'profile'"),
    ],
)
def test_a_bad_row_is_named_by_file_and_line(run, file, line, said):
    with (run / file).open("a") as rows:
        rows.write(line + "\n")
    with pytest.raises(DataError, match=re.escape(said)) as error:
        read_runs([run])
    assert str(run / file) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("persona", "policy", "scores", "said"),
    [
        (Persona("new", "new"), "scripted:plain", (2, 2, 2, 7), "score is 7, and not from 1 to 5"),
        (Persona("new", "new"), "scripted:plain", (2, 2, 2, "4/5"), "score is '4/5', and not a number"),
        (Persona("new", "new"), "scripted:plain", (2, 2), "the conversation has 2 turns, the ones before have 4"),
        (Persona("new", "new"), "scripted:plain", (), "the conversation has no turns"),
        (Persona("new", "new"), "someone else", (2, 2, 2, 2), "policy is 'someone else'"),
        (PERSONAS[0], "scripted:plain", (2, 2, 2, 2), "has a conversation in a line before"),
    ],
)
def test_a_conversation_that_does_not_fit_is_named_by_file_and_line(run, persona, policy, scores, said):
    with (run / "transcripts" / "scripted_plain.jsonl").open("a") as rows:
        rows.write(dumps(transcript(persona, policy, scores).to_row()) + "\n")
    with pytest.raises(DataError, match=rf"scripted_plain\.jsonl, line 7: .*{re.escape(said)}"):
        read_runs([run])


@pytest.mark.parametrize("field", ["spoken", "source", "choice", "order"])
def test_a_tree_with_an_impossible_value_is_named_by_file_and_line(tmp_path, field):
    row = tree(PERSONAS[0], exchange((0, 0))).to_row()
    turn = row["turns"][0]
    {"spoken": turn, "source": turn["replies"][0]}.get(field, turn["verdicts"][0])[field] = 7
    write_rows(tmp_path / "trees.jsonl", [row])
    with pytest.raises(DataError, match=rf"trees\.jsonl, line 1: {field} is 7"):
        read_runs([tmp_path])


def test_two_files_of_one_policy_are_an_error(run):
    (run / "transcripts" / "copy.jsonl").write_bytes((run / "transcripts" / "scripted_plain.jsonl").read_bytes())
    with pytest.raises(
        DataError, match=r"scripted_plain\.jsonl: policy 'scripted:plain' stands in .*copy\.jsonl too; remove one"
    ):
        read_runs([run])


def test_policies_with_other_numbers_of_turns_cannot_be_compared(run):
    write_policy(run, "scripted:tailored", (2, 3))
    with pytest.raises(DataError, match=r"scripted_tailored\.jsonl: cannot be compared with .*scripted_plain"):
        read_runs([run])


@pytest.mark.parametrize("settings", ["[personas\n", '[personas]\nprofile_threshold = "high"\n'])
def test_settings_that_cannot_be_read_are_named(run, settings):
    (run / "run.toml").write_text(settings)
    with pytest.raises(DataError, match=r"run\.toml"):
        read_runs([run])


def test_what_is_no_run_folder_is_said_in_one_line(tmp_path):
    with pytest.raises(AloeError, match="no run folder given"):
        read_runs([])
    with pytest.raises(AloeError, match="gone: no such folder; give a run folder"):
        read_runs([tmp_path / "gone"])
    (tmp_path / "trees.jsonl.partial").write_text("{}\n")
    (tmp_path / "rejected.jsonl").touch()
    with pytest.raises(AloeError, match="nothing finished to report"):
        read_runs([tmp_path])


# --- the terminal, JSON


def test_the_terminal_shows_numbers_with_intervals_and_a_dash_for_what_is_undefined(run):
    text = printed(read_runs([run]))
    assert max(map(len, text.splitlines())) <= 80
    assert re.search(r"A +6 +2\.00 +5\.00 +3\.50 +\+0\.964", text)
    assert "[3.50, 3.50]" in text
    assert re.search(r"C +6 +2\.00 +2\.00 +2\.00 +0\.000 +– +– +0", text)
    assert "A  ▃▅–█  scripted:tailored" in text
    assert "95% intervals over 2 to 3 profiles x 2 personalities" in text
    assert "a test bed, it says nothing about language understanding" in " ".join(text.split())


def test_a_policy_is_no_markup(tmp_path):
    write_policy(tmp_path, "[bold]x[/bold]", (1, 2))
    assert "[bold]x[/bold]" in printed(read_runs([tmp_path]))


def test_json_is_valid_and_what_is_undefined_is_null(run):
    text = to_json(read_runs([run]))
    assert text == to_json(read_runs([run]))
    found = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))["runs"][0]
    plain = found["policies"][-1]
    assert list(plain)[:4] == ["policy", "conversations", "profiles", "al"]
    assert (plain["n_ir"], plain["n_ir_ci"], plain["ir"]) == (None, [None, None], 0.0)
    assert found["trees"]["tie_rate"] == pytest.approx(3 / 5)
    assert found["trees"]["by_turn"][:2] == [{"tailored": 6}, {"plain": 6}]
    assert found["pool"]["personas"] == {"test": 6}
    assert (found["pool"]["profiles"]["refused"], found["pool"]["profiles"]["sources"]) == (2, {"seed": 1, "generated": 2})
    assert found["settings"]["personas"]["profile_threshold"] == 0.6


def test_gap_pairs_holm_and_components_stand_in_json_and_terminal(run):
    report = read_runs([run])
    found = json.loads(to_json(report))["runs"][0]
    by_name = {policy["policy"]: policy for policy in found["policies"]}
    assert by_name["scripted:plain"]["gap"] is None
    other = by_name["local:org/model@main"]
    assert other["gap"].keys() == {"closed", "closed_ci", "method"}
    assert (other["method"], other["over"]) == ("two-way", {"cluster": 2, "personality": 2})
    assert len(found["pairs"]) == 3
    assert found["pairs"][:2] == found["comparisons"]
    assert all(pair["p_holm"] >= pair["p"] for pair in found["pairs"])
    assert "of the gap from scripted:plain to scripted:tailored" in printed(report)


# --- the page


class Page(HTMLParser):
    """Fails on tags that do not close; collects what the checks below ask for."""

    VOID = frozenset({"meta", "link", "br", "wbr", "hr", "img", "input"})

    def __init__(self, text):
        super().__init__()
        self.open: list[str] = []
        self.tags: Counter[str] = Counter()
        self.ids: Counter[str] = Counter()
        self.links: list[str] = []
        self.headings: list[int] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.handle_startendtag(tag, attrs)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags[tag] += 1
        self.ids.update([attrs["id"]] if "id" in attrs else [])
        self.links += [attrs[name] for name in ("href", "src", "xlink:href", "srcset", "action") if name in attrs]
        self.headings += [int(tag[1])] if re.fullmatch("h[1-6]", tag) else []
        assert not [name for name in attrs if name.startswith("on")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def html(report, tmp_path):
    write_html(report, tmp_path / "report.html")
    return (tmp_path / "report.html").read_text(encoding="utf-8")


def test_the_page_stands_alone_and_is_well_formed(run, tmp_path):
    text = html(read_runs([run, run]), tmp_path)
    page = Page(text)
    assert not [link for link in page.links if not link.startswith(("#", "data:"))]
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)
    assert set(page.ids.values()) == {1}
    assert not re.search(r"https?:|@import|url\((?!#)", text)
    assert page.tags["script"] == page.tags["img"] == 0
    assert page.tags["svg"] == 6
    assert page.tags["table"] == page.tags["caption"]
    assert page.headings[0] == 1
    assert page.headings.count(1) == 1
    assert all(below <= above + 1 for above, below in zip(page.headings, page.headings[1:], strict=False))
    assert '<html lang="en">' in text
    assert text.count('role="img" aria-label=') == page.tags["svg"]


def test_the_page_opens_with_what_was_compared_what_rose_and_what_that_does_not_show(trained, tmp_path):
    report = read_runs([trained])
    found = json.loads(to_json(report))["runs"][0]
    compared, rose, limits = found["opening"]
    by_name = {pair["policy"]: pair for pair in found["comparisons"]}
    best = max(by_name.values(), key=lambda pair: pair["difference"])
    (neighbours,) = found["neighbours"]
    assert compared.startswith(
        f"Compared: {BASE}, 2 trainings of it (a-sft, a-dpo) and 1 other policy, on 24 held-out personas over 3"
    )
    assert "in points from 1 to 5; scored by a scripted judge with simulated users: a test bed" in compared
    assert best["policy"].partition("+")[0] == BASE
    assert rose.startswith(
        f"AVG rose by +{best['difference']:.2f} [+{best['difference_ci'][0]:.2f}, +{best['difference_ci'][1]:.2f}]"
    )
    assert (neighbours["policy"], neighbours["baseline"]) == (f"{BASE}+org/a-dpo", f"{BASE}+org/a-sft")
    assert "a-dpo adds nothing significant to a-sft: " in rose
    assert limits.endswith("one training each, so what another seed would give is in no interval; judge and users not audited.")
    text = html(report, tmp_path)
    top = text[text.index("<h1>") : text.index("<nav")]
    assert "begun 2026-03-01; made with aloe-hub 0.0.9" in top
    shown = re.findall('<p class="opening" dir="auto">(.*?)</p>', top)
    assert [unescape(one) for one in shown] == found["opening"]
    assert " ".join(rose.split()) in " ".join(printed(report).split())


def test_a_run_that_does_not_say_when_it_began_has_the_day_of_its_newest_file(run):
    for file in run.rglob("*.jsonl"):
        os.utime(file, (1_700_000_000, 1_700_000_000))
    os.utime(run / "trees.jsonl", (1_772_323_200, 1_772_323_200))
    assert opening.made_with(one(run)) == "newest file of 2026-03-01, since run.toml holds no date"
    assert "newest file of 2026-03-01, since run.toml holds no date" in printed(read_runs([run]))


def test_what_does_not_show_is_not_said_to_rise(tmp_path):
    for policy in (BASE, f"{BASE}+org/a-sft"):
        write_policy(tmp_path, policy, (2, 3))
    _, rose, _ = opening.sentences(one(tmp_path))
    nothing = f"Nothing rose significantly above {BASE}: the largest difference in AVG is 0.00 [0.00, 0.00], p 1.000 by Holm"
    assert rose == f"{nothing} (a-sft)."
    (tmp_path / "transcripts" / policy_file(BASE)).unlink()
    (tmp_path / "scores" / policy_file(BASE)).unlink()
    assert opening.sentences(one(tmp_path))[1].startswith(f"There is nothing to compare {BASE}+org/a-sft with: its AVG is 2.50 [")


def test_the_page_shows_every_part(run, tmp_path):
    text = html(read_runs([run]), tmp_path)
    for title in ("Scores", "Paired comparisons", "Preference trees", "One tree", "Conversations", "Persona pool", "Settings"):
        assert f">{title}</h3>" in text
    assert text.count('class="reply spoken"') == text.count('class="reply side"') == 5
    assert text.count("★ preferred") == 2
    assert "no preference (orders disagree)" in text
    assert "threshold 0.6" in text
    assert "Scored by a scripted judge with simulated users" in text


@pytest.mark.parametrize("kept", ["profiles.jsonl", "trees.jsonl", "transcripts", "scores"])
def test_a_run_with_one_part_has_a_report(run, tmp_path, kept):
    (tmp_path / "some").mkdir()
    (run / kept).rename(tmp_path / "some" / kept)
    report = read_runs([tmp_path / "some"])
    Page(html(report, tmp_path))
    json.loads(to_json(report))
    assert printed(report)


def test_texts_of_personas_and_models_are_only_ever_text(tmp_path):
    persona = Persona(HOSTILE[:-1], HOSTILE[:-1])
    fork = exchange((0, 1), texts=(HOSTILE, HOSTILE + "!"), user=HOSTILE)
    ascii_rows = [
        json.dumps(tree(persona, fork).to_row()),
        json.dumps(transcript(persona, HOSTILE[:-1], (1, 2), HOSTILE).to_row()),
    ]
    (tmp_path / "transcripts").mkdir()
    (tmp_path / "trees.jsonl").write_text(ascii_rows[0] + "\n")
    (tmp_path / "transcripts" / "x.jsonl").write_text(ascii_rows[1] + "\n")
    write_rows(tmp_path / "profiles.jsonl", [PoolText(HOSTILE[:-1], "seed").to_row()])
    (tmp_path / "rejected.jsonl").write_text(json.dumps(refused(text=HOSTILE)) + "\n")
    (tmp_path / "run.toml").write_text(f"[evaluate]\njudge = '''{HOSTILE[:-1].replace(chr(39), '')}'''\n", encoding="utf-8")
    text = html(read_runs([tmp_path]), tmp_path)
    page = Page(text)
    assert (page.tags["script"], page.tags["img"], page.tags["style"]) == (0, 0, 1)
    assert "{{ 7 * 7 }}{% raw %}" in text
    assert text.count("&lt;script&gt;") >= 8


def test_the_same_run_gives_the_same_bytes_in_any_process(run, tmp_path):
    code = """
import sys; from pathlib import Path; from aloe_hub.report import read_runs, write_html
write_html(read_runs([Path(sys.argv[1])]), Path(sys.argv[2]))
"""
    environment = os.environ | {"PYTHONHASHSEED": "7", "MPLBACKEND": "agg"}
    subprocess.run([sys.executable, "-c", code, str(run), str(tmp_path / "b.html")], check=True, env=environment)
    assert html(read_runs([run]), tmp_path) == (tmp_path / "b.html").read_text(encoding="utf-8")


def test_the_page_is_written_whole_or_not_at_all(run, tmp_path):
    (tmp_path / "report.html").mkdir()
    with pytest.raises(AloeError, match=r"report\.html: cannot be written"):
        write_html(read_runs([run]), tmp_path / "report.html")
    assert not list(tmp_path.glob("*.partial"))


def test_importing_the_report_is_light():
    code = "import sys, aloe_hub.report; print([m for m in ('matplotlib', 'jinja2', 'rich', 'torch') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "[]\n"
