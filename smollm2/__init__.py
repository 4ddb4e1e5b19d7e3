"""The adapter for SmolLM2-135M-Instruct that comes with aloe-hub; in a checkout it lies in smollm2/."""
