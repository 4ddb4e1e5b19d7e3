"""Pages: every text is text, and what a page says is what the values hold."""

import asyncio
from html.parser import HTMLParser
from pathlib import Path

import pytest
import safe
import show
from app_state import AppState
from blind import Order, vote_row
from known import AnsweredByPage
from library import Library, library, made_personas, made_trees
from talk import Talk
from votes import Votes
from watch import Answer, Step, Watch, recorded, watched

from aloe_hub.hub.demo_settings import DemoSettings
from aloe_hub.types import Exchange, Persona, Reply, Tree, Verdict
from tests.spaces.aloe_demo.fake_models import Failing, Whole, fake_models, last, said

HOSTILE = (
    "<script>document.title='pwned'</script><img src=x onerror=alert(1)>",
    "![x](http://203.0.113.1/x.png) [link](javascript:alert(1)) {{7*7}} ${alert(1)} {% raw %}",
    '"><svg onload=alert(1)> &lt;b> </div></section>',
    "שלום \u202e עולם <b>",
    "w" * 3000,
)
TAGS = """section div p b bdi span details summary h2 h3 ul li figure figcaption svg line text g circle rect title aside a
    button code pre table caption thead tbody tr th td"""
NAMES = """class id type title href target rel lang tabindex aria-label aria-hidden aria-pressed dir role scope viewbox x y x1 x2
    y1 y2 cx cy r width height text-anchor data-turn data-told data-only data-pick data-watch data-turns data-done
    data-live data-busy"""


class Page(HTMLParser):
    """Tags must be closed in order, and be of those that the pages use."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.text = ""
        self.classes: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        assert tag in TAGS.split(), tag
        assert {name for name, _ in attributes} <= set(NAMES.split()), attributes
        self.classes += dict(attributes).get("class", "").split()
        self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def looked_at(persona, among, turns=2):
    return asyncio.run(last(watched(Watch(persona, turns), among, 0.0, asyncio.Event())))


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_is_text_on_every_page(text):
    echo = Whole(lambda _: text)
    hostile = fake_models(base=echo, aligned=echo, user=echo, inferrer=Whole(lambda _: f"Profile: {text}\nPersonality: {text}"))
    persona = Persona(text, text)
    talk = said(Talk(), text, among=hostile)
    exchange = Exchange(
        text, persona, (Reply("policy", text), Reply("policy", text + "2")), (Verdict("01", 0, text), Verdict("10", 0, text)), 1
    )
    pages = [
        show.page("talk", talk),
        show.understood(talk),
        show.page("blind", talk, Order(1), False),
        show.page("watch", looked_at(persona, hostile)),
        show.page("growing", Watch(persona, 1, (Step("hi", None, (Answer(text, done=False), None)),))),
        show.page("tree", Tree(text, persona, (exchange,))),
        show.page("notes", [text]),
        show.alert(text),
        show.unanswered(AnsweredByPage("unknown", text)),
        show.page("readings", [(text, ""), (text, "free text")], True, False),
        show.page("row", vote_row(talk, 0)),
    ]
    for page in pages:
        seen = Page(page).text
        assert (
            text[:60].replace("\u202e", "") in seen.replace("\u202e", "").replace('\\"', '"')
            or " ".join(text.split())[:60] in seen
        )


def test_a_talk_shows_both_replies_and_which_one_it_goes_on_from():
    page = Page(show.page("talk", said(Talk(), "I have a cat. Any dinner ideas?")))
    assert page.text.index("Base model") < page.text.index("Aligned model") < page.text.index("goes on from here")
    assert (page.classes.count("picked"), page.classes.count("pick")) == (1, 2)
    assert Page(show.page("talk", Talk())).classes == ["nothing"]


def test_a_reply_that_is_the_models_last_one_word_for_word_is_said_to_be_so():
    among = fake_models(base=Whole(lambda _: "The same."), aligned=Whole(lambda request: f"{len(request.messages)} messages."))
    talk = said(Talk(), "I have a cat.", "And now?", among=among)
    assert show.page("talk", talk).count("Word for word its last reply") == 1
    watch = looked_at(made_personas(1)[0], among, turns=3)
    assert show.page("watch", watch).count("Word for word its last reply") == 2


def test_a_blind_talk_names_nobody_before_the_vote_and_everybody_after_it():
    talk = said(Talk(), "I have a cat. Any dinner ideas?")
    for first in (0, 1):
        hidden = show.page("blind", talk, Order(first), False)
        seen = Page(hidden)
        assert "model" not in seen.text.lower()
        assert not {"side0", "side1", "picked"} & set(seen.classes)
        texts = [talk.turns[0].said[side].text for side in (first, 1 - first)]
        assert hidden.index("Reply A") < hidden.index(str(safe.shown(texts[0]))) < hidden.index("Reply B")
    assert "Aligned model" in show.page("blind", talk, Order(1), True)


@pytest.mark.parametrize(
    ("base", "aligned", "words"),
    [
        (
            (2, 2, 2),
            (2, 3, 4),
            "Here the base model stayed level, 2.00 on average; the aligned model rose by 1.00 a turn, 3.00 on",
        ),
        (
            (1, 2, None),
            (4, 3, 2),
            "Here the base model rose by 1.00 a turn, 1.50 on average; the aligned model fell by 1.00 a turn",
        ),
        ((1,), (2,), ""),
    ],
)
def test_the_caption_of_a_live_watch_says_what_its_curves_did_and_that_one_conversation_is_noisy(base, aligned, words):
    steps = [Step("hi", answers=(Answer("a", one, "j"), Answer("b", two, "j"))) for one, two in zip(base, aligned, strict=True)]
    page = show.page("watch", Watch(Persona("", ""), 3, tuple(steps)), "The user is scripted.")
    assert words in page
    assert ("Here the" in page) == bool(words)
    assert "One conversation is a noisy curve" in page
    assert "The user is scripted." in page
    assert "rose" not in show.page("watch", recorded(), "The user is scripted.")


def test_a_watch_shows_the_numbers_of_the_metric_and_the_curve_in_words():
    watch = looked_at(made_personas(1)[0], fake_models(), turns=3)
    page = show.page("watch", watch)
    Page(page)
    for name in ("avg", "ir"):
        # Every visitor's conversation is another one: its curve may fall, too.
        assert f"<td>{watch.numbers(1)[name]:.3f}</td>".replace("-", "−") in page
    scores = ", ".join(f"{score:.2f}" for score in watch.scores(1))
    assert "AL(k) over 3 turns. Base model: " in page
    assert f"Aligned model: {scores}." in page
    assert (page.count("<circle"), page.count('class="column"'), page.count("<rect")) == (3, 3, 6)
    assert page.count("<title>Turn ") == 3
    assert "recording" not in page
    assert "Only one model uses what it heard" not in page
    missing = show.page("watch", looked_at(made_personas(1)[0], fake_models(judge=Failing())))
    assert "no score, no score" in missing
    assert "nan" not in missing


def test_a_tree_shows_the_spoken_path_the_fork_and_both_verdicts():
    tree = made_trees()[0]
    page = Page(show.page("tree", tree))
    assert page.text.count("● spoken") == page.text.count("○ not spoken") == len(tree.exchanges)
    decided = [exchange for exchange in tree.exchanges if exchange.preferred is not None]
    assert page.text.count("★ preferred") == len(decided) > 0
    assert page.text.count("shown first →") == 2 * len(tree.exchanges)
    for exchange in tree.exchanges:
        assert exchange.replies[1 - exchange.spoken].text in page.text


@pytest.mark.parametrize("scored", [False, True])
def test_a_tree_of_several_replies_shows_each_with_its_rank(scored):
    said = [(5.0 - place, "Fine.") if scored else () for place in range(3)]
    replies = tuple(Reply("policy", text, *judged) for text, judged in zip("abc", said, strict=True))
    verdicts = () if scored else tuple(Verdict(order, int(min(order)), "") for order in ("01", "10", "02", "20", "12", "21"))
    tree = Tree("t", Persona("A nurse.", "Kind."), (Exchange("Hi.", Persona("", ""), replies, verdicts, 2),))
    page = Page(show.page("tree", tree))
    assert [page.text.count(f"rank {rank} of 3") for rank in (1, 2, 3)] == [1, 1, 1]
    assert (page.text.count("● spoken"), page.text.count("○ not spoken")) == (1, 2)
    assert "the best is policy 1" in page.text
    assert page.text.count("shown first, policy") == len(verdicts)
    assert page.text.count("policy 3: 3.00") == int(scored)


def test_a_word_that_uses_a_learned_fact_leads_to_the_message_that_told_it():
    page = show.page(
        "talk", said(Talk(), "I have a pet called Tiki. Any dinner ideas?", "I feel stressed lately, what can I do?")
    )
    assert '<a class="used" href="#message-1" title="learned from message 1">Tiki</a>' in page


def test_distress_is_answered_kindly_with_where_to_find_help():
    page = Page(show.unanswered(AnsweredByPage("distress", "")))
    assert "You do not have to be alone with it." in page.text
    assert all(number in page.text for number in ("988", "116 123", "188", "12356", "112", "findahelpline.com"))


def test_who_takes_part_is_said_with_what_is_missing(tmp_path):
    settings = DemoSettings()
    here: Library = library(settings)
    page = Page(show.page("taking_part", AppState(settings, fake_models(judge=None), here, Votes(Path(tmp_path)))))
    assert "the judge is not there: judge: no such model" in page.text
    assert page.text.count("ready") == 4
    assert "made on the spot by the scripted world" in page.text


def test_agreement_is_counted_and_nothing_is_divided_by_nothing():
    assert "nothing to compare yet" in show.agreement({}, {})
    page = Page(show.agreement({"agrees": 2, "differs": 1, "no preference": 4}, {}, "You chose the base model."))
    assert "agrees with 2 of 3 (67%); 4 without a preference" in page.text
