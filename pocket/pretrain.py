"""Pre-train the pocket model: a tiny chat model that speaks the scripted world, and can remember and adapt when asked to.

    python pocket/pretrain.py --out pocket --seed 0 --tokens 20000000        (about three quarters of an hour on one core)

From nothing, in this order: a byte-level BPE tokenizer, trained with names left out, so that a name costs several tokens and
must be copied; a Llama of about 1.6 million parameters; a curriculum, since a mixed corpus from the first step teaches no recall:

    drills       two to four facts, then a question on each, until the loss says that copying has been found
    dialogues    short ones, then longer ones, at last mostly of ten turns as in the benchmark

The loss is on the assistant's tokens only. Each step draws its dialogues from (seed, step) alone: a run that was stopped, even
by kill -9, goes on from its last checkpoint with the batches that it would have seen. The folder is complete when `pocket.json`
is there: it is written last, and says which world, seed, number of tokens and probes the model has.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from random import Random

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from aloe_hub.world import WORLD_VERSION, corpus, judging, speaking
from aloe_hub.world.corpus import ASKED_FOR, UNASKED, Mix, Said
from aloe_hub.world.lexicon import KINDS, NAMES
from aloe_hub.world.understanding import Known, read_messages, read_personality, read_profile, topic_of

PAD, USER, ASSISTANT, END = "<pad>", "<|user|>", "<|assistant|>", "<|end|>"
TEMPLATE = """\
{%- for message in messages -%}
{%- if message.role == 'user' -%}
<|user|>{{ message.content }}
{%- elif message.role == 'assistant' -%}
<|assistant|>{% generation %}{{ message.content }}<|end|>{% endgeneration %}
{%- else -%}
{{- raise_exception('the pocket model knows the roles user and assistant, not ' ~ message.role) -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}<|assistant|>{%- endif -%}
"""
TOKENS_A_STEP = 4096
COPYING_FOUND = 0.36  # running loss of the drills at which they end (prototype: WORLD.md)
LONGEST_DRILLS = 0.2  # share of all tokens after which they end in any case
CHECKPOINT_EVERY = 200
ROUND = 64  # lengths are filled up to a multiple: every new shape costs the CPU's kernels a compilation
NOTHING = -100  # label of a position that predicts nothing


@dataclass(frozen=True, slots=True)
class Plan:
    """What decides the weights."""

    seed: int = 0
    tokens: int = 20_000_000
    mix: str = "asked-for"  # or "unasked": the ablation
    hidden: int = 160
    layers: int = 4
    heads: int = 5
    lr: float = 2e-3

    def requests(self) -> Mix:
        return {"asked-for": ASKED_FOR, "unasked": UNASKED}[self.mix]


def make_tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level BPE of the corpus without its names, and of their syllables.

    No whole name is a token, so a name must be copied; and each is cut at its syllables, the same pieces in every name, since
    they are more frequent than anything else: a name cut at random ("ĠB", "an", "ow", "or", "th") is far harder to copy.
    """
    random = Random(0)
    names = {value for kind in corpus.NAMES for value in KINDS[kind].values}
    texts = [text for _ in range(1500) for said in corpus.dialogue(random, 8) for text in said]
    texts = [" ".join(word for word in text.split(" ") if re.sub(r"\W", "", word) not in names) for text in texts]
    syllables = [*(f" {first}" for first in NAMES["first"]), *(f"{piece}\n" for piece in (*NAMES["last"], *NAMES["town"]))]
    texts += [syllable * 1000 for syllable in syllables for _ in range(60)]
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=2048,
        special_tokens=[PAD, USER, ASSISTANT, END],
        initial_alphabet=alphabet,
        min_frequency=5,
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=bpe, pad_token=PAD, eos_token=END, additional_special_tokens=[USER, ASSISTANT]
    )
    tokenizer.chat_template = TEMPLATE
    return tokenizer


def make_model(plan: Plan, tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=plan.hidden,
        intermediate_size=round(plan.hidden * 2.7 / 16) * 16,
        num_hidden_layers=plan.layers,
        num_attention_heads=plan.heads,
        num_key_value_heads=plan.heads,
        max_position_embeddings=4096,
        tie_word_embeddings=True,
        # The usual 0.02 makes copying three times slower to appear in a model this narrow (WORLD.md).
        initializer_range=plan.hidden**-0.5,
        bos_token_id=None,
        eos_token_id=tokenizer.convert_tokens_to_ids(END),
        pad_token_id=tokenizer.convert_tokens_to_ids(PAD),
        attn_implementation="sdpa",
    )
    return LlamaForCausalLM(config)


class Encoder:
    """Dialogues → token ids and the mask of the assistant's tokens: what the chat template gives, much faster."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self.tokenizer = tokenizer
        self.pad, self.user, self.assistant, self.end = (
            int(tokenizer.convert_tokens_to_ids(token)) for token in (PAD, USER, ASSISTANT, END)
        )

    def __call__(self, dialogues: Sequence[Sequence[Said]]) -> tuple[torch.Tensor, torch.Tensor]:
        texts = [text for dialogue in dialogues for said in dialogue for text in said]
        encoded = iter(self.tokenizer(texts, add_special_tokens=False).input_ids)
        rows: list[list[int]] = []
        masks: list[list[bool]] = []
        for dialogue in dialogues:
            row: list[int] = []
            mask: list[bool] = []
            for _ in dialogue:
                asked, replied = next(encoded), next(encoded)
                row += [self.user, *asked, self.assistant, *replied, self.end]
                mask += [False] * (len(asked) + 2) + [True] * (len(replied) + 1)
            rows.append(row)
            masks.append(mask)
        longest = max(map(len, rows))
        longest += -longest % ROUND
        ids = torch.tensor([row + [self.pad] * (longest - len(row)) for row in rows])
        return ids, torch.tensor([mask + [False] * (longest - len(mask)) for mask in masks])


def predicted(ids: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Which positions, of all rows in sequence, predict an assistant's token, and which; filled up to a round number."""
    where = mask[:, 1:].nonzero()
    at, labels = where[:, 0] * ids.shape[1] + where[:, 1], ids[:, 1:][mask[:, 1:]]
    missing = -len(at) % (4 * ROUND)
    return torch.nn.functional.pad(at, (0, missing)), torch.nn.functional.pad(labels, (0, missing), value=NOTHING)


def dialogues_of(plan: Plan, step: int, drills_ended: float | None, done: float) -> list[list[Said]]:
    """The dialogues of one step; `done`: the share of all tokens seen, `drills_ended`: that share when the drills ended."""
    random = Random(f"{plan.seed} {step}")
    if drills_ended is None:
        return [corpus.recall_drill(random) for _ in range(40)]
    along = (done - drills_ended) / (1 - drills_ended)
    turns = random.choice((2, 3, 4) if along < 0.12 else (3, 6, 8) if along < 0.3 else (5, 10, 10))
    drills = 10 if along < 0.3 else 0
    room = TOKENS_A_STEP - 90 * drills
    return [
        *(corpus.dialogue(random, turns, plan.requests()) for _ in range(max(2, room // (65 * turns)))),
        *(corpus.recall_drill(random) for _ in range(drills)),
    ]


def rate(plan: Plan, step: int, done: float) -> float:
    return plan.lr * min(1.0, (step + 1) / 60) * min(1.0, max(0.03, (1 - done) / 0.6))


def pretrain(plan: Plan, out: Path, tokenizer: PreTrainedTokenizerFast) -> tuple[LlamaForCausalLM, float]:
    """Train to the end of the plan, from the last checkpoint in `out` if there is one; the model, and the seconds it took."""
    torch.manual_seed(plan.seed)
    model, encode = make_model(plan, tokenizer), Encoder(tokenizer)
    optimizer = torch.optim.AdamW(model.parameters(), lr=plan.lr, betas=(0.9, 0.98), weight_decay=0.05)
    step, seen, running, drills_ended, spent = 0, 0, 9.0, None, 0.0
    checkpoint = out / "checkpoint.pt"
    if checkpoint.exists():
        saved = torch.load(checkpoint, weights_only=True)
        if saved["plan"] != asdict(plan):
            raise SystemExit(f"{checkpoint}: of another plan, {saved['plan']}; give another --out")
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        step, seen, running, drills_ended, spent = saved["at"]
    began = time.monotonic() - spent
    while seen < plan.tokens:
        done = seen / plan.tokens
        if drills_ended is None and (running < COPYING_FOUND or done > LONGEST_DRILLS):
            drills_ended = done
            print(f"drills ended after {seen:,} tokens, loss {running:.3f}", flush=True)
        ids, mask = encode(dialogues_of(plan, step, drills_ended, done))
        for group in optimizer.param_groups:
            group["lr"] = rate(plan, step, done)
        at, labels = predicted(ids, mask)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            # The head only where something is to be predicted: half of the tokens are the user's.
            states = model.model(input_ids=ids).last_hidden_state.flatten(0, 1)[at]
            logits = model.lm_head(states)
        loss = torch.nn.functional.cross_entropy(logits.float(), labels, ignore_index=NOTHING)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        step, seen = step + 1, seen + int((ids != encode.pad).sum())
        running = loss.item() if step == 1 else 0.97 * running + 0.03 * loss.item()
        if step % CHECKPOINT_EVERY == 0:
            spent = time.monotonic() - began
            at = (step, seen, running, drills_ended, spent)
            save = {"plan": asdict(plan), "model": model.state_dict(), "optimizer": optimizer.state_dict(), "at": at}
            torch.save(save, checkpoint.with_suffix(".new"))
            checkpoint.with_suffix(".new").replace(checkpoint)
            print(f"step {step}  tokens {seen / 1e6:.2f}M  loss {running:.3f}  {seen / spent:,.0f} tokens/s", flush=True)
            if step % (5 * CHECKPOINT_EVERY) == 0:
                print(f"  {probe(model, tokenizer, people=24)}", flush=True)
    return model, time.monotonic() - began


@torch.no_grad()
def probe(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, people: int = 100) -> dict[str, float]:
    """What the model can do after nine turns with new people, held-out values and wordings included.

    `recall`: share of questions on an earlier fact that name its value. `plain`, `facts`, `style`, `both`: mean score, by the
    scripted judge, of its answers to a question with that request (`plain`: none); `oracle`: of the scripted tailored reply.
    """
    random = Random("probe")
    asked: dict[str, list[tuple[list[Said], str]]] = {name: [] for name in ("recall", "plain", "facts", "style", "both")}
    judged: list[tuple[str, str, tuple[tuple[str, str], ...], str]] = []
    values: list[str] = []
    oracle = 0.0
    for _ in range(people):
        profile, personality = speaking.profile_text(random), speaking.personality_text(random)
        person = Known(read_profile(profile), read_personality(personality))
        spoken: list[Said] = []
        for _ in range(9):
            message = speaking.user_message(random, person, [said.user for said in spoken])
            spoken.append(Said(message, speaking.plain_reply(random, topic_of(message))))
        message = speaking.user_message(random, person, [said.user for said in spoken])
        known = read_messages([*(said.user for said in spoken), message])
        fact = random.choice(known.facts)
        values.append(fact.value)
        judged.append((profile, personality, tuple(spoken), message))
        oracle += _score(judged[-1], speaking.tailored_reply(random, topic_of(message), known)) / people
        asked["recall"].append((spoken, f"What did I tell you about {corpus.ASKED[fact.kind]}?"))
        for name in ("plain", "facts", "style", "both"):
            request = random.choice(corpus.REQUESTS.get(name, ("",)))
            asked[name].append((spoken, f"{message} {request}".strip()))
    found = {"oracle": oracle}
    for name, questions in asked.items():
        replies = _replies(model, tokenizer, questions)
        if name == "recall":
            found[name] = sum(value in reply for value, reply in zip(values, replies, strict=True)) / people
        else:
            found[name] = sum(map(_score, judged, replies)) / people
    return {name: round(value, 3) for name, value in found.items()}


def _score(judged: tuple[str, str, tuple[tuple[str, str], ...], str], reply: str) -> float:
    return judging.judge(*judged, reply).score


def _replies(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, asked: Sequence[tuple[list[Said], str]]) -> list[str]:
    chats = [
        [message for said in spoken for message in _messages(said)] + [{"role": "user", "content": question}]
        for spoken, question in asked
    ]
    inputs = tokenizer.apply_chat_template(
        chats,
        add_generation_prompt=True,
        padding=True,
        return_tensors="pt",
        return_dict=True,
        tokenizer_kwargs={"padding_side": "left"},
    )
    model.eval()
    out = model.generate(**inputs, do_sample=False, max_new_tokens=110, use_cache=True)
    model.train()
    return [text.strip() for text in tokenizer.batch_decode(out[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)]


def _messages(said: Said) -> list[dict[str, str]]:
    return [{"role": "user", "content": said.user}, {"role": "assistant", "content": said.assistant}]


def main() -> None:
    parser = argparse.ArgumentParser(description="Pre-train the pocket model.")
    parser.add_argument("--out", type=Path, required=True, help="where the model goes; checkpoints too, until it is done")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tokens", type=int, default=Plan().tokens)
    parser.add_argument(
        "--mix", choices=("asked-for", "unasked"), default="asked-for", help="unasked: no personal or style requests"
    )
    parser.add_argument("--threads", type=int, default=1, help="one is fastest for a model this small")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    plan = Plan(options.seed, options.tokens, options.mix)
    options.out.mkdir(parents=True, exist_ok=True)
    if (options.out / "pocket.json").exists():
        raise SystemExit(f"{options.out}/pocket.json: there is a finished model; give another --out")
    tokenizer = make_tokenizer()
    tokenizer.save_pretrained(options.out)
    model, seconds = pretrain(plan, options.out, tokenizer)
    model.generation_config.update(do_sample=False, max_new_tokens=128)
    model.save_pretrained(options.out)
    probes = probe(model, tokenizer)
    told = {
        "world": WORLD_VERSION,
        **asdict(plan),
        "parameters": model.num_parameters(),
        "seconds": round(seconds),
        "probes": probes,
        "device": f"CPU, {options.threads} thread(s), bfloat16 autocast",
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in ("torch", "transformers", "tokenizers")},
    }
    (options.out / "pocket.json").write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    (options.out / "checkpoint.pt").unlink(missing_ok=True)
    print(probes)


if __name__ == "__main__":
    main()
