"""GRPO on preference trees: the model samples replies, a judge scores them, and what scored above its group becomes likelier.

Shao et al. 2024, DeepSeekMath (arXiv 2402.03300), with TRL's own `GRPOTrainer` over one pass a step (`tree.grpo`); the user in
the loop is RLPA's (arXiv 2505.15456). Decided here: where rewards come from, that a step which cannot teach says so, and which of
a conversation's replies is credited with which score.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.utils.data import Sampler
from transformers import GenerationConfig
from trl.trainer.grpo_config import GRPOConfig

from aloe_hub.errors import UsageError
from aloe_hub.training.rewards import Asked, Replied
from aloe_hub.training.rollout import Rollout
from aloe_hub.training.tree.grpo import StepSampler, TreeGRPOTrainer
from aloe_hub.training.tree.sampler import EpochSampler, TellEpoch
from aloe_hub.types import Message, Row

log = logging.getLogger("aloe_hub")


def check_options(config: GRPOConfig, asked: Asked) -> None:
    """Raises: UsageError: options that nobody has, with which TRL would break, or which whole conversations do not have."""
    given: Any = config.generation_kwargs or {}
    known = GenerationConfig().to_dict()  # type: ignore[no-untyped-call]
    if unknown := given.keys() - known.keys():
        raise UsageError(f"generation_kwargs {min(unknown)!r}: no such option of transformers' GenerationConfig")
    if given.get("num_return_sequences", 1) != 1:
        raise UsageError("generation_kwargs num_return_sequences: must be 1; how many replies a prompt gets is num_generations")
    if asked.online.level == "conversation":
        if config.use_vllm:
            raise UsageError("use_vllm: is for --level turn; conversations are sampled by transformers")
        if config.multi_objective_aggregation != "sum_then_normalize":
            raise UsageError(
                f"multi_objective_aggregation {config.multi_objective_aggregation!r}: is for --level turn; the rewards of a turn "
                "of a conversation are summed by their weights"
            )


class Reinforcer(TreeGRPOTrainer):
    """TRL's trainer, whose rewards are asked for, and whose rows come in the same order after a stop."""

    num_generations_eval: Any  # TRL's types say less than is there
    max_completion_length: Any
    processing_class: Any

    def __init__(self, *args: Any, asked: Asked, **kwargs: Any) -> None:  # noqa: ANN401 - TRL's own
        self._asked = asked
        self._inputs: list[Row] = []
        self._said: set[str] = set()
        config: GRPOConfig = kwargs["args"]
        config.reward_weights = list(asked.online.weights.values())
        if asked.online.level == "conversation":
            kwargs["rollout_func"] = Rollout(asked, kwargs["processing_class"])
        rewards = [self._reward(name) for name in asked.online.weights]
        super().__init__(*args, reward_funcs=rewards, **kwargs)

    def _get_train_sampler(self, dataset: Any = None) -> Sampler[int]:  # noqa: ANN401 - TRL's own
        sampler = super()._get_train_sampler(dataset)
        return sampler if isinstance(sampler, StepSampler) else TellEpoch.of(self, EpochSampler(sampler))

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        self._metrics["train"].pop("step_time", None)  # of this machine: two logs of one training must be the same
        super().log(logs, start_time)

    def _reward(self, name: str) -> Callable[..., list[float | None]]:
        """The function that TRL calls, which finds what was asked for before in the columns."""

        def reward(**columns: Any) -> list[float | None]:  # noqa: ANN401
            return [_mean(scores) for scores in columns[f"{name}_scores"]]

        reward.__name__ = name
        return reward

    def _generate_and_score_completions(self, inputs: list[Row]) -> dict[str, Any]:
        self._inputs = inputs  # a rollout is told the prompts alone
        output: dict[str, Any] = super()._generate_and_score_completions(inputs)
        if "tool_mask" in output:
            output["advantages"] = self._by_turn(inputs, output["tool_mask"])
        return output

    def _calculate_rewards(
        self, inputs: list[Row], prompts: list[Any], completions: list[Any], completion_ids_list: list[list[int]]
    ) -> torch.Tensor:
        asked, step = self._asked, self.state.global_step + 1
        if asked.online.level == "turn":
            said = self.processing_class.batch_decode(completion_ids_list, skip_special_tokens=True)
            replies = [
                Replied(row, tuple(Message(one["role"], one["content"]) for one in row["prompt"]), text)
                for row, text in zip(inputs, said, strict=True)
            ]
            for row, found in zip(
                inputs, asked.run(asked.rewards(replies, [asked.call(row, row["turn"]) for row in inputs])), strict=True
            ):
                row |= {f"{name}_scores": [value] for name, value in found.items()}
        rewards: torch.Tensor = super()._calculate_rewards(inputs, prompts, completions, completion_ids_list)
        unscored = rewards.isnan().all(dim=1)
        mode = "train" if self.model.training else "eval"
        self._metrics[mode]["rewards/missing"].append(unscored.float().mean().item())
        if unscored.all() and asked.judge is not None:  # that nothing has been told yet is no fault of anybody's
            raise asked.nothing(step, len(unscored))
        groups = (rewards.nan_to_num() * self.reward_weights.to(rewards.device)).sum(dim=1)
        copies = self.num_generations if mode == "train" else self.num_generations_eval
        empty = unscored.view(-1, copies).all(dim=1)
        values = groups.masked_fill(unscored, torch.nan).view(-1, copies)
        if empty.any():
            self._say_once(
                f"step {step}: no reply of {int(empty.sum())} of {len(empty)} groups has a score, and they teach nothing"
            )
        if asked.online.level == "turn" and all((one[~one.isnan()] == one[~one.isnan()][:1]).all() for one in values):
            self._say_flat()
        return rewards

    def _say_flat(self) -> None:
        self._say_once(
            f"step {self.state.global_step + 1}: in each group all replies have the same reward, so it teaches nothing; if "
            "it stays so (frac_reward_zero_std in the log), raise --set temperature or num_generations, or take a judge or a "
            "--rubric with finer scores"
        )

    def _say_once(self, what: str) -> None:
        kind = what.partition(":")[2][:20]
        if kind not in self._said and self.accelerator.is_main_process:
            self._said.add(kind)
            log.warning("%s", what)

    def _by_turn(self, inputs: Sequence[Row], tool_mask: torch.Tensor) -> torch.Tensor:
        """Advantages of shape (rows, tokens): each reply's is that of its own turn within its group."""
        online, weights = self._asked.online, self._asked.online.weights
        scores = torch.full((len(inputs), online.turns), torch.nan, device=tool_mask.device)
        for number, row in enumerate(inputs):
            for turn, values in enumerate(zip(*(row[f"{name}_scores"] for name in weights), strict=True)):
                known = [value * weight for value, weight in zip(values, weights.values(), strict=True) if value is not None]
                scores[number, turn] = sum(known) if known else torch.nan
        training = self.model.training
        every = self.accelerator.gather(scores)
        found = advantages(
            every, online.discount, self.num_generations if training else self.num_generations_eval, self.scale_rewards
        )
        first = self.accelerator.process_index * len(inputs)
        mine = found[first : first + len(inputs)]
        if not found.any():
            self._say_flat()
        begins = (tool_mask == 1) & (torch.nn.functional.pad(tool_mask, (1, 0))[:, :-1] != 1)
        turns = (begins.long().cumsum(dim=1) - 1).clamp(0, online.turns - 1)
        return mine.gather(1, turns)


def advantages(scores: torch.Tensor, discount: float, copies: int, scale: str) -> torch.Tensor:
    """(rows, turns) of scores, NaN where there is none → the advantage of each turn's reply, 0 where nothing is known.

    What a reply is worth is the mean of its score and those of the later turns, weighted by powers of the discount. It is
    compared with the same turn of the other conversations of its group, which began alike.

    >>> advantages(torch.tensor([[1.0, 2.0], [3.0, 2.0]]), 0.0, 2, "none")
    tensor([[-1.,  0.],
            [ 1.,  0.]])
    """
    worth, summed, weight = torch.empty_like(scores), torch.zeros_like(scores[:, 0]), torch.zeros_like(scores[:, 0])
    for turn in reversed(range(scores.shape[1])):
        known = ~scores[:, turn].isnan()
        summed = discount * summed + scores[:, turn].nan_to_num()
        weight = discount * weight + known
        worth[:, turn] = torch.where(weight > 0, summed / weight, torch.nan)
    groups = worth.view(-1, copies, worth.shape[1])
    apart = (groups - groups.nanmean(dim=1, keepdim=True)).view_as(worth)
    if scale != "none":
        of = apart if scale == "batch" else apart.view_as(groups)
        number = (~of.isnan()).sum(dim=None if scale == "batch" else 1, keepdim=scale != "batch")
        spread = (of.nan_to_num() ** 2).sum(dim=None if scale == "batch" else 1, keepdim=scale != "batch")
        spread = (spread / (number - 1).clamp(min=1)).sqrt()
        apart = (of / (spread + 1e-4)).view_as(worth)
    return apart.nan_to_num()


def _mean(scores: Sequence[float | None]) -> float | None:
    known = [score for score in scores if score is not None]
    return sum(known) / len(known) if known else None
