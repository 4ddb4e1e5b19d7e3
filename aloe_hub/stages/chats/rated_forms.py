"""Forms that come with ratings: RecLLMSim, PRISM, UltraFeedback."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import groupby
from statistics import fmean
from typing import Any

from aloe_hub.errors import DataError
from aloe_hub.stages.chats.base import Chat, Said, answer_of, chat_of, rating_of, text_of, words
from aloe_hub.types import Row

_USER = re.compile(r"(?:^|/)(User_[^/]+)/")


def recllmsim(row: Row, about: dict[str, Any]) -> Chat:
    """`history` with a `satisfaction` from "1" to "5" on each reply. One person has several profiles: whose chat it is stands in
    `path`, as User_N, or under `user_id`. `complete_tid` of a profile is no trait but the number of a task."""
    profile = row.get("profile")
    known = dict(profile) if isinstance(profile, dict) else {}
    person = _USER.search(str(row.get("path", "")))
    return replace(
        chat_of(row["history"], **about),
        chat_id=about["chat_id"] or text_of(row.get("path")) or None,
        user_id=about["user_id"] or (person[1] if person else None),
        profile=words(known, leave=("personality", "complete_tid")) or text_of(profile),
        personality=words(known.get("personality")) or about["personality"],
    )


def prism(row: Row, about: dict[str, Any]) -> Chat:
    """`conversation_history`: the messages of a turn have one `turn`; each reply has a `score` of 1 to 100 and its `model_name`,
    and `if_chosen` is the one that the conversation went on from. Before it every turn has to be whole."""
    history = row["conversation_history"]
    if not isinstance(history, list) or not all(isinstance(one, dict) for one in history):
        raise DataError("no list of messages")
    turns: list[Said] = []
    try:
        for _, group in groupby(history, lambda message: message.get("turn")):
            turns.append(_prism_turn(list(group)))
    except DataError as error:
        if not turns:
            raise
        return Chat(tuple(turns), cut=str(error), **about)
    if not turns:
        raise DataError("no list of messages")
    return Chat(tuple(turns), **about)


def _prism_turn(messages: list[Row]) -> Said:
    user = "\n\n".join(filter(None, (text_of(one.get("content")) for one in messages if one.get("role") == "user")))
    replies = [one for one in messages if one.get("role") in ("model", "assistant") and text_of(one.get("content"))]
    if not user:
        raise DataError("a turn without a message of the user")
    if not replies:
        raise DataError("a turn without a reply")
    chosen = [place for place, one in enumerate(replies) if one.get("if_chosen") in (True, "True", "true", 1)]
    if len(chosen) != 1:
        raise DataError("a turn of which not one reply is the chosen one")
    answers = (answer_of(text_of(one["content"]), one.get("score"), one.get("model_name")) for one in replies)
    return Said(user, tuple(answers), chosen[0], chosen[0])


def ultrafeedback(row: Row, about: dict[str, Any]) -> Chat:
    """`instruction` and `completions`, each rated by a model. Of its ratings `fine-grained_score` counts, else the mean of
    those of its aspects, else `overall_score`, in which some 1s are known to stand as 10."""
    user, found = text_of(row["instruction"]), row["completions"]
    if not user:
        raise DataError("no instruction")
    replies = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    answers = tuple(
        answer_of(text, _fine_grained(one), one.get("model")) for one in replies if (text := text_of(one.get("response")))
    )
    if not answers:
        raise DataError("no reply")
    rated = [answer.rating for answer in answers]
    best = max(range(len(answers)), key=lambda place: -1 if (rating := rated[place]) is None else rating)
    return Chat((Said(user, answers, best),), **about)


def _fine_grained(completion: Row) -> object:
    """What stands for its rating; an aspect that is "N/A" is none."""
    overall, fine = completion.get("overall_score"), completion.get("fine-grained_score")
    if rating_of(fine) is not None:
        return fine
    annotations = completion.get("annotations")
    aspects = annotations.values() if isinstance(annotations, dict) else ()
    found = [rating_of(one.get("Rating")) for one in aspects if isinstance(one, dict)]
    rated = [rating for rating in found if rating is not None and not isinstance(rating, bool)]
    return fmean(rated) if rated else fine if overall is None else overall
