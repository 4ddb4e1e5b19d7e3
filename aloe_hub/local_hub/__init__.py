"""A Hugging Face Hub on loopback: a real process with durable storage that the real clients talk to.

    names ← tree ← repo ← store                 what is stored, and where on the disk
    users, card ← call, description             who may do what; what a card says; what an answer is made from
    repos, files, commits, lfs, refs ← app      one file of answers a theme, and the table of their addresses (Starlette)
    process                                     start one: in a thread, until Ctrl-C, or around a command

There is no git underneath: a commit is one JSON file, and a repo moves from one to the next by a single rename.
No pull requests, jobs, gating or xet; clients set HF_HUB_DISABLE_XET=1. Nothing here imports the rest of aloe-hub but its errors,
and `loopback`, which serves.
"""
