"""What all visitors share: the settings, the models, the data and the votes. Nothing of any visitor."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from gpu import on_gpu

from aloe_hub.chat.base import Sampling
from aloe_hub.space.company import Company
from aloe_hub.space.library import Library, library
from aloe_hub.space.settings import SpaceSettings
from aloe_hub.space.votes import Votes


@dataclass(frozen=True, slots=True)
class House:
    settings: SpaceSettings
    company: Company
    library: Library
    votes: Votes

    @classmethod
    def of(cls, settings: SpaceSettings) -> Self:
        votes = Votes(Path(settings.votes), settings.votes_repo, os.environ.get("HF_TOKEN"))
        return cls(settings, on_gpu(Company.of(settings)), library(settings), votes)

    @property
    def sampling(self) -> Sampling:
        """How the two models draw their replies."""
        return Sampling(self.settings.temperature, max_tokens=self.settings.reply_tokens)

    @property
    def generating(self) -> dict[str, object]:
        """What every event that asks a model is wired with: all of them together are so many at once."""
        return {"concurrency_id": "models", "concurrency_limit": self.settings.concurrency, "show_progress": "hidden"}
