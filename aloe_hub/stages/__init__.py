"""The stages of a run, in the order of the data: pool.py → trees.py → (training) → benchmark.py.

roles.py says how each role is asked, dedup.py is the pool's semantic filter.
"""
