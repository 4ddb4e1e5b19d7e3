"""The script that made the pocket model lies beside it, outside of the package."""

import importlib.util
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "pocket" / "pretrain.py"


@pytest.fixture(scope="session")
def pretrain():
    spec = importlib.util.spec_from_file_location("pocket_pretrain", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def tokenizer():
    """The one that is shipped."""
    from aloe_hub.loading import load_tokenizer
    from aloe_hub.source import Source

    return load_tokenizer(Source.parse("pocket"))
