"""The form of a policy around models: taken apart, or refused in one line that says what to do."""

import pytest

from aloe_hub.errors import UsageError
from aloe_hub.policy_form import OPTIONS, PolicyForm, is_policy, read_policy


def read(text):
    return read_policy(text, repr(text))


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("reminder(scripted)", PolicyForm("reminder", "scripted", None, {})),
        ("rag(local:x,k=3)", PolicyForm("rag", "local:x", 3, {})),
        ("rag(local:x, k=3)", PolicyForm("rag", "local:x", 3, {})),
        ("rag(local:a,b (v2)@c+d#e,k=3)", PolicyForm("rag", "local:a,b (v2)@c+d#e", 3, {})),
        ("inferred(rag(m,k=2),by=rag(n,k=3))", PolicyForm("inferred", "rag(m,k=2)", None, {"by": "rag(n,k=3)"})),
        ("rps(m,by=s,k=2,inferrer=n)", PolicyForm("rps", "m", 2, {"inferrer": "n", "by": "s"})),
        ("reminder(k=3)", PolicyForm("reminder", "k=3", None, {})),
    ],
)
def test_a_policy_is_taken_apart(text, form):
    assert is_policy(text)
    assert read(text) == form


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rag(scripted", r"expected rag\(MODEL,k=…\); it ends with its closing parenthesis"),
        ("rag(scripted):x", "closing parenthesis"),
        ("rag()", r"nothing is given for the model; expected rag\(MODEL,k=…\)"),
        ("rag(scripted,k=)", "nothing is given for k="),
        ("rag(scripted,k=0)", "k= must be a whole number from 1 to 100"),
        ("rag(scripted,k=101)", "from 1 to 100"),
        ("rag(scripted,k=5.0)", "from 1 to 100"),
        ("rag(scripted,k=2,k=3)", "k= is given twice"),
        ("rag(scripted,by=scripted)", "rag takes no by=; its options are k "),
        ("cot(scripted,k=3)", "cot takes no k=; it has no options"),
        ("rag(local:my(folder,k=3)", "parentheses do not match; a folder or model with such a name .*: rename it, or link to it"),
        ("rag(local:my)folder)", "parentheses do not match"),
        ("rag(scripted)(", "closing parenthesis"),
        ("reminder(" * 12 + "scripted" + ")" * 12, "more than 8 parentheses in one another"),
    ],
)
def test_what_is_no_policy_is_refused_in_one_line(text, said):
    with pytest.raises(UsageError, match=said) as caught:
        read(text)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "text", ["scripted", "local:rag(v2)", "foo(scripted)", "rag", "(scripted)", " rag(scripted)", "RAG(scripted)"]
)
def test_anything_else_is_not_meant_as_one(text):
    assert not is_policy(text)


def test_options_of_the_policies_are_the_listed_ones():
    assert {name: " ".join(takes) for name, takes in OPTIONS.items()} == {
        "reminder": "", "self-critic": "", "cot": "", "simply": "", "rag": "k", "inferred": "by",
        "best-of": "k inferrer by", "rps": "k inferrer by",
    }  # fmt: skip
