"""Recorded chats of any form → trees, transcripts with scores, conversations.

records.py    a file in any dress → its records, one at a time
sources.py    a file, a folder or a dataset on the Hub → records, and what they are at this moment
forms.py      a record → a `Chat`, by the form that it has; rated_forms.py: forms with ratings
outcomes.py   a `Chat` → a tree, a transcript or a conversation
importing.py  all of it, into a run folder
"""
