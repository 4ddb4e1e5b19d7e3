"""A run folder → the Hub: datasets with their cards, and the metric Space.

    schema.py   what the configs of the two datasets are made of
    shards.py   rows → Parquet files, with flat memory
    cards.py    a run → its dataset card; a card that stands on the Hub is merged, never overwritten
    publish.py  files and card → one commit with a tag, whatever else happens meanwhile
    spaces.py   the metric Space, and the metric in evaluate's own module cache

All of it speaks to whatever `HF_ENDPOINT` names: the real Hub, or `aloe hub` on this machine.
"""
