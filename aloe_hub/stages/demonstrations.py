"""Demonstrations for the judge: earlier verdicts of its own with which a trained policy agrees, after CycleAlign.

A policy that was trained on a judge's verdicts has an opinion, too: which of two replies it finds more probable. Where both say
the same of a fork, the question and the judge's own answer are shown to the judge before it is asked anew
(https://arxiv.org/abs/2310.16271). The paper's demonstrations are rankings in one prompt; here they are the very questions about
two replies that a run asks, so that they are read like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from aloe_hub.errors import DataError
from aloe_hub.files.jsonl import read_rows, write_rows
from aloe_hub.files.run_folder import RunFolder
from aloe_hub.stages.roles import pairwise_prompt
from aloe_hub.types import Message, Row, Tree, digest

FILE = "demonstrations.jsonl"
Likelihood = Callable[[Sequence[Message], Sequence[str]], Sequence[float]]  # of replies to messages: higher is more probable


def write_demonstrations(run: RunFolder, trees: Iterable[Tree], likelihood: Likelihood, count: int) -> int:
    """What the judge of `run` is shown, of the trees of an earlier run; returns how many there are, at most `count`.

    Of each tree at most one fork. They are drawn by their ids, and shown so that the better reply stands first in one and second
    in the next: they must not teach a position.
    """
    drawn = sorted(trees, key=lambda tree: digest("demonstration", tree.tree_id))
    found = list(islice(_agreed(drawn, likelihood), count))
    rows = [_row(tree, turn, better, worse, place % 2) for place, (tree, turn, better, worse) in enumerate(found)]
    write_rows(run.file(FILE), rows)
    return len(rows)


def demonstrations(run: RunFolder) -> tuple[Message, ...]:
    """Questions and answers, in turns.

    Raises:
        DataError: there is no such file, or a line that is not a question and an answer.
    """
    path = run.file(FILE)
    if not path.exists():
        raise DataError(f"{path}: no such file; aloe round --demonstrations N makes it, of the round before")
    shown = read_rows(path, _both) if path.stat().st_size else ()  # policy and judge may agree on nothing
    return tuple(message for both in shown for message in both)


def _agreed(trees: Iterable[Tree], likelihood: Likelihood) -> Iterator[tuple[Tree, int, int, int]]:
    """(tree, turn, best, worst) of one fork of each tree, drawn from those on which policy and judge agree."""
    for tree in trees:
        for turn in sorted(range(len(tree.exchanges)), key=lambda turn: digest("demonstration", tree.tree_id, turn)):
            fork = tree.exchanges[turn]
            two = fork.best_and_worst
            if two is None or two not in set(fork.decided()):  # of many replies it may be in doubt about just these two
                continue
            likely = likelihood(tree.spoken(turn), [one.text for one in fork.replies])
            if all(likely[better] > likely[worse] for better, worse in fork.decided()):
                yield tree, turn, *two
                break


def _row(tree: Tree, turn: int, better: int, worse: int, second: int) -> Row:
    """second: 1 where the better reply is shown second."""
    fork = tree.exchanges[turn]
    order = (worse, better) if second else (better, worse)
    said = next(one.text for one in fork.verdicts if one.compared == order)
    one, other = (fork.replies[place].text for place in order)
    question = pairwise_prompt(tree.persona, tree.spoken(turn)[:-1], fork.user, (one, other))
    messages = (*question, Message("assistant", said))
    return {"tree_id": tree.tree_id, "turn": turn, "messages": [message.to_row() for message in messages]}


def _both(row: Row) -> tuple[Message, ...]:
    """Raises: KeyError, ValueError: no question with its answer."""
    messages = tuple(Message(message["role"], message["content"]) for message in row["messages"])
    if [message.role for message in messages] != ["user", "assistant"]:
        raise ValueError("messages: expected a question of the user, then the answer of the assistant")
    return messages
