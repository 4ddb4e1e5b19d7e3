"""How a user of the world speaks: with all wordings of the lexicon, or with those of one side of a split.

Whoever trains on conversations of the world can learn its wordings instead of what they say. So some of them can be kept for the
users of a benchmark: of the wordings of each kind of fact, and of the cues of each pole, as lexicon.toml lists them, the last
half (of four the last two, of three the last one) is `held-out`, the others are `train`. The world reads all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from aloe_hub.errors import UsageError

WORDINGS = ("train", "held-out")


@dataclass(frozen=True, slots=True)
class Manner:
    """`wording`: one of `WORDINGS`; None: all of them."""

    wording: str | None = None

    @classmethod
    def read(cls, options: Iterable[tuple[str, str]]) -> Self:
        """The manner that the options of `scripted:user?…` describe.

        Raises:
            UsageError: an option or a value that there is not.

        >>> Manner.read([("wording", "held-out")])
        Manner(wording='held-out')
        """
        for name, value in options:
            if name != "wording":
                raise UsageError(f"model 'scripted:user?{name}={value}': no such option; known: wording")
            if value not in WORDINGS:
                raise UsageError(f"model 'scripted:user?{name}={value}': expected {name}={' or '.join(WORDINGS)}")
        return cls(**dict(options))

    def of(self, wordings: Sequence[str]) -> Sequence[str]:
        """Those of a kind's wordings, or of a pole's cues, that this user has.

        >>> Manner("train").of("abc"), Manner("held-out").of("abc")
        ('ab', 'c')
        """
        kept = len(wordings) - len(wordings) // 2
        return {"train": wordings[:kept], "held-out": wordings[kept:]}.get(self.wording or "", wordings)


ANY = Manner()
