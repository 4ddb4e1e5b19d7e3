"""Visitors never see each other; what one leaves behind is nothing; many messages do not make the app grow."""

import threading
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from aloe_hub.chat.scripted import Scripted
from tests.spaces.aloe_demo.fake_models import Failing, Slow, Whole, fake_models
from tests.spaces.demo_server import DEMO, demo_process, told

gradio_client = pytest.importorskip("gradio_client")
ECHO = Scripted("parrot")


@pytest.fixture(scope="module")
def echo(launched, tmp_path_factory):
    """A demo whose models say what they are told."""
    return launched(tmp_path_factory.mktemp("votes"), fake_models(base=ECHO, aligned=ECHO), concurrency=8)


def client(here):
    return gradio_client.Client(here.url, verbose=False, analytics_enabled=False)


def comes_true(is_so):
    for _ in range(300):
        if is_so():
            return
        threading.Event().wait(0.1)
    pytest.fail("within half a minute it did not")


def slow_model(words):
    return Slow(Whole(lambda _: " ".join(f"word{number}" for number in range(words))))


@pytest.fixture
def slowly(launched, visit, tmp_path):
    """`slowly(words)`: both models say so many words, and a visitor has asked them to."""

    def begin(words):
        slow = slow_model(words)
        visitor = visit(launched(tmp_path, fake_models(base=slow, aligned=slow)).url)
        visitor.say("talk to me")
        visitor.page.locator("#talk .reply .text").nth(1).wait_for()
        return slow, visitor

    return begin


@pytest.mark.parametrize("number", [10, pytest.param(30, marks=pytest.mark.torture)])
def test_many_sessions_at_once_never_see_each_others_messages(echo, number):
    everybody = threading.Barrier(number)

    def session(own):
        one = client(echo)
        everybody.wait()
        for turn in range(3):
            page, *_ = one.predict(f"secret-{own}-{turn}", api_name="/say")
        one.close()
        return page

    with ThreadPoolExecutor(number) as pool:
        pages = list(pool.map(session, range(number)))
    for own, page in enumerate(pages):
        assert all(f"secret-{own}-{turn}" in page for turn in range(3))
        assert not [other for other in range(number) if other != own and f"secret-{other}-" in page]


def test_what_a_visitor_wrote_goes_when_they_leave(echo, browser, visit):
    visitor = visit(echo.url)
    visitor.say("remember-me-not")
    visitor.page.locator("#talk").get_by_text("goes on from here").wait_for()

    def held():
        sessions = [*echo.blocks.state_holder.session_data.values()]
        return sum("remember-me-not" in str(value) for one in sessions for value in [*one.state_data.values()])

    assert held() == 1
    visitor.page.context.close()
    comes_true(lambda: held() == 0)


def test_two_visitors_at_once_in_the_browser(echo, visit):
    first, second = visit(echo.url), visit(echo.url, "phone")
    for turn in range(3):
        for visitor, name in ((first, "anna"), (second, "bert")):
            visitor.box().fill(f"{name} says {turn}")
        first.box().press("Enter")
        second.box().press("Enter")
        for visitor in (first, second):
            visitor.page.locator("#talk .turn").nth(turn).get_by_text("goes on from here").wait_for()
    assert "bert" not in first.page.locator("body").inner_text()
    assert "anna" not in second.page.locator("body").inner_text()


@pytest.mark.torture
@pytest.mark.parametrize(("more", "mebibytes"), [(1, 8), (4, 32)])
def test_memory_is_flat_over_hundreds_of_messages(tmp_path, more, mebibytes):
    """After a hundred messages, by which time everything has been loaded once, hundreds more cost next to nothing."""
    models = {"ALOE_BASE": "scripted:parrot", "ALOE_ADAPTER": "scripted:parrot", "ALOE_CONCURRENCY": "8"}
    with demo_process(DEMO, tmp_path, **models) as served:

        def messages(number):
            session = uuid4().hex
            for turn in range(number):
                message = f"I am {turn + 17} years old. {'I never mind a long read. ' * 8}Any dinner ideas?"
                assert message in told(served.url, message, session)[0]

        def hundred():
            with ThreadPoolExecutor(5) as pool:
                list(pool.map(messages, [20] * 5))

        hundred()
        before = served.memory
        for _ in range(more):
            hundred()
        assert served.memory - before < mebibytes * 2**20


def test_a_full_conversation_is_refused_with_a_message(launched, tmp_path):
    here = launched(tmp_path, fake_models(base=ECHO, aligned=ECHO), chat_turns=2)
    one = client(here)
    for message in ("one", "two", "three"):
        page, _, notice, *_ = one.predict(message, api_name="/say")
    assert "this conversation has 2 messages" in notice["value"]
    assert "three" not in page


def test_stop_ends_the_generation_and_the_page_keeps_what_was_said(slowly):
    slow, visitor = slowly(400)
    assert visitor.page.get_by_role("button", name="Send").locator("visible=true").is_disabled()
    visitor.say("and now?")
    visitor.page.get_by_role("alert").get_by_text("the models are still answering").wait_for()
    visitor.press("Stop")
    visitor.page.get_by_text("ends here: stopped").nth(1).wait_for()
    assert slow.ended == 2
    assert visitor.page.locator("#talk .reply .text").first.inner_text().startswith("word0 word1")
    assert visitor.page.get_by_role("alert").count() == 0


def test_who_had_to_wait_is_told_so_only_as_long_as_it_is_true(slowly):
    _, visitor = slowly(60)
    visitor.page.locator("#talk .side0").get_by_text("is writing").wait_for()
    visitor.say("and now?")
    visitor.page.get_by_role("alert").get_by_text("the models are still answering").wait_for()
    visitor.page.locator("button:enabled", has_text="Clear").locator("visible=true").wait_for()
    assert visitor.page.get_by_role("alert").count() == 0
    assert visitor.box().input_value() == "and now?"


def test_a_live_watch_of_real_models_grows_word_by_word_and_says_who_is_scripted(launched, visit, tmp_path):
    slow = slow_model(400)
    here = launched(tmp_path, fake_models(base=slow, aligned=slow), base="local:org/model", adapter="org/adapter")
    page = visit(here.url, at="#watch").page
    told = "The user, the note-taker and the judge are scripted; only the two models that answer are real."
    assert page.locator(".testbed").get_by_text(told).is_visible()
    assert page.locator("#watch figcaption").get_by_text("A recording of the pocket models").is_visible()
    page.get_by_role("button", name="Watch live").click()
    page.locator("#watch .side0").get_by_text("word3").wait_for()
    assert page.locator("#watch .side0").get_by_text("is writing").is_visible()
    assert page.locator("#watch figcaption").get_by_text(told).is_visible()
    page.locator("#watch summary", has_text="The whole persona").click()
    page.locator("#watch .side0").get_by_text("word9").wait_for()
    assert page.locator("#watch details[open]").count() == 1  # and stays so while the replies grow
    page.get_by_role("button", name="Stop").locator("visible=true").click()
    page.locator("#watch .side0").get_by_text("stopped here").wait_for()
    assert page.locator("#watch .side0").get_by_text("word9").is_visible()


def test_whoever_leaves_in_the_middle_stops_the_generation(slowly):
    slow, visitor = slowly(4000)
    visitor.page.context.close()
    comes_true(lambda: slow.ended == 2)


def test_what_is_missing_is_said_where_it_matters_and_the_rest_works(launched, visit, tmp_path):
    among = fake_models(aligned=None, judge=Failing())
    here = launched(tmp_path / "votes", among, prefs="org/no-such-prefs", run=str(tmp_path / "no-run"))
    visitor = visit(here.url)
    page = visitor.page
    page.get_by_text("the aligned model is not there: aligned: no such model").locator("visible=true").first.wait_for()
    visitor.say("I have a cat. Any dinner ideas?")
    page.locator("#talk .side0").get_by_text("goes on from here").wait_for()
    assert "the aligned model is not there" in page.locator("#talk .side1").inner_text()
    assert page.locator("#understood li").count() == 1
    visitor.tab("Data")
    assert page.get_by_text(f"{tmp_path}/no-run/trees.jsonl: no such file").locator("visible=true").count() == 1
    assert page.locator("#tree .turn").count() == 6
    visitor.tab("Watch")
    page.get_by_role("button", name="Choose the simulated user").click()
    page.wait_for_timeout(500)  # what Gradio has just unfolded takes its own value once more: nobody is as quick
    page.locator("#turns input[type=number]").fill("2")
    visitor.press("Watch live")
    page.locator("#watch .player[data-busy=false][data-done='2']").wait_for()
    assert page.locator("#watch .turn:visible .side0").get_by_text("no score").is_visible()
    assert "the aligned model is not there" in page.locator("#watch .turn:visible .side1").inner_text()
    visitor.tab("Blind test")
    visitor.say("I have a cat. Any dinner ideas?")
    page.get_by_role("alert").get_by_text("no vote: the aligned model is not there").wait_for()
    visitor.tab("About")
    page.get_by_role("row", name="the aligned model").get_by_text("no such model").wait_for()
