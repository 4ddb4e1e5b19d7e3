"""Texts of the scripted world in files like the authors'."""

import json
from pathlib import Path
from random import Random

from aloe_hub.world.speaking import personality_text, profile_text


def write_texts(folder: Path, profiles: int, personalities: int) -> Path:
    """`profile.jsonl` and `personality.jsonl` in a folder, the same ones each time; returns the folder."""
    random = Random(7)
    for name, text, number in (("profile", profile_text, profiles), ("personality", personality_text, personalities)):
        lines = (json.dumps(text(random)) for _ in range(number))
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    return folder
