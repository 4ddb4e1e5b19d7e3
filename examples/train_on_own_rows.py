"""`TreeDPOTrainer` on rows of one's own: the turns of conversations, whose prompts share their beginnings.

    python examples/train_on_own_rows.py [FOLDER]

The model is the tiny one that comes with aloe-hub; name any chat model in its place.
"""

import sys
import tempfile

from datasets import Dataset
from peft import LoraConfig
from trl import DPOConfig

from aloe_hub.shipped import shipped
from aloe_hub.training import TreeDPOTrainer

TALKS = {
    "garden": ["I just came back from the garden.", "The beans are ripe.", "What could I cook with them?", "I have little time."],
    "river": ["I row on the river every morning.", "Today it was cold.", "What should I eat after it?", "I like it hot."],
}


def say(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def rows(name: str, said: list[str]) -> list[dict[str, object]]:
    """A pair for each turn of a conversation; the prompt of a turn is what was really said before."""
    found: list[dict[str, object]] = []
    prompt: list[dict[str, str]] = []
    for message in said:
        prompt = [*prompt, say("user", message)]
        chosen, rejected = say("assistant", f"You say: {message} Tell me more."), say("assistant", "I see.")
        found.append({"tree_id": name, "prompt": prompt, "chosen": [chosen], "rejected": [rejected]})
        prompt = [*prompt, chosen]
    return found


def train(folder: str) -> TreeDPOTrainer:
    trainer = TreeDPOTrainer(
        model=str(shipped("pocket")),
        args=DPOConfig(
            folder,
            per_device_train_batch_size=4,  # rows: one tree
            max_length=None,
            learning_rate=1e-4,
            num_train_epochs=2,
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            use_cpu=True,  # leave it out on a GPU
            bf16=False,  # likewise
        ),
        train_dataset=Dataset.from_list([row for name, said in TALKS.items() for row in rows(name, said)]),
        peft_config=LoraConfig(r=8, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM"),
    )
    trainer.train()
    trainer.save_model(folder)
    return trainer


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        trained = train(sys.argv[1] if len(sys.argv) > 1 else temporary)
    logged = [line for line in trained.state.log_history if "loss" in line]
    first, last = logged[0], logged[-1]
    print(f"loss {first['loss']:.3f} -> {last['loss']:.3f}")
    if "tree/tokens" in last:  # a TRL older than 1.15 trains row by row, and the trainer has said so
        print(f"{last['tree/tokens_exploded'] / last['tree/tokens']:.1f} times fewer tokens than row by row")
