"""A result → what the page shows: the curve as SVG, the numbers as tables. The curve looks as in a report."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

try:
    from aloe_hub.report.drawing import MUTED, series, svg
except ModuleNotFoundError:
    from drawing import MUTED, series, svg  # type: ignore[import-not-found, no-redef]  # a copy, on the Hub alone

NAMES = {
    "avg": ("AVG", "mean of the curve"),
    "ir": ("IR", "change of AL(k) from turn to turn"),
    "n_ir": ("N-IR", "IR of the curve scaled to [0, 1]"),
    "r2": ("R²", "how straight the curve is"),
}

METHODS = {
    "bootstrap": "resampled by clusters",
    "two-way": "two-way, by clusters and personalities",
    "pigeonhole": "resampled by clusters and personalities, since most pairs of them are missing",
}

Result = Mapping[str, Any]  # as `scoring.score` returns it


def page(result: Result, scale: tuple[float, float], confidence: float, conversations: int, clusters: Mapping[str, int]) -> str:
    """The curve, the numbers and the turns, as page.html.j2 has them."""
    level = f"{100 * confidence:g}\u202f% interval"
    lost = {title: result.get("dropped", {}).get(name) for name, (title, _) in NAMES.items()}
    return _template().render(
        result=result,
        names=NAMES,
        level=level,
        turns=len(result["al"]),
        conversations=conversations,
        clusters=[
            _counted(count, "personality", "personalities") if kind == "personality" else _counted(count, kind)
            for kind, count in clusters.items()
        ],
        alone=list((result.get("over") or {}).values()) == [1],
        method=METHODS.get(result.get("method", "")),
        parts=", ".join(f"{kind} {math.sqrt(part):.3f}" for kind, part in result.get("components", {}).get("avg", {}).items()),
        dropped=[f"{title} {count:,}" for title, count in lost.items() if count],
        curve=Markup(curve(result, scale)),
        described=described(result, level),
    )


@cache
def _template() -> Template:
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    environment.filters |= {"counted": _counted, "interval": _interval, "number": number}
    environment.tests["nan"] = math.isnan
    return environment.from_string((Path(__file__).parent / "page.html.j2").read_text(encoding="utf-8"))


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


def _interval(pair: Sequence[float] | None) -> str:
    return "–" if pair is None or math.isnan(sum(pair)) else f"{number(pair[0])} to {number(pair[1])}"


def _counted(count: int, noun: str, plural: str = "") -> str:
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"
