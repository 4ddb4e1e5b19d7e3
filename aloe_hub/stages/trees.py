"""Preference trees: one conversation for each persona, with a fork of two or more replies in every turn. Paper, section 2.2.

In each turn (1) the simulated user writes, (2) the inferrer says what is known of the user, (3) a tailored and a plain reply
are written to the same history, (4) the judge compares them in both orders, (5) a coin that does not look at the verdicts
decides which one is spoken. The next turn follows the coin, so it need not wait for the judge: a turn costs three calls in
sequence.

A fork whose verdicts cannot be read is kept, undecided, and is in no rows. A tree that cannot be grown (no message or no reply
that can be read, a call that failed for good) goes to `failed.jsonl` with the reason; the others are grown. `trees.jsonl` has its
final name only when every tree is in it, or the failures were accepted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from aloe_hub.chat import judged_by, template_date_of, world_of
from aloe_hub.chat.policies import calls_of
from aloe_hub.chat.traffic import Traffic
from aloe_hub.chat.wrappers import Shown
from aloe_hub.errors import UsageError
from aloe_hub.fields import text
from aloe_hub.files.journal import Journal, is_finished
from aloe_hub.files.jsonl import partial_of
from aloe_hub.files.run_folder import USUAL, RunFolder, plain
from aloe_hub.files.settings import at_least, check_conversations, check_roles, check_sampling
from aloe_hub.model_string import ModelString
from aloe_hub.rubrics import DEFAULT, RUBRICS
from aloe_hub.stages.demonstrations import demonstrations
from aloe_hub.stages.forks import CHOICES, Forking
from aloe_hub.stages.forks import grow as grow
from aloe_hub.stages.journalled import journalled
from aloe_hub.stages.roles import Cast
from aloe_hub.stages.training_rows import DERIVED
from aloe_hub.types import Message, Persona, Row, Tree, digest

ROLES = ("user", "inferrer", "tailored", "plain", "judge")
OPTIONS = {"continue_with": "--continue", "rank_by": "--rank-by"}  # of settings, where it is not their name


@dataclass(frozen=True, slots=True)
class TreeSettings:
    """What decides a tree's bytes: `models` maps each role (and perhaps `policy`) to a model string.

    `temperature` is the policy's; None: as in `roles.SAMPLING`. `sampling`: by role, fields of `Sampling` that are to be others.
    `structured`: judge and inferrer are asked for JSON of a schema, where the server has it. `rejudge`: a run whose trees are
    judged again. `replies`, `continue_with`, `rank_by`, `diverse`: as in `Forking`. `pairs`: the best reply against the worst,
    or "all" two of which one was preferred. `demonstrations`: how many the judge is shown, which then lie in the run folder.
    """

    models: dict[str, str]
    turns: int = 10
    seed: int = 0
    split: str = "train"
    limit: int | None = None
    temperature: float | None = None
    sampling: dict[str, dict[str, Any]] | None = None
    structured: bool = False
    rejudge: str | None = None
    replies: int = 2
    continue_with: str = "coin"
    rank_by: str = "tournament"
    diverse: bool = False
    pairs: str = "best"
    demonstrations: int = 0

    def __post_init__(self) -> None:
        check_conversations(self.turns, self.seed, self.limit, self.temperature)
        check_roles(self.models)
        check_sampling(self.sampling, (*self.models, "policy"))  # a recipe may say how one is sampled where there is none
        for name, known in CHOICES.items():
            if (value := getattr(self, name)) not in known:
                raise UsageError(f"{OPTIONS.get(name, f'--{name}')} {value}: must be {' or '.join(known)}")
        assert self.forking  # it checks the number of replies
        at_least("--demonstrations", self.demonstrations, 0)
        if self.demonstrations and self.rank_by != "tournament":
            raise UsageError(f"--demonstrations {self.demonstrations}: are of two replies; leave out --rank-by {self.rank_by}")
        judge = ModelString.recorded(self.models["judge"])
        if self.demonstrations and (judge.scheme == "scripted" or judge.only_judges):
            raise UsageError(f"--demonstrations {self.demonstrations}: the judge {judge} reads none; name a language model")

    @property
    def forking(self) -> Forking:
        return Forking(self.replies, self.continue_with, self.rank_by, self.diverse)

    def cast(self, traffic: Traffic, judge: str, shown: tuple[Message, ...] = ()) -> Cast:
        """Who plays the roles; `judge`: its model string, perhaps of an earlier version. `shown`: demonstrations for it."""
        prompt = RUBRICS[DEFAULT].prompt if self.rank_by == "scores" else "pairwise_judge"
        cast = Cast.of(self.models | {"judge": judge}, traffic, self.sampling, self.structured, prompt)
        return replace(cast, judge=Shown(cast.judge, shown)) if shown else cast

    @property
    def recorded(self) -> dict[str, Any]:
        """As `run.toml` holds those of a run that begins now; the usual fork is left out, as where there was no other."""
        models = self.models.values()
        own = {name: value for name, value in plain(self).items() if name not in USUAL or value != USUAL[name]}
        return own | world_of(models) | template_date_of(models) | judged_by(self.models["judge"], None)[1]

    @property
    def calls_a_tree(self) -> int:
        """At most, if every answer can be read at once: user, inferrer, replies, verdicts; a policy alone needs no inferrer."""
        policy = self.models.get("policy")
        inferrer = policy is None or self.diverse
        of_replies = self.replies * (1 if policy is None else calls_of(ModelString.recorded(policy)))
        return self.turns * (1 + inferrer + of_replies + self.forking.verdicts)


def models_by_role(recipe: dict[str, Any], model: str | None, **by_hand: str | None) -> dict[str, str]:
    """Who plays which role, for `TreeSettings.models`; taken out of the recipe's table `[trees]`.

    For each role: what was given by hand for it, what the recipe says of it, `model`, the recipe's model, or else `scripted`.
    """
    of_all = recipe.pop("model", None)

    def chosen(role: str, *otherwise: str | None) -> str | None:
        return next((name for name in (by_hand.get(role), recipe.pop(role, None), *otherwise) if name is not None), None)

    models = {role: chosen(role, model, of_all, "scripted") for role in ROLES} | {"policy": chosen("policy")}
    return {role: name for role, name in models.items() if name is not None}


@dataclass(frozen=True, slots=True)
class Shard:
    """Part `index` of `count`, counted from 1, as in `--shard 2/4`. Every count-th persona."""

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        index, slash, count = text.partition("/")
        if not (slash and index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count)):
            raise UsageError(f"--shard {text!r}: expected i/n with 1 <= i <= n, such as 1/4")
        return cls(int(index), int(count))

    def file(self) -> str:
        return f"trees-{self.index}-of-{self.count}.jsonl"


@dataclass(frozen=True, slots=True)
class Grown:
    """What `grow_all` did; `reason`: why the first of the failed trees failed."""

    wanted: int
    failed: int
    finished: bool
    reason: str = ""


async def grown_row(cast: Cast, settings: TreeSettings, tree_id: str, persona: Persona) -> Row:
    """A tree of a run, as a row of `trees.jsonl`."""
    how, forking = settings.temperature, settings.forking
    return (await grow(persona, cast, tree_id=tree_id, turns=settings.turns, temperature=how, forking=forking)).to_row()


def tree_id_of(seed: int, persona: Persona, sample: int = 0) -> str:
    return digest(seed, persona.persona_id, sample)


def wanted_trees(run: RunFolder, settings: TreeSettings, shard: Shard | None = None) -> dict[str, Persona]:
    """The trees of a run, or of one shard of it: whom each is grown for, by `tree_id`, in persona order."""
    personas = run.personas(settings.split)[: settings.limit]
    if shard is not None:
        personas = personas[shard.index - 1 :: shard.count]
    return {tree_id_of(settings.seed, persona): persona for persona in personas}


def claim(run: RunFolder, settings: TreeSettings) -> None:
    """Write down what the trees of a run are about to be grown with.

    Raises:
        SettingsDiffer: the folder holds trees that were grown with other settings.
    """
    _, version = judged_by(settings.models["judge"], run.settings().get("trees"))
    run.claim("trees", {name: value for name, value in settings.recorded.items() if name != "world_judge"} | version)


def grow_all(
    run: RunFolder,
    settings: TreeSettings,
    *,
    traffic: Traffic | None = None,
    shard: Shard | None = None,
    accept_failures: bool = False,
    retry_failed: bool = False,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Grown:
    """Grow the trees of a run folder, or of one shard of it, and go on where an earlier command stopped.

    Raises:
        SettingsDiffer: the folder holds trees that were grown with other settings.
        RunStopped: the budget allows no further tree, or every call fails.
        AloeError: the disk is full, another process is at work, … ; what is journalled stays.
    """
    traffic = traffic or Traffic()
    wanted = wanted_trees(run, settings, shard)
    judge, _ = judged_by(settings.models["judge"], run.settings().get("trees"))
    cast = settings.cast(traffic, judge, demonstrations(run) if settings.demonstrations else ())
    claim(run, settings)
    final = run.file(shard.file() if shard else "trees.jsonl")
    failures = final.with_name(final.name.replace("trees", "failed", 1))
    if not (retry_failed and failures.exists()) and is_finished(final):
        on_progress(len(wanted), len(wanted))
        return Grown(len(wanted), 0, finished=True)
    with Journal(failures, key="tree_id", check=_check_failed) as failed:  # its lock first: another may be at work on both
        if retry_failed:
            failed.clear()
            failures.unlink(missing_ok=True)
            if final.exists():  # it was finished without the failed ones: a journal again, and the rows are to be derived again
                final.rename(partial_of(final))
                for name in DERIVED:
                    run.file(f"{name}.jsonl").unlink(missing_ok=True)
        with Journal(final, key="tree_id", check=lambda row: _check_tree(row, wanted, settings.turns)) as trees:
            todo = {tree_id: persona for tree_id, persona in wanted.items() if tree_id not in trees and tree_id not in failed}
            done = len(wanted) - len(todo)
            on_progress(done, len(wanted))
            journalled(
                todo,
                partial(grown_row, cast, settings),
                keep=trees.append,
                fail=lambda tree_id, persona, reason: failed.append(
                    {"tree_id": tree_id, "persona_id": persona.persona_id, "reason": reason}
                ),
                traffic=traffic,
                calls=settings.calls_a_tree,
                on_progress=lambda ended: on_progress(done + ended, len(wanted)),
            )
            lost = [tree_id for tree_id in wanted if tree_id in failed]
            reason = next((str(row.get("reason")) for row in failed.rows() if row["tree_id"] in wanted), "")
            if lost and not accept_failures:
                return Grown(len(wanted), len(lost), finished=False, reason=reason)
            if lost:
                failed.finish(lost)
            else:
                failed.discard()
            trees.finish([tree_id for tree_id in wanted if tree_id in trees])
    return Grown(len(wanted), len(lost), finished=True, reason=reason)


def _check_failed(row: Row) -> None:
    """Raises: KeyError, ValueError: a row of `failed.jsonl` without whose tree failed and why."""
    for name in ("persona_id", "reason"):
        text(row, name)


def _check_tree(row: Row, wanted: Mapping[str, Persona], turns: int) -> None:
    """Raises: KeyError, ValueError: not a whole tree of this run."""
    tree = Tree.from_row(row)
    if len(tree.exchanges) != turns:
        raise ValueError(f"a tree of {len(tree.exchanges)} turns instead of {turns}")
    if wanted.get(tree.tree_id, tree.persona) != tree.persona:
        raise ValueError("the tree of another persona than its tree_id says")
