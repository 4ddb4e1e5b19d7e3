"""The plots of a report. Policies are told apart by letter and marker as well as by colour."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from aloe_hub.report.drawing import INK, MUTED, SERIES, series, svg
from aloe_hub.results.counts import BINS, PolicyReport, TextStats
from aloe_hub.results.formatting import letter

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARKERS = "osD^vPX*"
DASHED = (0, (4, 3))


def curves(policies: Sequence[PolicyReport], name: str, shift: int | None = None) -> str:
    """AL(k) of each policy in a band of its interval. shift: the turn at which the users became others."""
    last = max(map(_drawn, policies))

    def draw(axes: Axes) -> None:
        ends: dict[int, float] = {}
        for place, policy in enumerate(policies):
            al = policy.scores.al
            low, high = zip(*policy.scores.al_ci, strict=True)
            end = policy.last if policy.fewest > 1 else len(al)
            axes.fill_between(range(1, end + 1), low[:end], high[:end], color=series(place), alpha=0.16, linewidth=0)
            _line(axes, al[:end], place, last)
            if len(al) > end:  # too few conversations to count
                faint = al[end - 1 : last]
                axes.plot(range(end, end + len(faint)), faint, color=series(place), alpha=0.3, linewidth=0.9)
            scored = [value for value in al[:end] if not math.isnan(value)]
            ends[place] = scored[-1] if scored else math.nan
        bottom, top = policies[0].rubric.shown_scale
        height = top - bottom
        _letters(axes, ends, last, bottom, top)
        if shift:
            axes.axvline(shift - 0.5, color=MUTED, linewidth=1.2, linestyle=DASHED)
        axes.set(xlabel="turn k", ylabel="AL(k)", ylim=(bottom - height / 40, top + height / 40), xlim=(0.7, last + 0.3))
        axes.set_xticks(range(1, last + 1, 1 + last // 16))
        axes.set_yticks(range(bottom, top + 1, max(1, height // 5)))

    return svg(name, (5.2, 3.2), (0.09, 0.93, 0.15, 0.98), draw)


def _drawn(policy: PolicyReport) -> int:
    """The last turn that is drawn: of recorded chats those with a single conversation are not."""
    return max((turn for turn, n in enumerate(policy.scores.n, 1) if n > 1 or policy.fewest == 1), default=1)


def recalled(policies: Sequence[PolicyReport], name: str) -> str:
    """Of the profile, in percent, what users had told by turn k (dashed) and what the replies of each policy had recalled."""
    last = max(len(policy.scores.al) for policy in policies)

    def draw(axes: Axes) -> None:
        told = next(policy.shares["told"] for policy in policies if "told" in policy.shares)
        axes.plot(range(1, len(told) + 1), [100 * share for share in told], color=INK, linewidth=1.2, linestyle=DASHED)
        ends: dict[int, float] = {}
        for place, policy in enumerate(policies):
            if "recalled" in policy.shares:
                shares = [100 * share for share in policy.shares["recalled"]]
                _line(axes, shares, place, last)
                ends[place] = shares[-1]
        _letters(axes, ends, last, 0, 100)
        axes.set(xlabel="turn k", ylabel="% of the profile", ylim=(-3, 103), xlim=(0.7, last + 0.3))
        axes.set_xticks(range(1, last + 1, 1 + last // 16))

    return svg(name, (5.2, 2.6), (0.11, 0.93, 0.18, 0.98), draw)


def _line(axes: Axes, values: Sequence[float], place: int, last: int) -> None:
    """With a marker at every turn, or of many turns at some."""
    axes.plot(range(1, len(values) + 1), values, color=series(place), marker=MARKERS[place % SERIES], markersize=5,
              markevery=1 + last // 16, linewidth=1.8)  # fmt: skip


def _letters(axes: Axes, ends: Mapping[int, float], last: int, bottom: float, top: float) -> None:
    """Which policy a curve is, behind its last turn."""
    height = top - bottom
    for place, y in _spread(ends, min(height / 20, height / max(1, len(ends))), bottom, top).items():
        axes.annotate(letter(place), (last, y), (10, 0), textcoords="offset points", color=series(place), va="center",
                      weight="bold")  # fmt: skip


def _spread(heights: Mapping[int, float], gap: float, bottom: float, top: float) -> dict[int, float]:
    """Labels at these heights, moved apart until none covers another; those without a height are left out."""
    order = sorted((height, place) for place, height in heights.items() if not math.isnan(height))
    moved: dict[int, float] = {}
    floor = bottom
    for height, place in order:
        moved[place] = floor = max(height, floor)
        floor += gap
    ceiling = top
    for _, place in reversed(order):
        moved[place] = ceiling = min(moved[place], ceiling)
        ceiling -= gap
    return moved


def histogram(stats: TextStats, name: str) -> str | None:
    """How near the candidates came to the pool, and where the threshold cut; None where nothing was filtered."""
    from matplotlib.ticker import MaxNLocator

    kept, refused = stats.kept_bins, stats.refused_bins
    if not sum(kept) + sum(refused):
        return None

    def draw(axes: Axes) -> None:
        # Empty bars are left out: their edges would show.
        for counts, under, fill, edge, hatch, label in (
            (kept, (0,) * BINS, series(0), series(0), "", "kept"),
            (refused, kept, "none", series(1), "////", "refused"),
        ):
            there = [place for place in range(BINS) if counts[place]]
            heights, bottoms = ([bins[place] for place in there] for bins in (counts, under))
            lefts = [place / BINS for place in there]
            axes.bar(lefts, heights, 1 / BINS, bottoms, align="edge", color=fill, edgecolor=edge, hatch=hatch, label=label,
                     linewidth=0.6)  # fmt: skip
        high = stats.threshold is None or stats.threshold >= 0.5
        if stats.threshold is not None:
            axes.axvline(stats.threshold, color=INK, linewidth=1.2, linestyle=DASHED)
            aside, side = (-5, "right") if high else (5, "left")
            axes.annotate(f"threshold {stats.threshold:g}", (stats.threshold, 1), (aside, -2), ha=side, va="top",
                          xycoords=("data", "axes fraction"), textcoords="offset points")  # fmt: skip
        axes.set(xlabel="similarity to the nearest", ylabel="candidates", xlim=(0, 1))
        axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.legend(frameon=False, loc="upper left" if high else "upper right")

    return svg(name, (5.2, 2.5), (0.1, 0.98, 0.19, 0.96), draw)
