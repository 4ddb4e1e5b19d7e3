"""Models in this process: model.py (the `Chat`), decoding.py (many replies at once), kv_cache.py (what was read before)."""
