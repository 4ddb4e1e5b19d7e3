"""Front matter: what is read from it, and that no text of a stranger's is more than an error."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aloe_hub.local_hub.card import front_matter, problems, read_yaml

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join(['*' + before] * 9)}]\n" for before, name in zip("abcdefg", "bcdefgh", strict=True)
)


@pytest.mark.parametrize(
    ("text", "metadata"),
    [
        ("---\nlicense: mit\ntags:\n- a\n---\n# Title", {"license": "mit", "tags": ["a"]}),
        ("\n---\r\nlicense: mit\r\n---\r\n", {"license": "mit"}),
        ("---\nlicense: mit\n---", {"license": "mit"}),
        ("---\nwhen: 2026-01-02\n1: 2\nfar: .inf\n---\n", {"when": "2026-01-02", "1": 2, "far": None}),
        ("---\nbase: &b {a: 1}\nagain: *b\n---\n", {"base": {"a": 1}, "again": {"a": 1}}),
        ("---\n---\ntext", {}),
        ("# no front matter\n---\na: 1\n---\n", {}),
        ("", {}),
        ("---\nlicense: mit\n", {}),
    ],
)
def test_front_matter_is_the_yaml_between_the_first_two_lines_of_dashes(text, metadata):
    assert front_matter(text) == metadata


@pytest.mark.parametrize(
    "yaml",
    [
        "a: [",
        "- a list",
        "just text",
        "a: &x [*x]",
        BOMB,
        "[" * 5000,
        "a: " + "{b: " * 200 + "}" * 200,
        "a: 2026-99-99",
        "a: !!int x",
        "a: !!bool x",
        "a: !!timestamp x",
        "a: !!python/object/apply:os.system [ls]",
        "a: 0x" + "f" * 5000,
        "a: " + "9" * 5000,
        "{[1, 2]: 3}",
        "? {a: 1}\n: 2",
        "a: *nothing",
        "a: 1\n" * 100_000,
        "license: 7",
        "tags: {a: b}",
        "language: [no]",
        "configs: pairs",
        "configs: [{data_files: x}]",
    ],
)
def test_what_the_hub_would_refuse_is_an_error_in_one_line(yaml):
    errors, _ = problems(f"---\n{yaml}\n---\n")
    assert len(errors) == 1
    assert "\n" not in errors[0]


@given(st.text("a: -[]{}&*!|>'\"\n#%@`0123\t\\x\0?,", max_size=60))
def test_any_text_is_json_or_a_value_error(text):
    with contextlib.suppress(ValueError):
        value = read_yaml(text)
        assert json.loads(json.dumps(value)) == value
