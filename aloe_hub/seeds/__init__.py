"""The first 20 profiles and 20 personalities, which every pool grows from: `profiles.jsonl` and `personalities.jsonl`.

One `{"text": ...}` a line. Profiles hold facts and no traits, personalities hold traits and no facts: what the
generator sees is what it imitates. Written for aloe-hub and under its licence; none is taken from the authors' files.
"""
