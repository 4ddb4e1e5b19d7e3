"""The command train: an adapter from a preference dataset, by SFT, DPO, losses of ranked replies, SDFT or GRPO."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from aloe_hub.cli import calls, options
from aloe_hub.cli.progress import bars, err, out, working
from aloe_hub.cli.publish import print_published
from aloe_hub.errors import AloeError, UsageError

if TYPE_CHECKING:
    from aloe_hub.training.record import Method
    from aloe_hub.training.settings import TrainSettings
    from aloe_hub.training.train import Trained


@calls.asks_models
def train(
    method: Annotated[
        Literal["sft", "dpo", "rank", "sdft", "grpo"], typer.Argument(help="The training method.", show_default=False)
    ],
    base: Annotated[
        str | None, typer.Option(help="The model: org/model, org/model@rev, a folder, a GGUF, or pocket.", show_default=False)
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="A dataset on the Hub: org/name, org/name:config:split, either with @revision; ours, or in a form of TRL's. "
            "Rows of your own can be RUN/sft.jsonl, pairs.jsonl, ranked.jsonl or distill.jsonl; GRPO takes trees.",
            show_default="the rows of --run",
        ),
    ] = None,
    run: Annotated[Path | None, typer.Option(help="The run folder.", show_default="runs/NAME of --data")] = None,
    adapter: Annotated[
        str | None,
        typer.Option(
            help="Start from this one; also the reference of dpo, rank and grpo, SDFT's teacher.", show_default="a new one"
        ),
    ] = None,
    name: Annotated[str | None, typer.Option(help="It goes to RUN/adapters/NAME.", show_default="the method")] = None,
    recipe: options.Recipe = None,
    push: Annotated[str | None, typer.Option(help="Publish it afterwards, as org/name.", show_default=False)] = None,
    base_repo: Annotated[
        str | None, typer.Option(help="--push: where a base that is a folder, a GGUF, or pocket, is published.")
    ] = None,
    private: Annotated[bool, typer.Option("--private", help="--push: make the repo private, if it is new.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where a stopped training was.")] = False,
    report_to: Annotated[str | None, typer.Option(help="Where the logs go, such as trackio.", show_default="none")] = None,
    tree: Annotated[
        bool | None,
        typer.Option("--tree/--no-tree", help="sft, dpo, rank, grpo: one pass for all rows of a tree.", show_default="tree"),
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Train all weights instead of an adapter.")] = False,
    allow_truncation: Annotated[bool, typer.Option("--allow-truncation", help="Cut rows that are too long.")] = False,
    clean_control_tokens: Annotated[
        bool, typer.Option("--clean-control-tokens", help="Take the base's control tokens out of the texts of rows.")
    ] = False,
    chat_template_kwargs: Annotated[str | None, typer.Option(help="What the chat template is told, as JSON.")] = None,
    seed: options.Seed = None,
    limit: Annotated[int | None, typer.Option(help="Only the first N trees.", show_default="all")] = None,
    lr: Annotated[float | None, typer.Option(help="Learning rate.", show_default="1e-4 sft and sdft, 1e-5 the others")] = None,
    epochs: Annotated[float | None, typer.Option(help="Passes over the rows.", show_default="1")] = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Rows (rank: forks) a device takes at once.", show_default="10, grpo 40")
    ] = None,
    beta: Annotated[
        float | None, typer.Option(help="dpo, rank, grpo: how near to stay to the reference.", show_default="0.1, grpo 0.04")
    ] = None,
    noise: Annotated[
        str | None,
        typer.Option(
            help="dpo: the share of pairs that are the wrong way round, or measured, by the audit or both orders of the trees.",
            show_default="0",
        ),
    ] = None,
    max_length: Annotated[
        int | None, typer.Option(help="sft, dpo, rank: tokens of a row.", show_default="the longest row")
    ] = None,
    lora_r: Annotated[int | None, typer.Option(help="Rank of the adapter.", show_default="16")] = None,
    lora_alpha: Annotated[int | None, typer.Option(help="Scale of the adapter.", show_default="32")] = None,
    lora_targets: Annotated[str | None, typer.Option(help="Modules, such as q_proj,v_proj.", show_default="all-linear")] = None,
    lora_dropout: Annotated[float | None, typer.Option(help="Dropout of the adapter.", show_default="0")] = None,
    level: Annotated[
        str | None, typer.Option(help="grpo: turn samples the next reply, conversation talks with a user.", show_default="turn")
    ] = None,
    judge: Annotated[
        str | None, typer.Option(help="grpo: the model that scores replies.", show_default="the judge of the trees")
    ] = None,
    user: Annotated[
        str | None, typer.Option(help="grpo: the model that plays the user.", show_default="the user of the trees")
    ] = None,
    rubric: Annotated[
        str | None, typer.Option(help="grpo: what the judge is asked: aloe-hub, aloe or rlpa.", show_default="aloe-hub")
    ] = None,
    turns: Annotated[int | None, typer.Option(help="grpo: of each conversation.", show_default="10")] = None,
    concurrency: options.Concurrency = 32,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="key=value: any option of TRL, transformers or LoRA; may be repeated.")
    ] = None,
    *,
    asking: calls.Asking,
) -> None:
    """Train an adapter on preference trees: SFT on the preferred replies, then DPO on pairs, or rank on all replies of a fork.

    Or SDFT, which needs no preferences: told what had been inferred, the model teaches itself. Or GRPO: the model replies, a
    judge scores, and what scores above the other replies becomes likelier.
    """
    first = os.environ.get("RANK", "0") == "0"
    try:
        by_hand: dict[str, Any] = {
            "base": base, "adapter": adapter, "data": data, "full": full or None, "tree": tree, "seed": seed, "limit": limit,
            "allow_truncation": allow_truncation or None, "report_to": report_to,
            "clean_control_tokens": clean_control_tokens or None, "chat_template_kwargs": _json(chat_template_kwargs),
            "noise": _noise(noise, run, data), "lr": lr, "epochs": epochs,
            "batch_size": batch_size, "beta": beta, "max_length": max_length, "lora_r": lora_r, "lora_alpha": lora_alpha,
            "lora_targets": lora_targets, "lora_dropout": lora_dropout,
            "level": level, "judge": judge, "user": user, "rubric": rubric, "turns": turns,
        }  # fmt: skip
        settings = _settings(method, recipe, by_hand, set_ or [], shown=first)
        _check_push(settings, push, base_repo)
        if method != "grpo" and asking != calls.Asking():
            raise UsageError(f"aloe train {method}: asks no model; options of models behind endpoints are for grpo")
        folder = _train(settings, run, name=name, resume=resume, shown=first, asking=asking, concurrency=concurrency)
    except AloeError as error:
        if first:
            raise
        raise typer.Exit(error.exit_status) from None  # every process fails alike, and one of them says so
    except KeyboardInterrupt:
        if first:
            err.print("stopped; the same command with --resume goes on from the last checkpoint")
        raise
    if push is not None and first:
        from aloe_hub.hub.models import publish_adapter

        with working(f"publishing to {push}"):
            published = publish_adapter(folder, push, base_repo=base_repo, private=private)
        print_published(published)


def _noise(text: str | None, run: Path | None, data: str | None) -> dict[str, Any] | None:
    """ε, and where it is from."""
    if text is None:
        return None
    if text == "measured":
        if run is None or data is not None:
            raise UsageError("--noise measured: is of the trees of --run, without --data; or give a share, such as --noise 0.1")
        from aloe_hub.audit.noise import measured_noise

        return measured_noise(run)
    try:
        epsilon = float(text)
    except ValueError:
        raise UsageError(f"--noise {text!r}: expected measured, or a share such as 0.1") from None
    if not 0 <= epsilon < 0.5:
        raise UsageError(f"--noise {text}: must be at least 0 and less than 0.5, where labels are guesses")
    return {"epsilon": epsilon, "source": "by hand"}


def _json(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    try:
        found = json.loads(text)
    except ValueError as error:
        raise UsageError(f"--chat-template-kwargs {text!r}: not JSON ({error})") from None
    if not isinstance(found, dict):
        raise UsageError(f'--chat-template-kwargs {text!r}: must be an object, such as {{"enable_thinking": false}}')
    return found


def _settings(method: Method, recipe: str | None, by_hand: dict[str, Any], more: list[str], *, shown: bool) -> TrainSettings:
    with working("loading PyTorch") if shown else nullcontext():
        from aloe_hub.training.settings import parsed_option, train_settings

    changes: dict[str, Any] = {}
    for key, value in map(parsed_option, more):
        if key in changes or by_hand.get(key) is not None:
            raise UsageError(f"--set {key}: is given {'twice' if key in changes else 'by an option of its own too'}")
        changes[key] = value
    by_hand |= changes
    return train_settings(method, options.recipe_table(recipe, "train"), by_hand)


def _train(
    settings: TrainSettings,
    run: Path | None,
    *,
    name: str | None,
    resume: bool,
    shown: bool,
    asking: calls.Asking,
    concurrency: int,
) -> Path:
    """Train, and say what came of it; the folder of the adapter."""
    from aloe_hub.files.run_folder import RunFolder
    from aloe_hub.training.train import train as train_adapter

    if run is None:
        if settings.data is None:
            raise UsageError("--run or --data: say which rows, such as --run runs/mine or --data org/aloe-prefs")
        run = Path("runs") / settings.data.partition("@")[0].partition(":")[0].rpartition("/")[2]
    with ExitStack() as open_:
        traffic = None
        if settings.online is not None:
            traffic = open_.enter_context(calls.traffic(run / "calls.jsonl", asking, concurrency=concurrency))
        show = open_.enter_context(bars()) if shown else lambda what, done, total: None
        trained = train_adapter(RunFolder(run), settings, name=name, resume=resume, traffic=traffic, on_progress=show)
    if shown:
        _print_trained(trained, settings.base)
    return trained.folder


def _print_trained(trained: Trained, base: str) -> None:
    report = trained.record.report
    done = "trained" if trained.new else "was trained already"
    out.print(f"{trained.folder}: {done}, {report['steps']} steps, {report['seconds']:.0f} s", soft_wrap=True)
    shown = {"loss": "loss", "eval_loss": "on trees set aside", "eval_rewards/accuracies": "reward accuracy"}
    figures = [f"{label} {report['final'][key]:.4g}" for key, label in shown.items() if report["final"].get(key) is not None]
    if rewards := [entry["reward"] for entry in report["log"] if entry.get("reward") is not None]:
        figures.append(f"reward {rewards[0]:.3g} in the first log, {rewards[-1]:.3g} in the last")
    if report["ranking_accuracy"]:
        ranking = report["ranking_accuracy"]
        figures.append(f"ranking accuracy {ranking['policy']:.3g} (reference {ranking['reference']:.3g})")
    if report["tokens"] and report["tokens"]["processed"]:
        figures.append(f"{report['tokens']['exploded'] / report['tokens']['processed']:.1f} times fewer tokens than row by row")
    out.print("  " + ", ".join(figures), soft_wrap=True)
    if told := trained.record.settings.get("noise"):
        out.print(f"  label noise {told['epsilon']:.3g}, {told['source']}", soft_wrap=True)
    data = trained.record.data
    if data.get("undecided"):
        out.print(f"  {data['rows']} forks; {data['undecided']} in which no reply is better than another were left out")
    if "nothing_inferred" in data:
        out.print(f"  {data['rows']} turns; {data['nothing_inferred']} at which nothing had been inferred were left out")
    policy = f"local:{trained.folder}" if trained.record.settings["full"] else f"local:{base}+{trained.folder}"
    out.print(f"  try it: aloe evaluate --run {trained.folder.parent.parent} --policy {policy}", soft_wrap=True)


def _check_push(settings: TrainSettings, push: str | None, base_repo: str | None) -> None:
    """What no Hub would take is refused now, and not after hours of training."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils._validators import validate_repo_id

    if base_repo is not None and push is None:
        raise UsageError("--base-repo: is for --push")
    for option, repo in (("--push", push), ("--base-repo", base_repo)):
        try:
            validate_repo_id(repo or "org/name")
        except HFValidationError as error:
            raise UsageError(f"{option} {repo!r}: not a name that the Hub takes, such as org/name ({error})") from None
    if push is not None and base_repo is None and not settings.full and settings.base_is_local:
        raise UsageError(
            f"--base-repo: the base {settings.base} is a folder, a GGUF or pocket, which nobody else can load by that name; "
            "say which model on the Hub it is, or leave out --push"
        )
