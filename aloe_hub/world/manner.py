"""How a user of the world speaks: with all wordings of the lexicon, or with those of one side of a split; how much they let show,
and whether they keep to who they are.

Whoever trains on conversations of the world can learn its wordings instead of what they say. So some of them can be kept for the
users of a benchmark: of the wordings of each kind of fact, and of the cues of each pole, as lexicon.toml lists them, the last
half (of four the last two, of three the last one) is `held-out`, the others are `train`. The world reads all of them.

Who shows less, or says what is not true of them, has a fault that an audit of simulators is to find.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from aloe_hub.world.options import Known, read

WORDINGS = ("train", "held-out")
KNOWN: Known = {"wording": WORDINGS, "reveal": (0.0, 1.0), "contradict": (0.0, 1.0)}


@dataclass(frozen=True, slots=True)
class Manner:
    """`wording`: one of `WORDINGS`; None: all of them. `reveal`: how probably the user says each thing of themselves that they
    would say. `contradict`: how probably a message holds a fact which is not theirs."""

    wording: str | None = None
    reveal: float = 1.0
    contradict: float = 0.0

    @classmethod
    def read(cls, options: Iterable[tuple[str, str]]) -> Self:
        """The manner that the options of `scripted:user?…` describe.

        Raises:
            UsageError: an option or a value that there is not.

        >>> Manner.read([("wording", "held-out"), ("reveal", ".5")])
        Manner(wording='held-out', reveal=0.5, contradict=0.0)
        """
        return cls(**read("user", options, KNOWN))

    def of(self, wordings: Sequence[str]) -> Sequence[str]:
        """Those of a kind's wordings, or of a pole's cues, that this user has.

        >>> Manner("train").of("abc"), Manner("held-out").of("abc")
        ('ab', 'c')
        """
        kept = len(wordings) - len(wordings) // 2
        return {"train": wordings[:kept], "held-out": wordings[kept:]}.get(self.wording or "", wordings)


ANY = Manner()
