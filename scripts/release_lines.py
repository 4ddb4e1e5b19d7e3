"""What a stranger types to use what was released: the Python of README and docs, and a word with each model and Space."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("README.md", "docs/how-to/publish.md")  # whose lines of Python a user types
# What the README trains, at a size for a check: on a model that is published here, and for one step.
SMALLER = {"Qwen/Qwen2.5-0.5B-Instruct": "org/aloe-pocket", 'DPOConfig("out", ': 'DPOConfig("out", max_steps=1, '}
SPEAK = """from transformers import pipeline
say = [{"role": "user", "content": "I have a pet called Bo. Any ideas for the weekend?"}]
print(pipeline("text-generation", model="REPO")(say, max_new_tokens=12)[0]["generated_text"][-1]["content"])"""
SPACE = """import sys
from huggingface_hub import HfApi, snapshot_download
sys.path.insert(0, snapshot_download("REPO", repo_type="space"))
import aloe_hub
assert aloe_hub.__file__.startswith(sys.path[0]), aloe_hub.__file__
stage = HfApi().space_info("REPO").runtime.stage
print(f"aloe-hub {aloe_hub.__version__} lies in it; stage {stage}")
assert not stage.endswith("ERROR"), stage"""
COLLECTION = """from huggingface_hub import get_collection
for item in get_collection("REPO").items: print(item.item_type, item.item_id)"""


def typed(org: str, tag: str, models: list[str]) -> dict[str, str]:
    """Lines of Python by what they show. `models`: the base that was published, and then its adapters."""
    found = {repo: SPEAK.replace("REPO", repo) for repo in models}
    found[f"{org}/aloe-demo"] = SPACE.replace("REPO", f"{org}/aloe-demo")
    there = {**SMALLER, "org/aloe-pocket-dpo": models[1], 'revision="v1"': f'revision="{tag}"', '"org/': f'"{org}/'}
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        for block in re.findall(r"^```python\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL):
            for before, after in there.items():
                block = block.replace(before, after)
            found[f"{page}: {block.strip().splitlines()[-1].partition('  #')[0]}"] = f"{block}\nprint('runs')"
    return found
