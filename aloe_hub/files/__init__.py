"""How a run lies on the disk: jsonl.py (rows), journal.py (rows while they grow), run_folder.py, recipe.py."""
