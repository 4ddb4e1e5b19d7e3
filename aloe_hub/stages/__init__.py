"""The stages of a run, in the order of the data: pool.py → pairing.py → trees.py → training_rows.py → (training) → benchmark.py.

roles.py says how each role is asked, journalled.py runs many conversations within a budget, dedup.py is the semantic filter of
the pool.
"""
