"""The audit of a run, `audit.json`, as lines of a table: what was measured, its interval, what it means."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aloe_hub.errors import DataError
from aloe_hub.results.formatting import number, percent, with_interval

FILE = "audit.json"
NO_AUDIT = "judge and users not audited"
Measured = tuple[str, str, str]  # a line without whose it is
AGREEMENT = ("rmse", "pearson", "spearman", "kendall", "kappa", "alpha")


@dataclass(frozen=True, slots=True)
class Line:
    """`of`: a judge's model string, two of them, or the users. `value`: with its interval, as it is shown."""

    of: str
    name: str
    value: str
    meaning: str


def read_audit(run: Path) -> dict[str, Any] | None:
    """What stands in `audit.json`; None where the run was not audited. Raises: DataError: the file cannot be read."""
    path = run / FILE
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error}); remove it and audit again: aloe audit {run}") from None
    if not isinstance(found, dict) or not isinstance(found.get("judges"), dict):
        raise DataError(f"{path}: no audit; remove it and audit again: aloe audit {run}")
    return found


def lines(found: Mapping[str, Any], shown: Callable[[str], str] = str) -> tuple[Line, ...]:
    """All that was measured, the judges first. shown: how a model string is written."""
    every = [(shown(name), _judge(judge)) for name, judge in found["judges"].items()]
    first = next(iter(found["judges"]), "")
    for name, one in found.get("between_judges", {}).items():
        every.append((f"{shown(first)} and {shown(name)}", _agreement(one)))
    for name, one in found.get("people", {}).items():
        every.append((f"{shown(name)} and people", _agreement(one)))
    for policy, one in found.get("training", {}).get("policies", {}).items():
        every.append((f"{shown(policy)}, beside its base", _training(one, found["training"]["preferences"])))
    for name, one in found.get("satisfaction", {}).items():
        every.append((f"{shown(name)}, finding replies that dissatisfied", _satisfaction(one)))
    if simulator := found.get("simulator"):
        every.append((f"users: {shown(simulator['user'] or 'not known')}", _simulator(simulator)))
    return tuple(Line(of, *one) for of, measured in every for one in measured)


def in_short(found: Mapping[str, Any] | None, judge: str | None) -> str:
    """Of a judge, for the notes of a score: what an audit found, or that there was none."""
    one = found["judges"].get(judge) if found else None
    if one is None:
        return NO_AUDIT
    shown = {name: _shown(one[name], 2, sign=True) for name in ("length", "flattery", "leak")}
    premiums = ", ".join(f"{name} {value}" for name, value in shown.items())
    return f"judge audited: position {_shown(one['order']['position'], 2, sign=True)} logits; points for {premiums}"


def _judge(found: Mapping[str, Any]) -> Iterator[Measured]:
    order, again, verdicts = found["order"], found["retest"], found["scores_and_verdicts"]
    disagree = math.nan if order["disagree"] is None else order["disagree"]
    yield "position, γ", _shown(order["position"], 2, sign=True), "logits for the reply shown first; 0 is no bias"
    yield "orders disagree", percent(disagree), f"of {order['forks'] - order['undecided']} forks with two choices"
    yield "label noise, at least", _shown(order["label_noise"], 3), "share of the pairs that are the wrong way round"
    yield "asked again, ICC(2,1)", _shown(again["icc"], 2), f"of {again['replies']} replies; 1 is the same score each time"
    yield "asked again, identical", _shown(again["identical"], 2), "share of the replies with the same score each time"
    yield "scores and verdicts agree", _shown(verdicts["agreement"], 2), f"of {verdicts['forks']} decided forks; ½ is chance"
    yield "scores and verdicts, τ", _shown(verdicts["kendall"], 2), "Kendall's, of the two replies' scores and the verdict"
    yield "length", _shown(found["length"], 2, sign=True), "points for 10 neutral words more"
    yield "persona", _shown(found["persona"], 2), "how often a reply scores higher for its own person; ½: not looked at"
    for key, label in (("leak", "a fact not told"), ("flattery", "flattery"), ("self_grading", "praise of itself")):
        yield label, _shown(found[key], 2, sign=True), "points more than with as many neutral words"
    for feature, value in (found["features"] or {}).items():
        yield f"verdicts go with {feature}", _shown(value, 2, sign=True), "standardised coefficient"


def _agreement(found: Mapping[str, Any] | None) -> Iterator[Measured]:
    if found is None:
        return
    (over, number_of), *_ = found["intervals_over"].items()
    for key in AGREEMENT:
        if found[key] is not None:
            yield key, _shown(found[key], 3), f"{found['n']} pairs of scores, {number_of} {over}"
    if "verdicts" in found:
        yield "same verdict", _shown(found["verdicts"]["same"], 2), f"of {found['verdicts']['forks']} forks that both decided"


def _training(found: Mapping[str, Any], preferences: Mapping[str, Any] | None) -> Iterator[Measured]:
    favoured = preferences["traits"] if preferences else {}
    for trait, one in found["traits"].items():
        unit = " words" if trait == "length" else ""
        dose = f"; preferred replies have {_shown(favoured[trait]['more'], 2, sign=True)} more" if favoured else ""
        was = f"{number(one['before'], 2)}{unit} before, {number(one['after'], 2)} after"
        yield f"more of {trait}", _shown(one["more"], 2, sign=True), was + dose


def _satisfaction(found: Mapping[str, Any]) -> Iterator[Measured]:
    counts = f"{found['replies']} replies rated by {found['people']} people"
    yield "AUC", _shown(found["auc"], 3), f"{counts}; ½ is chance"
    chance = number(found["dissatisfied"], 3)
    yield "average precision", _shown(found["average_precision"], 3), f"{chance} is chance: so many dissatisfied"


def _simulator(found: Mapping[str, Any]) -> Iterator[Measured]:
    if told := found["revelation"]:
        step = told["largest_step"]
        yield "told in all, R(K)", _shown(told["r"][-1], 2), f"of the persona, by turn {len(told['r'])}"
        yield "largest step of R(k)", _shown(step["step"], 2), f"at turn {step['turn']}"
    if wrong := found["contradictions"]:
        yield "contradictions", _shown(wrong["share"], 3), "share of the messages that say what is not so"
    if again := found["found"]:
        yield "found by its messages", _shown(again["top1"], 2), f"how often its persona is the nearest of {again['among']}"
        yield "rank of its persona", _shown(again["rank"], 1), f"among {again['among']}, by the messages; 1 is best"
    shares = " ".join(number(one, 2) for one in found["distinct"].values() if one is not None)
    yield "distinct-1, -2, -3", shares, "share of different runs of words"
    if found["vendi"] is not None:
        yield "Vendi score", number(found["vendi"], 1), f"effective number of different messages, of {found['vendi_of']}"
        yield "topics", number(found["topics"]["effective"], 1), f"effective number, of {found['topics']['groups']}"
    for key, meaning in (("likeness", "told apart from people"), ("people_among_themselves", "people from people")):
        if apart := found.get(key):
            counts = " and ".join(map(str, apart["conversations"]))
            yield f"{meaning}, AUC", _shown(apart["auc"], 2), f"{counts} conversations; ½: cannot be told apart"
            without = _shown(apart["without_length"], 2)
            yield f"{meaning}, without length", without, "the same, by all but how long messages are"
    if apart := found.get("likeness"):
        strongest = sorted(apart["features"].items(), key=lambda one: -abs((one[1] or 0.5) - 0.5))[:3]
        shown = ", ".join(f"{name} {number(value, 2)}" for name, value in strongest)
        yield "given away by", shown, "AUC of one feature alone; above ½: the users have more of it"


def _shown(found: Mapping[str, Any], digits: int, *, sign: bool = False) -> str:
    value, interval = found["value"], found["interval"]
    if value is None or interval is None:
        return number(math.nan if value is None else value, digits, sign)
    return with_interval(value, interval, digits, sign=sign)
