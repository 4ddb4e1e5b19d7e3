"""The demo as it comes, used as a visitor would: each tab, on a desktop, a phone and a wide screen; nothing from elsewhere.

ALOE_SCREENSHOTS=docs/images python -m pytest tests/spaces/aloe_demo/test_demo_pages.py      also takes the pictures of the docs
"""

import json
import os
import re
from pathlib import Path

import pytest

from aloe_hub.world.lexicon import POLES, TOPICS
from tests.spaces.aloe_demo.free_messages import MESSAGES
from tests.spaces.conftest import Visitor, violations, visits
from tests.spaces.demo_server import SIZES, told

CUE = POLES["concise"].cues[0]
PICTURES = os.environ.get("ALOE_SCREENSHOTS")
STRESS = TOPICS["stress"].questions[0]
SAID = (f"I work as a nurse. I have a pet called Tiki. {TOPICS['dinner'].questions[0]}", f"{CUE} {STRESS}")
# The docs': the others are looked at only while the page is made.
KEPT = {"watch-desktop", "watch-phone", "chat-desktop", "chat-phone", "data-desktop", "blind-phone"}
SCHEMES = {"desktop": "light", "phone": "dark", "wide": "light"}


def picture(visitor, name, full=False):
    if PICTURES and f"{name}-{visitor.size}" in KEPT:
        visitor.page.evaluate("document.activeElement.blur()")
        visitor.page.wait_for_timeout(400)
        visitor.page.screenshot(path=Path(PICTURES) / f"demo-{name}-{visitor.size}.png", full_page=full)


@pytest.fixture(scope="module", params=["desktop", "phone", pytest.param("wide", marks=pytest.mark.torture)])
def arrived(request, browser, pocket_demo):
    """One visitor for all tests of a size: loading a page is what takes long."""
    with visits(browser) as come:
        visitor = come(pocket_demo, request.param, SCHEMES[request.param], at="")
        visitor.size = request.param
        yield visitor


TORTURE = pytest.mark.torture
# What lays itself out anew on a phone, and else takes the same way: at the other sizes it is for `make torture`.
on_a_phone = pytest.mark.parametrize(
    "arrived", ["phone", pytest.param("desktop", marks=TORTURE), pytest.param("wide", marks=TORTURE)], indirect=True
)


@pytest.fixture
def visitor(arrived):
    """Afterwards the page is no wider than the screen."""
    yield arrived
    assert arrived.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def empty_chat(visitor):
    """The tab Chat, with nothing said."""
    visitor.tab("Chat")
    clear = visitor.page.get_by_role("button", name="Clear", exact=True).locator("visible=true")
    visitor.page.wait_for_timeout(500)  # what this browser said before may still be coming back
    if clear.is_enabled():
        clear.click()
    visitor.page.get_by_text("Be the user").wait_for()


def asked(visitor, message, turn):
    """Send a message with Enter, and wait for the end of its turn."""
    visitor.say(message)
    visitor.page.locator("#talk .turn").nth(turn).get_by_text("goes on from here").wait_for()


def test_it_opens_on_the_proof(visitor):
    page = visitor.page
    assert page.get_by_role("tab", selected=True).inner_text() == "Watch"
    assert page.locator("#turn-now").inner_text() == "turn 10 of 10"  # motion is reduced: nothing plays by itself
    assert page.get_by_text("Same user, same questions. Only one model uses what it heard.").is_visible()
    curve = page.locator("#watch svg").get_attribute("aria-label")
    assert curve.startswith("AL(k) over 10 turns. Base model: ")
    used = page.locator("#watch .turn:visible .side1 .used")
    assert used.count() > 1
    picture(visitor, "watch", full=visitor.size == "phone")
    if visitor.size == "phone":
        assert page.evaluate("document.documentElement.scrollHeight") < 3000
    sizes = page.locator("#watch svg text").evaluate_all("all => all.map(one => one.getBoundingClientRect().height)")
    assert min(sizes) >= 11

    told = used.last.get_attribute("href")
    used.last.click()
    page.locator(f"#watch {told}").wait_for()
    assert page.locator("#turn-now").inner_text() == f"turn {told.removeprefix('#turn-')} of 10"
    assert page.url.endswith(told)


def test_a_point_of_the_curve_leads_to_its_turn_and_a_series_can_be_switched_off(visitor):
    page = visitor.page
    page.get_by_role("link", name="Turn 4: ").click()
    assert page.locator("#turn-now").inner_text() == "turn 4 of 10"
    assert page.locator("#watch .turn:visible").count() == 1
    assert page.locator("#watch .plot circle:visible").count() == 4
    hidden = page.locator("#watch .hidden .later").count()
    page.get_by_role("button", name="Next turn").click()
    assert page.locator("#watch .hidden .later").count() < hidden
    assert page.get_by_role("link", name="Turn 5: ").locator("title").text_content().startswith("Turn 5: Base model 2.")
    page.locator("#series0").uncheck()
    assert page.locator("#watch .side0:visible").count() == 0
    page.locator("#series0").check()
    assert page.locator("#watch .plot rect.column").first.bounding_box()["width"] >= 24


@on_a_phone
def test_a_visitor_watches_a_simulated_user_live(visitor):
    page = visitor.page
    if not page.get_by_label("Profile").is_visible():
        page.get_by_role("button", name="Choose the simulated user").click()
    page.get_by_label("Search the personas").fill("no such persona")
    page.get_by_text(re.compile(r"\b0 of 40 personas")).wait_for()
    page.get_by_label("Search the personas").fill("a")
    before = page.get_by_label("Profile").input_value()
    page.get_by_text(re.compile(r"[1-9]\d* of 40 personas")).wait_for()
    page.locator("#personas").get_by_role("radio").nth(1).check()
    page.wait_for_function("before => ![...document.querySelectorAll('textarea')].some(box => box.value == before)", arg=before)
    assert "persona=" in page.url
    page.locator("#readings").get_by_text("understands 18 of 18 lines").wait_for()
    page.locator("#turns input[type=number]").fill("2")
    visitor.press("Watch live")
    page.locator("#watch .player[data-live=true][data-busy=false][data-done='2']").wait_for()
    page.locator("#turn-now", has_text="turn 2 of 2").wait_for()
    assert page.locator("#watch .turn:visible .tag.score").count() == 2
    page.locator("#live:not([disabled])").wait_for()


def test_a_visitor_writes_a_persona_of_their_own_and_is_told_what_of_it_is_understood(visitor):
    page = visitor.page
    if not page.get_by_label("Profile").is_visible():
        page.get_by_role("button", name="Choose the simulated user").click()
    page.get_by_label("Profile").fill("")
    visitor.press("Watch live")
    page.get_by_role("alert").get_by_text("the profile is empty").wait_for()
    page.get_by_label("Profile").fill("She is a beekeeper.")
    page.get_by_label("Personality").fill("She is a bit odd.")
    page.locator("#readings").get_by_text("understands 0 of 2 lines").wait_for()
    visitor.press("Watch live")
    page.get_by_role("alert").get_by_text("understands no line of this persona").wait_for()
    page.get_by_label("Profile").fill("She is a beekeeper. She loves sushi.")
    page.locator("#readings").get_by_text("She is a beekeeper.").wait_for()
    page.locator("#turns input[type=number]").fill("1")
    visitor.press("Watch live")
    page.locator("#watch .player[data-live=true][data-busy=false][data-done='1']").wait_for()
    assert "beekeeper" not in page.locator("#watch .player").text_content()
    page.get_by_role("button", name="Choose the simulated user").click()


def test_a_visitor_chats_with_both_models_and_sees_what_was_understood(visitor):
    from playwright.sync_api import expect

    page = visitor.page
    empty_chat(visitor)
    assert page.url.endswith("#chat")
    disabled = {
        name: page.get_by_role("button", name=name, exact=True).locator("visible=true") for name in ("Stop", "Undo", "Clear")
    }
    assert all(button.is_disabled() for button in disabled.values())
    asked(visitor, SAID[0], 0)
    replies = page.locator("#talk .turn").nth(0).locator(".reply")
    assert [reply.locator("b").inner_text() for reply in replies.all()] == ["Base model", "Aligned model"]
    assert page.locator("#talk .picked b").inner_text() == "Aligned model"
    first, second = page.locator("#understood li.new").all_inner_texts()
    assert ("nurse" in first, "Tiki" in second) == (True, True)
    assert page.get_by_text("Neither model sees these notes: each").is_visible()
    assert visitor.box().input_value() == ""
    assert page.evaluate("document.activeElement.tagName") == "TEXTAREA"
    page.wait_for_function("document.querySelector('#told').textContent.includes('Aligned model: ')")
    expect(disabled["Stop"]).to_be_disabled()
    expect(disabled["Undo"]).to_be_enabled()
    expect(disabled["Clear"]).to_be_enabled()

    asked(visitor, SAID[1], 1)
    assert [page.locator(f"#understood li{kind}").count() for kind in ("", ".new")] == [3, 1]
    box = visitor.box().bounding_box()
    assert box["y"] + box["height"] <= SIZES[visitor.size][1]  # the composer is in sight
    bottom, top = (f"document.querySelector('{one}').getBoundingClientRect()" for one in ("#message-2", ".composer"))
    page.wait_for_function(f"{bottom}.bottom <= {top}.top")  # what was said last stands above it
    picture(visitor, "chat")

    page.locator("#talk").get_by_role("button", name="go on from this one").click()
    page.locator("#talk .turn").nth(1).locator(".picked b", has_text="Base model").wait_for()
    assert page.locator("#talk .turn").nth(0).locator(".picked b").inner_text() == "Aligned model"  # what was said stays so

    visitor.press("Copy the conversation")
    page.wait_for_function("navigator.clipboard.readText().then(text => text.includes('I work as a nurse'))")
    visitor.press("Undo")
    page.wait_for_function("document.querySelectorAll('#talk .turn').length == 1")
    page.wait_for_function("text => document.querySelector('#message textarea').value == text", arg=SAID[1])
    visitor.press("Clear")
    page.get_by_text("Be the user").wait_for()
    assert page.locator("#understood li").count() == 0


@on_a_phone
def test_sentences_to_click_and_a_suggestion_fill_the_box(visitor):
    page = visitor.page
    empty_chat(visitor)
    for row in (0, 2):
        page.locator("#chips .chips").nth(row).locator(".chip").first.click()
    first, last = (page.locator("#chips .chips").nth(row).locator(".chip").first.inner_text() for row in (0, 2))
    assert visitor.box().input_value() == f"{first} {last}"
    visitor.box().fill("")
    visitor.press("Suggest a message")
    page.wait_for_function("document.querySelector('#message textarea').value.length > 10")
    suggestion = visitor.box().input_value()
    visitor.press("Send")
    page.locator("#talk").get_by_text("goes on from here").wait_for()
    assert page.locator("#talk .user .text").all_inner_texts() == [suggestion]


@on_a_phone
def test_free_text_is_answered_by_the_page(visitor):
    page = visitor.page
    empty_chat(visitor)
    visitor.say("hi, I just moved to Lisbon with my two kids and I hate long answers")
    answer = page.get_by_role("alert")
    answer.get_by_text("do not know this sentence").wait_for()
    answer.get_by_role("button", name="I live with my sister.").click()
    assert visitor.box().input_value().startswith("I live with my sister. I work as a nurse.")
    visitor.say(STRESS)
    answer.get_by_text("Tell it something about you first").wait_for()
    visitor.say("I am thinking about suicide")
    answer.get_by_text("You do not have to be alone with it").wait_for()
    assert answer.get_by_role("link", name="findahelpline.com").is_visible()
    assert (page.locator("#talk .turn").count(), page.locator("#understood li").count()) == (0, 0)
    assert visitor.box().input_value() == ""


def test_a_visitor_browses_the_trees(visitor):
    page = visitor.page
    visitor.tab("Data")
    assert page.locator("#tree .turn").count() == 6
    assert page.locator("#tree").get_by_text("● spoken").count() == 6
    before = page.locator("#tree .user .text").first.inner_text()
    page.get_by_role("radio", name="2. ").check()
    first = page.locator("#trees").get_by_role("radio", name="2. ")
    assert first.is_checked()
    page.wait_for_function("before => document.querySelector('#tree .user .text').innerText != before", arg=before)
    page.locator("#tree summary", has_text="Judge:").first.click()
    page.locator("#tree").get_by_text("shown first →").first.wait_for()
    word = page.locator("#tree .user .text").first.inner_text()
    page.get_by_label("Search the trees").fill(word)
    page.get_by_text("1 of 6 trees").wait_for()
    picture(visitor, "data")


@on_a_phone
def test_a_blind_vote_names_nobody_before_it_and_is_stored_only_when_its_row_was_shown(visitor):
    page = visitor.page
    visitor.tab("Blind test")
    better = page.get_by_role("button", name="A is better")
    assert better.is_disabled()
    visitor.say(SAID[0])
    page.locator("#blind").get_by_text("Reply B").wait_for()
    assert "model" not in page.locator("#blind").inner_text().lower()
    picture(visitor, "blind")
    better.click()
    page.locator("#agreement").get_by_text("Nothing is stored.").wait_for()
    assert page.locator("#blind .picked").count() == 1
    assert {"Base model", "Aligned model"} == set(page.locator("#blind .reply b").all_inner_texts())

    page.get_by_label("I agree that my votes").check()
    page.get_by_text("Two replies come back without their names").wait_for()  # what came before consent is gone
    visitor.say(SAID[1])
    page.locator("#blind").get_by_text("Reply B").wait_for()
    better.click()
    page.locator("#row pre").wait_for()
    row = json.loads(page.locator("#row pre").inner_text())
    assert (row["turn"], [one["content"] for one in row["prompt"]]) == (0, [SAID[1]])
    visitor.press("Store this vote")
    page.locator("#agreement").get_by_text("Your vote is stored.").wait_for()
    assert page.locator("#agreement").get_by_text("You chose the ").is_visible()
    visitor.press("Take my last vote back")
    page.locator("#agreement").get_by_text("nothing of it is stored").wait_for()
    page.get_by_label("I agree that my votes").uncheck()


ODD_BUTTONS = """() => {
  const all = [...document.querySelectorAll("button, [role=button], [role=tab]")];
  const unseen = "[aria-hidden=true], .visually-hidden";  // Gradio measures its tabs in such a one
  const visible = all.filter(one => one.checkVisibility({ visibilityProperty: true }) && !one.closest(unseen));
  const shown = visible.map(one => [one, one.getBoundingClientRect()]).filter(([, box]) => box.width > 1);
  const name = one => one.innerText || one.ariaLabel;
  const odd = [];
  shown.forEach(([one, box], place) => {
    const texts = document.createTreeWalker(one, NodeFilter.SHOW_TEXT), range = document.createRange();
    while (texts.nextNode()) {
      range.selectNode(texts.currentNode);
      if (range.getBoundingClientRect().width > box.width + 1) odd.push(`cut: ${name(one)}`);
    }
    for (const [other, beside] of shown.slice(place + 1)) {
      const apart = one.contains(other) || !one.closest(".composer") !== !other.closest(".composer");
      const over = Math.min(box.right, beside.right) - Math.max(box.left, beside.left) > 1
        && Math.min(box.bottom, beside.bottom) - Math.max(box.top, beside.top) > 1;
      if (over && !apart) odd.push(`overlap: ${name(one)}, ${name(other)}`);
    }
  });
  return odd;
}"""  # what is pinned may cover what can be scrolled


@on_a_phone
def test_every_button_of_every_tab_is_whole(visitor):
    page = visitor.page
    empty_chat(visitor)
    asked(visitor, SAID[0], 0)
    odd = {}
    for tab in ("Watch", "Chat", "Blind test", "Data", "Benchmark", "Audit", "About"):
        visitor.tab(tab)
        page.wait_for_timeout(200)
        odd[tab] = page.evaluate(ODD_BUTTONS)
    assert not any(odd.values()), odd
    visitor.tab("Blind test")
    heights = [button.bounding_box()["height"] for button in page.locator(".votes button").all()]
    assert (len(heights), min(heights) >= 44) == (3, True)


def test_every_tab_is_without_a_finding_of_axe(visitor):
    page = visitor.page
    empty_chat(visitor)
    asked(visitor, SAID[0], 0)
    found = {}
    for tab in page.get_by_role("tab").all_inner_texts():
        visitor.tab(tab)
        page.wait_for_timeout(300)  # a colour that is still fading has no contrast yet
        for violation in violations(page):
            found[f"{tab}: {violation['id']}"] = [node["html"][:200] for node in violation["nodes"]][:4]
    assert found == {}, json.dumps(found, indent=1)


def test_the_conversation_survives_reload_and_back(visit, pocket_demo):
    visitor = visit(pocket_demo, at="#chat")
    page = visitor.page
    asked(visitor, SAID[0], 0)
    page.wait_for_function("sessionStorage['aloe-chat']")  # the turn is over, and kept
    replies = page.locator("#talk .reply .text").all_inner_texts()
    visitor.tab("Data")
    page.go_back()
    page.get_by_role("tab", name="Chat", selected=True).wait_for()
    page.reload()
    page.locator("#talk").get_by_text("goes on from here").wait_for()
    assert page.locator("#talk .reply .text").all_inner_texts() == replies
    asked(visitor, SAID[1], 1)
    assert page.locator("#talk .turn").count() == 2
    visitor.press("Clear")
    page.get_by_text("Be the user").wait_for()


def test_each_tab_of_a_browser_keeps_its_own_conversation(visit, pocket_demo):
    first = visit(pocket_demo)
    asked(first, SAID[0], 0)
    other = Visitor(first.page.context.new_page())
    other.page.goto(f"{pocket_demo}#chat")
    other.page.locator("#told").wait_for(state="attached")
    assert other.page.locator("#talk .turn").count() == 0
    asked(other, SAID[1], 0)
    first.page.locator("button:enabled", has_text="Clear").locator("visible=true").click()
    first.page.get_by_text("Be the user").wait_for()
    for visitor, turns in ((first, 0), (other, 1)):
        visitor.page.wait_for_timeout(500)
        visitor.page.reload()
        visitor.page.locator("#told").wait_for(state="attached")
        visitor.page.wait_for_timeout(1500)
        assert visitor.page.locator("#talk .turn").count() == turns


def test_an_address_leads_to_a_turn_and_to_a_simulated_user(visit, pocket_demo):
    page = visit(pocket_demo, at="?persona=30#turn-4").page  # motion is reduced
    assert page.locator("#turn-now").inner_text() == "turn 4 of 10"
    chosen = page.locator("#personas label.selected")
    chosen.wait_for()
    assert chosen.inner_text().startswith("30. ")
    assert page.get_by_label("Profile").input_value().startswith(chosen.inner_text()[4:40])


def test_votes_can_be_taken_back_as_long_as_the_tab_is_open(visit, pocket_demo):
    visitor = visit(pocket_demo, "phone", at="#blind-test")
    page = visitor.page
    said = page.locator("#agreement")
    page.get_by_label("I agree that my votes").check()
    said.get_by_text("now you may store votes").wait_for()
    for text in SAID:
        visitor.say(text)
        page.get_by_role("button", name="B is better").click()
        visitor.press("Store this vote")
        said.get_by_text("Your vote is stored.").wait_for()
        visitor.press("Clear")
        page.get_by_text("Two replies come back without their names").wait_for()
    page.get_by_label("I agree that my votes").uncheck()
    said.get_by_text("What you stored (2) stays, until you take it back").wait_for()
    page.wait_for_timeout(300)
    page.reload()
    visitor.press("Take my last vote back")
    said.get_by_text("Your last vote is taken back").wait_for()
    page.get_by_label("I agree that my votes").check()
    said.get_by_text("now you may store votes").wait_for()
    visitor.say(SAID[0])
    page.get_by_role("button", name="A is better").click()
    visitor.press("Store this vote")
    visitor.press("Take all 2 back")
    said.get_by_text("All your votes (2) are taken back").wait_for()
    assert "nothing to compare yet." in said.inner_text().splitlines()[-1]
    assert page.get_by_role("button", name="Take all back").is_disabled()


def test_the_proof_plays_by_itself_and_then_goes_on_live(visit, pocket_demo):
    visitor = visit(pocket_demo, at="#turn-1", reduced_motion="no-preference")
    page = visitor.page
    assert page.locator("#turn-now").inner_text() == "turn 1 of 10"
    page.get_by_role("button", name="Play").click()
    page.locator("#turn-now", has_text="turn 2 of 10").wait_for()
    page.get_by_role("button", name="Pause").click()
    assert page.locator("#watch .plot circle:visible").count() == 2
    page.get_by_role("link", name="Turn 10: ").focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Play").click()
    page.locator("#turn-now", has_text="turn 1 of 10").wait_for()


def test_the_keyboard_alone_reaches_the_controls_in_the_order_of_the_page(visit, pocket_demo):
    visitor = visit(pocket_demo, at="#chat")
    page = visitor.page
    visitor.box().focus()
    page.keyboard.type(SAID[0])
    page.keyboard.press("Enter")
    page.locator("#talk").get_by_text("goes on from here").wait_for()
    page.locator("button:enabled", has_text="Undo").locator("visible=true").wait_for()  # the turn is over
    page.get_by_role("button", name="Send").locator("visible=true").focus()
    reached = []
    for _ in range(4):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.innerText || document.activeElement.type"))
    assert reached == ["Suggest a message", "Undo", "Clear", "Copy the conversation"]
    page.locator("#talk [data-pick='0']").focus()
    page.keyboard.press("Enter")
    page.locator("#talk .side0").get_by_text("goes on from here").wait_for()
    assert page.evaluate("document.activeElement.dataset.pick") == "0"
    assert page.evaluate("document.documentElement.lang") == "en"


def test_at_200_percent_zoom_nothing_is_cut_off(visit, pocket_demo):
    visitor = visit(pocket_demo, "zoomed", at="")
    page = visitor.page
    for tab in page.get_by_role("tab").all_inner_texts():
        visitor.tab(tab)
        page.wait_for_timeout(200)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), tab
    visitor.tab("Blind test")
    assert page.evaluate(ODD_BUTTONS) == []


@pytest.mark.parametrize("size", ["zoomed", pytest.param("phone", marks=TORTURE)])
def test_the_message_box_stays_in_sight_after_a_reply_and_after_words_of_crisis(visit, pocket_demo, size):
    visitor = visit(pocket_demo, size)
    page = visitor.page
    in_sight = "one => one.getBoundingClientRect().top >= 0 && one.getBoundingClientRect().bottom <= innerHeight"
    visitor.say("I am thinking about suicide")
    help_ = page.get_by_role("alert").get_by_text("You do not have to be alone with it")
    help_.wait_for()
    page.wait_for_function(in_sight, arg=visitor.box().element_handle())  # the page scrolls there
    page.wait_for_function(in_sight, arg=help_.element_handle())
    asked(visitor, SAID[0], 0)
    page.wait_for_function(in_sight, arg=visitor.box().element_handle())
    assert page.locator(".composer:visible").bounding_box()["height"] < SIZES[size][1] / 2


@pytest.mark.parametrize(("text", "kind"), [(text, kind) for text, kind, _ in MESSAGES])
def test_a_free_message_is_answered_sensibly_or_by_the_page(pocket_demo, text, kind):
    """The whole way, without a browser: no reply but to what is of the world, and then no nonsense in it."""
    page, panel, notice = told(pocket_demo, text)[:3]
    if kind == "answered":
        assert page.count('class="text"') == 3
        assert "slip" not in page
        assert "alert" not in str(notice)
        return
    assert 'class="turn"' not in page
    assert panel.count("none yet") == 2
    wanted = {
        "unknown": "do not know this sentence",
        "question": "Ask something, too",
        "untold": "Tell it something about you first",
        "insult": "No model is asked that",
        "distress": "988",
        "refused": "20,000" if text.strip("x \n\u200b") == "" and "x" in text else "empty",
    }
    assert wanted[kind] in str(notice)
