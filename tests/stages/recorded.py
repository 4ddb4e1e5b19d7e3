"""Small chats of our own in each form that `aloe import` reads."""

from __future__ import annotations

USER, REPLY = "Which rose blooms twice?", "Rugosa does."
AGAIN, OTHER = "And in shade?", "None does well there."


def messages(*said, user="user", assistant="assistant", role="role", text="content"):
    names = (user, assistant)
    return [{role: names[place % 2], text: words} for place, words in enumerate(said or (USER, REPLY, AGAIN, OTHER))]


def rated(number=0, user=1, ratings=(5, 4), model="model-a", task="plan"):
    """As RecLLMSim has it: ratings are texts, and whose chat it is stands in the path."""
    history = []
    for place, rating in enumerate(ratings):
        history += messages(f"{USER} {number}.{place}", f"{REPLY} {number}.{place}")
        history[-1] |= {} if rating is None else {"satisfaction": str(rating), "hallucination": "no"}
    profile = {"age": 30 + user, "daily_interests": ["roses", "tea"], "personality": ["calm", "kind"], "complete_tid": number}
    return {"path": f"people/User_{user}/{task}/{number}.json", "chat_model": model, "profile": profile, "history": history}


def transcript(*said):
    return "".join(f"\n\n{('Human', 'Assistant')[place % 2]}: {words}" for place, words in enumerate(said))


def several(turn, user, *replies):
    """A turn as PRISM has it: (text, score, whether it was chosen)."""
    said = {"turn": turn, "role": "user", "content": user}
    models = (
        {"turn": turn, "role": "model", "content": text, "score": score, "if_chosen": chosen, "model_name": f"model-{place}"}
        for place, (text, score, chosen) in enumerate(replies)
    )
    return [said, *models]


PRISM = {
    "conversation_id": "c1",
    "user_id": "user7",
    "conversation_history": [
        *several(0, USER, ("A fine one.", 60, False), (REPLY, 90, True), ("Tulips.", 3, False), ("Lilac.", 40, False)),
        *several(1, AGAIN, (OTHER, 70, True), ("All do.", 20, False)),
        *several(2, "Thanks!", ("You are welcome.", 80, True)),
    ],
}
ULTRAFEEDBACK = {
    "instruction": USER,
    "completions": [
        {"response": "Tulips.", "model": "a", "fine-grained_score": 1.5, "overall_score": 10.0},
        {"response": REPLY, "model": "b", "fine-grained_score": 4.25, "overall_score": 8.0},
        {"response": "Lilac.", "model": "c", "annotations": {"helpfulness": {"Rating": "3"}, "honesty": {"Rating": "N/A"}}},
    ],
}
FORKED = {
    "hh-rlhf": {"chosen": transcript(USER, REPLY, AGAIN, OTHER), "rejected": transcript(USER, REPLY, AGAIN, "All do.")},
    "ultrafeedback": ULTRAFEEDBACK,
    "prism": PRISM,
    "arena": {"question_id": "q", "winner": "model_b", "judge": "arena_user_9", "conversation_a": messages(USER, "Tulips."),
              "conversation_b": messages(USER, REPLY)},
    "preference": {"prompt": USER, "chosen": REPLY, "rejected": "Tulips."},
}  # fmt: skip
PREFERENCES = [
    {"prompt": messages(USER), "chosen": [messages(USER, REPLY)[1]], "rejected": [messages(USER, "Tulips.")[1]]},
    {"chosen": messages(USER, REPLY), "rejected": messages(USER, "Tulips.")},
    {"prompt": USER, "chosen": messages(USER, REPLY), "rejected": messages(USER, "Tulips."), "messages": messages(USER, REPLY)},
]
PLAIN = {
    "messages": {"messages": messages()},
    "sharegpt": {"id": "s1", "conversations": messages(user="human", assistant="gpt", role="from", text="value")},
    "ultrachat": {"id": "1", "data": [USER, REPLY, AGAIN, OTHER]},
    "wildchat": {"conversation_hash": "w1", "model": "m", "hashed_ip": "ff", "conversation": messages()},
    "lmsys": {"conversation_id": "l1", "model": "m", "conversation": messages()},
    "prompt-completion": {"prompt": messages(USER, REPLY, AGAIN), "completion": OTHER},
}
