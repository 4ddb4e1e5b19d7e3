"""matplotlib's drawings as SVG that stands in a page. This file stands alone: the metric Space carries a copy of it.

They are drawn in placeholder colours that become CSS variables, so that they follow the reader's light or dark mode. Same
numbers, same bytes: matplotlib runs under its default style, with a fixed salt and no date. It is imported where it is used,
since that takes most of a second.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SERIES = 8  # colours: --s0 and so on in the page
INK, MUTED, LINE = "#010101", "#020202", "#030303"
COLOURS = {INK: "var(--ink)", MUTED: "var(--muted)", LINE: "var(--line)"} | {
    f"#0404{place:02x}": f"var(--s{place})" for place in range(SERIES)
}
STYLE: dict[str, Any] = {
    "svg.fonttype": "none",  # text stays text: it can be searched, and set in the page's own type
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


def series(place: int) -> str:
    """The colour of the curve at this place; beyond `SERIES` they repeat."""
    return f"#0404{place % SERIES:02x}"


def svg(name: str, size: tuple[float, float], margins: tuple[float, float, float, float], draw: Callable[[Axes], object]) -> str:
    """What `draw` puts on the axes, as SVG to stand in a page; `name` keeps its ids apart from those of other plots.

    margins: where the axes begin and end, as shares of the size: left, right, bottom, top.
    """
    import matplotlib.style
    from matplotlib.figure import Figure

    # The reader's own matplotlibrc must not change the bytes, hence "default" first.
    with matplotlib.style.context(["default", STYLE | {"svg.hashsalt": name}]):
        figure = Figure(figsize=size)
        left, right, bottom, top = margins
        figure.subplots_adjust(left=left, right=right, bottom=bottom, top=top)
        draw(figure.subplots())
        buffer = io.StringIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(buffer, format="svg", transparent=True, metadata=nothing)
    drawn = buffer.getvalue()
    # The page sets the size. A style in a plot would be one for the whole page, and ids that repeat from plot to plot,
    # to which nothing refers, have no place in it.
    drawn = re.sub(r"^.*?<svg [^>]*?(viewBox=\"[^\"]*\")[^>]*>", r"<svg \1>", drawn, count=1, flags=re.DOTALL)
    drawn = re.sub(r"<style.*?</style>", "", drawn, flags=re.DOTALL)
    drawn = re.sub(r'<g id="[\w.]+_\d+"', "<g", drawn)
    return re.sub("|".join(COLOURS), lambda found: COLOURS[found[0]], drawn)
