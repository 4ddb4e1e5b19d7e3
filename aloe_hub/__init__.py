"""ALOE on the Hugging Face Hub: personas, preference trees, tree training, and scores with intervals."""

__version__ = "0.1.0"
