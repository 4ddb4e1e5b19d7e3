"""The names that users type, and that change only with an issue: commands, options, Python names, the metric's arguments."""

import importlib
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import aloe_hub
from aloe_hub.cli.app import app

PYTHON = {
    "aloe_hub": ["__version__"],
    "aloe_hub.types": [
        "Persona", "PoolText", "Message", "Reply", "Verdict", "Exchange", "Tree", "Turn", "Transcript", "digest", "call_seed",
    ],
    "aloe_hub.errors": [
        "AloeError", "UsageError", "DataError", "SettingsDiffer", "ParseError", "ChatError", "TransientError", "Refused",
        "RunStopped",
    ],
    "aloe_hub.rows": ["pairs", "sft", "distill", "ranked", "criticised", "asked"],
    "aloe_hub.rubrics": ["Rubric", "Criterion", "rubric", "RUBRICS"],
    "aloe_hub.scoring": [
        "score", "curve", "Score", "Curve", "compare", "Comparison", "gap_closed", "Gap", "holm", "adaptation", "Adaptation",
    ],
    "aloe_hub.text": ["valid", "is_valid", "visible", "is_blank", "identity", "Answer", "answer_of", "control_markers"],
    "aloe_hub.parsing": [
        "message", "reply", "score", "verdict", "inferred", "numbered", "candidates", "Candidates", "steers", "SCHEMAS",
        "UNKNOWN", "judged", "Judged",
    ],
    "aloe_hub.loading": ["Source", "load_tokenizer", "load_model", "load_adapter"],
    "aloe_hub.stages.scale": ["GrowTrees", "LocalExecutor"],
    "aloe_hub.training": ["RankConfig", "TreeDPOTrainer", "TreeGRPOTrainer", "TreeRankTrainer", "TreeSFTTrainer"],
    "aloe_hub.training.train": ["train", "Trained"],
    "aloe_hub.training.settings": ["TrainSettings"],
    "aloe_hub.hub.models": ["publish_adapter", "publish_pocket"],
    "aloe_hub.hub.demo_space": ["publish_demo"],
    "aloe_hub.hub.demo_settings": ["DemoSettings"],
    "aloe_hub.hub.eval_results": ["push_results"],
    "aloe_hub.chat": ["open_chat"],
    "aloe_hub.chat.base": ["Chat", "Streaming", "ChatRequest", "ChatReply", "Sampling"],
    "aloe_hub.chat.traffic": ["Traffic", "Limits"],
    "aloe_hub.chat.ledger": ["Ledger", "Price", "read_prices"],
    "aloe_hub.serve.server": ["running", "Served"],
    "aloe_hub.report": ["read_runs", "print_report", "to_json", "write_html"],
}  # fmt: skip

CALLS = "requests-per-minute tokens-per-minute timeout attempts prices budget extra-body structured"
OPTIONS = {
    "personas": "run recipe model profiles personalities embedder profile-threshold personality-threshold patience pairings "
    "test-profiles test-personalities seed dry-run texts " + CALLS,
    "import": "run form config split scale language pairings test-profiles test-personalities seed",
    "feedback": "run finder model tailored judge find-only limit seed accept-failures concurrency " + CALLS,
    "trees": "run recipe model user inferrer tailored plain judge policy turns split limit temperature seed shard concurrency "
    "rejudge accept-failures retry-failed dry-run sample replies continue diverse rank-by pairs " + CALLS,
    "round": "run base adapter rounds method replies continue diverse rank-by demonstrations dev-profiles recipe model user "
    "judge turns limit temperature seed set accept-failures concurrency " + CALLS,
    "merge": "run",
    "audit": "scores judge human people marker repeat forks seed concurrency json " + CALLS,
    "evaluate": "run policy recipe model user judge rubric turns split limit temperature seed shift shift-share cold revealed-by "
    "accept-failures pairwise concurrency push-results personas-repo rejudge " + CALLS,
    "train": "method base data run adapter name recipe push base-repo private resume report-to tree full allow-truncation seed "
    "chat-template-kwargs clean-control-tokens limit lr epochs batch-size beta noise max-length "
    "lora-r lora-alpha lora-targets lora-dropout set level judge user rubric turns concurrency " + CALLS,
    "report": "json html stayed",
    "publish": "language what repo run adapter base-repo merge private license tag dry-run install",
    "serve": "model port",
    "demo": "run recipe seed",
    "space": "run base adapter user inferrer judge personas prefs votes port",
}


def is_explained(value: Any) -> bool:
    """Whether a class or function has a docstring of its own: `getdoc` would take a base's, or the signature of a dataclass."""
    words = vars(value).get("__doc__") if isinstance(value, type) else value.__doc__
    return bool(words) and not str(words).startswith(f"{value.__name__}(")


@pytest.mark.parametrize(("module", "name"), [(module, name) for module, names in PYTHON.items() for name in names])
def test_a_public_name_exists_and_says_what_it_is(module, name):
    value = getattr(importlib.import_module(module), name)
    if isinstance(value, type) or inspect.isroutine(value):
        assert is_explained(value)
    else:
        assert value


def test_every_public_module_lists_no_other_public_name():
    for module in ("aloe_hub.rows", "aloe_hub.errors", "aloe_hub.text", "aloe_hub.parsing"):
        found = importlib.import_module(module)
        own = set(getattr(found, "__all__", ())) or {
            name
            for name, value in vars(found).items()
            if not name.startswith("_") and getattr(value, "__module__", None) == module and callable(value)
        }
        assert own >= set(PYTHON[module])
        assert own - set(PYTHON[module]) <= {"Curve", "Plain"}


def functions() -> dict[str, Callable[..., Any]]:
    """By command, what it calls."""
    return {info.name or info.callback.__name__: info.callback for info in app.registered_commands if info.callback}


def test_every_command_is_listed():
    commands = set(functions())
    assert commands == set(OPTIONS)
    assert [group.name for group in app.registered_groups] == ["hub"]


@pytest.mark.parametrize("command", OPTIONS)
def test_the_options_of_a_command_are_the_listed_ones(aloe, command):
    declared = inspect.signature(functions()[command]).parameters
    found = {name.strip("_").replace("_", "-") for name in declared} - {"folder", "source", "sources", "runs"}
    assert found == set(OPTIONS[command].split())
    _, output, _ = aloe(command, "--help")
    for option in set(OPTIONS[command].split()) - {"what", "method"}:
        assert f"--{option}"[:20] in output


def test_the_public_face_is_what_the_reference_page_lists():
    page = (Path(__file__).parents[1] / "docs/reference/api.md").read_text()
    listed = re.findall(r"^::: aloe_hub\.(\w+)$", page, flags=re.MULTILINE)
    listed.remove("errors")  # a module: the whole tree of them
    assert sorted(listed) == sorted(aloe_hub.__all__) == sorted(" ".join(aloe_hub._WHERE.values()).split())
    assert set(dir(aloe_hub)) == {*listed, "__version__"}


@pytest.mark.parametrize("name", aloe_hub.__all__)
def test_a_name_of_the_public_face_is_that_of_its_module(name):
    value = getattr(aloe_hub, name)
    assert value.__name__ == name
    assert is_explained(value)


def test_what_the_public_face_does_not_have_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'aloe_hub' has no attribute 'nothing'"):
        aloe_hub.nothing  # noqa: B018
