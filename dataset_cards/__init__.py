"""Dataset card templates; in a checkout they lie in dataset_cards/."""
