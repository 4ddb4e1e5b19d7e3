"""An adapter merged into its base: a whole model, which loads without PEFT."""

from __future__ import annotations

from pathlib import Path

from aloe_hub.errors import AloeError, DataError, UsageError
from aloe_hub.files.jsonl import disk_errors
from aloe_hub.hub.base import Base
from aloe_hub.hub.trained import Trained
from aloe_hub.loading import load_adapter, load_model
from aloe_hub.model_string import Source


def merged_into(folder: Path, trained: Trained, base: Base) -> None:
    """Write the merged model into `folder`, without its tokenizer, in the precision that the base is stored in.

    Raises:
        AloeError: torch or transformers is not installed.
        UsageError: the base lies nowhere that it could be loaded from.
        DataError: the adapter does not fit the base, or they give numbers that are none.
    """
    try:
        import torch
        from transformers import AutoConfig
    except ImportError as error:
        raise AloeError(f"--merge: {error}; run: pip install 'aloe-hub[local]'") from None
    source = base.source if base.source and base.source.folder else Source(base.repo, base.revision) if base.repo else None
    if source is None:
        raise UsageError(f"--merge: the base {base.source} is not here any more; give --base-repo org/base")
    # Added in float32, and rounded once.
    model = load_adapter(load_model(source, dtype="float32", device="cpu"), Source(str(trained.folder)))
    try:
        merged = model.merge_and_unload(safe_merge=True)
    except ValueError as error:
        raise DataError(f"{trained.folder}: cannot be merged into {source} ({error}); train it again") from None
    stored = AutoConfig.from_pretrained(str(source.folder or source.name), revision=source.revision).dtype
    with disk_errors(folder):
        merged.to(stored or torch.float32).save_pretrained(folder)
