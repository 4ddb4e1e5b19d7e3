"""The key that a server wants: where it comes from, and that nothing repeats it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from os import environ
from urllib.parse import urlsplit

from huggingface_hub import get_token

from aloe_hub.errors import AloeError
from aloe_hub.model_string import ModelString

KEY = "ALOE_API_KEY"
_TELLS = 10  # characters in a row: so much of a key is never shown


@dataclass(frozen=True, slots=True, repr=False)
class Key:
    """A key, or none. It has no representation that could be printed."""

    _value: str | None = None
    _pieces: frozenset[str] = field(init=False, default=frozenset())  # that tell it

    def __post_init__(self) -> None:
        if self._value:
            size = min(_TELLS, len(self._value))
            places = range(len(self._value) - size + 1)
            object.__setattr__(self, "_pieces", frozenset(self._value[place : place + size] for place in places))

    @classmethod
    def of(cls, model: ModelString) -> Key:
        """The key of that very server, else the one for all servers; the Hub's token goes to the Hub alone.

        Raises:
            AloeError: a model of the Hub, and no token; a key that is not one line of printable ASCII. The key is not repeated.
        """
        if model.address is None:
            token = get_token()
            if token is None:
                raise AloeError(f"model {str(model)!r}: no token; log in with `hf auth login`, or set HF_TOKEN")
            return cls._checked("HF_TOKEN", token)
        host = re.sub(r"\W", "_", urlsplit(model.address).hostname or "").upper()
        name = f"{KEY}_{host}" if environ.get(f"{KEY}_{host}") else KEY
        return cls._checked(name, environ.get(name, ""))

    @classmethod
    def _checked(cls, name: str, value: str) -> Key:
        value = value.strip()  # a file with Windows line ends leaves a carriage return
        if not value.isascii() or not value.isprintable() or " " in value:
            raise AloeError(f"{name}: a key is one line of printable ASCII without blanks; look at what it is set to")
        return cls(value or None)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._value}"} if self._value else {}

    def hidden(self, text: str) -> str:
        """`text` with every piece of the key replaced that is long enough to tell it.

        >>> Key("sk-0123456789abcdef").hidden("bad key sk-0123456789abcdef, or 456789abcdef")
        'bad key ***, or ***'
        """
        if not self.is_in(text):
            return text
        begins = f"(?={'|'.join(map(re.escape, self._pieces))})"
        rest = min(map(len, self._pieces)) - 1
        return re.sub(f"(?:{begins}.)+.{{{rest}}}", "***", text, flags=re.DOTALL)

    def is_in(self, text: str) -> bool:
        """Whether `text` gives the key away."""
        return any(piece in text for piece in self._pieces)
