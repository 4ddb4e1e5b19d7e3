"""Numbers as tables and cards show them; what is undefined is a dash."""

from __future__ import annotations

import math
from collections.abc import Sequence

UNDEFINED = "–"


def number(value: float | None, digits: int, sign: bool = False) -> str:
    """A number for a table; what is undefined is a dash.

    >>> number(0.25, 2, sign=True), number(-0.0001, 2), number(float("nan"), 2)
    ('+0.25', '0.00', '–')
    """
    if value is None or math.isnan(value):
        return UNDEFINED
    rounded = round(value, digits) + 0.0  # never "-0.00"
    return f"{rounded:{'+' if sign and rounded else ''}.{digits}f}".replace("-", "−")


def counted(count: int, one: str, many: str = "") -> str:
    """
    >>> counted(1, "user"), counted(1200, "policy", "policies")
    ('1 user', '1,200 policies')
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def percent(value: float) -> str:
    """
    >>> percent(-0.494)
    '−49.4%'
    """
    return UNDEFINED if math.isnan(value) else f"{number(100 * value, 1)}%"


def share(value: float, interval: Sequence[float]) -> str:
    """A share in percent with its interval, whose ends may be without bounds.

    >>> share(0.831, (0.8, float("inf")))
    '83.1% [80.0%, ∞]'
    """
    low, high = map(bound, interval)
    return UNDEFINED if math.isnan(value) else f"{percent(value)} [{low}, {high}]"


def bound(end: float) -> str:
    """An end of the interval of a share."""
    return f"{'−' if end < 0 else ''}∞" if math.isinf(end) else percent(end)


def p_value(value: float) -> str:
    return "< 0.001" if value < 0.001 else number(value, 3)


def with_interval(value: float, interval: Sequence[float], digits: int, *, between: str = " ", sign: bool = False) -> str:
    """
    >>> with_interval(0.0512, (-0.01, 0.1), 2)
    '0.05 [−0.01, 0.10]'
    """
    if math.isnan(value):
        return UNDEFINED
    low, high = (number(end, digits, sign) for end in interval)
    return f"{number(value, digits, sign)}{between}[{low}, {high}]"


def letter(place: int) -> str:
    """What a policy is called in a plot.

    >>> letter(0), letter(25), letter(26)
    ('A', 'Z', 'AA')
    """
    return (letter(place // 26 - 1) if place >= 26 else "") + chr(ord("A") + place % 26)
