"""The tabs Benchmark and Audit: the report's numbers, conversations to find and to link to, and no text of a stranger as HTML."""

import json
import re
from types import SimpleNamespace

import pytest

from aloe_hub.files.jsonl import write_rows
from aloe_hub.results.formatting import p_value, share, with_interval
from aloe_hub.results.read import read_runs
from aloe_hub.types import Persona, Transcript, Turn
from tests.spaces.conftest import violations
from tests.spaces.demo_server import SIZES, load

pytest.importorskip("gradio")
(measured,) = load("measured")

HOSTILE = "<img src=x onerror=alert(1)>"
POLICIES = {"scripted:plain": 2.0, "scripted:tailored": 4.0, "local:org/model": 2.5, "local:org/model+org/a-sft": 3.0}
NOTHING = {"value": None, "interval": None}
AUDIT = {
    "judges": {
        "semantic": {
            "order": {"position": {"value": 0.31, "interval": [0.1, 0.5]}, "disagree": 0.2, "forks": 9, "undecided": 1}
            | {"label_noise": NOTHING},
            "retest": {"icc": NOTHING, "identical": NOTHING, "replies": 3},
            "scores_and_verdicts": {"agreement": NOTHING, "kendall": NOTHING, "forks": 9},
            "features": None,
        }
        | dict.fromkeys(("length", "persona", "leak", "flattery", "self_grading"), NOTHING)
    }
}


def talk(persona, policy, level, place):
    said = HOSTILE if place == 0 else f"question {place}"
    scores = (level - 0.5 + place % 3 / 4, None if place == 1 else level, level + 0.5)
    return Transcript(persona, policy, tuple(Turn(said, f"reply {place}", score, f"reason {place}") for score in scores))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Four policies with 3 x 2 personas, and an audit."""
    folder = tmp_path_factory.mktemp("measured")
    personas = [Persona(f"profile {i}", f"personality {j}") for i in range(3) for j in range(2)]
    for number, (policy, level) in enumerate(POLICIES.items()):
        rows = (talk(persona, policy, level, place).to_row() for place, persona in enumerate(personas))
        write_rows(folder / "transcripts" / f"{number}.jsonl", rows)
    (folder / "run.toml").write_text('[evaluate]\nuser = "scripted"\njudge = "semantic"\n')
    (folder / "audit.json").write_text(json.dumps(AUDIT))
    return folder


@pytest.fixture(scope="module")
def all_of(run):
    return measured.measured(str(run))


def test_every_number_of_the_table_is_the_reports(run, all_of):
    report = read_runs([run]).runs[0]
    shown = measured.policies(all_of)
    assert [paired.baseline for paired in report.comparisons] == ["local:org/model"] * 3
    for policy in report.policies:
        average, _, interval = with_interval(policy.scores.avg, policy.scores.avg_ci, 2).partition(" ")
        assert f"<td>{average}<small>{interval}</small></td>" in shown
        if policy.gap:
            closed, _, interval = share(policy.gap.closed, policy.gap.closed_ci).partition(" ")
            assert f"<td>{closed}<small>{interval}</small></td>" in shown
    for paired in report.comparisons:
        assert f" p {p_value(paired.p_holm)}</small>".replace("<", "&lt;", 1 if paired.p_holm < 0.001 else 0) in shown
    assert "1 training of it (a-sft)" in shown


def test_conversations_are_found_by_their_words_and_ordered_by_their_scores(all_of):
    assert len(all_of.samples) == 24
    every = measured.found(all_of, "", measured.EVERY, measured.LOWEST)
    assert [sample.mean for sample in every] == sorted(sample.mean for sample in every)
    assert [one.mean for one in measured.found(all_of, "", measured.EVERY, measured.HIGHEST)] == [one.mean for one in every][::-1]
    some = measured.found(all_of, "REASON 3 profile", "local:org/model", measured.BY_PERSONA)
    assert [(sample.talk.policy, sample.talk.turns[0].reply) for sample in some] == [("local:org/model", "reply 3")]
    assert "24 of 24 conversations." in measured.listing(all_of, "", measured.EVERY, measured.LOWEST)
    assert "0 of 24 conversations." in measured.listing(all_of, "nobody says that", measured.EVERY, measured.LOWEST)


def test_a_conversation_has_its_reasons_beside_its_replies_and_leads_to_those_of_the_same_persona(all_of):
    name, sample = next((name, one) for name, one in all_of.samples.items() if one.talk.turns[0].reply == "reply 1")
    shown = measured.conversation(all_of, name)
    assert shown.count("reply 1</div>") == shown.count("reason 1</div>") == 3
    assert shown.count('<span class="tag score">no score</span>') == 1
    assert f'href="?sample={name}#benchmark"' in shown
    assert shown.count("data-sample=") == len(POLICIES)
    assert measured.conversation(all_of, "gone") == measured.conversation(all_of, "") == ""
    assert sample.mean == pytest.approx((sample.talk.scores[0] + sample.talk.scores[2]) / 2)


def test_texts_are_only_ever_text(all_of):
    name = next(name for name, one in all_of.samples.items() if one.talk.turns[0].user == HOSTILE)
    for shown in (measured.conversation(all_of, name), measured.listing(all_of, "", measured.EVERY, measured.LOWEST)):
        assert "<img" not in shown
        assert "&lt;img" in shown


def test_what_cannot_be_read_is_said_and_what_is_not_audited_too(tmp_path):
    gone = measured.measured(str(tmp_path / "gone"))
    assert "gone: no such folder" in measured.policies(gone)
    assert "0 of 0 conversations." in measured.listing(gone, "", measured.EVERY, measured.LOWEST)
    assert "Judge and users are not audited" in measured.audit(gone)


def test_without_a_run_the_scripted_world_makes_a_small_one(monkeypatch):
    monkeypatch.setattr(measured, "MADE_EACH", 2)
    monkeypatch.setattr(measured, "MADE_TURNS", 2)
    monkeypatch.setattr(measured, "_measured", measured._measured.__wrapped__)
    made = measured.measured("")
    assert {*made.policies} == {*measured.MADE_POLICIES}
    assert len(made.samples) == 4 * len(measured.MADE_POLICIES)
    assert "made on the spot by the scripted world" in measured.policies(made)


@pytest.fixture(scope="module")
def url(run):
    """The two tabs on a page of their own, which needs no models."""
    import gradio as gr

    tab_benchmark, theme = load("tab_benchmark", "theme")
    state = SimpleNamespace(settings=SimpleNamespace(run=str(run)))
    with gr.Blocks(title="ALOE", analytics_enabled=False) as blocks:
        gr.Markdown("# ALOE")
        with gr.Tabs():
            with gr.Tab("Benchmark"):
                tab_benchmark.build(state)
            with gr.Tab("Audit"):
                tab_benchmark.build_audit(state)
    style = measured.__file__.replace("measured.py", "style.css")
    looks = {"theme": theme.THEME, "css": theme.CSS, "css_paths": style, "footer_links": []}
    _, address, _ = blocks.launch(prevent_thread_lock=True, ssr_mode=False, quiet=True, **looks)
    yield address
    blocks.close(verbose=False)


@pytest.mark.parametrize("size", [pytest.param("desktop", marks=pytest.mark.torture), "phone"])
def test_a_visitor_finds_a_conversation_opens_it_and_comes_back_by_its_address(browser, url, size):
    width, height = SIZES[size]
    page = browser.new_context(viewport={"width": width, "height": height}).new_page()
    page.set_default_timeout(30_000)
    page.goto(url)
    page.locator("#policies").get_by_role("row", name="B a-sft").wait_for()
    page.get_by_label("Filter the conversations").fill("reason 4")
    page.get_by_text(re.compile(r"\b4 of 24 conversations")).wait_for()
    page.locator("#samples a").first.press("Enter")
    page.locator("#sample").get_by_text("reason 4").first.wait_for()
    page.wait_for_function("document.activeElement.tagName === 'H3'")
    assert page.url.endswith("#benchmark")
    assert [found["id"] for found in violations(page)] == []
    page.reload()
    page.locator("#sample").get_by_text("reason 4").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("tab", name="Audit").click()
    page.get_by_role("row", name="position, γ").get_by_text("+0.31 [+0.10, +0.50]").wait_for()
    assert [found["id"] for found in violations(page)] == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.context.close()
