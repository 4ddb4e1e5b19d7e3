"""Policies around a model: the baselines that need no training, each a `Chat` around a `Chat`.

    reminder(M)     below the message stands a note: recall what the user has told          adding.py
    cot(M)          … a note to think of the user first, with three worked examples
    rag(M,k=5)      … the k earlier exchanges that are closest to the message
    self-critic(M)  answers, criticises the answer in two sentences, rewrites it            self_critic.py
    simply(M)       the prompts of a reply as a chat, for a model too small for them         simply.py
    inferred(M)     ALOE's inferrer, then its prompt of a tailored reply                    tailored.py
    best-of(M,k=5)  … k such replies; the one that fits the inferred persona best is kept
    rps(M,k=5)      … each under a neighbour of the inferred persona

The first four are baselines of RLPA (arXiv 2505.15456), which took them from PrefEval (2502.09597); `rps` is Robust Preference
Selection (2510.20498), `best-of` the baseline that it is measured against. Prompts are our own.

A model in a policy is opened like any other, so its calls are limited, sent again and booked like any other; `within` tells them
apart. What is only added to a request keeps its seed; every further call has a seed that follows from it, so a reply does not
depend on what else is asked at the same time. A step that a model leaves blank is a blank reply: whoever asked asks again.
"""

from __future__ import annotations

from collections.abc import Callable

from aloe_hub.chat.base import Chat
from aloe_hub.model_string import ModelString

K = 5  # exchanges of rag, replies of best-of and rps


def open_policy(named: ModelString, opened: Callable[[str], Chat]) -> Chat:
    """The `Chat` that the model string of a policy names; `opened` opens the models in it.

    Raises:
        AloeError: one of them cannot be opened, or the embedder, where one is needed.
    """
    assert named.inner is not None
    inner, k = opened(str(named.inner)), named.k or K
    if named.embeds:
        from aloe_hub.chat.policies.nearness import embedder

        embedder()  # what is not installed is said now, and not in the middle of a run
    if named.scheme in ("reminder", "cot", "rag"):
        from aloe_hub.chat.policies.adding import Adding

        return Adding(inner, named.scheme, k)
    if named.scheme == "simply":
        from aloe_hub.chat.policies.simply import Simply

        return Simply(inner)
    if named.scheme == "self-critic":
        from aloe_hub.chat.policies.self_critic import SelfCritic

        return SelfCritic(inner)
    from aloe_hub.chat.policies.tailored import Inferring, Tailored

    other = named.by if named.scheme == "inferred" else named.inferrer
    inferring = Inferring(opened(str(other))) if other else Inferring(inner, same=True)
    if named.scheme == "inferred":
        return Tailored(inner, inferring)
    from aloe_hub.chat.policies.sampled import Sampled

    return Sampled(inner, inferring, named.scheme, k, opened(str(named.by)) if named.by else None)


def calls_of(named: ModelString) -> int:
    """The calls that a reply takes, if every answer can be read at once.

    >>> calls_of(ModelString.parse("rps(reminder(scripted),k=3,by=scripted)"))
    7
    """
    if named.inner is None:
        return 1
    inner, by = calls_of(named.inner), calls_of(named.by) if named.by else 0
    if named.scheme == "inferred":
        return inner + (by or inner)
    if named.scheme in ("best-of", "rps"):
        return (calls_of(named.inferrer) if named.inferrer else inner) + (named.k or K) * (inner + by)
    return 3 * inner if named.scheme == "self-critic" else inner


def selectors_of(named: ModelString) -> tuple[ModelString, ...]:
    """The models that select among replies: none of them may be the judge that scores what is selected."""
    own = named.by.models if named.by and named.scheme != "inferred" else ()
    return own + tuple(model for part in named.parts for model in selectors_of(part))
