"""TRL's own dataset forms become training rows."""

import pytest

from aloe_hub.errors import UsageError
from aloe_hub.training.hub_rows import dataset_rows, rows_of

USER, OTHER = {"role": "user", "content": "Hi."}, {"role": "user", "content": "And now?"}
GOOD, BAD = {"role": "assistant", "content": "Hello."}, {"role": "assistant", "content": "What?"}


@pytest.mark.parametrize(
    ("row", "method", "found"),
    [
        ({"prompt": [USER], "chosen": [GOOD], "rejected": [BAD]}, "dpo", {"prompt": [USER], "chosen": [GOOD], "rejected": [BAD]}),
        ({"prompt": "Hi.", "chosen": "Hello.", "rejected": "What?"}, "dpo",
         {"prompt": [USER], "chosen": [GOOD], "rejected": [BAD]}),
        ({"chosen": [USER, GOOD], "rejected": [USER, BAD]}, "dpo", {"prompt": [USER], "chosen": [GOOD], "rejected": [BAD]}),
        ({"prompt": "Hi.", "completion": "Hello."}, "sft", {"prompt": [USER], "completion": [GOOD]}),
        ({"tree_id": "t", "turn": 3, "prompt": [USER], "completion": [GOOD], "score": 2}, "sft",
         {"tree_id": "t", "turn": 3, "prompt": [USER], "completion": [GOOD]}),
        ({"tree_id": "t", "prompt": "Hi.", "privileged_context": "a cook", "completion": None}, "sdft",
         {"tree_id": "t", "prompt": [USER], "privileged_context": "a cook"}),
    ],
)  # fmt: skip
def test_a_form_is_read(row, method, found):
    assert list(rows_of(row, method)) == [found]


def test_each_reply_of_a_conversation_is_a_row_of_one_tree():
    first, second = rows_of({"messages": [USER, GOOD, OTHER, BAD]}, "sft")
    assert (first["prompt"], first["completion"], first["turn"]) == ([USER], [GOOD], 0)
    assert (second["prompt"], second["completion"], second["turn"]) == ([USER, GOOD, OTHER], [BAD], 1)
    assert first["tree_id"] == second["tree_id"]


@pytest.mark.parametrize(
    ("row", "method"),
    [({"text": "Hi."}, "sft"), ({"messages": [USER, GOOD]}, "dpo"), ({"chosen": []}, "dpo"), ({"prompt": [USER]}, "sdft")],
)
def test_another_form_has_no_rows(row, method):
    assert list(rows_of(row, method)) == []


@pytest.mark.parametrize(("method", "name"), [("sft", "sft.jsonl"), ("dpo", "pairs.jsonl")])
def test_a_file_is_told_where_rows_of_ones_own_go(tmp_path, method, name):
    file = tmp_path / "mine.jsonl"
    file.write_text("")
    with pytest.raises(UsageError, match=f"a file, not a dataset on the Hub; copy it to RUN/{name} and give --run RUN"):
        dataset_rows(str(file), method)
