"""A run folder → the Hub: datasets with their cards, the metric Space, and trained models with theirs.

    push.py           files and card → one commit with a tag, whatever else happens meanwhile
    cards.py          a template, filled; a card that stands on the Hub is merged, never overwritten
    publish.py        a run → a dataset: schema.py (its configs), shards.py (rows → Parquet), dataset_cards.py
    models.py         what was trained → a model's repo: trained.py (the folder), base.py (what it was trained on), merging.py,
                      benchmarked.py (its scores in a run), model_cards.py
    results.py        the scores → the model's `.eval_results/aloe.yaml`
    metric_space.py   the metric Space, and the metric in evaluate's own module cache
    demo_space.py     the demo Space, with the package beside its app; demo_settings.py: the variables that configure it

All of it speaks to whatever `HF_ENDPOINT` names: the real Hub, or `aloe hub` on this machine.
"""
