"""Tree → training rows: pure functions. Nothing is in a row that is not in its tree.

Rows are what TRL wants with an explicit prompt: lists of `{role, content}`, never pre-templated, exactly what a chat user
would send. The prompt is the path actually spoken. A tie teaches nothing: it is in the tree, in neither `pairs` nor `sft`,
and counted.
"""

from __future__ import annotations

from collections.abc import Iterator

from aloe_hub.types import Message, Persona, Row, Tree


def pairs(tree: Tree, every: bool = False) -> Iterator[Row]:
    """`tree_id, persona_id, turn, prompt, chosen, rejected` for each decided fork: rows for TRL's DPOTrainer.

    Of more than two replies the best against the worst, or with `every` a row for each two of which one was preferred.
    """
    for row, exchange in zip(_prompts(tree), tree.exchanges, strict=True):
        two = exchange.best_and_worst
        for chosen, rejected in exchange.decided() if every else [two] if two else ():
            yield row | {"chosen": _reply(exchange.replies[chosen].text), "rejected": _reply(exchange.replies[rejected].text)}


def sft(tree: Tree) -> Iterator[Row]:
    """`tree_id, persona_id, turn, prompt, completion` (the preferred reply): rows for TRL's SFTTrainer."""
    for pair in pairs(tree):
        yield {name: pair[name] for name in ("tree_id", "persona_id", "turn", "prompt")} | {"completion": pair["chosen"]}


def ranked(tree: Tree) -> Iterator[Row]:
    """`tree_id, persona_id, turn, prompt, completions, scores, ranks` for each fork of which not all replies tie.

    completions: lists of one message each, as `chosen` is, and each text once. ranks: 1 is the best, those that tie share one.
    scores: None where the replies were compared and not scored. A reply whose score could not be read is left out.
    """
    for row, exchange in zip(_prompts(tree), tree.exchanges, strict=True):
        ranks = exchange.ranks
        if exchange.best_and_worst is not None:
            kept = [place for place in exchange.different() if ranks[place] is not None]
            yield row | {
                "completions": [_reply(exchange.replies[place].text) for place in kept],
                "scores": [exchange.replies[place].score for place in kept],
                "ranks": [ranks[place] for place in kept],
            }


def criticised(tree: Tree) -> Iterator[Row]:
    """Rows of `ranked` with `criticisms`: by completion what the judge said of it; None for the best, and where it did not."""
    for row in ranked(tree):
        said = {reply.text: reply.judgement for reply in tree.exchanges[row["turn"]].replies}
        texts = [
            None if rank == 1 else said[reply[0]["content"]] for rank, reply in zip(row["ranks"], row["completions"], strict=True)
        ]
        yield row | {"criticisms": [text or None for text in texts]}


def distill(tree: Tree) -> Iterator[Row]:
    """`tree_id, persona_id, turn, prompt, privileged_context, completion` for each turn: rows for TRL's SDFTTrainer.

    `privileged_context` is what had been inferred by then, "" where that was nothing. `completion` is that of `sft`, None at a
    tie; no training needs it. A tree in which nothing was ever inferred, such as one that a policy was sampled for, has no
    rows: there is nothing to tell a teacher.
    """
    told = [_known(exchange.inferred) for exchange in tree.exchanges]
    if not any(told):
        return
    for row, exchange, context in zip(_prompts(tree), tree.exchanges, told, strict=True):
        best = exchange.best_and_worst
        reply = None if best is None else _reply(exchange.replies[best[0]].text)
        yield row | {"privileged_context": context, "completion": reply}


def asked(tree: Tree) -> Iterator[Row]:
    """`tree_id, persona_id, turn, prompt, profile, personality, profile_id` for each turn: prompts for TRL's GRPOTrainer, and who
    asks, which the judge of the replies is told."""
    persona = tree.persona
    who = {"profile": persona.profile, "personality": persona.personality, "profile_id": persona.profile_id}
    yield from (row | who for row in _prompts(tree))


def _known(inferred: Persona) -> str:
    """What was inferred of a user, as a text.

    >>> print(_known(Persona("They have a cat.", "They are a born optimist.")))
    Profile: They have a cat.
    Personality: They are a born optimist.
    """
    parts = {"Profile": inferred.profile.strip(), "Personality": inferred.personality.strip()}
    return "\n".join(f"{name}: {text}" for name, text in parts.items() if text)


def _prompts(tree: Tree) -> Iterator[Row]:
    """What the rows of each turn begin with."""
    spoken = [message.to_row() for exchange in tree.exchanges for message in exchange.messages]
    ids = {"tree_id": tree.tree_id, "persona_id": tree.persona.persona_id}
    for turn in range(len(tree.exchanges)):
        # Both messages of each turn before, and the user's of this one.
        yield ids | {"turn": turn, "prompt": spoken[: 2 * turn + 1]}


def _reply(text: str) -> list[Row]:
    return [Message("assistant", text).to_row()]
