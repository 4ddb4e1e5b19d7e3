"""Is this judge to be trusted, is this simulated user like a person?

    whole.py          the audit of a run, and audit.json
    forks.py          which forks a judge is asked about; asking.py: what it is asked, and its answers
    interventions.py  what is added to a reply
    judge.py          what the answers say: order.py, retest.py, versus.py, changes.py, features.py
    talks.py          what users said; simulator.py: what that says of them: likeness.py, diversity.py
    amplified.py      what training made more frequent: trained policies beside their base
    detection.py      how well dissatisfied replies are found, beside people's ratings
    human.py          people's scores of a run's replies; scores_file.py: a table of scores
    agreement.py      how far two raters agree; measured.py: measures and their intervals

All but asking.py, talks.py and whole.py is pure: numbers in, measures out.
"""
