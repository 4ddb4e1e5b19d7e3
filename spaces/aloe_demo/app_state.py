"""What all visitors share: the settings, the models, the data and the votes. Nothing of any visitor."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from gpu import on_gpu
from library import Library, library
from models import Models
from votes import Votes

from aloe_hub.chat.base import Sampling
from aloe_hub.hub.demo_settings import TOP_P, DemoSettings
from aloe_hub.model_string import ModelString


@dataclass(frozen=True, slots=True)
class AppState:
    settings: DemoSettings
    models: Models
    library: Library
    votes: Votes

    @classmethod
    def of(cls, settings: DemoSettings) -> Self:
        votes = Votes(Path(settings.votes), settings.votes_repo, os.environ.get("HF_TOKEN"))
        # The data first: models are loaded in another thread, and datasets stumbles over a transformers that is half imported.
        data = library(settings)
        return cls(settings, on_gpu(Models.of(settings)), data, votes)

    @property
    def scripted_user(self) -> bool:
        """Whether it is the scripted world that reads a persona which somebody wrote."""
        return ModelString.recorded(self.models.user.model).is_scripted

    @property
    def sampling(self) -> Sampling:
        """How the two models draw their replies."""
        top_p = TOP_P if self.settings.temperature is None and self.settings.policy_temperature else 1.0
        return Sampling(self.settings.policy_temperature, top_p, self.settings.reply_tokens)

    @property
    def generating(self) -> dict[str, Any]:
        """What every event that asks a model is wired with: all of them together are so many at once."""
        return {"concurrency_id": "models", "concurrency_limit": self.settings.concurrency, "show_progress": "hidden"}
