"""A card as huggingface_hub reads it: what its client requires of one. The check on the server of the Hub needs a network."""

import re
from typing import Any

import yaml
from huggingface_hub import DatasetCard, ModelCard, SpaceCard


def taken(card: str, kind: type[DatasetCard | ModelCard | SpaceCard]) -> dict[str, Any]:
    """The metadata: valid for this kind of card, all of it kept, and the same after it was written by huggingface_hub."""
    read = kind(card)  # raises where the front matter is no mapping, or results do not follow their schema
    found: dict[str, Any] = read.data.to_dict()
    front = re.match(r"---\n(.*?)\n---\n", card, re.DOTALL)
    assert front, "the front matter starts on the first line"
    assert found == yaml.safe_load(front[1])
    again = kind(str(read))
    assert again.data.to_dict() == found
    assert again.text == read.text
    for key in ("tags", "datasets", "models", "language", "task_categories", "size_categories"):
        for value in [found.get(key, [])] if isinstance(found.get(key, []), str) else found.get(key, []):
            assert isinstance(value, str), f"{key}: {value!r} is read as {type(value).__name__}"
    return found
