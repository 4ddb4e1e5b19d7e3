"""Recipes that come with aloe-hub; in a checkout they lie in recipes/."""
