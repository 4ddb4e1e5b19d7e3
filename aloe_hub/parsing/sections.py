"""The inferrer's two sections, profile and personality: labels in any typography, or a JSON object."""

from __future__ import annotations

import re

from aloe_hub.errors import ParseError
from aloe_hub.parsing.json_answer import find_json
from aloe_hub.parsing.statements import fold
from aloe_hub.text import answer_of, is_blank
from aloe_hub.types import Persona

UNKNOWN = "unknown"
_WANTED = "'Profile:' and 'Personality:' sections"
_NAMES = ("profile", "personality")
_MARKS = " \t*_#`>|[]\"'-•·"
_LABEL = re.compile(
    r"[ \t*_#`>|\[\"'•·-]{0,12}(?:\d{1,2}[.)]\s{1,3})?[*_#`]{0,6}(?:(?:the|their|user(?:'s)?|objective|inferred) ){0,3}"
    r"(profile|personality)[ \t*_`\]\"']{0,8}(?:\([^()]{0,80}\)[*_ ]{0,4})?(:|$)",
    re.IGNORECASE,
)
# A line of only such words, at least one of them from the first group, says that nothing is known.
_NO = re.compile(r"unknown|none|nothing|n|a|na|not|no|null|unclear|unspecified|undetermined|insufficient")
_KNOWN = re.compile(
    r"yet|so|far|at|this|point|revealed|known|available|applicable|information|info|details|data|given|specified|mentioned|stated"
    r"|shown|provided|determined|has|have|been|is|was|the|user|by|enough|about|their|profile|personality|explicitly|directly"
)
_WORD = re.compile(r"[^\W_]{1,30}")
_REMARK = re.compile(r"\([^()]{0,200}\)\s{0,3}\.?$")
_FIELD = re.compile(r"[^:.!?]{1,40}:\s{0,3}")
CLOSING_WORDS = re.compile(
    r"[\s(*_-]{0,6}(?:let me know|i hope|hope (?:this|that)|feel free|would you like|do you want|if you (?:would|want|need|'d)"
    r"|note\b|please (?:let|tell)|these (?:are|two|\w{1,12} (?:profiles|personalities))|enjoy|is there anything|happy to"
    r"|here (?:are|you))",
    re.IGNORECASE,
)


def inferred(text: str) -> Persona:
    """The inferrer's two labelled sections, in either order; `unknown`, `none`, `N/A` stand for nothing revealed.

    >>> inferred("**Profile:** They have a cat.\\n**Personality:** unknown (not revealed)")
    Persona(profile='They have a cat.', personality='')
    """
    answer = answer_of(text)
    parts = None if answer.open else _of_json(answer.text) or _of_labels(answer.text)
    if parts is None:
        raise ParseError(_WANTED, text)
    return Persona(_known(parts["profile"]), _known(parts["personality"]))


def _of_json(text: str) -> dict[str, str] | None:
    found, _ = find_json(text)
    if not isinstance(found, dict):
        return None
    parts = {key.lower(): value for key, value in found.items() if key.lower() in _NAMES}
    texts = {name: _flat(value) for name, value in parts.items()}
    return {name: str(value) for name, value in texts.items()} if len(texts) == 2 and None not in texts.values() else None


def _flat(value: object) -> str | None:
    """A text, or a list or an object of texts, as one text; None for anything else."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return "\n".join(value)
    if isinstance(value, dict) and all(isinstance(one, str | int | float | None) for one in value.values()):
        return "\n".join(f"{key}: {one}" for key, one in value.items() if one is not None)
    return None


def _of_labels(text: str) -> dict[str, str] | None:
    parts: dict[str, list[str]] = {}
    current: list[str] = []
    for line in text.splitlines():
        label = _LABEL.match(fold(line)[:200])
        if label is None:
            current.append(line)
            continue
        if label[1].lower() in parts:
            return None
        current = parts.setdefault(label[1].lower(), [])
        current.append(line[label.end() :] if label[2] else "")
    return {name: _without_closing("\n".join(lines)) for name, lines in parts.items()} if len(parts) == 2 else None


def _without_closing(part: str) -> str:
    """Without a closing word to the reader in a paragraph of its own."""
    before, gap, last = part.strip().rpartition("\n\n")
    return before if gap and CLOSING_WORDS.match(last) else part


def _known(part: str) -> str:
    """A section without markup around it; empty where it says that nothing is known."""
    lines = [line for line in part.strip().splitlines() if not line.lstrip().startswith("```")]
    lines = [line[1:].lstrip() if line.startswith("|") else line for line in lines]
    kept = [line for line in lines if is_blank(line) or not _says_nothing(line)]
    return "\n".join(kept).strip().strip("*").strip()


def _says_nothing(line: str) -> bool:
    bare = fold(line).strip(_MARKS + "—–.…")
    if field := _FIELD.match(bare):
        bare = bare[field.end() :].strip(_MARKS + ".")
    if remark := _REMARK.search(bare[-220:]):
        bare = bare[: len(bare) - len(remark[0])].strip(_MARKS + ".")
    words = _WORD.findall(bare.lower())
    denied = [_NO.fullmatch(word) is not None for word in words]
    return not bare or (any(denied) and all(no or _KNOWN.fullmatch(word) for no, word in zip(denied, words, strict=True)))
