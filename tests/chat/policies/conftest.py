"""The embedder of policies, faked: loading the real one takes seconds."""

import pytest
from asking import words_as_vectors

from aloe_hub.chat.policies import nearness


@pytest.fixture
def embedder(monkeypatch):
    monkeypatch.setattr(nearness, "_embedder", lambda: words_as_vectors)
