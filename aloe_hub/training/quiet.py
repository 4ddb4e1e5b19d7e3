"""Silence for what the libraries say while they work: their bars would cut into ours, and their hints are not for our users."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import datasets
import transformers

_TALKATIVE = ("transformers", "trl", "accelerate", "peft", "datasets", "huggingface_hub", "torch")


@contextmanager
def quiet() -> Iterator[None]:
    """Let only errors of the libraries through."""
    levels = {name: logging.getLogger(name).level for name in _TALKATIVE}
    shown = transformers.utils.logging.is_progress_bar_enabled(), datasets.are_progress_bars_disabled()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in _TALKATIVE:
            logging.getLogger(name).setLevel(logging.ERROR)
        transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        datasets.disable_progress_bars()
        bars = os.environ.get("TQDM_DISABLE")
        os.environ["TQDM_DISABLE"] = "1"  # what TRL asks before it shows one
        try:
            yield
        finally:
            if bars is None:
                del os.environ["TQDM_DISABLE"]
            else:
                os.environ["TQDM_DISABLE"] = bars
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)
            if shown[0]:
                transformers.utils.logging.enable_progress_bar()  # type: ignore[no-untyped-call]
            if not shown[1]:
                datasets.enable_progress_bars()
