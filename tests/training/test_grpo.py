"""`aloe train grpo`: what is sampled and asked, what is learned from it, and what is said where there is nothing to learn."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
import torch

from aloe_hub import prompts
from aloe_hub.chat.base import ChatReply
from aloe_hub.chat.ledger import Ledger, Price
from aloe_hub.chat.traffic import Limits, Traffic
from aloe_hub.errors import AloeError, ChatError, DataError, RunStopped, TransientError, UsageError
from aloe_hub.files.jsonl import read_rows
from aloe_hub.training.asked import asked_rows
from aloe_hub.training.base import find_base
from aloe_hub.training.build import build_trainer
from aloe_hub.training.grpo import advantages
from aloe_hub.training.online import Online
from aloe_hub.training.rewards import Replied, ask
from aloe_hub.training.rollout import check_template
from aloe_hub.training.train import train
from aloe_hub.training.tree.forward import trl_obstacle
from aloe_hub.types import Message
from tests.training import tiny_trees as tiny
from tests.training.small import a_base, a_grown_run, make_model, rows_to_train_on, settings  # noqa: F401 - fixtures

JUDGE = "http://127.0.0.1:9/v1#judge"
WEIGHTS = "adapter_model.safetensors"
PLAIN = {"judge": JUDGE}
WHOLE = PLAIN | {"level": "conversation", "turns": 3}


@dataclass
class Judge:
    """Likes replies that are ASCII, which half the bytes of the tiny model are not; `answer` says something else."""

    answer: str | Exception | Callable[[str], str | None] | None = None
    asked: list[str] = field(default_factory=list)

    async def complete(self, request):
        if callable(self.answer) and (said := self.answer(request.role)) is not None:
            return ChatReply(said)
        if request.role == "user":
            return ChatReply(f"And what then, after {len(request.messages[0].content)} letters?")
        self.asked.append(request.messages[-1].content)
        if isinstance(self.answer, Exception):
            raise self.answer
        reply = prompts.sections(request.messages[-1].content)["REPLY"]
        score = 1 + 4 * sum(letter.isascii() for letter in reply) / len(reply)
        return ChatReply(self.answer if isinstance(self.answer, str) else f"Score: {score:.2f}", tokens_in=10, tokens_out=1)


def traffic_to(judge, ledger=None):
    return Traffic(Limits(attempts=1), ledger or Ledger(), open_chat=lambda model, timeout: judge)


def trained(run, base, judge=None, *, ledger=None, name=None, **options):
    traffic = traffic_to(judge or Judge(), ledger)
    chosen = settings("grpo", base, **{"max_steps": 2, "logging_steps": 1} | PLAIN | options)
    return train(run, chosen, traffic=traffic, name=name)


def built(run, base, tmp_path, asks=None, **options):
    chosen = settings("grpo", base, **PLAIN | options)
    assert chosen.online is not None
    online = chosen.online.of_run(run.settings())
    asked, _ = ask(online, chosen.seed, traffic_to(asks or Judge()))
    found = asked_rows(run, None, chosen.limit, openings=online.level == "conversation")[0]
    return build_trainer(
        chosen, find_base(chosen.base), None, (found, []), max_length=0, output=tmp_path / "made", callbacks=[], asked=asked
    )


def test_it_makes_an_adapter_and_says_how(rows, base):
    judge = Judge()
    made = trained(rows, base, judge)
    record = made.record
    assert (record.method, record.data["trees"], record.data["rows"]) == ("grpo", 6, 12)
    told = {"level": "turn", "judge": JUDGE, "rubric": "aloe-hub", "response_weight": 1.0, "profile_weight": 0.0}
    assert told.items() <= record.settings.items()
    assert not {"turns", "discount"} & record.settings.keys()
    assert {"num_generations": 2, "beta": 0.04, "learning_rate": 0.01}.items() <= record.options.items()
    log = record.report["log"]
    assert all(1 <= entry["reward"] <= 5 and entry["rewards/missing"] == 0 for entry in log)
    if trl_obstacle() is None:
        assert 0 < record.report["tokens"]["processed"] < record.report["tokens"]["exploded"]
    assert {path.name for path in made.folder.iterdir()} == {
        WEIGHTS, "adapter_config.json", "training.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"
    }  # fmt: skip
    profiles = {tree["profile"] for tree in read_rows(rows.file("trees.jsonl"), dict)}
    assert all(prompts.sections(asked)["PROFILE"] in profiles for asked in judge.asked)


def test_the_judge_is_the_trees_own_unless_given_and_a_scripted_user_keeps_half_of_its_wordings_for_the_benchmark(rows, base):
    record = train(rows, settings("grpo", base, max_steps=1, level="conversation", turns=1)).record
    assert (record.settings["judge"], record.settings["user"]) == ("scripted", "scripted:user?wording=train")
    assert {"world", "world_judge", "turns", "discount"} <= record.settings.keys()


@pytest.mark.parametrize("level", ["turn", "conversation"])
def test_the_reward_rises(rows, base, level):
    # All weights, since the head of a model of random ones says next to nothing that an adapter below it could change.
    options = {"level": level, "max_steps": 10, "lr": 3e-2, "full": True, "batch_size": 16, "num_generations": 8}
    log = trained(rows, base, **options | ({"turns": 2} if level == "conversation" else {})).record.report["log"]
    assert sum(entry["reward"] for entry in log[-3:]) > sum(entry["reward"] for entry in log[:3]) + 1.5


def test_the_replies_to_profiles_set_aside_are_judged_at_the_end(rows, base):
    record = trained(rows, base, max_steps=1, eval_share=0.4).record
    assert 0 < record.data["eval_rows"] < record.data["rows"]
    assert 1 <= record.report["final"]["eval_reward"] <= 5


def test_every_call_is_in_the_ledger_with_its_price_and_a_budget_stops_it_in_one_line(rows, base, tmp_path):
    path = tmp_path / "calls.jsonl"
    judge = Judge()
    with Ledger(path, {JUDGE: Price(1.0, 1.0)}) as ledger:
        trained(rows, base, judge, ledger=ledger, max_steps=1)
    calls = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(calls) == len(judge.asked) > 0
    assert all((call["role"], call["model"], call["cost"]) == ("judge", JUDGE, 11e-6) for call in calls)
    with (
        Ledger(path, {JUDGE: Price(1.0, 1.0)}, budget=1e-5) as ledger,
        pytest.raises(RunStopped, match=r"--budget .*--resume$") as no,
    ):
        trained(rows, base, ledger=ledger, name="dear")
    assert "\n" not in str(no.value)


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (TransientError("judge: no answer"), RunStopped, r"judge: no answer. Stopped, since the first call failed.*--resume$"),
        ("Hm.", AloeError, r"step 1: the judge http.*#judge gave no score .* to any of 4 replies.*'Hm.'.*--resume$"),
        (
            ChatError("too long"),
            AloeError,
            r"the last: too long|too long. Stopped, since 5 calls in a row failed.*--resume$",
        ),
    ],
    ids=["down", "unreadable", "failing"],
)
@pytest.mark.parametrize("level", ["turn", pytest.param("conversation", marks=pytest.mark.torture)])
def test_a_judge_that_is_down_or_cannot_be_read_ends_it_in_one_line(rows, base, answer, error, message, level):
    with pytest.raises(error, match=message) as caught:
        trained(rows, base, Judge(answer), **({"level": level, "turns": 2} if level == "conversation" else {}))
    assert "\n" not in str(caught.value)


def test_equal_rewards_and_groups_without_any_are_said_in_one_line_each(rows, base, tmp_path, caplog):
    trainer = built(rows, base, tmp_path, Judge("Score: 3"))
    trainer.model.train()
    inputs = next(iter(trainer.get_train_dataloader()))
    for _ in range(2):
        trainer._generate_and_score_completions([dict(row) for row in inputs])
    told = [record.message for record in caplog.records if record.name == "aloe_hub"]
    assert [one.partition(",")[0] for one in told] == ["step 1: in each group all replies have the same reward"]
    caplog.clear()

    said = iter(["Hm."] * 6 + ["Score: 2", "Score: 4"])
    trainer._asked.judge = Judge(lambda role: next(said))
    batch = trainer._generate_and_score_completions([dict(row) for row in inputs])
    told = [record.message for record in caplog.records if record.name == "aloe_hub"]
    assert told == ["step 1: no reply of 1 of 2 groups has a score, and they teach nothing"]
    assert batch["advantages"][:2].tolist() == [0, 0]


def test_a_score_that_cannot_be_read_is_missing_equal_replies_are_judged_once_and_silence_is_the_lowest(rows):
    judge = Judge()
    chosen = Online(judge=JUDGE).of_run({})
    asked, _ = ask(chosen, 0, traffic_to(judge))
    row = asked_rows(rows, None, 1, openings=True)[0][0]
    spoken = (Message("user", row["prompt"][0]["content"]),)
    said = [Replied(row, spoken, raw) for raw in ("Hello.", "Hello.", "<think>Hm</think>Hello.", " ", "Bye.")]
    found = asked.run(asked.rewards(said, [asked.call(row, 0)] * 5))
    assert [one["response"] for one in found] == [5, 5, 5, 1, 5]
    assert len(judge.asked) == 2
    judge.answer = "I like it."
    assert asked.run(asked.rewards(said[:1], [asked.call(row, 0)])) == [{"response": None}]


def test_a_reply_whose_score_is_missing_has_no_other_reward_either(rows):
    """Else it would be worth less than its group by the judge's fault."""
    asked, _ = ask(Online(judge=JUDGE, profile_weight=1.0).of_run({}), 0, traffic_to(Judge("Hm.")))
    row = {"tree_id": "t", "profile": "She works as a nurse.", "personality": "She is funny."}
    said = [Replied(row, (Message("user", "I work as a nurse."),), "<think>Profile: nurse\nPersonality: unknown</think>Hi.")]
    assert asked.run(asked.rewards(said, [asked.call(row, 0)])) == [{"response": None, "profile": None}]


def test_the_profile_is_rewarded_by_what_the_reasoning_states_of_it(rows):
    chosen = Online(response_weight=0.0, profile_weight=2.0).of_run({})
    asked, recorded = ask(chosen, 0, Traffic())
    assert (chosen.judge, recorded["profile_by"], asked.judge) == (None, "exact", None)
    row = {"tree_id": "t", "profile": "She works as a nurse.", "personality": "She is funny."}
    spoken = (Message("user", "I work as a nurse."),)
    said = [
        Replied(row, spoken, raw)
        for raw in ("<think>Profile: They work as a nurse.\nPersonality: unknown</think>Hi, nurse.", "Hi, nurse.")
    ]
    assert asked.run(asked.rewards(said, [asked.call(row, 0)] * 2)) == [{"profile": 1.0}, {"profile": 0.0}]


def test_where_nothing_has_been_told_yet_no_profile_is_rewarded_and_training_goes_on(rows, base, caplog):
    trees = [tree | {"profile": "Qqq.", "personality": "Zzz."} for tree in read_rows(rows.file("trees.jsonl"), dict)]
    rows.file("trees.jsonl").write_text("".join(json.dumps(tree) + "\n" for tree in trees))
    record = train(rows, settings("grpo", base, max_steps=1, response_weight=0.0, profile_weight=1.0)).record
    assert record.report["log"][0]["rewards/missing"] == 1
    assert "step 1: no reply of 2 of 2 groups has a score, and they teach nothing" in caplog.text


def test_a_conversation_is_one_row_in_which_only_the_replies_are_the_models_own(rows, base, tmp_path):
    trainer = built(rows, base, tmp_path, **WHOLE)
    trainer.model.train()
    inputs = next(iter(trainer.get_train_dataloader()))
    batch = trainer._generate_and_score_completions(inputs)
    tokenizer = trainer.processing_class
    for number, row in enumerate(inputs):
        own = batch["tool_mask"][number].bool() & batch["completion_mask"][number].bool()
        ids = batch["completion_ids"][number][batch["completion_mask"][number].bool()]
        whole = tokenizer.decode(torch.cat([batch["prompt_ids"][number][batch["prompt_mask"][number].bool()], ids]))
        assert whole.startswith(f"<|user|>{row['prompt'][0]['content']}<|end|><|assistant|>")
        assert whole.count("<|user|>And what then, after ") == 2
        between = tokenizer.decode(batch["completion_ids"][number][batch["completion_mask"][number].bool() & ~own])
        assert between.count("<|assistant|>") == between.count("<|user|>") == 2
        assert between.endswith("letters?<|end|><|assistant|>")
        assert len(row["response_scores"]) == 3
        turns = own.int().diff(prepend=torch.zeros(1, dtype=torch.int)).clamp(min=0).sum()
        assert turns == 3
    assert batch["advantages"].shape == batch["completion_ids"].shape
    assert len(batch["advantages"][0][own].unique()) <= 3


def test_each_turn_is_credited_with_its_score_and_a_share_of_the_later_ones():
    nan = torch.nan
    scores = torch.tensor([[1.0, 5.0, nan], [3.0, 1.0, 2.0]])
    assert advantages(scores, 0.0, 2, "none").tolist() == [[-1, 2, 0], [1, -2, 0]]
    found = advantages(scores, 1.0, 2, "none")
    assert found[:, 0].tolist() == pytest.approx([0.5, -0.5])  # of the means 3 and 2
    assert found[:, 1].tolist() == pytest.approx([1.75, -1.75])  # of 5 and 1.5
    scaled = advantages(torch.randn(8, 3), 0.5, 4, "group").view(2, 4, 3)
    assert torch.allclose(scaled.std(dim=1), torch.ones(2, 3), atol=1e-2)
    assert advantages(torch.full((4, 2), nan), 0.5, 2, "batch").tolist() == [[0, 0]] * 4


def test_a_user_who_falls_silent_ends_the_conversation_and_its_turns_still_count(rows, base, tmp_path, caplog):
    trainer = built(rows, base, tmp_path, Judge(lambda role: "" if role == "user" else None), **WHOLE)
    trainer.model.train()
    inputs = next(iter(trainer.get_train_dataloader()))
    batch = trainer._generate_and_score_completions(inputs)
    assert batch["tool_mask"].all()
    assert [len(row["response_scores"]) for row in inputs] == [1] * len(inputs)
    assert "a simulated user said nothing that can be used" in caplog.text


def test_a_template_that_rewrites_history_is_refused_for_conversations():
    tokenizer = tiny.tokenizer("llama3")
    check_template(tokenizer, "it")
    tokenizer.chat_template = tiny.TEMPLATES["thinking"].replace(
        "assistant\n{% endif %}", "assistant\n<think>\n\n</think>{% endif %}"
    )
    with pytest.raises(UsageError, match="--level conversation: the chat template of it rewrites the history"):
        check_template(tokenizer, "it")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"level": "word"}, "--level 'word': must be turn or conversation"),
        ({"user": "scripted"}, "--user scripted: nobody is asked at --level turn"),
        ({"level": "conversation", "user": "semantic"}, "--user semantic: it judges"),
        ({"discount": 1.5}, "discount 1.5: must be from 0"),
        ({"response_weight": 0.0}, "response_weight 0, profile_weight 0: must be 0 or more, and not both 0"),
        ({"reward_weights": [1.0]}, "reward_weights cannot be set: give response_weight and profile_weight"),
        ({"rubric": "mine"}, "--rubric 'mine': no such rubric"),
        ({"full": True, "beta": 0.1}, "--full --beta 0.1: TRL would load the reference by name"),
        ({"num_generations": 3}, "these options are refused: generation_batch_size .4. must be divisible by num_generations"),
        ({"num_iterations": 2}, "num_iterations 2, steps_per_generation 1: replies would be kept"),
        ({"batch_size": 100}, "--batch-size: a step takes 50 rows, and there are 12"),
        ({"max_completion_length": 9000}, "max_completion_length 9000: .* takes 8192 tokens for prompt and reply"),
        ({"level": "conversation", "use_vllm": True}, "use_vllm: is for --level turn"),
        ({"generation_kwargs": {"nonsense": 3}}, "generation_kwargs 'nonsense': no such option of transformers"),
        ({"generation_kwargs": {"num_return_sequences": 2}}, "num_return_sequences: must be 1"),
        ({"bf": 1}, "unknown setting 'bf'"),
    ],
    ids=lambda value: str(value)[:50] if isinstance(value, dict) else None,
)
def test_options_that_cannot_be_are_one_line(rows, base, options, message):
    with pytest.raises(UsageError, match=message) as caught:
        trained(rows, base, **options)
    assert "\n" not in str(caught.value)
    assert not (rows.path / "adapters/grpo").exists()


def test_its_options_are_no_other_methods(base):
    with pytest.raises(UsageError, match="judge is a setting of grpo alone"):
        settings("dpo", base, judge="semantic")


def test_without_trees_there_is_nobody_to_ask_and_nothing_to_reply_to(rows, base, tmp_path):
    rows.file("run.toml").unlink()
    with pytest.raises(UsageError, match="--judge: says who scores the replies"):
        train(rows, settings("grpo", base))
    rows.file("trees.jsonl").unlink()
    with pytest.raises(DataError, match=r"trees.jsonl: no such file; grow the trees first: aloe trees --run"):
        train(rows, settings("grpo", base, judge="scripted"))


def test_a_dataset_of_trees_has_prompts_too_and_another_is_refused(rows, monkeypatch):
    class Trees(list):
        column_names: tuple[str, ...] = ("tree_id", "profile", "personality", "turns")

    of_run, _ = asked_rows(rows, None, 3, openings=False)
    trees = Trees(read_rows(rows.file("trees.jsonl"), dict))
    monkeypatch.setattr("aloe_hub.training.asked.open_dataset", lambda name, configs, offline: (trees, configs[0], "a" * 40))
    found, origin = asked_rows(rows, "org/prefs@v1", 3, openings=False)
    assert found == of_run
    assert origin == {"dataset": "org/prefs", "revision": "a" * 40, "config": "trees", "split": "train"}
    trees[0] = {"tree_id": "t"}
    with pytest.raises(DataError, match="--data org/prefs, row 0: "):
        asked_rows(rows, "org/prefs", 3, openings=True)
    trees.column_names = ("text",)
    with pytest.raises(DataError, match="config 'trees' holds no trees, it has text; a judge must know who the user is"):
        asked_rows(rows, "org/prefs", 3, openings=True)


def test_a_prompt_that_leaves_no_room_for_a_reply_is_named(rows, tmp_path):
    small = make_model(tmp_path / "short", positions=150)
    with pytest.raises(DataError, match=r"tree \w+, turn 1: its prompt has \d+ tokens, with a reply of 8 more than the 150 that"):
        trained(rows, small)


def test_stopped_it_goes_on_as_if_it_never_was(rows, base):
    """Over two epochs, with saves and logs that do not meet by themselves. Conversations: test_train_kills.py."""
    options = {"max_steps": 8, "save_steps": 3, "logging_steps": 2}

    def stop(what, done, total):
        if done == 5:
            raise KeyboardInterrupt

    chosen = settings("grpo", base, **PLAIN | options)
    whole = train(rows, chosen, name="whole", traffic=traffic_to(Judge()))
    with pytest.raises(KeyboardInterrupt):
        train(rows, chosen, traffic=traffic_to(Judge()), on_progress=lambda what, *said: what == "grpo" and stop(what, *said))
    resumed = train(rows, chosen, traffic=traffic_to(Judge()), resume=True)
    beside = ("seconds", "peak_memory_bytes")
    assert {k: v for k, v in resumed.record.report.items() if k not in beside} == {
        k: v for k, v in whole.record.report.items() if k not in beside
    }
    assert (resumed.folder / WEIGHTS).read_bytes() == (whole.folder / WEIGHTS).read_bytes()
