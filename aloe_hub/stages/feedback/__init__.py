"""Feedback in recorded chats → preferences (WildFeedback, arXiv 2408.15549).

baseline.py   whether a user was dissatisfied with a reply, by what can be seen without a model
finding.py    which replies people were dissatisfied with: by their ratings, by the baseline or by a judge
revising.py   a reply that dissatisfied, and what the user said then → another reply, checked by a judge: a fork of a tree
"""
