"""Hand-made `conversations.jsonl` files in the authors' format, and files that are not quite in it."""

import gzip
import json
import math
import tracemalloc

import pytest

from aloe_hub.errors import DataError, SettingsDiffer
from aloe_hub.files.jsonl import read_rows
from aloe_hub.files.run_folder import RunFolder
from aloe_hub.report import read_runs
from aloe_hub.stages.import_trees import FEW, Notes, conversations
from aloe_hub.stages.imports import import_authors, import_conversations
from aloe_hub.stages.pairing import Pairing
from aloe_hub.stages.training_rows import write_training_rows
from aloe_hub.types import Persona, Tree, digest

ANN, BEN = Persona("She is a nurse.", "She is kind."), Persona("He is a cook.", "He is blunt.")
FILES = ("run.toml", "profiles.jsonl", "personalities.jsonl", "personas.jsonl", "trees.jsonl", "pairs.jsonl", "sft.jsonl",
         "distill.jsonl")  # fmt: skip


def turn(number=0, chosen="preferred", **changes):
    """A turn of the authors' format; `assistant` is given by its parts."""
    replies = {"preferred": f"for you {number}", "rejected": f"for all {number}"}
    replies |= {name: changes.pop(name) for name in replies if name in changes}
    inferred = {"inferred_profile": f"knows {number} facts", "inferred_personality": "None"}
    return {"user": f"hello {number}", "assistant": replies, "chosen": chosen} | inferred | changes


def row(persona=ANN, *turns, **changes):
    texts = {"profile": persona.profile, "personality": persona.personality}
    return texts | {"conversations": list(turns or (turn(0, "rejected"), turn(1), turn(2)))} | changes


def as_read(turn):
    """(user, reply by name, the name of the spoken one), `rejected` being the first of a list."""
    first = {name: text if isinstance(text, str) else text[0] for name, text in turn["assistant"].items()}
    return turn["user"], first, turn["chosen"]


def as_utf16(content):
    return content.decode().encode("utf-16")


def without(key, value):
    return {name: part for name, part in value.items() if name != key}


@pytest.fixture
def write(tmp_path):
    """`write(row, row, "a raw line")` → the path of the file."""

    def call(*lines):
        path = tmp_path / "authors" / "conversations.jsonl"
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
        return path

    return call


@pytest.fixture
def read(write):
    """(trees, notes without the file's name) of such a file."""

    def call(*lines):
        path = write(*lines)
        notes = Notes(path)
        trees = list(conversations(path, notes))
        return trees, [note.removeprefix(str(path)).lstrip(",: ") for note in notes.lines()]

    return call


@pytest.fixture
def into(tmp_path):
    """Read a file into the run folder, as `aloe import` does."""

    def call(path):
        run = RunFolder(tmp_path / "imported")
        import_authors(path.parent, run, Pairing())
        imported = import_conversations(path, run)
        write_training_rows(run)
        return run, imported

    return call


def test_a_row_is_a_tree_with_the_preferred_reply_first_and_one_verdict(read):
    (tree,), notes = read(row())
    assert notes == []
    assert (tree.tree_id, tree.persona) == (digest("imported", ANN.persona_id, 0), ANN)
    assert [fork.spoken for fork in tree.exchanges] == [1, 0, 0]
    fork = tree.exchanges[0]
    assert [(reply.source, reply.text) for reply in fork.replies] == [("imported", "for you 0"), ("imported", "for all 0")]
    assert fork.inferred == Persona("knows 0 facts", "None")
    ((order, choice, text),) = [(verdict.order, verdict.choice, verdict.text) for verdict in fork.verdicts]
    assert (order, choice, fork.preferred) == ("01", 0, 0)
    assert "one order" in text
    assert "in one order only" in text
    assert Tree.from_row(json.loads(json.dumps(tree.to_row()))) == tree


def test_a_persona_that_comes_again_is_another_sample(read):
    trees, _ = read(row(), row(BEN), row(ANN, turn(7)), row(BEN, turn(8)))
    expected = [(ANN, 0), (BEN, 0), (ANN, 1), (BEN, 1)]
    assert [tree.tree_id for tree in trees] == [digest("imported", persona.persona_id, n) for persona, n in expected]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"user": " \n"}, "no user message"),
        ({"user": None}, "no user message"),
        ({"user": ["hi"]}, "no user message"),
        ({"user": "\u200b\u2060"}, "no user message"),
        ({"preferred": ""}, "no preferred reply"),
        ({"preferred": 3}, "no preferred reply"),
        ({"rejected": " "}, "no rejected reply"),
        ({"rejected": []}, "no rejected reply"),
        ({"rejected": ["", None, 7]}, "no rejected reply"),
        ({"assistant": None}, "no replies"),
        ({"assistant": "for you"}, "no replies"),
        ({"chosen": None}, '`chosen` is neither "preferred" nor "rejected"'),
        ({"chosen": "first"}, '`chosen` is neither "preferred" nor "rejected"'),
        ({"chosen": ["preferred"]}, '`chosen` is neither "preferred" nor "rejected"'),
    ],
)
def test_a_turn_that_cannot_be_used_ends_its_conversation(read, changes, why):
    (tree, whole), notes = read(row(ANN, turn(0), turn(1), turn(2, **changes), turn(3)), row(BEN))
    assert [fork.user for fork in tree.exchanges] == ["hello 0", "hello 1"]
    assert len(whole.exchanges) == 3
    assert notes == [f"line 1: repaired: turn 3: {why}; only the turns before it are kept"]
    (tree,), notes = read(row(ANN, turn(0, **changes), turn(1)), row(BEN))
    assert tree.persona == BEN
    assert notes == [f"line 1: refused: turn 1: {why}; nothing is left"]


def test_missing_keys_of_a_turn_are_as_good_as_blank(read):
    broken = [without("user", turn()), without("assistant", turn()), without("chosen", turn()), "hello", None, []]
    trees, notes = read(*(row(ANN, turn(number), one) for number, one in enumerate(broken)))
    assert [len(tree.exchanges) for tree in trees] == [1] * len(broken)
    assert all("repaired: turn 2: " in note for note in notes)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (row(profile="  "), "no profile"),
        (row(personality=None), "no personality"),
        (row(profile=["She is a nurse."]), "no profile"),
        (without("personality", row()), "no personality"),
        (row(profile='""\n'), "no profile"),
        (
            row(profile='"She is a nurse.""She is a cook."\n'),
            "the profile holds several texts, and nothing says which one counts",
        ),
        (row(profile="\ufeff"), "no profile"),
        (row(conversations=[]), "no list of conversations"),
        (row(conversations={"0": turn()}), "no list of conversations"),
        (without("conversations", row()), "no list of conversations"),
        ("[1, 2]", "expected a JSON object, found [1, 2]"),
        ('"text"', "expected a JSON object, found 'text'"),
        ("null", "expected a JSON object, found None"),
        ("nonsense", "not JSON (Expecting value: line 1 column 1 (char 0)): 'nonsense'"),
        ("[" * 5000, "not JSON (maximum recursion depth exceeded"),
        ("9" * 5000, "not JSON (Exceeds the limit"),
    ],
)
def test_a_row_that_cannot_be_used_is_refused_and_the_others_are_read(read, line, why):
    (tree,), notes = read(line, row(BEN))
    assert tree.persona == BEN
    (note,) = notes
    assert note.startswith(f"line 1: refused: {why}")


def test_bytes_that_are_no_utf8_are_refused_and_a_byte_order_mark_is_not(write):
    path = write(row())
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes() + b'{"profile": "\xff"}\r\n\r\n' + json.dumps(row(BEN)).encode())
    notes = Notes(path)
    assert [tree.persona for tree in conversations(path, notes)] == [ANN, BEN]
    assert [note.partition("(")[0] for note in notes.lines()] == [f"{path}, line 2: refused: not UTF-8 "]


def test_several_values_on_a_line_are_several_rows(read):
    trees, notes = read(json.dumps(row()) + json.dumps(row(BEN)), json.dumps(row(ANN, turn(5))) + " oops")
    assert [tree.persona for tree in trees] == [ANN, BEN, ANN]
    assert notes[0] == "line 1: repaired: 2 JSON values on one line, read as 2 conversations"
    assert notes[1].startswith("line 2: refused: not JSON")


def test_the_same_row_again_is_refused_wherever_it_stands(read):
    again = dict(reversed(row().items()))  # other bytes, the same conversation
    trees, notes = read(json.dumps(row()) * 2, row(BEN), again)
    assert [tree.persona for tree in trees] == [ANN, BEN]
    assert notes[1:] == [f"line {line}: refused: the same conversation as line 1" for line in (1, 3)]


def test_of_several_rejected_replies_the_first_that_says_something_is_taken(read):
    turns = [
        turn(0, "rejected", rejected=["", " a ", "b"]),
        turn(1, rejected=["c", "d"]),
        turn(2, rejected=["only"]),
        turn(3, rejected=["same", None, "same "]),
    ]
    (tree,), notes = read(row(ANN, *turns))
    assert [fork.replies[1].text for fork in tree.exchanges] == ["a", "c", "only", "same"]
    assert tree.spoken(1)[1].content == "a"
    assert notes == [
        "2 forks had several rejected replies; the first was taken",
        "1 forks went on from one of several rejected replies; the first was taken for it",
    ]


def test_what_was_inferred_may_be_missing_or_a_list(read):
    turns = [
        turn(0, inferred_profile=["Has a cat. ", "", "Cooks."]),
        turn(1, inferred_profile=None, inferred_personality=" kind "),
        without("inferred_personality", turn(2)),
        turn(3, inferred_profile=[], inferred_personality=[1]),
    ]
    (tree,), notes = read(row(ANN, *turns))
    assert [fork.inferred.profile for fork in tree.exchanges] == ["Has a cat. Cooks.", "", "knows 2 facts", ""]
    assert [fork.inferred.personality for fork in tree.exchanges] == ["None", "kind", "", ""]
    assert notes == ["1 inferred texts were lists; joined", "4 inferred texts were missing or no text; left empty"]


def test_personas_that_are_raw_lines_of_the_authors_files_are_unwrapped(read):
    raw = Persona(json.dumps(ANN.profile) + "\n", json.dumps(ANN.personality))
    quoting = Persona('"Doc" is what they call her.', ANN.personality)
    trees, notes = read(row(raw), row(ANN, turn(9)), row(quoting))
    assert [tree.persona for tree in trees] == [ANN, ANN, quoting]
    assert notes == [f"1 {part} texts were JSON strings; the text in them was taken" for part in ("profile", "personality")]


def test_equal_replies_are_a_tie_and_teach_nothing(into, write):
    run, _ = into(write(row(ANN, turn(0), turn(1, preferred="same", rejected="same"), turn(2))))
    assert [line["turn"] for line in read_rows(run.file("pairs.jsonl"), dict)] == [0, 2]


def test_many_notes_are_summed_up_by_kind(read):
    broken = [row(ANN, turn(number), turn(1, user="")) for number in range(2000)]
    trees, notes = read(*broken, "nonsense", "{", row(profile=""), *[row(BEN)] * 2)
    assert len(trees) == 2001
    assert notes[0] == "repaired: 2000 times: no user message; only the turns before it are kept (lines 1, 2, 3, …)"
    assert notes[1] == "refused: 2 times: not JSON (lines 2001, 2002)"
    assert notes[2:] == ["line 2003: refused: no profile", "line 2005: refused: the same conversation as line 2004"]


def test_a_few_notes_are_said_one_by_one(read):
    _, notes = read(*["nonsense"] * FEW, row())
    assert len(notes) == FEW
    _, notes = read(*["nonsense"] * (FEW + 1), row())
    assert notes == [f"refused: {FEW + 1} times: not JSON (lines 1, 2, 3, …)"]


def test_every_prompt_walks_back_to_the_spoken_path(into, write):
    rows = [
        row(ANN, *(turn(n, ("preferred", "rejected")[n % 3 == 0], rejected=[f"a{n}", f"b{n}"]) for n in range(10))),
        row(BEN, *(turn(n, ("rejected", "preferred")[n % 2]) for n in range(10)), turn(10, chosen="?")),
        row(ANN, turn(3), turn(4, user="")),
    ]
    run, imported = into(write(*rows))
    trees = {tree.tree_id: tree for tree in read_rows(run.file("trees.jsonl"), Tree.from_row)}
    assert (imported.trees, len(trees)) == (3, 3)
    source = {tree_id: [as_read(one) for one in given["conversations"]] for tree_id, given in zip(trees, rows, strict=True)}
    pairs, sft = ([*read_rows(run.file(f"{name}.jsonl"), dict)] for name in ("pairs", "sft"))
    assert len(pairs) == len(sft) == 10 + 10 + 1
    for pair, completion in zip(pairs, sft, strict=True):
        turns, at = source[pair["tree_id"]], pair["turn"]
        path = [text for user, replies, chosen in turns[:at] for text in (user, replies[chosen])]
        assert [message["content"] for message in pair["prompt"]] == [*path, turns[at][0]]
        assert [message["role"] for message in pair["prompt"]] == ["user", "assistant"] * at + ["user"]
        assert (pair["chosen"][0]["content"], pair["rejected"][0]["content"]) == tuple(turns[at][1].values())
        assert completion["completion"] == pair["chosen"]
        assert completion["prompt"] == pair["prompt"]


def test_a_judge_who_was_asked_in_one_order_says_nothing_about_positions(into, write):
    run, _ = into(write(row()))
    trees = read_runs([run.path]).runs[0].trees
    assert trees is not None
    assert (trees.exchanges, trees.count("imported"), trees.choices) == (3, 3, 0)
    assert math.isnan(trees.order_agreement)
    assert math.isnan(trees.tailored_preferred)


def test_alone_its_personas_are_the_pool_and_all_for_training(into, write):
    run, _ = into(write(row(ANN), row(BEN), row(ANN, turn(5)), row(Persona(ANN.profile, BEN.personality)), "nonsense"))
    assert run.personas("train") == [ANN, BEN, Persona(ANN.profile, BEN.personality)]
    profiles = [*read_rows(run.file("profiles.jsonl"), dict)]
    assert [(text["text"], text["source"]) for text in profiles] == [(ANN.profile, "imported"), (BEN.profile, "imported")]
    assert len([*read_rows(run.file("personalities.jsonl"), dict)]) == 2
    assert run.settings()["personas"] == run.settings()["trees"]
    assert set(run.settings()["trees"]) == {"source", "conversations_sha256"}


def test_the_same_import_again_changes_nothing_and_says_the_same(into, write):
    path = write(row(), "nonsense", row(BEN))
    run, first = into(path)
    before = {name: (run.file(name).read_bytes(), run.file(name).stat().st_mtime_ns) for name in FILES}
    assert into(path)[1] == first
    assert {name: (run.file(name).read_bytes(), run.file(name).stat().st_mtime_ns) for name in FILES} == before


def test_an_import_that_was_cut_short_goes_on(into, write):
    path = write(row(), row(BEN))
    run, _ = into(path)
    before = {name: run.file(name).read_bytes() for name in FILES}
    for name in ("trees.jsonl", "pairs.jsonl", "sft.jsonl", "personas.jsonl"):
        run.file(name).unlink()
    into(path)
    assert {name: run.file(name).read_bytes() for name in FILES} == before


def test_with_the_persona_files_nothing_held_out_gets_into_the_trees(texts, tmp_path):
    run = RunFolder(tmp_path / "run")
    import_authors(texts, run, Pairing(pairings=2, test_profiles=2, test_personalities=2))
    train, test = run.personas("train"), run.personas("test")
    mixed = Persona(train[0].profile, test[0].personality)
    path = texts / "conversations.jsonl"
    path.write_text("\n".join(json.dumps(row(persona)) for persona in (train[0], test[0], mixed, ANN)))
    before = run.file("personas.jsonl").read_bytes()
    import_authors(texts, run, Pairing(pairings=2, test_profiles=2, test_personalities=2))
    imported = import_conversations(path, run)
    assert run.file("personas.jsonl").read_bytes() == before
    assert [tree.persona for tree in read_rows(run.file("trees.jsonl"), Tree.from_row)] == [train[0], ANN]
    said = [note.removeprefix(str(path)) for note in imported.notes]
    assert [note.partition(" is held out")[0] for note in said[:2]] == [
        f", line {line}: refused: the profile or the personality" for line in (2, 3)
    ]
    assert said[2] == ": 1 trees have a persona that is not in personas.jsonl"


def test_a_file_of_which_nothing_can_be_used_is_an_error_and_claims_nothing(into, write, tmp_path):
    for lines, why in (
        ((), "the file is empty"),
        (("oops",), "line 1: refused: not JSON"),
        ((row(profile=""),) * 30, "refused: 30"),
    ):
        with pytest.raises(DataError, match=rf"conversations\.jsonl: no conversation that can be used: {why}"):
            into(write(*lines))
    assert not (tmp_path / "imported").exists()


def test_a_file_that_cannot_be_opened_is_named(tmp_path):
    (tmp_path / "conversations.jsonl").mkdir()
    with pytest.raises(DataError, match=r"conversations\.jsonl: cannot be read"):
        import_authors(tmp_path, RunFolder(tmp_path / "run"), Pairing())


def test_one_persona_file_alone_is_not_enough(write):
    path = write(row())
    (path.parent / "profile.jsonl").write_text('"She is a nurse."\n')
    with pytest.raises(DataError, match=r"personality\.jsonl: no such file"):
        import_authors(path.parent, RunFolder(path.parent / "run"), Pairing())


def test_other_conversations_do_not_go_into_the_same_run(into, write):
    run, _ = into(write(row()))
    path = write(row(BEN))
    with pytest.raises(SettingsDiffer, match=r"personas\.conversations_sha256"):
        into(path)
    with pytest.raises(SettingsDiffer, match=r"trees\.conversations_sha256"):
        import_conversations(path, run)


def test_memory_does_not_grow_with_the_file(write):
    long = "word " * 2000
    path = write(*(row(Persona(f"profile {n % 10}", "p"), turn(n, user=long, preferred=long)) for n in range(300)))
    assert path.stat().st_size > 6e6
    tracemalloc.start()
    try:
        assert sum(1 for _ in conversations(path, Notes(path))) == 300
        assert tracemalloc.get_traced_memory()[1] < 2e6
    finally:
        tracemalloc.stop()


def test_the_command_imports_trees_and_trees_cannot_be_grown_over_them(aloe, write, tmp_path):
    path, run = write(row(), row(BEN, turn(0), turn(1, user=""))), tmp_path / "run"
    status, output, errors = aloe("import", path.parent, "--run", run)
    assert status == 0
    said = " ".join(output.split())
    assert "2 personas for training, 0 held out" in said
    assert "2 trees in" in said
    assert "4 preference pairs (pairs.jsonl) and 4 SFT rows (sft.jsonl)" in said
    assert f"{path}, line 2: repaired: turn 2: no user message; only the turns before it are kept\n" in errors
    status, _, errors = aloe("trees", "--run", run)
    assert status == 1
    assert "trees.source is 'imported' there and None now" in errors
    assert aloe("import", path.parent, "--run", run)[0] == 0
    assert aloe("report", run)[0] == 0


def test_conversations_do_not_go_into_a_run_with_grown_trees(aloe, run, texts):
    assert aloe("trees", "--run", run.path, "--turns", 1, "--limit", 2)[0] == 0
    (texts / "conversations.jsonl").write_text(json.dumps(row()))
    options = "--pairings", 2, "--test-profiles", 2, "--test-personalities", 2
    status, _, errors = aloe("import", texts, "--run", run.path, *options)
    assert status == 1
    assert "trees.turns is 1 there and None now" in errors


def test_text_becomes_valid_where_it_enters_and_that_is_counted(read):
    (tree, _), notes = read(row(ANN, turn(0, user="half \ud83d of it")), row(BEN))
    assert tree.exchanges[0].user == "half \ufffd of it"
    assert notes == ["1 conversations hold text that is not valid Unicode; what is not was replaced"]


def test_what_a_reader_cannot_tell_apart_is_the_same_persona_and_the_same_conversation(read):
    twin = Persona(ANN.profile + "\u200b", ANN.personality)
    (first, second), notes = read(row(), row(twin), row(twin, turn(7)))
    assert first.persona == second.persona == ANN
    assert notes == ["line 2: refused: the same conversation as line 1"]


def test_a_held_out_persona_is_known_under_format_characters_too(texts, tmp_path):
    run = RunFolder(tmp_path / "run")
    import_authors(texts, run, Pairing(pairings=2, test_profiles=2, test_personalities=2))
    test = run.personas("test")[0]
    path = texts / "conversations.jsonl"
    path.write_text("\n".join(json.dumps(row(one)) for one in (Persona(f"\u200b{test.profile}\ufeff", test.personality), ANN)))
    imported = import_conversations(path, run)
    assert imported.trees == 1
    assert "line 1: refused: the profile or the personality is held out" in imported.notes[0]


@pytest.mark.parametrize(
    ("line", "form"),
    [
        ({"id": "a", "conversations": [{"from": "human", "value": "Which rose?"}]}, "the form sharegpt"),
        ({"prompt": "Which rose?", "messages": [{"role": "user", "content": "Which?"}]}, "the form messages"),
        ({"chosen": "a", "rejected": "b"}, "the form preference"),
        ({"conversation_id": "c1", "conversation_history": [{"role": "user"}]}, "the form prism"),
        ({"text": "hello"}, "the keys ['text']"),
    ],
)
def test_a_form_of_others_is_named_with_the_form_that_is_wanted(into, write, line, form):
    with pytest.raises(DataError) as caught:
        into(write(line))
    assert f"no conversation that can be used: line 1: refused: no profile; found {form}" in str(caught.value)
    assert "wanted {profile, personality, conversations: [" in str(caught.value)


@pytest.mark.parametrize(("name", "coded"), [("conversations.jsonl.gz", gzip.compress), ("conversations.jsonl", as_utf16)])
def test_conversations_come_compressed_and_in_utf16(into, write, name, coded):
    path = write(row(), row(BEN))
    content = path.read_bytes()
    path.unlink()
    path.with_name(name).write_bytes(coded(content))
    assert into(path.with_name(name))[1].trees == 2


def test_control_tokens_in_trees_are_counted_and_said(aloe, write, tmp_path):
    path = write(row(ANN, turn(0, preferred="Rugosa.<|im_end|>\n<|im_start|>user"), turn(1, user="Why?<|im_end|>")), row(BEN))
    status, _, errors = aloe("import", path.parent, "--run", tmp_path / "run")
    assert status == 0
    assert "trees hold control tokens of chat templates (<|im_end|> in 1, <|im_start|> in 1)" in " ".join(errors.split())
