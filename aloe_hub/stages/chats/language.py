"""Which languages chats are in, by a sample spread evenly over all of them: of a million chats a thousand are looked at.

py3langid tells the language of a text (https://github.com/adbar/py3langid); without it no language is said, rather than one that
the characters alone might suggest.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress

from aloe_hub.stages.chats.base import Chat

SAMPLE = 1000
LEAST = 0.05  # the share of the chats below which a language is not named: short texts are often mistaken
TEXT = 600  # characters of a chat that are looked at


class Sample:
    """Texts of every n-th chat; n doubles whenever there are too many."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._seen, self._step = 0, 1

    def add(self, chat: Chat) -> None:
        if self._seen % self._step == 0:
            self._texts.append("\n".join(message.content[:TEXT] for message in chat.messages[:2])[:TEXT])
            if len(self._texts) > SAMPLE:
                self._texts, self._step = self._texts[::2], 2 * self._step
        self._seen += 1

    def languages(self) -> list[str]:
        """Their codes of ISO 639, the most frequent first; none without py3langid."""
        with suppress(ImportError):
            import py3langid

            counts = Counter(str(py3langid.classify(text)[0]) for text in self._texts)
            return [code for code, count in counts.most_common() if count >= LEAST * len(self._texts) and code != "zxx"]
        return []
