"""Ids and seeds that follow from content: the same parts give the same on every machine."""

from __future__ import annotations

import hashlib
import json


def digest(*parts: object) -> str:
    """First 16 hex digits of the SHA-256 of the canonical JSON of `parts`.

    >>> digest("a profile", "a personality")
    'ccefb4b39f19c2bc'
    """
    return _sha256(parts).hexdigest()[:16]


def call_seed(*parts: object) -> int:
    """A 31-bit seed for one call: the same parts give the same seed on every machine.

    >>> call_seed("tree", 0, "user", "", 0)
    1455953965
    """
    return int.from_bytes(_sha256(parts).digest()[:4], "big") & 0x7FFF_FFFF


def _sha256(parts: tuple[object, ...]) -> hashlib._Hash:
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False, separators=(",", ":")).encode())
