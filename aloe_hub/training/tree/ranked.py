"""Learning from forks of any number of ranked replies, in one pass over the tree: TRL's DPO trainer with a loss of lists.

TRL trains on pairs, so k replies would be k (k - 1) / 2 rows. Here a row is a fork (`prompt`, `completions`, `ranks`, and
perhaps `scores` and `weight`), a batch is a number of forks, and each reply passes through the model once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from datasets import Dataset
from torch import nn
from trl.trainer.dpo_config import DPOConfig
from trl.trainer.utils import pad

from .batch import labels_of, of_the_model
from .forward import trl_obstacle
from .losses import d2o, in_order, lipo, plackett_luce, relevance_of
from .trainers import TreeDPOTrainer

LOSSES = ("lipo", "plackett_luce", "d2o", "cut")
STEEPEST = 20.0  # 2 to this relevance is a million, and one fork would be all of the loss


@dataclass
class RankConfig(DPOConfig):
    """`trl.DPOConfig`, whose `loss_type` is one or more of `lipo`, `plackett_luce` and `d2o`, or `cut`. What is of pairs alone is
    refused.

    d2o_alpha: α of D²O; None is β. cut_margin, cut_alpha: λ and α of CUT (criticised.py), as its authors set them.
    """

    loss_type: list[str] = field(default_factory=lambda: ["lipo"])
    d2o_alpha: float | None = None
    cut_margin: float = 1.1
    cut_alpha: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()  # type: ignore[no-untyped-call]
        if unknown := [name for name in self.loss_type if name not in LOSSES]:
            raise ValueError(f"loss_type {unknown[0]}: of ranked replies it is {', '.join(LOSSES[:-1])} or {LOSSES[-1]}")
        if "cut" in self.loss_type and len(self.loss_type) > 1:
            raise ValueError(f"loss_type {', '.join(self.loss_type)}: cut is added to no other loss")
        if not self.cut_margin > 0 or not self.cut_alpha >= 0:
            raise ValueError(f"cut_margin {self.cut_margin}, cut_alpha {self.cut_alpha}: expected one above 0 and one from 0")
        of_pairs = {"f_divergence_type": "reverse_kl", "label_smoothing": 0.0}
        of_pairs |= {"ld_alpha": None, "use_weighting": False, "precompute_ref_log_probs": False}
        for name, usual in of_pairs.items():
            if getattr(self, name) != usual:
                raise ValueError(f"{name} {getattr(self, name)}: is of pairs; ranked replies are trained without it")


@dataclass(frozen=True, slots=True)
class RankCollator:
    """Forks → padded rows, a reply each, in TRL's layout; `forks` says whose reply a row is, `ranks` and `relevance` how good.

    Replies with `told_ids` come again below all others, after that prompt, as rows of no fork, -1; `criticised` says which.
    """

    pad_token_id: int
    max_length: int | None = None
    truncation_mode: str = "keep_start"
    pad_to_multiple_of: int | None = None

    def __call__(self, examples: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        cut = slice(None, self.max_length)
        if self.truncation_mode == "keep_end" and self.max_length is not None:
            cut = slice(-self.max_length, None)
        replies = [(number, fork["prompt_ids"], one) for number, fork in enumerate(examples) for one in fork["completions_ids"]]
        prompts = [told for fork in examples for told in fork.get("told_ids", ())]
        criticised = [place for place, told in enumerate(prompts) if told]
        replies += [(-1, prompts[place], replies[place][2]) for place in criticised]
        ids = [torch.tensor((prompt + one)[cut]) for _, prompt, one in replies]
        marks = [torch.tensor(([0] * len(prompt) + [1] * len(one))[cut]) for _, prompt, one in replies]
        columns = {
            "input_ids": (ids, self.pad_token_id),
            "attention_mask": ([torch.ones_like(row) for row in ids], 0),
            "completion_mask": (marks, 0),
        }
        batch = {
            name: pad(rows, padding_value=value, padding_side="right", pad_to_multiple_of=self.pad_to_multiple_of)
            for name, (rows, value) in columns.items()
        }
        batch["forks"] = torch.tensor([number for number, *_ in replies])
        for name, kind in (("ranks", torch.long), ("relevance", torch.float32)):
            batch[name] = torch.tensor([value for fork in examples for value in fork[name]], dtype=kind)
        if "told_ids" in examples[0]:
            batch["criticised"] = torch.tensor(criticised, dtype=torch.long)
        if "weight" in examples[0]:
            batch["weight"] = torch.tensor([fork["weight"] for fork in examples])
        return batch


class TreeRankTrainer(TreeDPOTrainer):
    """`TreeDPOTrainer` on forks. Rows are conversations; `args` is a `RankConfig`."""

    losses: tuple[str, ...] = LOSSES[:-1]  # the last one is of TreeCutTrainer

    def _get_ready(self) -> None:
        if others := [name for name in self.args.loss_type if name not in self.losses]:
            raise ValueError(
                f"loss_type {others[0]}: is not of {type(self).__name__}; TreeCutTrainer has cut, TreeRankTrainer the others"
            )
        if (reason := trl_obstacle()) is not None:
            raise ValueError(f"ranked replies: {reason}")
        if self.aux_loss_enabled:
            raise ValueError("router_aux_loss_coef: ranked replies are trained without the router's auxiliary loss; set it to 0")
        args, padding = self.args, self._tokenizer.pad_token_id
        self.data_collator = RankCollator(padding, args.max_length, args.truncation_mode, args.pad_to_multiple_of)
        super()._get_ready()

    def _prepare_dataset(self, dataset: Any, processing_class: Any, args: Any, dataset_name: str) -> Dataset:  # noqa: ANN401
        def tokenised(row: dict[str, Any]) -> dict[str, Any]:
            prompt = ids_of(processing_class, row["prompt"], add_generation_prompt=True)
            wholes = [ids_of(processing_class, row["prompt"] + reply) for reply in row["completions"]]
            begins = min(common_prefix(prompt, whole) for whole in wholes)  # as TRL: where a template writes them apart
            relevance = relevance_of(row.get("scores"), row["ranks"])
            if "lipo" in args.loss_type and max(relevance) > STEEPEST:
                raise ValueError(f"a score of {max(relevance):g}: lipo's gain is 2 to it; give scores of a scale such as 1 to 5")
            return {
                "prompt_ids": prompt[:begins],
                "completions_ids": [whole[begins:] for whole in wholes],
                "relevance": relevance,
            }

        dataset = dataset.map(tokenised, num_proc=args.dataset_num_proc, desc=f"Tokenizing {dataset_name} dataset")
        if args.max_length is not None and args.truncation_mode == "keep_start":
            most = args.max_length
            dataset = dataset.filter(lambda row: len(row["prompt_ids"]) < most, num_proc=args.dataset_num_proc)
        return dataset

    def _set_signature_columns_if_needed(self) -> None:
        self._signature_columns = ["prompt_ids", "completions_ids", "ranks", "relevance", "weight", "told_ids"]

    def _compute_loss(self, model: nn.Module, inputs: dict[str, Any], return_outputs: bool) -> torch.Tensor:
        if return_outputs:
            raise NotImplementedError("compute_metrics: ranked replies have no logits to give")
        return self._loss_of_batch(model, inputs)

    def _loss_of_batch(self, model: nn.Module, inputs: dict[str, Any]) -> torch.Tensor:
        reference = torch.cat(self.compute_ref_log_probs(self.ref_model or self.model, inputs))
        log_probs, entropy = self._passed(model, inputs)
        rewards = self.beta * (log_probs.sum(dim=1) - reference)
        each = torch.stack([self._loss_of(rewards[rows], inputs, rows) for rows in forks_of(inputs)])
        self._log_fork_metrics(rewards.detach(), entropy.detach(), inputs)
        return (each * inputs["weight"]).mean() if "weight" in inputs else each.mean()

    def _passed(self, model: nn.Module, inputs: dict[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
        """Log-probabilities and entropies (rows, length - 1) of the replies' tokens."""
        given = of_the_model(inputs)
        width = given.pop("completion_mask").shape[1] - 1  # adapters that prepend tokens return more
        outputs = model(**given, labels=labels_of(inputs), use_cache=False, fused_lm_head=True)
        return outputs.log_probs[:, -width:], outputs.entropy[:, -width:]

    def _loss_of(self, rewards: torch.Tensor, inputs: dict[str, Any], rows: torch.Tensor) -> torch.Tensor:
        ranks, relevance = inputs["ranks"][rows], inputs["relevance"][rows]
        loss = rewards.new_zeros(())
        for name, share in zip(self.loss_types, self.loss_weights, strict=True):
            if name == "lipo":
                loss = loss + share * lipo(rewards, ranks, relevance)
            elif name == "plackett_luce":
                loss = loss + share * plackett_luce(rewards, ranks)
            else:
                alpha = 1.0 if self.args.d2o_alpha is None else self.args.d2o_alpha / self.beta
                loss = loss + share * d2o(rewards, ranks, alpha)
        return loss

    def _log_fork_metrics(self, rewards: torch.Tensor, entropy: torch.Tensor, inputs: dict[str, Any]) -> None:
        """What TRL logs of pairs, of forks: the best and the worst reply instead of chosen and rejected."""
        mask, sums = inputs["completion_mask"][:, 1:], torch.zeros(7, device=rewards.device)
        for rows in forks_of(inputs):
            values, ranks = rewards[rows], inputs["ranks"][rows]
            best, worst = (values[ranks == end].mean().float() for end in (ranks.min(), ranks.max()))
            right, pairs = in_order(values, ranks)
            sums[:5] += torch.stack([best, worst, *best.new_tensor([1, right, pairs])])
        sums[5], sums[6] = (entropy * mask).sum(), mask.sum()
        best, worst, forks, right, pairs, spread, predicted = self.accelerator.gather(sums).view(-1, 7).sum(dim=0).tolist()
        found = {"rewards/best": best / forks, "rewards/worst": worst / forks, "rewards/margins": (best - worst) / forks}
        found |= {"rewards/accuracies": right / max(pairs, 1), "entropy": spread / max(predicted, 1)}
        self._log(found, inputs)

    def _log(self, found: dict[str, float], inputs: dict[str, Any]) -> None:
        mode = "train" if self.model.training else "eval"
        tokens = self.accelerator.gather(inputs["attention_mask"].sum()).sum().item()
        if mode == "train":
            self._total_train_tokens += tokens // self._tp_size
        for name, value in found.items():
            self._metrics[mode][name].append(value)
        self._metrics[mode]["num_tokens"] = [self._total_train_tokens]


def forks_of(inputs: dict[str, Any]) -> Iterator[torch.Tensor]:
    """The numbers of the rows of each fork of a batch."""
    for fork in range(int(inputs["forks"].max()) + 1):
        yield (inputs["forks"] == fork).nonzero().flatten()


def ids_of(tokenizer: Any, messages: list[Any], **options: bool) -> list[int]:  # noqa: ANN401 - whatever TRL takes
    encoded: Any = tokenizer.apply_chat_template(messages, tokenize=True, return_dict=True, **options)
    return list(encoded["input_ids"])


def common_prefix(one: Sequence[int], other: Sequence[int]) -> int:
    """The length of the common beginning."""
    return next((place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
