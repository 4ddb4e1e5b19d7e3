"""What becomes of a chat: a tree where it forks, a transcript where replies were rated, else a conversation."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from aloe_hub.rubrics import PEOPLE, Scale
from aloe_hub.stages.chats.base import Answer, Chat, Said
from aloe_hub.types import Exchange, Persona, Reply, Row, Transcript, Tree, Turn, Verdict, digest

THUMBS: Scale = (0, 1)
Kind = Literal["tree", "transcript", "conversation"]
UNKNOWN = "unknown"  # of a person of whom nothing was recorded
ASSISTANT = "assistant"  # where no model is named


def with_read_ratings(chat: Chat, scale: Scale | None) -> tuple[Chat, list[tuple[str, str]]]:
    """A chat whose ratings are numbers, and (why, what stood there) of what was left out: thumbs are numbers from 0 to 1 alone.

    Without a scale they stay what they are, for those of a fork are compared with each other.
    """
    left_out: list[tuple[str, str]] = []

    def read(answer: Answer) -> Answer:
        if answer.unread:
            left_out.append(("a rating that is not a number", answer.unread))
        if not isinstance(answer.rating, bool) or scale is None:
            return answer
        if scale == THUMBS:
            return replace(answer, rating=int(answer.rating))
        left_out.append(("a rating that is true or false, which --scale 0..1 reads", str(answer.rating).lower()))
        return replace(answer, rating=None)

    turns = tuple(replace(turn, answers=tuple(map(read, turn.answers))) for turn in chat.turns)
    return replace(chat, turns=turns), left_out


def kind_of(chat: Chat) -> Kind:
    if any(turn.is_fork for turn in chat.turns):
        return "tree"
    return "transcript" if chat.ratings else "conversation"


def id_of(chat: Chat) -> str:
    """What it is called where it comes from; else by what is said in it."""
    return chat.chat_id or digest([message.to_row() for message in chat.messages])


def persona_of(chat: Chat) -> Persona:
    """Of a person of whom nothing is known, that; by name, so that two unknown people are two personas, and two clusters."""
    return Persona(chat.profile or f"{UNKNOWN} ({chat.user_id or id_of(chat)})", chat.personality or UNKNOWN)


def tree_of(chat: Chat, form: str) -> tuple[Tree, int]:
    """A chat as a tree, and how many replies did not fit into its forks of two."""
    persona = persona_of(chat)
    exchanges = [_exchange(turn, form, is_last=turn is chat.turns[-1]) for turn in chat.turns]
    left_out = sum(len(turn.answers) - len(exchange.replies) for turn, exchange in zip(chat.turns, exchanges, strict=True))
    tree_id = digest("recorded", persona.persona_id, id_of(chat), [exchange.to_row() for exchange in exchanges])
    return Tree(tree_id, persona, tuple(exchanges)), left_out


def transcript_of(chat: Chat, scale: Scale) -> tuple[Transcript, list[float]]:
    """A transcript, and the ratings that were not on the scale, and are missing in it."""
    low, high = scale
    turns, outside = list[Turn](), list[float]()
    for turn in chat.turns:
        answer = turn.answers[turn.spoken]
        rating = answer.rating
        if rating is not None and not low <= rating <= high:
            outside.append(rating)
            rating = None
        turns.append(Turn(turn.user, answer.text, rating, ""))
    named = (turn.answers[turn.spoken].model for turn in chat.turns)
    policy, chat_id = chat.model or next(filter(None, named), ASSISTANT), id_of(chat)
    talk = Transcript(
        persona_of(chat),
        policy,
        tuple(turns),
        PEOPLE,
        user_id=chat.user_id or chat_id,
        chat_id=chat_id,
        unanswered=chat.unanswered,
    )
    return talk, outside


def conversation_of(chat: Chat) -> Row:
    """A line of `conversations.jsonl`: what is not known is absent. Its columns are those that import and TRL read."""
    about = {"user_id": chat.user_id, "model": chat.model, "profile": chat.profile, "personality": chat.personality}
    known = {name: text for name, text in about.items() if text}
    return {"conversation_id": id_of(chat), **known, "messages": [message.to_row() for message in chat.messages]}


def _exchange(turn: Said, form: str, *, is_last: bool) -> Exchange:
    nothing = Persona("", "")
    if not turn.is_fork:
        return Exchange(turn.user, nothing, (Reply("human", turn.answers[turn.spoken].text),), (), 0)
    first, second, preferred = _two_of(turn, is_last)
    replies = tuple(Reply("human", turn.answers[place].text) for place in (first, second))
    verdict = Verdict("01", 0 if preferred else None, _said(form, turn.answers[first], turn.answers[second], preferred))
    return Exchange(turn.user, nothing, replies, (verdict,), 0 if turn.spoken == first else 1)


def _two_of(turn: Said, is_last: bool) -> tuple[int, int, bool]:
    """(the better reply, the worse one, whether it is better) of those of a fork: the best and the worst by rating, or by what
    was preferred where ratings are alike. Where the conversation went on from neither, it takes the place of the worst, or, if
    it is rated as that, of the best."""

    def order(place: int) -> tuple[float, bool]:
        rating = turn.answers[place].rating
        return (float("-inf") if rating is None else rating, place == turn.best)

    places = sorted(range(len(turn.answers)), key=order, reverse=True)
    rated = [place for place in places if turn.answers[place].rating is not None or place == turn.best] or places
    if len(rated) == 1:  # one was preferred, and of the others nothing is said
        rated = places
    first, second = rated[0], rated[-1]
    if not is_last and turn.spoken not in (first, second):
        first, second = (first, turn.spoken) if order(turn.spoken) < order(first) else (turn.spoken, second)
    return first, second, order(first) > order(second)


def _said(form: str, first: Answer, second: Answer, preferred: bool) -> str:
    """Who preferred what, as a judge would say it."""
    rated = first.rating is not None and second.rating is not None
    what = f"rated {first.rating:g} and {second.rating:g}" if rated else "preferred" if preferred else "none preferred"
    return f"recorded ({form}): {what}" + ("" if preferred else "\nVerdict: tie")
