"""What a part of a `local:` string names: a model or an adapter, in a folder, in a repo on the Hub, or in a GGUF file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from aloe_hub.errors import UsageError
from aloe_hub.shipped import shipped

POCKET = "pocket"
POCKET_SFT = "pocket-sft"
SMOLLM2_SFT = "aloe-smollm2"
# What ships with aloe-hub, and has a name of its own: folders of the distribution.
SHIPPED = {POCKET: "pocket", POCKET_SFT: "pocket/adapter", SMOLLM2_SFT: "smollm2"}
_ON_THE_HUB = re.compile(
    r"(?!.*/\.\.?/)(?P<name>(?P<repo>[\w.-]+/[\w.-]+)(/(?P<file>([\w.-]+/)*[\w.-]+\.(?i:gguf)))?)(@(?P<revision>[\w./-]+))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a model or an adapter lies: a folder, `org/model` on the Hub, or what ships with aloe-hub, `pocket`, `pocket-sft` and
    `aloe-smollm2`; or a GGUF file, here or in a repo.

    >>> Source.parse("org/model@v1")
    Source(name='org/model', revision='v1')
    >>> str(Source.parse("org/model@v1"))
    'org/model@v1'
    >>> source = Source.parse("org/model-GGUF/model.Q4_1.gguf@v1")
    >>> source.repo, source.gguf, source.revision
    ('org/model-GGUF', 'model.Q4_1.gguf', 'v1')
    """

    name: str
    revision: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """A path that exists is taken whole, even with @ in it. `pocket` is always the shipped model, `pocket-sft` the adapter
        for it that ships too, and `aloe-smollm2` one for SmolLM2-135M-Instruct; folders of those names are `./pocket` and so on.

        Raises:
            UsageError: neither a folder or a file that exists nor a name that the Hub could know.
        """
        if text in SHIPPED or _existing(text):
            return cls(text)
        found = _ON_THE_HUB.fullmatch(text)
        if found is None or text.startswith((".", "-")):
            shown = repeatable(text) if "//" in text else repr(text)
            raise UsageError(f"model {shown}: no such folder, and not a name on the Hub, such as org/model or org/model@revision")
        return cls(found["name"], found["revision"])

    def __str__(self) -> str:
        return self.name if self.revision is None else f"{self.name}@{self.revision}"

    @property
    def folder(self) -> Path | None:
        """The folder on this machine, of a GGUF file the one that holds it; None for a repo on the Hub."""
        if self.name in SHIPPED:
            return shipped(SHIPPED[self.name])
        path = _existing(self.name) if self.revision is None else None
        return path.parent if path and _is_gguf_file(path) else path

    @property
    def repo(self) -> str:
        """The name of the repo on the Hub, without that of a file in it."""
        found = _ON_THE_HUB.fullmatch(self.name)
        return found["repo"] if found else self.name

    @property
    def gguf(self) -> str | None:
        """The GGUF file that is named, within its folder or repo."""
        path = _existing(self.name) if self.revision is None else None
        if path is not None:
            return path.name if _is_gguf_file(path) else None
        found = _ON_THE_HUB.fullmatch(self.name)
        return found["file"] if found else None


def repeatable(text: str) -> str:
    """`text` as an error repeats it. What may be an address is not repeated: a password or a key may stand anywhere in it."""
    return "(not repeated)" if re.search(r"//|[@?]|^https?:", text, re.IGNORECASE) else repr(text)


def _existing(text: str) -> Path | None:
    """The path, if there is something at it."""
    try:
        path = Path(text).expanduser()
        return path if text and path.exists() else None
    except (OSError, ValueError, RuntimeError):  # too long for a file name, a zero byte in it, the home folder of nobody
        return None


def _is_gguf_file(path: Path) -> bool:
    return path.suffix.lower() == ".gguf" and path.is_file()
