"""What visitors, personas and models write is shown as text: nothing of it runs, nothing is fetched from anywhere."""

import pytest

from aloe_hub import prompts
from aloe_hub.chat.scripted import Scripted
from tests.spaces.aloe_demo.fake_models import Whole, fake_models
from tests.spaces.conftest import visits

HOSTILE = {
    "script": "<script>document.title='pwned'</script><img src=x onerror=document.title=1><svg onload=document.title=2>",
    "markdown": "![x](http://203.0.113.1/x.png) [a](javascript:document.title='pwned') <b>bold</b> **bold**",
    "templates": "${document.title='pwned'} {{document.title}} `\\${1}` {% raw %} </div></section></textarea>",
    "a long word": "w" * 3900,
    "right to left": "שלום עולם \u202e evil \u2066 مرحبا بالعالم",
    "odd characters": "a\u0000b\u200b\u0301\u0301\u0301 \U0001f468\u200d\U0001f469\u200d\U0001f467 \r\n\n\n end",
}


@pytest.fixture(scope="module")
def parrots(launched, tmp_path_factory):
    """A demo in which everybody says what the visitor says, the inferrer and the judge too."""
    parrot = Scripted("parrot")

    def believes_it(request):
        said = prompts.messages(prompts.sections(request.messages[-1].content)["CONVERSATION"])[-1].content
        return f"Profile: {said}\nPersonality: {said}"

    inferrer = Whole(believes_it)
    user = Whole(lambda request: request.messages[-1].content)
    return launched(tmp_path_factory.mktemp("votes"), fake_models(base=parrot, aligned=parrot, inferrer=inferrer, user=user))


# What is text is text at any width, and what is too wide is so on a phone first.
@pytest.fixture(scope="module")
def phone(browser, parrots):
    with visits(browser) as come:  # which fail where anybody else is asked for anything
        yield come(parrots.url, "phone")


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_shown_as_text(phone, name):
    text, page = HOSTILE[name], phone.page
    phone.tab("Chat")
    number = page.locator("#talk .turn").count()
    phone.say(text)
    turn = page.locator("#talk .turn").nth(number)
    turn.get_by_text("goes on from here").wait_for()
    wanted = " ".join(text.replace("\u0000", "").split())
    for element in (".user .text", ".side0 .text", ".side1 .text"):
        assert " ".join(turn.locator(element).evaluate("e => e.textContent").split()) == wanted, element

    phone.tab("Watch")
    if not page.get_by_label("Profile").is_visible():
        page.get_by_role("button", name="Choose the simulated user").click()
    page.get_by_label("Profile").fill(text)
    page.get_by_label("Personality").fill(text)
    page.locator("#turns input[type=number]").fill("1")
    before = page.locator("#watch .player").get_attribute("data-watch")
    phone.press("Watch live")
    page.locator(f"#watch .player:not([data-watch='{before}'])").wait_for()
    page.locator("#watch .player[data-live=true][data-busy=false][data-done='1']").wait_for()
    page.locator("#live:not([disabled])").wait_for()
    shown = page.locator("#watch aside .text").first.evaluate("e => e.textContent")
    assert " ".join(shown.split()) == wanted
    page.wait_for_function("document.querySelectorAll('#watch .tag.score').length == 2")

    inside = ("script", "img", "a:not([href^='#'])")
    assert [page.locator(f"#talk {one}, #watch {one}").count() for one in inside] == [0, 0, 0]
    assert page.locator(".page svg svg").count() == 0
    assert page.title().startswith("ALOE")
    for tab in ("Chat", "Watch"):
        phone.tab(tab)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), tab


def test_right_to_left_text_runs_so_and_leaves_the_rest_alone(parrots, visit):
    visitor = visit(parrots.url)
    visitor.say(HOSTILE["right to left"])
    visitor.page.locator("#talk").get_by_text("goes on from here").wait_for()
    assert visitor.page.locator("#talk .user .text").evaluate("e => getComputedStyle(e).direction") == "rtl"
    assert visitor.page.locator("#talk .user .who").evaluate("e => getComputedStyle(e).direction") == "ltr"


def test_twenty_thousand_characters_of_a_visitor_are_refused_and_kept_in_the_box(parrots, visit):
    visitor = visit(parrots.url)
    page, long = visitor.page, "x" * 20_000
    visitor.say(long)
    page.get_by_role("alert").get_by_text("the message has 20,000 characters, and this page takes 4,000").wait_for()
    assert visitor.box().input_value() == long
    assert page.locator("#talk .turn").count() == 0
    visitor.tab("Watch")
    page.get_by_role("button", name="Choose the simulated user").click()
    page.get_by_label("Profile").fill(long)
    visitor.press("Watch live")
    page.get_by_role("alert").get_by_text("the profile has 20,000 characters").wait_for()
    visitor.tab("Blind test")
    visitor.say(long)
    page.get_by_role("alert").get_by_text("the message has 20,000 characters").wait_for()


def test_twenty_thousand_characters_of_a_model_are_cut_with_a_notice(launched, visit, tmp_path):
    endless = Whole(lambda _: " ".join(map(str, range(5000))))
    here = launched(tmp_path, fake_models(base=endless, aligned=endless))
    visitor = visit(here.url)
    visitor.say("hello")
    visitor.page.get_by_text("ends here: as long as a reply may be").first.wait_for()
    assert len(visitor.page.locator("#talk .side0 .text").inner_text()) <= 8000
