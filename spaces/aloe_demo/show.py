"""Values → HTML, by the macros of pages.html.j2. No texts of strangers go around `safe.shown`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import cache
from json import dumps
from pathlib import Path
from typing import Any

import safe
from blind import LABELS, Agreement
from jinja2 import Environment, StrictUndefined
from known import EXAMPLES, AnsweredByPage
from markupsafe import Markup
from talk import Talk
from understood import understood as statements_of
from used import slips, told, uses
from watch import SIDES, Step, Watch

from aloe_hub.errors import AloeError
from aloe_hub.results.formatting import number
from aloe_hub.results.trees import reply_name
from aloe_hub.types import Exchange

NAMES = ("Base model", "Aligned model")
MOST_REASON = 400  # characters of why something is missing


def page(macro: str, *values: Any) -> str:  # noqa: ANN401 - what the macro takes
    """The HTML that this macro of pages.html.j2 makes of these values."""
    return str(getattr(_pages(), macro)(*values))


def understood(value: Talk) -> str:
    """The panel beside a talk."""
    last = value.turns[-1] if value.turns else None
    thinking = last is not None and last.inferred is None and not last.puzzled
    found = statements_of([turn.inferred for turn in value.turns])
    return page("understood", found, last.puzzled if last else "", thinking)


def agreement(own: Mapping[Agreement, int], kept: Mapping[Agreement, int], verdict: str = "", problem: str = "") -> str:
    return page("agreement", Counter(own), Counter(kept), verdict, problem)


def unanswered(error: Exception | str) -> str:
    """The page's own answer to what no model is asked; or what went wrong."""
    if isinstance(error, AnsweredByPage):
        return page("answered_by_page", error.kind, safe.tidy(str(error)), EXAMPLES)
    return alert(error)


def note(text: str) -> str:
    """A line beside a control."""
    return str(Markup('<p class="who" dir="auto">{}</p>').format(_cut(text)))


def alert(error: Exception | str) -> str:
    """What went wrong, announced to whoever cannot see it."""
    text = str(error) if isinstance(error, AloeError | str) else f"{type(error).__name__}: {error}"
    return str(Markup('<p class="problem" role="alert" dir="auto">{}</p>').format(_cut(text)))


def _frame(value: Watch) -> dict[str, Any]:
    """Where the curves of a watch are drawn, in the units of its viewBox: 610 by 292."""
    left, right, top, bottom = 40, 585, 14, 236
    gap = (right - left) / max(1, value.turns - 1)

    def x(turn: int) -> float:
        return round(left + (turn - 1) * gap, 1)

    def y(score: float) -> float:
        return round(bottom - (score - 1) * (bottom - top) / 4, 1)

    every = 1 if value.turns <= 10 else 5
    return {
        "left": left,
        "right": right,
        "bottom": bottom,
        "half": round(min(gap / 2, 28), 1),  # of the width of a turn's column
        "levels": [(score, y(score)) for score in range(1, 6)],
        "turns": [(turn, x(turn)) for turn in range(1, value.turns + 1) if turn % every == 0 or turn == 1],  # that are named
        "curves": [  # of each model, the turns that have a score
            [(turn, x(turn), y(score)) for turn, score in enumerate(value.scores(side), 1) if score is not None] for side in SIDES
        ],
        "columns": [(turn, x(turn), _values(step)) for turn, step in enumerate(value.steps, 1)],
    }


def _happened(value: Watch) -> str:
    """What the curves of a live conversation did, in words."""
    said = []
    for name, side in zip(NAMES, SIDES, strict=True):
        scores = [score for score in value.scores(side) if score is not None]
        numbers = value.numbers(side)
        if numbers and len(scores) > 1:
            rise = round(numbers["ir"], 2)
            moved = f"{'rose' if rise > 0 else 'fell'} by {abs(rise):.2f} a turn" if rise else "stayed level"
            said.append(f"the {name.lower()} {moved}, {number(numbers['avg'], 2)} on average")
    return f"Here {'; '.join(said)}." if said else ""


def _values(step: Step) -> str:
    """The scores of a turn, in words."""
    answers = zip(NAMES, step.answers, strict=True)
    return ", ".join(f"{name} {number(one.score, 2) if one and one.score is not None else 'no score'}" for name, one in answers)


@cache
def _pages() -> Any:  # noqa: ANN401 - a module of macros
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {
        "cut": _cut,
        "frame": _frame,
        "happened": _happened,
        "number": lambda value, digits=3: number(value, digits),
        "reply_name": reply_name,
        "shown": safe.shown,
        "shown_inline": lambda text: safe.tidy(text)[:64],
        "slips": slips,
        "spoken_curve": _spoken_curve,
        "tidy": safe.tidy,
        "told": lambda watch: told(watch.persona, [step.user for step in watch.steps]),
        "understood": statements_of,
        "uses": lambda text, inferred: uses(safe.tidy(text)[: safe.MOST_SHOWN], tuple(inferred)),
        "json": lambda row: dumps(row, indent=1, ensure_ascii=False),
        "verdict_line": _verdict_line,
    }
    environment.globals |= {"names": NAMES, "labels": LABELS}
    return environment.from_string((Path(__file__).parent / "pages.html.j2").read_text(encoding="utf-8")).module


def _cut(text: str) -> str:
    whole = " ".join(safe.tidy(text).split())
    return whole if len(whole) <= MOST_REASON else whole[:MOST_REASON] + "…"


def _verdict_line(exchange: Exchange) -> str:
    if exchange.preferred is None and len(exchange.replies) > 2:
        return "no reply is the best alone"
    if exchange.preferred is None:
        return "no preference: a tie, or the two orders disagree"
    if len(exchange.verdicts) > 2 or exchange.is_scored:
        return f"the best is {reply_name(exchange, exchange.preferred)}"
    orders = "both orders prefer" if len(exchange.verdicts) > 1 else "asked in one order, preferred"
    return f"{orders} {reply_name(exchange, exchange.preferred)}"


def _spoken_curve(value: Watch) -> str:
    """The curve for whoever cannot see it."""
    parts = []
    for name, side in zip(NAMES, SIDES, strict=True):
        scores = ", ".join("no score" if score is None else number(score, 2) for score in value.scores(side))
        parts.append(f"{name}: {scores or 'no turn yet'}")
    return f"AL(k) over {value.turns} turns. " + ". ".join(parts) + "."
