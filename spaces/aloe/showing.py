"""A result → what the page shows: the curve as SVG, the numbers as tables, the JSON to copy. Pure functions.

The curve looks as in a report of `aloe report`. It is drawn in placeholder colours that become CSS variables, so that it
follows the page's light or dark mode.
"""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import matplotlib.style
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

INK, MUTED, LINE, SERIES = "#010101", "#020202", "#030303", "#040400"
COLOURS = {INK: "var(--ink)", MUTED: "var(--muted)", LINE: "var(--line)", SERIES: "var(--series)"}
STYLE: dict[str, Any] = {
    "svg.fonttype": "none",  # text stays text: it can be searched, and set in the page's own type
    "svg.hashsalt": "aloe",
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": LINE,
}
NAMES = {
    "avg": ("AVG", "mean of the curve"),
    "ir": ("IR", "change of AL(k) from turn to turn"),
    "n_ir": ("N-IR", "IR of the curve scaled to [0, 1]"),
    "r2": ("R²", "how straight the curve is"),
}

Result = Mapping[str, Any]  # as `scoring.score` returns it


def page(result: Result, scale: tuple[float, float], confidence: float, conversations: int, clusters: int | None) -> str:
    """The curve, the numbers and the turns, as HTML. Nothing of a person's text is in it."""
    level = f"{100 * confidence:g}\u202f% interval"
    missing, cells = result["missing"], conversations * len(result["al"])
    facts = f"{_counted(conversations, 'conversation')} of {_counted(len(result['al']), 'turn')}"
    if clusters is not None:
        facts += f" in {_counted(clusters, 'cluster')}"
    facts += f"; {missing:,} of {cells:,} scores missing."
    caption = "Points: AL(k), the mean score of turn k."
    if "al_ci" in result:
        caption += f" Band: its {level}."
    if not math.isnan(result["ir"]):
        caption += " Dashed: the least-squares line, whose slope is IR."
    notes = "".join(f'<p class="note">{note}</p>' for note in _notes(result, clusters or conversations))
    return f"""<figure>
<div class="plot" role="img" aria-label="{escape(described(result, level))}">{svg(result, scale)}</div>
<figcaption>{caption}</figcaption>
</figure>
<div class="scroll"><table class="numbers">
<caption>{facts}</caption>
<thead><tr>{_heads("Score", "Value", level)}</tr></thead>
<tbody>{"".join(_number_row(result, name) for name in NAMES)}</tbody>
</table></div>
{notes}
<details><summary>AL(k) turn by turn</summary>
<div class="scroll"><table class="turns">
<thead><tr>{_heads("Turn k", "AL(k)", level, "Scores")}</tr></thead>
<tbody>{"".join(_turn_row(result, turn) for turn in range(len(result["al"])))}</tbody>
</table></div></details>"""


def as_json(result: Result) -> str:
    """The result as strict JSON: what is undefined, NaN in Python, is null.

    >>> print(as_json({"al": [2.0, math.nan], "n": [1, 0], "r2": math.nan}))
    {
      "al": [2.0, null],
      "n": [1, 0],
      "r2": null
    }
    """
    lines = (f"  {json.dumps(name)}: {json.dumps(_defined(value), allow_nan=False)}" for name, value in result.items())
    return "{\n" + ",\n".join(lines) + "\n}"


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


def svg(result: Result, scale: tuple[float, float]) -> str:
    """AL(k) in the band of its interval, on the whole scale, and the line that was fitted."""
    al, (low, high) = result["al"], scale
    turns = range(1, len(al) + 1)
    # The reader's own matplotlibrc must not change the look, hence "default" first.
    with matplotlib.style.context(["default", STYLE]):
        figure = Figure(figsize=(5.2, 3.2))
        axes = figure.subplots()
        if "al_ci" in result:
            lows, highs = zip(*result["al_ci"], strict=True)
            axes.fill_between(turns, lows, highs, color=SERIES, alpha=0.16, linewidth=0)
            # A turn between two without a score has no area to fill.
            axes.vlines(turns, lows, highs, color=SERIES, alpha=0.3, linewidth=1.2)
        if not math.isnan(result["ir"]):
            ends = (1, len(al))
            fitted = [result["intercept"] + result["ir"] * turn for turn in ends]
            axes.plot(ends, fitted, color=MUTED, linewidth=1.2, linestyle=(0, (4, 3)))
        axes.plot(turns, al, color=SERIES, marker="o", markersize=5, linewidth=1.8)
        margin = (high - low) / 40
        axes.set(xlabel="turn k", ylabel="AL(k)", ylim=(low - margin, high + margin), xlim=(0.7, len(al) + 0.3))
        axes.set_xticks(range(1, len(al) + 1, 1 + len(al) // 16))
        axes.yaxis.set_major_locator(MaxNLocator(5))
        figure.subplots_adjust(left=0.11, right=0.98, bottom=0.15, top=0.98)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    # The page sets the size, and a style in a plot would be one for the whole page.
    drawn = buffer.getvalue()
    drawn = drawn[drawn.index("<svg ") :]
    drawn = re.sub(r"^<svg [^>]*?(viewBox=\"[^\"]*\")[^>]*>", r"<svg \1>", drawn, count=1)
    drawn = re.sub(r"<style.*?</style>", "", drawn, flags=re.DOTALL)
    return re.sub("|".join(COLOURS), lambda found: COLOURS[found[0]], drawn)


def _heads(*names: str) -> str:
    return "".join(f'<th scope="col">{name}</th>' for name in names)


def _number_row(result: Result, name: str) -> str:
    title, meaning = NAMES[name]
    cells = f"<td>{number(result[name])}</td><td>{_interval(result.get(f'{name}_ci'))}</td>"
    return f'<tr><th scope="row">{title} <small>{meaning}</small></th>{cells}</tr>'


def _turn_row(result: Result, place: int) -> str:
    interval = _interval(result["al_ci"][place] if "al_ci" in result else None)
    cells = f"<td>{number(result['al'][place])}</td><td>{interval}</td><td>{result['n'][place]:,}</td>"
    return f'<tr><th scope="row">{place + 1}</th>{cells}</tr>'


def _interval(pair: Sequence[float] | None) -> str:
    if pair is None or any(math.isnan(end) for end in pair):
        return "–"
    return f"{number(pair[0])} to {number(pair[1])}"


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


def _defined(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, list | tuple):
        return [_defined(item) for item in value]
    if isinstance(value, dict):
        return {name: _defined(item) for name, item in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + "s" * (count != 1)
