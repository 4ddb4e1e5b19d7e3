"""Is this judge to be trusted?

scores_file.py reads a table of two raters' scores; agreement.py says how far the two agree, with intervals.
"""
