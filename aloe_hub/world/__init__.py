"""The scripted world: a small world with known truth, in which the whole method runs offline and can be checked.

A test bed, and called so wherever its numbers stand: it says nothing about language understanding. What is here:

    lexicon.py     what there is to be said: kinds of facts, poles of traits, topics
    sentences.py   one sentence in the first, second and third person
    understanding.py  text → facts, traits and topics: the world's own grammar exactly, free text usefully
    speaking.py    facts, traits and topics → messages, replies and persona texts
    manner.py     which wordings a user has, which are held out, how much they show; options.py: as a model string says it
    biases.py     a judge with known faults
    strategies.py  policies: the oracle, the plain one, and those with known faults
    grammar.py     which sentences of a reply the world would write itself
    replies.py     what a reply says of a person
    judging.py     how well a reply fits a persona, 1 to 5
    revealing.py   how much of a persona has been told, and used
    changing.py    people who become others, or have more to tell
"""

# Any change to what the world says is another world: its texts and the models that were made for it no longer compare.
WORLD_VERSION = 1
# Any change to how it judges is another judge: its scores and verdicts no longer compare.
JUDGE_VERSION = 2
