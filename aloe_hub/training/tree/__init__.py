"""One pass over a whole preference tree: the trainers of TRL, on the trie of their own rows.

It stands on torch, transformers, peft and trl, and on nothing of aloe_hub: the folder can be lifted out and used alone.
"""
