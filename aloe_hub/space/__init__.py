"""What the demo Space does, without the page that shows it: everything here can be tested without a browser, and knows no gradio.

settings.py    the environment variables that configure it
company.py     the five models that take part, each there or with the reason why not
library.py     personas and trees to look at: of a run folder, of the Hub, or made on the spot
talk.py        two models answer one conversation side by side
understood.py  what the inferrer has understood of a user, turn by turn
watch.py       a simulated user talks with both models, a judge scores every reply
blind.py       two replies without their names, and a vote
votes.py       votes with consent: kept here, pushed to a private dataset
safe.py        whatever anybody typed is shown as text, or refused with a message
show.py        values → HTML, by pages.html.j2
"""
