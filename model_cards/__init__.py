"""Model card templates; in a checkout they lie in model_cards/."""
