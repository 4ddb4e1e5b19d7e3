"""Cards: a template filled, and put into the card that stands on the Hub.

A card that stands on the Hub is loaded and merged: what a person wrote by hand survives. Ours is the text between two markers,
and in the front matter the keys that the template has; everything else is the person's.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import PurePath
from typing import Any

import yaml
from jinja2 import Environment, StrictUndefined

from aloe_hub.errors import DataError
from aloe_hub.model_string import ModelString
from aloe_hub.results.audited import lines
from aloe_hub.results.formatting import number, p_value, percent, share, with_interval
from aloe_hub.shipped import shipped

BEGIN, END = "<!-- aloe-hub: this part is written anew by every publish -->", "<!-- aloe-hub: end -->"
_OURS = re.compile(f"{re.escape(BEGIN)}(?:(?!{re.escape(BEGIN)}|{re.escape(END)}).)*{re.escape(END)}", re.DOTALL)
# As the Hub reads it: blank lines may stand before.
_FRONT = re.compile(r"\A\s*^---[ \t]*\n(?P<front>.*?)^---[ \t]*$\n?(?P<text>.*)\Z", re.DOTALL | re.MULTILINE)
_ENVIRONMENT = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)


def filled(folder: str, name: str, **values: object) -> tuple[dict[str, Any], str]:
    """(front matter, text) of the template `name` of a shipped folder, filled with `values`."""
    template = _ENVIRONMENT.from_string((shipped(folder) / name).read_text(encoding="utf-8"))
    return parts(template.render(**values), "the template")


def merged(before: str | None, card: str, *, keep_licence: bool, owned: Collection[str] = ()) -> str:
    """`card` put into the card that stands on the Hub (None: there is none). Merging the same card again changes nothing.

    A key that is `owned` goes when the new card does not have it: it was true of what stood there before.

    Raises:
        DataError: the card on the Hub has front matter that is not YAML.
    """
    if before is None:
        return card
    theirs, text = parts(before, "the card on the Hub")
    ours, body = parts(card, "the new card")
    front = {key: value for key, value in theirs.items() if key in ours or key not in owned} | ours
    for key in ("tags", "language", "task_categories"):
        if key in front:
            front[key] = sorted({*_listed(theirs.get(key)), *_listed(ours.get(key))})
    for key in ("configs", "dataset_info"):
        if key in front:
            front[key] = [*ours.get(key, []), *_of_others(theirs.get(key), ours.get(key, []))]
    if keep_licence and "license" in theirs:
        front["license"] = theirs["license"]
    # A marker without its fellow is a person's text; only a whole pair, with no other marker inside, is ours.
    found = _OURS.search(text)
    if found:
        return joined(front, text[: found.start()] + body.strip() + text[found.end() :])
    return joined(front, f"{text.rstrip()}\n\n{body.strip()}\n" if text.strip() else body)


def new_card(front: dict[str, Any], body: str) -> str:
    """A card that is all ours, its text between the markers; tags sorted, as merging leaves them."""
    return joined(front | {"tags": sorted(front["tags"])}, f"\n{BEGIN}\n{body.strip()}\n{END}\n")


def parts(card: str, what: str) -> tuple[dict[str, Any], str]:
    """(front matter, text) of a card.

    Raises:
        DataError: the front matter is not YAML, or not a mapping.
    """
    card = re.sub(r"\r+\n", "\n", card)
    found = _FRONT.match(card)
    if not found:
        return {}, card
    try:
        front = yaml.safe_load(found["front"]) or {}
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        where = getattr(error, "problem_mark", None)
        first = found[0].count("\n", 0, found.start("front")) + 1
        line = f", line {where.line + first}" if where else ""
        raise DataError(f"README.md of {what}{line}: front matter that is not YAML; fix it there and publish again") from None
    if not isinstance(front, dict):
        raise DataError(f"README.md of {what}: front matter that is not a mapping; fix it there and publish again")
    return front, found["text"]


def joined(front: dict[str, Any], text: str) -> str:
    head = yaml.safe_dump(front, sort_keys=False, allow_unicode=True, width=1000)
    return f"---\n{head}---\n{'' if text.startswith(chr(10)) else chr(10)}{text}"


def audit_of(found: Mapping[str, Any] | None) -> str:
    """What an audit found, as a table; "" where there was none."""
    rows = [f"| `{line.of}` | {line.name} | {line.value} | {line.meaning} |" for line in lines(found, public)] if found else []
    return "\n".join(["| of | measure | value | |", "|---|---|---|---|", *rows]) if rows else ""


def public(model: str) -> str:
    """A model string without the address, or a key in it, of the server that ran it, and without where folders lie.

    >>> public("rag(http://10.0.0.1:8000/v1#org/model)"), public("local:org/model@v1+/home/me/runs/mine/adapters/dpo")
    ('rag(org/model)', 'local:org/model@v1+dpo')
    """
    named = ModelString.recorded(model)
    if named.inner is not None:
        return named.around(lambda inner: public(str(inner)))
    if named.address:
        return named.name or "a model behind an endpoint"
    if named.sources:
        return "local:" + "+".join(without_folders(str(source)) for source in named.sources)
    return without_folders(model)


def without_folders(text: str) -> str:
    """The last part of a path; anything else, such as `org/name`, as it is.

    >>> without_folders("/home/me/models/base"), without_folders("org/model")
    ('base', 'org/model')
    """
    return PurePath(text).name if text.startswith(("/", "~", "./", "../")) or text.count("/") > 1 else text


_ENVIRONMENT.filters |= {"number": number, "p_value": p_value, "percent": percent, "share": share, "with_interval": with_interval}
_ENVIRONMENT.filters |= {"public": public, "without_folders": without_folders}


def _of_others(theirs: object, ours: list[Any]) -> list[Any]:
    """The configs of a card that a publish knows nothing of. None of them is the default: of two, `datasets` loads neither."""
    known = {one.get("config_name") for one in ours} | {"default"}
    found = [one for one in (theirs if isinstance(theirs, list) else [theirs]) if isinstance(one, dict)]
    return [
        {key: value for key, value in one.items() if key != "default"} for one in found if one.get("config_name") not in known
    ]


def _listed(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else [] if value is None else [str(value)]
