"""What of a reply can be heard while it grows: whole characters, and nothing that may be the beginning of a stop string."""

from __future__ import annotations

from collections.abc import Sequence

from aloe_hub.chat.base import ChatReply

# What reasoning is begun with, as text: of what ends like the beginning of one, the end is not heard yet.
REASONING = ("<think>", "<thinking>", "<thought>", "<reasoning>", "<reflection>", "<analysis>", "◁think▷", "<|begin_of_thought|>")
HALF = "\ufffd"  # what the first bytes of a character are read as, until the others come


def before(text: str, stops: Sequence[str]) -> tuple[str, bool]:
    """(what stands before the first stop string, whether there is one).

    >>> before("Yes. User: And now?", ("User:", "System:"))
    ('Yes. ', True)
    """
    starts = [start for stop in stops if (start := text.find(stop)) >= 0]
    return (text[: min(starts)], True) if starts else (text, False)


def answered(raw: str) -> str:
    """What of a model's words so far is of its answer: not its reasoning, which is cut off as in `ChatReply.received`.

    Reasoning without a tag before it cannot be told until the one behind it comes.

    >>> [answered(raw) for raw in ("<think>Shy.</thi", "<think>Shy.</think>", "<think>Shy.</think>Hi ")]
    ['', '', 'Hi ']
    """
    text = ChatReply.received(raw).text
    return text + raw[len(raw.rstrip()) :] if text else ""  # a blank at the end stands within it as soon as it goes on


class Pieces:
    """The pieces of a text that grows: each is new, and together they are the text.

    >>> pieces = Pieces(stops=("User:",))
    >>> [pieces.grown(text) for text in ("Caf\ufffd", "Café", "Café. U", "Café. Up")], pieces.rest("Café. Up!")
    (['Caf', 'é', '. ', 'Up'], '!')
    """

    def __init__(self, stops: Sequence[str] = ()) -> None:
        self._stops = stops
        self.said = ""

    def grown(self, text: str) -> str:
        """What can be heard of `text`, and was not before; perhaps nothing."""
        sure = text.rstrip(HALF)
        sure = sure[: len(sure) - self._begun(sure)]
        # Some tokenizers read earlier tokens in another way once the next has come: then wait until it is as it was.
        return self._say(sure) if sure.startswith(self.said) else ""

    def rest(self, text: str) -> str:
        """What is left, now that `text` is all. What was heard stays said."""
        return self._say(text)

    def _say(self, text: str) -> str:
        piece = text[len(self.said) :]
        self.said += piece
        return piece

    def _begun(self, text: str) -> int:
        """How many characters at the end of `text` a stop string may begin with."""
        return max((n for stop in self._stops for n in range(1, len(stop)) if text.endswith(stop[:n])), default=0)
