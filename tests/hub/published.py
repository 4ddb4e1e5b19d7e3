"""What the tests of publishing share: a run made quickly, and a repo looked at from outside, by plain requests."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Literal

from aloe_hub.files.run_folder import RunFolder
from aloe_hub.local_hub.process import RunningHub
from aloe_hub.stages.pairing import Pairing
from aloe_hub.stages.pool import PoolSettings, write_pool
from aloe_hub.stages.training_rows import write_training_rows
from aloe_hub.stages.trees import ROLES, TreeSettings, grow_all
from aloe_hub.types import PoolText
from aloe_hub.world.speaking import personality_text, profile_text
from tests.local_hub.hub_tools import ask, commit_lines

CANARY = "hf_" + "canary" * 6  # in parts: a scanner for secrets is right to look for the whole


def make_run(
    path: Path,
    *,
    seed: int = 0,
    turns: int = 4,
    source: Literal["generated", "imported"] = "generated",
    test_profiles: int = 2,
    **of_trees: Any,
) -> RunFolder:
    """12 profiles and 8 personalities of the world's grammar, of which 2 and 2 are held out, and a tree for each persona."""
    run, random = RunFolder(path), Random(seed)
    texts = [[*{text(random): None for _ in range(number)}] for text, number in ((profile_text, 12), (personality_text, 8))]
    nearest = None if source == "imported" else 0.25
    profiles, personalities = ([PoolText(text, source, 1, nearest) for text in each] for each in texts)
    pairing = Pairing(pairings=2, test_profiles=test_profiles, test_personalities=2, seed=seed)
    settings = PoolSettings(profiles=12, personalities=8, pairings=2, test_profiles=2, test_personalities=2, seed=seed)
    run.claim("personas", {"source": "imported", "seed": seed, "pairings": 2} if source == "imported" else settings)
    write_pool(run, profiles, personalities, pairing)
    assert grow_all(run, TreeSettings(dict.fromkeys(ROLES, "scripted"), turns=turns, seed=seed, **of_trees)).finished
    write_training_rows(run)
    return run


@dataclass(frozen=True)
class Repo:
    """A repo on the local Hub, as its owner sees it."""

    hub: RunningHub
    id: str
    kind: Literal["datasets", "spaces", "models"] = "datasets"

    @property
    def exists(self) -> bool:
        return ask(self.hub, "GET", self._api).status == 200

    @property
    def private(self) -> bool:
        return bool(ask(self.hub, "GET", self._api).json["private"])

    def commits(self) -> list[str]:
        """Newest first; the last one is that of the repo's making."""
        return [commit["id"] for commit in ask(self.hub, "GET", f"{self._api}/commits/main").json]

    def tags(self) -> dict[str, str]:
        return {ref["name"]: ref["targetCommit"] for ref in ask(self.hub, "GET", f"{self._api}/refs").json["tags"]}

    def files(self, revision: str = "main") -> dict[str, str]:
        """The content's name of each file."""
        rows = ask(self.hub, "GET", f"{self._api}/tree/{revision}?recursive=true").json
        return {row["path"]: row["oid"] for row in rows if row["type"] == "file" and row["path"] != ".gitattributes"}

    def read(self, path: str, revision: str = "main") -> bytes:
        kind = "" if self.kind == "models" else f"/{self.kind}"
        answer = ask(self.hub, "GET", f"{kind}/{self.id}/resolve/{revision}/{path}")
        assert answer.status == 200, answer.body
        return answer.body

    def card(self, revision: str = "main") -> str:
        return self.read("README.md", revision).decode()

    def write(self, path: str, content: bytes) -> None:
        """Somebody's commit by hand."""
        value = {"path": path, "content": base64.b64encode(content).decode(), "encoding": "base64"}
        answer = ask(self.hub, "POST", f"{self._api}/commit/main", commit_lines(("file", value)))
        assert answer.status == 200, answer.body

    def make(self) -> None:
        organization, name = self.id.split("/")
        body = {"organization": organization, "name": name, "type": self.kind[:-1]} | (
            {"sdk": "gradio"} if self.kind == "spaces" else {}
        )
        assert ask(self.hub, "POST", "/api/repos/create", body).status == 200

    @property
    def _api(self) -> str:
        return f"/api/{self.kind}/{self.id}"
