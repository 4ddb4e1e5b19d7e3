"""A result → what the page shows: the curve as SVG, the numbers as tables. Pure functions; the curve looks as in a report."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

try:
    from aloe_hub.report.drawing import MUTED, series, svg
except ModuleNotFoundError:
    from drawing import MUTED, series, svg

NAMES = {
    "avg": ("AVG", "mean of the curve"),
    "ir": ("IR", "change of AL(k) from turn to turn"),
    "n_ir": ("N-IR", "IR of the curve scaled to [0, 1]"),
    "r2": ("R²", "how straight the curve is"),
}

Result = Mapping[str, Any]  # as `scoring.score` returns it


def page(result: Result, scale: tuple[float, float], confidence: float, conversations: int, clusters: int | None) -> str:
    """The curve, the numbers and the turns, as HTML. Nothing of a person's text is in it."""
    level, turns = f"{100 * confidence:g}\u202f% interval", len(result["al"])
    facts = f"{_counted(conversations, 'conversation')} of {_counted(turns, 'turn')}"
    if clusters is not None:
        facts += f" in {_counted(clusters, 'cluster')}"
    facts += f"; {result['missing']:,} of {conversations * turns:,} scores missing."
    caption = "Points: AL(k), the mean score of turn k."
    if "al_ci" in result:
        caption += f" Band: its {level}."
    if not math.isnan(result["ir"]):
        caption += " Dashed: the least-squares line, whose slope is IR."
    numbers = [
        (f"{title} <small>{meaning}</small>", number(result[name]), _interval(result.get(f"{name}_ci")))
        for name, (title, meaning) in NAMES.items()
    ]
    intervals = result.get("al_ci", [None] * turns)
    by_turn = [
        (str(turn), number(al), _interval(interval), f"{count:,}")
        for turn, (al, interval, count) in enumerate(zip(result["al"], intervals, result["n"], strict=True), 1)
    ]
    notes = "".join(f'<p class="note">{note}</p>' for note in _notes(result, clusters or conversations))
    return f"""<figure>
<div class="plot" role="img" aria-label="{escape(described(result, level))}">{curve(result, scale)}</div>
<figcaption>{caption}</figcaption>
</figure>
{_table("numbers", facts, ("Score", "Value", level), numbers)}
{notes}
<details><summary>AL(k) turn by turn</summary>
{_table("turns", "", ("Turn k", "AL(k)", level, "Scores"), by_turn)}</details>"""


def described(result: Result, level: str = "interval") -> str:
    """The curve in words, for those who do not see it.

    >>> described({"al": [2.0, math.nan, 3.5], "ir": 0.75, "al_ci": [(1, 3), (math.nan, math.nan), (3, 4)]})
    'Curve of AL(k) over 3 turns: 2.000 at turn 1, – at turn 2, 3.500 at turn 3; IR 0.750, with a band for the interval.'
    """
    turns = ", ".join(f"{number(value)} at turn {turn}" for turn, value in enumerate(result["al"], 1))
    band = f", with a band for the {level}" if "al_ci" in result else ""
    return f"Curve of AL(k) over {_counted(len(result['al']), 'turn')}: {turns}; IR {number(result['ir'])}{band}."


def number(value: float) -> str:
    """Three decimals, or – for what is undefined.

    >>> number(2 / 3), number(math.nan), number(-0.0001)
    ('0.667', '–', '0.000')
    """
    return "–" if math.isnan(value) else f"{round(value, 3) + 0.0:.3f}"


def curve(result: Result, scale: tuple[float, float]) -> str:
    """AL(k) in the band of its interval, on the whole scale, and the line that was fitted."""
    al, (low, high), colour = result["al"], scale, series(1)
    turns = range(1, len(al) + 1)

    def draw(axes: Any) -> None:  # noqa: ANN401 - matplotlib's
        if "al_ci" in result:
            lows, highs = zip(*result["al_ci"], strict=True)
            axes.fill_between(turns, lows, highs, color=colour, alpha=0.16, linewidth=0)
            # A turn between two without a score has no area to fill.
            axes.vlines(turns, lows, highs, color=colour, alpha=0.3, linewidth=1.2)
        if not math.isnan(result["ir"]):
            fitted = [result["intercept"] + result["ir"] * turn for turn in (1, len(al))]
            axes.plot((1, len(al)), fitted, color=MUTED, linewidth=1.2, linestyle=(0, (4, 3)))
        axes.plot(turns, al, color=colour, marker="o", markersize=5, linewidth=1.8)
        margin = (high - low) / 40
        axes.set(xlabel="turn k", ylabel="AL(k)", ylim=(low - margin, high + margin), xlim=(0.7, len(al) + 0.3))
        axes.set_xticks(range(1, len(al) + 1, 1 + len(al) // 16))

    return svg("aloe", (5.2, 3.2), (0.11, 0.98, 0.15, 0.98), draw)


def _table(name: str, caption: str, heads: Sequence[str], rows: Sequence[tuple[str, ...]]) -> str:
    head = "".join(f'<th scope="col">{cell}</th>' for cell in heads)
    body = "".join(
        f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>' for first, *cells in rows
    )
    return f"""<div class="scroll"><table class="{name}"><caption>{caption}</caption>
<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"""


def _interval(pair: Sequence[float] | None) -> str:
    return "–" if pair is None or math.isnan(sum(pair)) else f"{number(pair[0])} to {number(pair[1])}"


def _notes(result: Result, clusters: int) -> list[str]:
    notes = []
    if math.isnan(result["avg"]):
        notes.append("Every score is missing: nothing can be said.")
    elif math.isnan(result["ir"]):
        notes.append("IR, N-IR and R² need two turns with a score: they are undefined.")
    elif math.isnan(result["n_ir"]):
        notes.append("The curve is constant: N-IR and R² are undefined.")
    if "al_ci" in result and clusters == 1:
        notes.append("One cluster alone: the intervals have no width and say nothing.")
    dropped = {title: result["dropped"][name] for name, (title, _) in NAMES.items() if result.get("dropped", {}).get(name)}
    if dropped and clusters > 1:
        counts = ", ".join(f"{title} {count:,}" for title, count in dropped.items())
        notes.append(f"Resamples without a value, left out of the interval: {counts}.")
    return notes


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + "s" * (count != 1)
