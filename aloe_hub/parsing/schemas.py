"""JSON schemas of the answers, for servers that can hold a model to one (`response_format`). The readers read such JSON."""

from __future__ import annotations

from typing import Any

from aloe_hub.rubrics import FIVE, HOLDS, RUBRICS, Rubric, Scale

Schema = dict[str, Any]


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _on(scale: Scale, kind: str = "number") -> Schema:
    return {"type": "boolean"} if scale == HOLDS else {"type": kind, "minimum": scale[0], "maximum": scale[1]}


def _scores(rubric: Rubric) -> Schema:
    """What `judged` reads of this rubric; one without criteria wants no reasons either."""
    criteria = {criterion.name: _on(criterion.scale) for criterion in rubric.criteria}
    score = {} if rubric.follows else {"score": _on(rubric.scale, "integer" if rubric.whole else "number")}
    return _object(**({"reasons": _TEXT} if criteria else {}), **criteria, **score)


_TEXT: Schema = {"type": "string"}

# By prompt. Reasons come first: a model that gives its value first has not thought yet.
SCHEMAS: dict[str, Schema] = {
    **{rubric.prompt: _scores(rubric) for rubric in RUBRICS.values()},
    "benchmark_judge_0_1": _object(reasons=_TEXT, score=_on(FIVE)),
    "pairwise_judge": _object(reasons=_TEXT, verdict={"type": "string", "enum": ["1", "2", "tie"]}),
    "inferrer": _object(profile=_TEXT, personality=_TEXT),
    "profile_generator": _object(profiles={"type": "array", "items": _TEXT}),
    "personality_generator": _object(personalities={"type": "array", "items": _TEXT}),
}
