"""The form of a policy around models, `NAME(MODEL,option=value,…)`: taken apart here, and read on in `model_string`.

MODEL, and a value that is a model string, may hold any character: commas, too, and parentheses that match. A comma outside of
inner parentheses with `name=` behind it begins an option; a folder whose name has that in it, or a parenthesis without its other
half, cannot stand in a policy and is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from aloe_hub.errors import UsageError

# What each policy takes beside its model: the number of exchanges or replies, who infers, who selects.
OPTIONS: dict[str, tuple[str, ...]] = {
    "reminder": (),
    "self-critic": (),
    "cot": (),
    "simply": (),
    "rag": ("k",),
    "inferred": ("by",),
    "best-of": ("k", "inferrer", "by"),
    "rps": ("k", "inferrer", "by"),
}
MOST = 100  # exchanges or replies
DEEPEST = 8  # policies in one another
_OPTION = re.compile(r",\s*([a-z][a-z_-]*)=")


class PolicyForm(NamedTuple):
    """The parts of such a string, none of them read further; `options` in the order of `OPTIONS`."""

    name: str
    model: str
    k: int | None
    models: dict[str, str]  # the options that are model strings


def is_policy(text: str) -> bool:
    """Whether a text is meant as a policy around a model.

    >>> is_policy("rag(scripted)"), is_policy("rag"), is_policy("local:rag(v2)")
    (True, False, False)
    """
    name, parenthesis, _ = text.partition("(")
    return bool(parenthesis) and name in OPTIONS


def read_policy(text: str, shown: str) -> PolicyForm:
    """The parts of a text that `is_policy`. Errors call it `shown`.

    >>> read_policy("rag(local:my,model,k=3)", "it")
    PolicyForm(name='rag', model='local:my,model', k=3, models={})

    Raises:
        UsageError: in one line, what is wrong with it.
    """
    name, _, rest = text.partition("(")
    takes = OPTIONS[name]
    form = f"{name}(MODEL" + "".join(f",{option}=…" for option in takes) + ")"
    if not rest.endswith(")"):
        raise UsageError(f"model {shown}: expected {form}; it ends with its closing parenthesis")
    inside = rest[:-1]
    commas = list(_outer_commas(inside, shown))
    parts = [inside[start:end] for start, end in zip([0, *commas], [*commas, len(inside)], strict=True)]
    model, values = parts[0], {}
    for part in parts[1:]:
        found = _OPTION.match(part)
        assert found is not None
        option, value = found[1], part[found.end() :]
        if option not in takes:
            has = f"its options are {', '.join(takes)}" if takes else "it has no options"
            raise UsageError(
                f"model {shown}: {name} takes no {option}=; {has} (a name with such a part in it cannot stand there)"
            )
        if option in values:
            raise UsageError(f"model {shown}: {option}= is given twice")
        values[option] = value
    if not model or "" in values.values():
        missing = next((f"{option}=" for option, value in values.items() if not value), "the model")
        raise UsageError(f"model {shown}: nothing is given for {missing}; expected {form}")
    k = values.pop("k", None)
    if k is not None and not (re.fullmatch("[1-9][0-9]{0,2}", k) and int(k) <= MOST):
        raise UsageError(f"model {shown}: k= must be a whole number from 1 to {MOST}")
    return PolicyForm(name, model, None if k is None else int(k), {one: values[one] for one in takes if one in values})


def _outer_commas(text: str, shown: str) -> Iterator[int]:
    """Where an option begins: at a comma that stands in no inner parentheses."""
    depth = 0
    for place, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth < 0:
            break
        if depth >= DEEPEST:
            raise UsageError(f"model {shown}: more than {DEEPEST} parentheses in one another")
        if character == "," and not depth and _OPTION.match(text, place):
            yield place
    if depth:
        raise UsageError(
            f"model {shown}: its parentheses do not match; a folder or model with such a name cannot stand in a policy: "
            "rename it, or link to it under another name"
        )
