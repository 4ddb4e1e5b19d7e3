"""Where weights are loaded: a model, its tokenizer and an adapter, each from a folder or from the Hub.

Everybody who needs weights (chat, training, publishing) comes through here, so that the same rules hold everywhere: safetensors
only (a GGUF is unpacked into them once), never code from a repo, and whatever goes wrong is one line that names the model and
what to do. torch and transformers are imported when something is loaded, not before.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, tzinfo
from functools import partial
from logging import getLogger
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any, Self

from aloe_hub.errors import AloeError, DataError, UsageError
from aloe_hub.model_files import file_of, place_of
from aloe_hub.source import POCKET, Source

if TYPE_CHECKING:
    import torch
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

_log = getLogger(__name__)
DAY = datetime(2024, 7, 26)  # which Llama's own templates name where there is no clock
_CLOCK = RLock()  # the clock of chat templates is one for the whole process
DTYPES = ("auto", "float32", "bfloat16", "float16")


def load_tokenizer(source: Source) -> PreTrainedTokenizerBase:
    """The tokenizer, with the chat template that conversations are written by.

    Raises:
        DataError: it is not there, cannot be read, or has no chat template.
        AloeError: the Hub cannot be reached or refuses.
    """
    from transformers import AutoTokenizer

    place = place_of(source, "tokenizer_config.json")
    with _loading(source, "the tokenizer"):
        tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            place.name, revision=place.commit, trust_remote_code=False
        )
    if not tokenizer.chat_template:
        raise DataError(f"{source}: has no chat template; take the chat (instruct) version of the model, or add one to it")
    if template_date(tokenizer):
        vars(tokenizer)["apply_chat_template"] = partial(_on_one_day, tokenizer.apply_chat_template)
    return tokenizer


def template_date(tokenizer: PreTrainedTokenizerBase) -> str | None:
    """The date that its chat template writes whatever the day is, if it asks for one: a row must not depend on the day."""
    return DAY.date().isoformat() if "strftime_now" in str(tokenizer.chat_template) else None


def write_chats_with(tokenizer: PreTrainedTokenizerBase, told: Mapping[str, Any]) -> None:
    """Tell its chat template something, such as `enable_thinking`, whoever applies it."""
    if told:
        vars(tokenizer)["apply_chat_template"] = partial(tokenizer.apply_chat_template, **told)


def template_kwargs_of(trained: Source) -> dict[str, Any]:
    """What the chat template was told when `aloe train` made this: it is asked as it was trained."""
    try:
        path = file_of(trained, "training.json")
        settings = json.loads(path.read_bytes())["settings"] if path else {}
        return dict(settings.get("chat_template_kwargs") or {})
    except (AloeError, OSError, ValueError, TypeError, LookupError, AttributeError):
        return {}


def _on_one_day(apply: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as transformers has it
    """Apply a chat template with its clock at `DAY`."""
    from transformers.utils import chat_template_utils

    templates: Any = chat_template_utils
    with _CLOCK:
        real, templates.datetime = templates.datetime, _Stopped
        try:
            return apply(*args, **kwargs)
        finally:
            templates.datetime = real


class _Stopped(datetime):
    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return cls(DAY.year, DAY.month, DAY.day, tzinfo=tz)


def load_model(
    source: Source, *, dtype: str = "auto", device: str | None = None, attention: str | None = None
) -> PreTrainedModel:
    """A causal language model, in evaluation mode.

    dtype: a name in `DTYPES`; "auto" is bfloat16 on a GPU that computes in it, else float32.
    device: as torch names it; None is the GPU if there is one, else Apple's, else the CPU.
    attention: an `attn_implementation` of transformers; None is its own choice.

    Raises:
        DataError: it is not there, is no causal language model, or its weights are incomplete or only pickled.
        AloeError: the Hub cannot be reached or refuses.
    """
    import torch
    from transformers import AutoModelForCausalLM

    if dtype not in DTYPES:
        raise UsageError(f"dtype {dtype!r}: must be one of {', '.join(DTYPES)}")
    device = device or _best_device()
    place = place_of(source, "config.json")
    with _loading(source, "the model"):
        read: Any = AutoModelForCausalLM.from_pretrained(
            place.name,
            revision=place.commit,
            dtype=_best_dtype(device) if dtype == "auto" else getattr(torch, dtype),
            attn_implementation=attention,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
        model, loaded = read
        # transformers fills what is missing with random numbers, and only warns.
        if lost := sorted(loaded["missing_keys"]):
            raise DataError(f"{source}: {len(lost)} of its weights are missing, such as {lost[0]}; save the whole model again")
        moved: PreTrainedModel = model.to(device).eval()
    moved.name_or_path = place.base
    return moved


def load_adapter(model: PreTrainedModel, source: Source, *, trainable: bool = False) -> PeftModel:
    """`model` with the adapter on it. The model is changed in place, as PEFT does.

    Raises:
        DataError: no adapter of PEFT, no safetensors, or one that was made for a base of another shape.
        AloeError: the Hub cannot be reached or refuses.
    """
    from peft import PeftModel

    config, weights = file_of(source, "adapter_config.json"), file_of(source, "adapter_model.safetensors")
    if config is None:
        raise DataError(f"{source}: no adapter_config.json in it, so not an adapter; give a folder or repo that PEFT has saved")
    if weights is None:
        raise DataError(f"{source}: no adapter_model.safetensors in it, and pickled weights are never loaded; save it with PEFT")
    made_for = _base_of(source, config)
    with warnings.catch_warnings(), _loading(source, "the adapter"):
        warnings.simplefilter("ignore")  # of missing weights: they are an error, below
        try:
            # By its folder: both files are there now, and nothing else is asked for.
            adapted = PeftModel.from_pretrained(model, str(config.parent), is_trainable=trainable, torch_device=str(model.device))
        except (ValueError, RuntimeError) as error:
            if not any(said in str(error) for said in ("not found in the base model", "size mismatch")):
                raise
            raise _misfit(source, made_for, model, _shortened(error)) from None
    if difference := _difference(adapted, weights):
        raise _misfit(source, made_for, model, difference)
    here = str(Source(POCKET).folder) if made_for == POCKET else made_for
    if here != model.name_or_path:  # a folder may have been moved: no error, since it fits
        _log.warning("%s: an adapter for %s, now on %s", source, made_for, model.name_or_path)
    return adapted


@contextmanager
def no_progress_bars() -> Iterator[None]:
    """Keep the bar of transformers for loading weights, a blink long, out of the bars of the command line."""
    from transformers.utils import logging

    bars: Any = logging  # its functions are untyped
    shown = bars.is_progress_bar_enabled()
    bars.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            bars.enable_progress_bar()


@contextmanager
def _loading(source: Source, what: str) -> Iterator[None]:
    """What transformers and PEFT raise, as one line."""
    from safetensors import SafetensorError

    try:
        with no_progress_bars():
            yield
    except (OSError, ValueError, KeyError, TypeError, ImportError, RuntimeError, SafetensorError) as error:
        if isinstance(error, OSError) and "safetensors" in str(error):
            reason = "it has no safetensors, and pickled weights are never loaded; convert them, name its GGUF, or take another"
        else:
            reason = f"{what} cannot be loaded ({_shortened(error)}); check the files, or name another"
        raise DataError(f"{source}: {reason}") from error


def _base_of(source: Source, config: Path) -> str:
    """The base that an adapter says it was made for."""
    from peft import PeftType

    try:
        read: Any = json.loads(config.read_bytes())
        PeftType(read["peft_type"])
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(f"{source}: its adapter_config.json is not one of PEFT ({_shortened(error)}); save it again") from None
    return str(read.get("base_model_name_or_path"))


def _misfit(source: Source, made_for: str, model: PreTrainedModel, why: str) -> DataError:
    here = model.name_or_path
    return DataError(
        f"{source}: an adapter for {made_for}, which does not fit {here} ({why}); give the base that it was made for"
    )


def _difference(adapted: PeftModel, weights: Path) -> str | None:
    """A weight that the adapter's file has and the model does not take, or the other way round: PEFT passes over both."""
    from peft import get_peft_model_state_dict
    from safetensors import safe_open

    with safe_open(weights, framework="pt") as file:
        there = set(file.keys())
    taken = set(get_peft_model_state_dict(adapted, save_embedding_layers=False))
    own = {f"base_model.model.{name}" for name, _ in adapted.get_base_model().named_parameters()}  # trained along, whole
    odd = sorted(there - taken - own) + sorted(taken - there)
    return f"{len(odd)} weights differ, such as {odd[0]}" if odd else None


def _best_device() -> str:
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _best_dtype(device: str) -> torch.dtype:
    import torch

    # Half precision is slow on most CPUs, and float32 is what replies are repeatable in.
    return torch.bfloat16 if device.startswith("cuda") and torch.cuda.is_bf16_supported() else torch.float32


def _shortened(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
