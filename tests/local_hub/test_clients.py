"""The real clients, each in a fresh process with an empty cache: `clients/` holds what they do and what they must find."""

import json

import pytest

from tests.local_hub.hub_tools import READER, STRANGER


def test_huggingface_hub_makes_fills_and_reads_repos(hub, client):
    client(hub, "files.py")


def test_datasets_pushes_configs_and_loads_them_back_also_streaming_and_by_tag(hub, client):
    client(hub, "push_dataset.py")
    client(hub, "read_dataset.py", token=READER)
    for token in (None, STRANGER):
        assert "doesn't exist on the Hub or cannot be accessed" in client(hub, "refused_dataset.py", token=token)


def test_evaluate_loads_a_private_space_and_the_short_name(hub, client):
    client(hub, "use_metric.py")


def test_transformers_and_peft_push_and_load_a_model_and_its_adapter(hub, client):
    pushed, read = (json.loads(client(hub, script).splitlines()[-1]) for script in ("push_model.py", "read_model.py"))
    assert read == pytest.approx(pushed, rel=1e-6)
