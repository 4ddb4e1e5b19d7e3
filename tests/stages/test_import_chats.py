"""`aloe import` of recorded chats: counts, files, what is refused, and being stopped."""

import json
import signal
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest

from aloe_hub.errors import DataError, SettingsDiffer
from aloe_hub.files.jsonl import read_rows
from aloe_hub.files.run_folder import RunFolder
from aloe_hub.report import read_runs, to_json
from aloe_hub.stages.chats.importing import import_chats
from aloe_hub.stages.chats.language import Sample
from aloe_hub.stages.chats.sources import open_source
from aloe_hub.types import Transcript, Tree
from tests.stages.recorded import FORKED, PLAIN, messages, rated

RECLLMSIM = Path(__file__).resolve().parents[3] / "shared/data/recllmsim"


@pytest.fixture
def write(tmp_path):
    """`write(name, row, "a raw line")` → the path of the file."""

    def call(name, *lines):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
        return path

    return call


def files_of(run):
    return {path.relative_to(run).as_posix(): path.read_bytes() for path in sorted(run.rglob("*")) if path.is_file()}


def last_line(output):
    return output.strip().splitlines()[-1]


def chats(people=3, each=2):
    return [rated(number, user, (3 + number % 3, 5, None)) for user in range(people) for number in range(each)]


def test_rated_chats_become_transcripts_and_scores_by_assistant(aloe, write, tmp_path):
    path = write("chats.jsonl", *chats(), rated(9, 0, (1,), model="org/model-b"), rated(8, 0, (None,), model="org/model-b"))
    status, output, _ = aloe("import", path, "--run", tmp_path / "run")
    assert (status, last_line(output)) == (0, "8 conversations, 3 users, 13 ratings")
    run = RunFolder(tmp_path / "run")
    files = [run.file(f"transcripts/{name}.jsonl") for name in ("model-a", "org_model-b")]
    assert [len(list(read_rows(file, Transcript.from_row))) for file in files] == [6, 1]
    users = [row["user_id"] for row in read_rows(run.file("scores/model-a.jsonl"), dict)]
    assert users == [f"User_{number}" for number in (0, 0, 1, 1, 2, 2)]
    assert len(list(read_rows(run.file("conversations.jsonl"), dict))) == 1
    assert [persona.personality for persona in run.personas("train")] == ["calm, kind"] * 3
    assert run.settings()["evaluate"]["scale"] == [1, 5]
    assert aloe("evaluate", "--run", run.path, "--policy", "scripted")[0] == 1  # its benchmark is the people's


def test_a_chat_whose_ratings_are_all_off_the_scale_is_a_conversation_without_any(aloe, write, tmp_path):
    path = write("chats.jsonl", rated(0, 0, (2, 3)), rated(1, 1, (9,), model="org/model-b"))
    status, output, errors = aloe("import", path, "--run", tmp_path / "run", "--scale", "1..5")
    assert (status, last_line(output)) == (0, "2 conversations, 2 users, 3 ratings"), errors
    assert f"{path}, line 2: left out: a rating that is not from 1 to 5: 9\n" in errors
    assert len(list(read_rows(tmp_path / "run/conversations.jsonl", dict))) == 1
    assert [file.name for file in (tmp_path / "run/transcripts").iterdir()] == ["model-a.jsonl"]
    assert aloe("report", tmp_path / "run")[0] == 0


def test_a_rating_that_is_none_is_counted_with_file_and_line_and_is_no_refused_record(aloe, write, tmp_path):
    path = write("chats.jsonl", rated(0, 0, (2, "good")), rated(1, 1, ("bad", 3)))
    status, output, errors = aloe("import", path, "--run", tmp_path / "run", "--language", "en")
    assert (status, last_line(output)) == (0, "2 conversations, 2 users, 2 ratings")
    assert errors == f"{path}, line 1: left out: a rating that is not a number: 'good' (2 times, here first)\n"
    assert "refused" not in output


@pytest.mark.parametrize("named", [0, 1])
def test_the_report_counts_the_users_that_the_import_counted(aloe, write, tmp_path, named):
    nobody = {"path": None}
    path = write("c.jsonl", rated(0) | ({} if named else nobody), rated(1) | nobody)
    _, output, _ = aloe("import", path, "--run", tmp_path / "run", "--language", "en")
    users = ("0 users", "1 user")[named]
    assert last_line(output) == f"2 conversations, {users}, 4 ratings"
    status, output, _ = aloe("report", tmp_path / "run")
    unnamed = ("2 conversations", "1 conversation")[named]
    assert (status, f"A: {users} and {unnamed} without a named user; " in output) == (0, True)
    assert f"over 2 {('conversations', 'users and unnamed conversations')[named]}" in output
    (row,) = json.loads(to_json(read_runs([tmp_path / "run"])))["runs"][0]["policies"]
    assert (row["users"], row["unnamed"], row["over"]) == (named, 2 - named, {"cluster": 2})
    (tmp_path / "run/transcripts/model-a.jsonl").unlink()  # the scores alone say the same
    assert read_runs([tmp_path / "run"]).runs[0].policies[0].profiles == named


def test_an_assistant_with_few_long_chats_is_drawn_beside_one_with_many(aloe, write, tmp_path):
    few = [rated(0, user, (1, 2)[: 2 if user < 5 else 1], "a") for user in range(40)]
    many = [rated(1, user, (1, 2, 3, 4), "b") for user in range(40)]
    assert aloe("import", write("c.jsonl", *few, *many), "--run", tmp_path / "run")[0] == 0
    status, _, errors = aloe("report", tmp_path / "run")
    assert status == 0, errors


def test_chats_that_fork_become_trees_and_rows_that_train(aloe, write, tmp_path):
    for name, row in FORKED.items():
        write(f"forks/{name}.jsonl", row)
    status, output, errors = aloe("import", tmp_path / "forks", "--run", tmp_path / "run")
    assert (status, last_line(output)) == (0, "5 conversations, 2 users, 10 ratings")
    assert "3 replies left out: a fork holds two" in errors
    found = list(read_rows(tmp_path / "run/trees.jsonl", Tree.from_row))
    assert (len(found), len({tree.tree_id for tree in found})) == (5, 5)
    assert "6 preference pairs" in output
    trees = read_runs([tmp_path / "run"]).runs[0].trees
    assert trees is not None
    assert (trees.exchanges, trees.count("human")) == (6, 6)
    assert aloe("report", tmp_path / "run")[0] == 0
    assert "recorded (arena): preferred" in (tmp_path / "run/report.html").read_text()


def test_all_other_chats_become_conversations_that_can_be_imported_again(aloe, write, tmp_path):
    for name, row in PLAIN.items():
        write(f"plain/{name}.jsonl", row)
    status, output, _ = aloe("import", tmp_path / "plain", "--run", tmp_path / "run", "--language", "en")
    assert (status, last_line(output)) == (0, "6 conversations, 1 user, 0 ratings")
    again = aloe("import", tmp_path / "run/conversations.jsonl", "--run", tmp_path / "again", "--language", "en")
    assert (again[0], last_line(again[1])) == (0, "6 conversations, 1 user, 0 ratings")
    assert files_of(tmp_path / "run")["conversations.jsonl"] == files_of(tmp_path / "again")["conversations.jsonl"]


def test_what_is_refused_is_counted_by_reason_with_file_and_line(aloe, write, tmp_path):
    path = write("c.jsonl", "oops", PLAIN["messages"], "{", {"messages": []}, {"text": "x"}, {"messages": messages("a", "b", "")})
    status, output, errors = aloe("import", path, "--run", tmp_path / "run")
    assert (status, last_line(output)) == (0, "2 conversations, 0 users, 0 ratings")
    assert f"{path}, line 1: refused: not JSON (2 times, here first)\n" in errors
    assert f"{path}, line 4: refused: not of the form messages: found the keys ['messages']; wanted messages: [" in errors
    assert f"{path}, line 6: repaired: a message of the user without text; only what was said before it is kept\n" in errors
    assert "4 records refused" in output


def test_an_unknown_form_names_the_keys_found_and_the_forms_known(aloe, write, tmp_path):
    status, _, errors = aloe("import", write("c.jsonl", {"text": "x", "label": 1}), "--run", tmp_path / "run")
    assert status == 1
    assert "no conversation that can be used" in errors
    assert "found the keys ['label', 'text']; known: recllmsim (history: [" in errors
    assert not (tmp_path / "run").exists()


def test_a_form_may_be_said(aloe, write, tmp_path):
    path = write("c.jsonl", PLAIN["messages"] | {"prompt": "p", "completion": "c"})
    assert aloe("import", path, "--run", tmp_path / "run", "--form", "prompt-completion")[0] == 0
    assert "prompt" not in next(read_rows(tmp_path / "run/conversations.jsonl", dict))
    assert next(read_rows(tmp_path / "run/conversations.jsonl", dict))["messages"][0]["content"] == "p"
    status, _, errors = aloe("import", path, "--run", tmp_path / "run2", "--form", "prism")
    assert (status, "not of the form prism" in errors) == (1, True)


def test_a_form_that_is_unknown_names_all_that_are_taken(aloe, write, tmp_path):
    path, run = write("c.jsonl", PLAIN["messages"]), tmp_path / "run"
    status, _, errors = aloe("import", path, "--run", run, "--form", "nope")
    _, _, names = " ".join(errors.split()).partition("--form 'nope': no such form; known: ")
    assert (status, {"aloe", "personas", "openai", "messages"} < {*names.split(", ")}) == (2, True)
    assert not [name for name in names.split(", ") if aloe("import", path, "--run", run / name, "--form", name)[0] == 2]


def test_ratings_need_a_scale_where_the_form_has_none(aloe, write, tmp_path):
    said = messages("a", "b")
    said[1]["rating"] = 1
    path = write("c.jsonl", {"messages": said, "model": "m"})
    status, _, errors = aloe("import", path, "--run", tmp_path / "run")
    assert (status, "give --scale, as in 1..5" in errors) == (1, True)
    assert aloe("import", path, "--run", tmp_path / "run", "--scale", "0..1")[0] == 0
    assert aloe("report", tmp_path / "run")[0] == 0
    for wrong in ("5", "5..1", "a..b", "1.5..2"):
        assert aloe("import", path, "--run", tmp_path / "other", "--scale", wrong)[0] == 2


def test_options_of_the_hub_are_for_the_hub_and_a_missing_file_is_one(aloe, write, tmp_path):
    status, _, errors = aloe("import", write("c.jsonl", PLAIN["messages"]), "--run", tmp_path / "run", "--split", "test")
    assert (status, "--split: is for datasets on the Hub" in errors) == (2, True)
    status, _, errors = aloe("import", tmp_path / "none.jsonl", "--run", tmp_path / "run")
    assert (status, "no such file or folder" in errors) == (1, True)
    assert aloe("import", tmp_path / "c.jsonl", "--run", tmp_path / "run", "--language", "Chinese")[0] == 2


def test_of_a_folder_everything_is_read_but_what_is_hidden(write, tmp_path):
    for name in ("a.jsonl", "sub/deep/b.jsonl", ".ipynb_checkpoints/a.jsonl", "sub/._b.jsonl"):
        write(f"chats/{name}", PLAIN["messages"])
    names = [name for name, _ in open_source(str(tmp_path / "chats")).parts]
    assert names == [str(tmp_path / "chats" / name) for name in ("a.jsonl", "sub/deep/b.jsonl")]


def test_the_same_import_again_changes_nothing_and_another_is_refused(write, tmp_path):
    path, run = write("c.jsonl", *chats()), RunFolder(tmp_path / "run")
    first = import_chats(open_source(str(path)), run)
    before = {path: path.stat().st_mtime_ns for path in run.path.rglob("*")}
    assert import_chats(open_source(str(path)), run) == first
    assert {path: path.stat().st_mtime_ns for path in run.path.rglob("*")} == before
    write("c.jsonl", *chats(people=4))
    with pytest.raises(SettingsDiffer, match=r"import\.sha256"):
        import_chats(open_source(str(path)), run)


def test_two_assistants_with_one_file_name_are_refused(write, tmp_path):
    path = write("c.jsonl", rated(0, model="a/b"), rated(1, model="a:b"))
    with pytest.raises(DataError, match="'a:b' and 'a/b' would have one file"):
        import_chats(open_source(str(path)), RunFolder(tmp_path / "run"))
    assert not list((tmp_path / "run").rglob("*.jsonl"))


KILLED = """
import os, signal, sys
from aloe_hub.files.run_folder import RunFolder
from aloe_hub.stages.chats import importing
kept, seen = importing.kind_of, []
def kind_of(chat):
    seen.append(chat)
    if len(seen) == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    return kept(chat)
importing.kind_of = kind_of
importing.import_chats(importing_source, RunFolder(sys.argv[2])) if False else None
from pathlib import Path
from aloe_hub.stages.chats.sources import open_source
importing.import_chats(open_source(sys.argv[1]), RunFolder(Path(sys.argv[2])))
"""


def test_an_import_that_was_killed_ends_as_if_it_had_not_been(write, tmp_path):
    path = write("c.jsonl", *chats())
    done = subprocess.run([sys.executable, "-c", KILLED, str(path), str(tmp_path / "run")], check=False)
    assert done.returncode == -signal.SIGKILL
    assert list((tmp_path / "run").rglob("*.partial"))
    assert not list((tmp_path / "run").rglob("*.jsonl"))
    for name in ("run", "whole"):
        import_chats(open_source(str(path)), RunFolder(tmp_path / name))
    assert files_of(tmp_path / "run") == files_of(tmp_path / "whole")


def test_memory_does_not_grow_with_the_file(write, tmp_path):
    long = "word " * 1500
    path = write("c.jsonl", *({"user_id": f"u{n}", "messages": messages(long, long)} for n in range(400)))
    assert path.stat().st_size > 5e6
    import_chats(open_source(str(write("warm.jsonl", PLAIN["messages"]))), RunFolder(tmp_path / "warm"), language="en")
    tracemalloc.start()
    try:
        assert import_chats(open_source(str(path)), RunFolder(tmp_path / "run"), language="en").users == 400
        assert tracemalloc.get_traced_memory()[1] < 2.5e6
    finally:
        tracemalloc.stop()


def test_the_language_is_looked_for_in_a_sample_that_is_spread_over_all_chats(monkeypatch):
    from aloe_hub.stages.chats import language
    from aloe_hub.stages.chats.base import chat_of

    monkeypatch.setattr(language, "SAMPLE", 4)
    sample = Sample()
    for number in range(40):
        sample.add(chat_of(messages(f"chat {number}", "b")))
    assert [text.split("\n")[0] for text in sample._texts] == ["chat 0", "chat 16", "chat 32"]


def test_the_language_is_detected(write, tmp_path):
    pytest.importorskip("py3langid")
    english = {"messages": messages("Which rose blooms twice in a year, and what does it need?", "The rugosa rose does.")}
    chinese = {"messages": messages("你好，我想学习英语，应该从哪里开始？", "学习英语是一个非常有益的目标。")}
    path = write("c.jsonl", *[english] * 3, chinese)
    assert import_chats(open_source(str(path)), RunFolder(tmp_path / "run")).languages == ["en", "zh"]


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("personas.txt", ["She is 30.", "He sews."]),
        ("personas.jsonl", [{"persona": "She is 30."}, {"persona": "He sews.", "id": 2}, {"persona": "She is 30."}]),
        ("personas.json", ['["She is 30.",', '"He sews."]']),
    ],
)
def test_texts_are_the_profiles_of_a_pool(aloe, write, tmp_path, name, lines):
    status, output, errors = aloe("import", write(name, *lines), "--run", tmp_path / "run", "--test-profiles", 0)
    assert status == 0
    assert "2 profiles and 20 personalities" in " ".join(output.split())
    assert "the 2 texts are profiles; the 20 personalities are the seeds of aloe-hub" in " ".join(errors.split())


def test_the_authors_conversations_are_read_alone_too(aloe, write, tmp_path):
    turn = {"user": "hi", "assistant": {"preferred": "a", "rejected": "b"}, "chosen": "preferred"}
    row = {"profile": "She is a nurse.", "personality": "kind", "conversations": [turn]}
    status, output, _ = aloe("import", write("talks.jsonl", row), "--run", tmp_path / "run")
    assert (status, "1 tree in" in output) == (0, True)


def test_recorded_chats_are_reported_in_both_readings_with_people_as_clusters(write, tmp_path):
    rows = [rated(number, user, (2, 3, 4)[: 3 if user % 2 else 2]) for user in range(40) for number in range(2)]
    run = RunFolder(tmp_path / "run")
    import_chats(open_source(str(write("c.jsonl", *rows, *(rated(9, user, (5, 5), "model-b") for user in range(30))))), run)
    (found,) = json.loads(to_json(read_runs([run.path])))["runs"]
    policies = {row["policy"]: row for row in found["policies"]}
    stayed, carried = policies["model-a"], policies["model-a"]["carried"]
    assert (stayed["n"], stayed["al"], stayed["users"], stayed["over"]) == ([80, 80, 40], [2, 3, 4], 40, {"cluster": 40})
    assert (carried["n"], carried["al"]) == ([80, 80, 80], [2, 3, 3.5])
    assert (stayed["ir"], round(carried["ir"], 6), stayed["missing"]) == (1, 0.75, 0)
    assert found["together"]["conversations"] == 110
    assert found["scored_by"] == "recorded chats, rated by the people who chatted"


def test_turns_of_few_chats_are_in_no_fit_and_who_stayed_can_be_asked_for(aloe, write, tmp_path):
    rows = [rated(0, user, (2, 3) if user > 28 else (2, 3, 1)) for user in range(60)]
    assert aloe("import", write("c.jsonl", *rows), "--run", tmp_path / "run")[0] == 0
    policy = read_runs([tmp_path / "run"]).runs[0].policies[0]
    assert (policy.scores.n, policy.last, policy.scores.ir, policy.scores.avg) == ([60, 60, 29], 2, 1, 2.5)
    assert policy.carried is not None
    assert policy.carried.ir == 1
    status, output, _ = aloe("report", tmp_path / "run")
    assert "turns after 2 have fewer than 30" in " ".join(output.split())
    page = (tmp_path / "run/report.html").read_text()
    assert "Table of those who left early" in page
    status, output, _ = aloe("report", tmp_path / "run", "--stayed", 3, "--json")
    (row,) = json.loads(output)["runs"][0]["policies"]
    assert (status, row["conversations"], row["n"]) == (0, 29, [29, 29, 29])
    assert aloe("report", tmp_path / "run", "--stayed", 4)[0] in (0, 1)


def test_recllmsim_in_full(aloe, tmp_path):
    if not RECLLMSIM.is_dir():
        pytest.skip(f"needs the published conversations in {RECLLMSIM}")
    status, output, _ = aloe("import", RECLLMSIM, "--run", tmp_path / "run")
    assert (status, last_line(output)) == (0, "1,373 conversations, 87 users, 6,093 ratings")
    together = read_runs([tmp_path / "run"], stayed=4).runs[0].together
    assert together is not None
    assert (together.conversations, together.profiles) == (1021, 87)
    assert [round(value, 3) for value in together.scores.al] == [4.061, 4.185, 4.265, 4.298]
    assert [round(value, 3) for value in (together.scores.ir, *together.scores.ir_ci)] == [0.079, 0.043, 0.12]
