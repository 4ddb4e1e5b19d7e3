"""Model strings: one grammar, read back as it is written, whatever folders are called."""

import re
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aloe_hub.errors import UsageError
from aloe_hub.model_string import SCHEMES, ModelString, has_scheme
from aloe_hub.policy_form import OPTIONS
from aloe_hub.source import Source

LETTERS = string.ascii_letters + string.digits + "_.-"
part = st.builds(str.__add__, st.sampled_from(string.ascii_letters), st.text(LETTERS, max_size=8))
repo = st.builds("{}/{}".format, part, part)
source = st.builds(Source, repo, st.none() | st.text(LETTERS + "/", min_size=1, max_size=8)) | st.just(Source("pocket"))
printable = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=12)
asked = printable.filter(lambda name: "?" not in name)  # what looks like a query may hold a key, and is refused
address = st.builds("{}://{}:{}{}".format, st.sampled_from(["http", "https"]), part.map(str.lower), st.integers(1, 65535),
                    st.sampled_from(["", "/v1", "/a/b"]))  # fmt: skip
alone = st.one_of(
    st.builds(ModelString, st.just("scripted"), policy=st.none() | asked | st.just("")),
    st.builds(
        ModelString,
        st.just("scripted"),
        policy=st.just("user"),
        options=st.dictionaries(st.sampled_from(["wording", "reveal", "a_b-c"]), st.text(LETTERS, min_size=1)).map(
            lambda table: tuple(table.items())
        ),
    ),
    st.just(ModelString("semantic")),
    st.builds(ModelString, st.just("local"), base=source, adapter=st.none() | source),
    st.builds(ModelString, st.just("hub"), name=repo, provider=st.none() | part.map(lambda text: text.replace(".", ""))),
    st.builds(
        ModelString, st.just("litellm"), name=st.builds("{}/{}".format, part, st.text(LETTERS + "/:@", min_size=1, max_size=9))
    ),
    st.builds(lambda url, name: ModelString(url.partition(":")[0], name=name, address=url), address, asked),
)


def in_a_policy(model):
    """Whether a string of it can stand in a policy: no judge, parentheses that match, and no part that reads as an option."""
    text, depth = str(model), 0
    if model.scheme == "semantic":
        return False
    for character in text:
        depth += (character == "(") - (character == ")")
        if depth < 0:
            return False
    return not depth and text.count("(") < 4 and re.search(r",\s*[a-z][a-z_-]*=", text) is None


def around(models):
    """Policies around them."""
    one, other, k = models.filter(in_a_policy), st.none() | models.filter(in_a_policy), st.none() | st.integers(1, 100)
    return st.one_of(
        st.builds(ModelString, st.sampled_from(["reminder", "cot", "self-critic"]), inner=one),
        st.builds(ModelString, st.just("rag"), inner=one, k=k),
        st.builds(ModelString, st.just("inferred"), inner=one, by=other),
        st.builds(ModelString, st.sampled_from(["best-of", "rps"]), inner=one, k=k, inferrer=other, by=other),
    )


with_marks = st.builds(ModelString, st.just("scripted"), policy=st.text("ab(),=+@#k ", max_size=8))
policies = around(alone | with_marks)
model_string = alone | policies | around(policies)


@given(model_string)
def test_what_is_written_is_read_back(model):
    assert ModelString.parse(str(model)) == model
    assert ModelString.recorded(str(model)) == model
    assert has_scheme(str(model))


@given(
    st.text()
    | st.builds("{}:{}".format, st.sampled_from(SCHEMES), st.text(LETTERS + "/:@#+?~ \0\n"))
    | st.builds("{}({})".format, st.sampled_from([*OPTIONS]), st.text("scripted:local/(),=k12@#\n") | alone.map(str))
)
def test_any_text_is_a_model_string_or_a_usage_error_of_one_line(text):
    recorded = ModelString.recorded(text)
    try:
        assert ModelString.parse(text) == recorded
        said = ""
    except UsageError as error:
        said = str(error)
    assert not said or said.isprintable()


@pytest.mark.parametrize("base", ["base", "c++", "a+b@v1", "pocket+org/adapter"])
@pytest.mark.parametrize("adapter", [None, "dpo", "d+p@o", "a+b/dpo", "org/adapter@v1"])
def test_a_folder_that_exists_is_taken_as_it_stands(tmp_path, monkeypatch, base, adapter):
    monkeypatch.chdir(tmp_path)
    parts = [base] if adapter is None else [base, adapter]
    for folder in parts:
        Path(folder).mkdir(parents=True)
    model = ModelString.parse("local:" + "+".join(parts))
    assert [str(source) for source in model.sources] == parts
    assert [source.folder for source in model.sources] == [Path(folder) for folder in parts]
    assert ModelString.parse(str(model)) == model


@pytest.mark.parametrize(
    ("text", "sources"),
    [
        ("local:/gone/base", ["/gone/base"]),
        ("local:/gone/base+/gone/dpo", ["/gone/base", "/gone/dpo"]),
        ("local:org/model@v1+/gone/a+b/dpo", ["org/model@v1", "/gone/a+b/dpo"]),
        ("local:/gone/a+b/base+org/adapter", ["/gone/a+b/base", "org/adapter"]),
    ],
)
def test_folders_of_a_run_that_was_made_may_be_gone(text, sources):
    with pytest.raises(UsageError, match="no such folder"):
        ModelString.parse(text)
    assert [str(source) for source in ModelString.recorded(text).sources] == sources


@pytest.mark.parametrize(
    "text",
    [
        "http://me:canary@host/v1#m",
        "http://me:canary@host:99999/v1#m",
        "http://me:can/canary@host/v1#m",
        "http://me:can#canary@host/v1#m",
        "http://me:canary@host/v1",
        "http://me:canary@#m",
        "http://canary@host#m",
        "http://host/v1?key=canary#m",
        "http://host:0/v1?key=canary#m",
        "htp://me:canary@host/v1#m",
        "me:canary@host/v1#m",
        "canary@host",
        "https//me:canary@host/v1#m",
        "local:http://me:canary@host/v1",
        "local:pocket+http://me:canary@host/v1",
        "hub:me:canary@host/v1#m",
        "http:\n//me:canary@host/v1#m",
        "http://me:canary@:80/v1#m",
        "HTTP://me:canary@h/v1#m",
        "http:me:canary@h/v1#m",
        "http://[canary/v1#m",
        "http://me/canary@host/v1#m",
        "http://host/v1;key=canary#m",
        "http://host/v1#m?key=canary",
        "https:canary",
        "reminder(http://me:canary@host/v1#m)",
        "reminder(http://me:canary@host/v1#m",
        "rag(scripted,by=http://me:canary@host/v1#m)",
        "inferred(scripted,by=http://me:canary@host/v1#m)",
    ],
)
def test_no_error_repeats_the_credentials_of_an_address(text):
    with pytest.raises(UsageError) as caught:
        ModelString.parse(text)
    assert "canary" not in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("text", "scripted", "remote"),
    [
        ("scripted", True, False),
        ("scripted:plain", True, False),
        ("http://host/v1#scripted:plain", True, True),
        ("http://host/v1#org/scripted", False, True),
        ("hub:scripted/model", False, True),
        ("local:pocket", False, False),
        ("litellm:openai/gpt-5", False, True),
        ("reminder(scripted:plain)", True, False),
        ("inferred(hub:org/model,by=scripted)", False, False),
    ],
)
def test_it_says_who_answers_and_where(text, scripted, remote):
    model = ModelString.parse(text)
    assert (model.is_scripted, model.is_remote) == (scripted, remote)


@pytest.mark.parametrize("text", ["org/model", "pocket-sft", "runs/x", "local", "hub", "gpt:4", "", "scripted-ish"])
def test_a_name_of_a_model_is_no_model_string(text):
    assert not has_scheme(text)


@pytest.mark.parametrize(
    ("model", "named"),
    [
        ("hub:org/model", ModelString("hub", name="org/model")),
        ("hub:org/model:together", ModelString("hub", name="org/model", provider="together")),
        ("http://127.0.0.1:8000/v1#org/model", ModelString("http", name="org/model", address="http://127.0.0.1:8000/v1")),
        ("https://host/v1/#m#2", ModelString("https", name="m#2", address="https://host/v1")),
        ("http://[::1]:8000/v1#scripted:plain", ModelString("http", name="scripted:plain", address="http://[::1]:8000/v1")),
    ],
)
def test_a_model_string_names_an_endpoint(model, named):
    assert ModelString.parse(model) == named


@pytest.mark.parametrize(
    "model",
    [
        "hub:",
        "hub:model",
        "reminder(hub:model)",
        "rag(scripted,by=scripted)",
        "hub:org/model:a:b",
        "http://host",
        "http://#m",
        "http://host:99999/v1#m",
        "http://host/v1?key=1#m",
    ],
)
def test_what_is_no_address_is_refused(model):
    with pytest.raises(UsageError, match="model"):
        ModelString.parse(model)


@pytest.mark.parametrize("folder", ["my (model)", "a,b", "a+b@c#d", "(x)(y)"])
def test_a_folder_may_stand_in_a_policy_whatever_it_is_called(tmp_path, monkeypatch, folder):
    monkeypatch.chdir(tmp_path)
    Path(folder).mkdir()
    named = ModelString.parse(f"reminder(rag(local:{folder},k=3))")
    assert named.sources == (Source(folder),)
    assert str(named) == f"reminder(rag(local:{folder},k=3))"


def test_the_adapters_in_a_policy_are_found():
    named = ModelString.parse("best-of(reminder(local:org/base+org/adapter@v1),k=2,inferrer=local:pocket,by=scripted)")
    assert [str(source) for source in named.sources] == ["org/base", "org/adapter@v1", "pocket"]
    assert [str(model) for model in named.models] == ["local:org/base+org/adapter@v1", "local:pocket", "scripted"]


def test_it_tells_whether_a_policy_needs_the_embedder():
    needs = ["rag(scripted)", "cot(rag(scripted,k=1))", "rps(scripted)", "inferred(scripted,by=best-of(scripted))"]
    does_not = ["scripted", "reminder(scripted)", "rps(scripted,by=scripted)", "self-critic(inferred(scripted))"]
    assert [ModelString.parse(text).embeds for text in needs + does_not] == [True] * 4 + [False] * 4


def test_a_policy_of_a_run_that_was_made_is_read_though_its_folders_are_gone():
    named = ModelString.recorded("reminder(rag(local:/gone/base+org/adapter,k=2))")
    assert (named.scheme, [str(source) for source in named.sources]) == ("reminder", ["/gone/base", "org/adapter"])


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("scripted:user?", "'' is no option"),
        ("scripted:user?wording", "'wording' is no option"),
        ("scripted:user?wording=train&", "'' is no option"),
        ("scripted:user?wording=train&wording=train", "'wording=train' is given twice"),
        ("scripted:user?wording=held out", "'wording=held out' is no option"),
        ("scripted:leak?wording=train", "only scripted:user?… and scripted:biased?… take options"),
        ("scripted:?wording=train", "only scripted:user?… and scripted:biased?… take options"),
    ],
)
def test_options_of_a_scripted_user_are_read_strictly(model, message):
    with pytest.raises(UsageError, match=re.escape(message)) as caught:
        ModelString.parse(model)
    assert repr(model) in str(caught.value)
    assert "\n" not in str(caught.value)
