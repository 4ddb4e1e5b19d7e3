"""How much work reading a text is: counted in lines that run, which no busy machine changes."""

import re
import sys
from contextlib import suppress

from aloe_hub.errors import ParseError


def steps(read, text):
    """Lines of Python that `read(text)` runs, whether it can be read or not."""
    count = 0

    def trace(frame, event, argument):
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        with suppress(ParseError, ValueError):
            read(text)
    finally:
        sys.settrace(before)
    return count


def unbounded(patterns):
    """Those of the patterns that repeat something without a bound, which may take quadratic time."""
    return [one.pattern for one in patterns if "MAXREPEAT" in str(re._parser.parse(one.pattern, one.flags))]  # type: ignore[attr-defined]
