"""Silence for what the libraries say while they work: their bars would cut into ours, and their hints are not for our users."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import datasets
import transformers

_TALKATIVE = ("transformers", "trl", "accelerate", "peft", "datasets", "huggingface_hub", "torch")


@contextmanager
def quiet() -> Iterator[None]:
    """Let only errors of the libraries through."""
    with warnings.catch_warnings(), ExitStack() as undo:
        warnings.simplefilter("ignore")
        for logger in map(logging.getLogger, _TALKATIVE):
            undo.callback(logger.setLevel, logger.level)
            logger.setLevel(logging.ERROR)
        if transformers.utils.logging.is_progress_bar_enabled():
            undo.callback(transformers.utils.logging.enable_progress_bar)
            transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        if not datasets.are_progress_bars_disabled():
            undo.callback(datasets.enable_progress_bars)
            datasets.disable_progress_bars()
        if "TQDM_DISABLE" not in os.environ:  # what TRL asks before it shows one
            undo.callback(os.environ.pop, "TQDM_DISABLE")
            os.environ["TQDM_DISABLE"] = "1"
        yield
