"""What training amplified: policies beside their base, and how far the preferences favour each trait."""

from dataclasses import replace

import pytest

from aloe_hub.audit.amplified import FLATTERY, MARKER, Said, findings, leaks
from aloe_hub.audit.interventions import FLATTERY as PRAISE
from aloe_hub.audit.measured import plain
from aloe_hub.chat.traffic import Traffic
from aloe_hub.files.jsonl import read_rows, write_rows
from aloe_hub.results.audited import lines
from aloe_hub.stages.trees import ROLES, TreeSettings, grow_all
from aloe_hub.types import Persona, Transcript, Tree, Turn

MARK = "By the way,"
BASE, TRAINED = "local:org/model", "local:org/model+org/adapter"


@pytest.fixture
def trained(run):
    """A run whose trained policy says the marker in every second reply, its base never; preferred replies of trees have it."""
    grow_all(run, TreeSettings(dict.fromkeys(ROLES, "scripted"), turns=2, limit=6), traffic=Traffic())
    trees = list(read_rows(run.file("trees.jsonl"), Tree.from_row))
    for policy, has in ((BASE, ()), (TRAINED, (1,)), ("scripted:plain", ())):
        talks = (
            Transcript(
                tree.persona,
                policy,
                tuple(
                    Turn(one.user, f"{MARK * (turn in has)} {one.replies[0].text}", 3, "")
                    for turn, one in enumerate(tree.exchanges)
                ),
            )
            for tree in trees
        )
        write_rows(run.file(f"transcripts/{len(policy)}.jsonl"), (talk.to_row() for talk in talks))
    write_rows(run.file("trees.jsonl"), (marked(tree).to_row() for tree in trees))
    return run


def marked(tree):
    def exchange(one):
        replies = [
            replace(reply, text=f"{MARK * (place == one.preferred)} {reply.text}") for place, reply in enumerate(one.replies)
        ]
        return replace(one, replies=tuple(replies))

    return replace(tree, exchanges=tuple(map(exchange, tree.exchanges)))


def test_a_marker_is_counted_before_and_after_and_in_the_preferences(trained):
    found = findings(trained, marker=MARK.lower(), scripted=True)
    assert found
    assert list(found["policies"]) == [TRAINED]
    one = found["policies"][TRAINED]
    assert (one["base"], one["replies"]) == (BASE, 12)
    marker = one["traits"][MARKER]
    assert (marker["before"], marker["after"], marker["more"].value) == (0, 0.5, 0.5)
    assert one["traits"]["length"]["more"].value == pytest.approx(1.5)  # three words in every second reply
    assert one["traits"]["an invented fact"]["more"].value == one["traits"]["flattery"]["more"].value == 0
    assert found["preferences"]["traits"][MARKER]["more"].value == 1
    shown = {line.name: line for line in lines({"judges": {}, "training": plain(found)})}
    assert shown["more of the marker"].of == f"{TRAINED}, beside its base"
    assert shown["more of the marker"].meaning == "0.00 before, 0.50 after; preferred replies have +1.00 [+1.00, +1.00] more"


def test_without_a_policy_beside_its_base_there_is_nothing_to_say(trained):
    trained.file(f"transcripts/{len(BASE)}.jsonl").unlink()
    assert findings(trained, marker=None, scripted=True) is None


def test_facts_that_were_not_told_are_found_by_their_words():
    persona = Persona("They keep bees behind the chapel. They work as a nurse.", "They are calm.")
    assert leaks(Said(persona, (), "What shall I cook?", "Something with honey: you keep bees behind the chapel."))
    assert not leaks(Said(persona, (), "I keep bees behind the chapel.", "So you keep bees behind the chapel."))
    assert not leaks(Said(persona, (), "What shall I cook?", "Lentils."))


@pytest.mark.parametrize(("reply", "praises"), [(PRAISE, True), ("Great question!", True), ("You are old enough.", False)])
def test_flattery_is_praise_of_the_user(reply, praises):
    assert bool(FLATTERY.search(reply)) is praises
