"""Code blocks of Markdown pages: where each stands, what it holds, and what its author says about running it.

A block is preceded by a comment where it is not simply run:

    <!-- not run: REASON -->              no test runs it
    <!-- torture: REASON -->              only `make torture` runs it
    <!-- setup: serve MODEL PORT -->      a server answers there while the block runs
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

BLOCK = re.compile(
    r"^(?:<!-- (?P<word>not run|torture|setup): (?P<note>[^\n]+) -->\n+)?"
    r"^```(?P<language>\w*)(?P<options>[^\n]*)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
RUN = ("bash", "python")
DATA = ("toml", "yaml", "json")
SHOWN = ("text", "pycon", "bibtex")  # what is shown and not to be run


@dataclass(frozen=True, slots=True)
class Block:
    page: str
    line: int
    language: str
    code: str
    word: str | None = None
    note: str | None = None
    title: str | None = None  # of data: the file that a reader would save it as

    @property
    def name(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(root: Path, page: str) -> list[Block]:
    """The fenced blocks of a page, in order."""
    text = (root / page).read_text(encoding="utf-8")
    return [
        Block(
            page=page,
            line=text.count("\n", 0, found.start("language")) + 1,
            language=found["language"],
            code=found["code"],
            word=found["word"],
            note=found["note"],
            title=(re.findall(r'title="([^"]+)"', found["options"]) or [None])[0],
        )
        for found in BLOCK.finditer(text)
    ]


def pages(root: Path) -> list[str]:
    """README.md first: it makes the run folder that other pages go on with."""
    found = sorted(str(path.relative_to(root)) for path in (root / "docs").rglob("*.md"))
    return ["README.md", "CONTRIBUTING.md", "RELEASE.md", *found]
