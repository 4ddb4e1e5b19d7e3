"""JSON schemas of the answers, for servers that can hold a model to one (`response_format`). The readers read such JSON."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


_TEXT: Schema = {"type": "string"}

# By prompt. Reasons come first: a model that gives its value first has not thought yet.
SCHEMAS: dict[str, Schema] = {
    "benchmark_judge": _object(reasons=_TEXT, score={"type": "number", "minimum": 1, "maximum": 5}),
    "pairwise_judge": _object(reasons=_TEXT, verdict={"type": "string", "enum": ["1", "2", "tie"]}),
    "inferrer": _object(profile=_TEXT, personality=_TEXT),
    "profile_generator": _object(profiles={"type": "array", "items": _TEXT}),
    "personality_generator": _object(personalities={"type": "array", "items": _TEXT}),
}
